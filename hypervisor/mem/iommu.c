/* SPDX-License-Identifier: MIT */
/* What is common to all kinds of IOMMU: which one this machine has, and the source ids of its I/O APICs. */
#include "mem/iommu.h"
#include "lib/log.h"
#include "lib/x86.h"
#include "mem/dmar.h"

const struct iommu_ops *iommu;
static bool remaps_interrupts;
static struct { uint8_t id; uint16_t source; } ioapic[8];
static unsigned nr_ioapics;

void iommu_enable(const struct iommu_ops *ops, bool interrupts)
{
    iommu = ops;
    remaps_interrupts = interrupts;
}

void iommu_add_ioapic(uint8_t id, uint16_t source)
{
    if (nr_ioapics == ARRAY_SIZE(ioapic)) {
        log_warn("IOMMU: too many I/O APICs: id %u is left out", id);
        return;
    }
    ioapic[nr_ioapics].id = id;
    ioapic[nr_ioapics++].source = source;
}

bool iommu_remaps_interrupts(void) { return remaps_interrupts; }

uint16_t iommu_ioapic_source(uint8_t id)
{
    for (unsigned i = 0; i < nr_ioapics; i++)
        if (ioapic[i].id == id)
            return ioapic[i].source;
    return 0xffff;
}

/* Configuration mechanism 1. Boot only: the ports belong to the domain with BH_ROLE_PCI afterwards. */
uint8_t iommu_pci_read8(uint8_t bus, uint8_t devfn, uint8_t reg)
{
    outl(0xcf8, (uint32_t)BIT(31) | (uint32_t)bus << 16 | (uint32_t)devfn << 8 | (reg & 0xfcu));
    return inb((uint16_t)(0xcfc + (reg & 3)));
}

static const struct { uint8_t code; const char *text; } reasons[] = {
    {0x01, "no root entry"}, {0x02, "function is blocked"}, {0x03, "bad context entry"}, {0x04, "address beyond the table's width"},
    {0x05, "no permission to write"}, {0x06, "no permission to read"}, {0x07, "table not readable"}, {0x08, "root table not readable"},
    {0x09, "context table not readable"}, {0x0a, "reserved bits in root entry"}, {0x0b, "reserved bits in context entry"},
    {0x0c, "reserved bits in table"}, {0x0d, "translated request refused"}, {0x20, "reserved bits in the interrupt message"},
    {0x21, "interrupt index beyond the table"}, {0x22, "no such interrupt entry"}, {0x23, "interrupt table not readable"},
    {0x24, "reserved bits in interrupt entry"}, {0x25, "interrupt in compatibility format"}, {0x26, "interrupt of another function"},
};

const char *iommu_fault_text(uint8_t reason)
{
    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].code == reason)
            return reasons[i].text;
    return "unknown reason";
}
