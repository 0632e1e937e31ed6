/* SPDX-License-Identifier: MIT */
/* The DMAR table (VT-d specification chapter 8): which unit is responsible for which function, and which memory firmware reserves. */
#ifndef MEM_DMAR_H
#define MEM_DMAR_H
#include "lib/types.h"

enum dmar_scope_type { SCOPE_ENDPOINT = 1, SCOPE_BRIDGE = 2, SCOPE_IOAPIC = 3, SCOPE_HPET = 4, SCOPE_ACPI = 5 };
struct dmar_scope {
    uint8_t type, id;            /* id: of the I/O APIC or HPET */
    uint8_t bus, devfn;
    uint8_t first_bus, last_bus; /* below a bridge */
};
struct dmar_scopes { unsigned first, count; }; /* in dmar.scope */
struct dmar_unit { uint64_t base; uint16_t segment; bool rest; struct dmar_scopes scopes; }; /* rest: INCLUDE_PCI_ALL */
struct dmar_region { uint64_t first, last; uint16_t segment; struct dmar_scopes scopes; };
struct dmar {
    bool interrupts;             /* platform flag INTR_REMAP */
    unsigned nr_units, nr_regions, nr_scopes;
    struct dmar_unit unit[8];
    struct dmar_region region[16];
    struct dmar_scope scope[128];
};
/* `table` is whole and its checksum good. -EINVAL malformed, -E2BIG more than we keep, -ENODEV no unit: the log names the field. */
int dmar_parse(const void *table, struct dmar *out);
int dmar_unit_of(const struct dmar *d, uint32_t sbdf);       /* index, or -1 */
bool dmar_reserved(const struct dmar *d, uint32_t sbdf);     /* firmware reserves memory for this function (RMRR) */
/* Reads one byte of configuration space of segment 0 at boot: bus numbers of bridges in a scope's path (iommu.c). */
uint8_t iommu_pci_read8(uint8_t bus, uint8_t devfn, uint8_t reg);
#endif
