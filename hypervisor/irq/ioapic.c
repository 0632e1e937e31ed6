/* SPDX-License-Identifier: MIT */
/*
 * I/O APICs: index at offset 0, data at 10h; register 1 holds the number of pins, 10h + 2n and 11h + 2n the entry of pin n.
 * With interrupt remapping an entry holds an index instead of a destination (VT-d 5.1.5.1). Boot only, one CPU: no lock.
 */
#include "irq/ioapic.h"
#include "irq/apic.h"
#include "irq/handles.h"
#include "lib/log.h"
#include "mem/iommu.h"

#define REG_VERSION 1u
#define RTE_LOW BIT(13)
#define RTE_LEVEL BIT(15)
#define RTE_MASKED BIT(16)
#define RTE_REMAPPED BIT(48)

static struct ioapic { uint8_t id; volatile uint32_t *regs; uint32_t first; unsigned pins; } ioapics[8];
static unsigned nr_ioapics;

static uint32_t reg_read(const struct ioapic *a, unsigned reg)
{
    a->regs[0] = reg;
    return a->regs[4];
}

static void reg_write(const struct ioapic *a, unsigned reg, uint32_t v)
{
    a->regs[0] = reg;
    a->regs[4] = v;
}

/* The half with the mask bit goes last. */
static void entry_write(const struct ioapic *a, unsigned pin, uint64_t v)
{
    reg_write(a, 0x10 + 2 * pin, (uint32_t)RTE_MASKED);
    reg_write(a, 0x11 + 2 * pin, (uint32_t)(v >> 32));
    reg_write(a, 0x10 + 2 * pin, (uint32_t)v);
}

void ioapic_add(uint8_t id, uint64_t address, uint32_t gsi_base)
{
    if (nr_ioapics == ARRAY_SIZE(ioapics) || !address || address % 16 || address >= BIT(32)) {
        log_warn("I/O APIC %u at %#lx: not usable", id, (unsigned long)address);
        return;
    }
    struct ioapic *a = &ioapics[nr_ioapics];
    *a = (struct ioapic){.id = id, .regs = mpa_to_virt(mpa(address)), .first = gsi_base};
    uint32_t version = reg_read(a, REG_VERSION);
    if (version == ~0u) {
        log_warn("I/O APIC %u at %#lx does not answer", id, (unsigned long)address);
        return;
    }
    a->pins = (version >> 16 & 0xff) + 1;
    for (unsigned i = 0; i < a->pins; i++)
        entry_write(a, i, RTE_MASKED);
    nr_ioapics++;
}

static int remapped(const struct ioapic *a, uint8_t vector, bool level, uint64_t *entry)
{
    uint16_t source = iommu_ioapic_source(a->id);
    if (source == 0xffff)
        log_warn("I/O APIC %u: DMAR does not name its source id: its interrupts are not checked", a->id);
    int index = irte_alloc();
    if (index < 0)
        return index;
    int rc = iommu->irte_set((unsigned)index, vector, this_cpu(apic_id), source == 0xffff ? ~0u : source, level);
    if (rc) {
        irte_free((unsigned)index);
        return rc;
    }
    *entry = RTE_REMAPPED | (uint64_t)(index & 0x7fff) << 49 | (uint64_t)(index >> 15 & 1) << 11 | vector;
    return 0;
}

int ioapic_route(uint32_t gsi, uint8_t vector, bool level, bool active_low)
{
    for (unsigned i = 0; i < nr_ioapics; i++) {
        const struct ioapic *a = &ioapics[i];
        if (gsi < a->first || gsi - a->first >= a->pins)
            continue;
        uint64_t entry = (uint64_t)(this_cpu(apic_id) & 0xff) << 56 | vector;
        int rc = iommu_remaps_interrupts() ? remapped(a, vector, level, &entry) : 0;
        if (!rc)
            entry_write(a, gsi - a->first, entry | (level ? RTE_LEVEL : 0) | (active_low ? RTE_LOW : 0));
        return rc;
    }
    return -ENOENT;
}

bool ioapic_among(mfn_t first, uint64_t count)
{
    for (unsigned i = 0; i < nr_ioapics; i++)
        if (virt_to_mfn((const void *)ioapics[i].regs).v - first.v < count)
            return true;
    return false;
}
