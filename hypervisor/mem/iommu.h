/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU seam: DMA remapping per function, interrupt remapping entries. One const table per vendor (vtd.c; amdvi.c later).
 * A function is named by sbdf = segment << 16 | bus << 8 | devfn.
 */
#ifndef MEM_IOMMU_H
#define MEM_IOMMU_H
#include "lib/types.h"
#include <xen/xen.h>
#include "mem/pagetable.h"
#include "lib/lock.h"

/* One per domain that owns devices: second-level tables holding that domain's memory and grants, by gfn. */
struct iommu_domain {
    struct pagetable pt;
    uint16_t did;           /* hardware domain id, 1.. */
    domid_t owner;          /* for messages */
};
struct iommu_fault { uint32_t sbdf; uint64_t addr; uint8_t reason; bool write, interrupt; };

struct iommu_ops {
    const char *name;
    /* May this function be given away? -ENODEV: no unit guards it; -EPERM: firmware reserves memory for it (RMRR). */
    int (*check)(uint32_t sbdf);
    int (*domain_init)(struct iommu_domain *d, domid_t owner);       /* -ENOMEM, -ENOSPC */
    void (*domain_destroy)(struct iommu_domain *d);          /* no function attached any more */
    /* DMA through d's table from now on; faults of the time before are forgotten. -EBUSY: attached; -ENODEV, -ENOMEM */
    int (*attach)(struct iommu_domain *d, uint32_t sbdf);
    void (*detach)(uint32_t sbdf);                           /* block all DMA; returns when nothing is in flight */
    void (*flush)(struct iommu_domain *d, uint64_t page, uint64_t count); /* after unmapping; count 0 = all. Waits. */
    /* Interrupt remapping: entry index allocated by irq/; vector and apic id of the target; source-checked against sbdf
     * (sbdf ~0u: no source check, I/O APIC use is given its own source id). */
    int (*irte_set)(unsigned index, uint8_t vector, uint32_t apic_id, uint32_t sbdf, bool level);
    void (*irte_clear)(unsigned index);
    unsigned nr_irte;
    /* Read and clear the fault records, `report` each (no lock held). True if there were any: the fault interrupt is then
     * off, and the caller polls again later; it comes on again when a poll finds none. So faults cannot flood a CPU. */
    bool (*poll_faults)(void (*report)(const struct iommu_fault *f));
    bool (*among)(mfn_t first, uint64_t count);              /* the units' own registers are in these pages: no domain may map them */
};
extern const struct iommu_ops *iommu; /* NULL: none, assignment is refused unless --unsafe */

/* Boot: find and enable the units that ACPI's DMAR describes; all DMA is blocked from here on. -ENODEV without a unit.
 * `fault_vector`: host vector that units signal faults on. */
int vtd_init(const void *dmar, uint8_t fault_vector, uint32_t apic_id);
bool iommu_remaps_interrupts(void);
const char *iommu_fault_text(uint8_t reason);                       /* in words */
/* For vtd.c and amdvi.c: the units are on; the source id of an I/O APIC. */
void iommu_enable(const struct iommu_ops *ops, bool interrupts);
void iommu_add_ioapic(uint8_t id, uint16_t source);
uint16_t iommu_ioapic_source(uint8_t ioapic_id); /* source id from DMAR's device scope; 0xffff unknown */
#endif
