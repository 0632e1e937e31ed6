/* SPDX-License-Identifier: MIT */
/*
 * MSI handles. Each takes one vector of one CPU (table msi_slot, per CPU) and one interrupt remapping entry.
 * The interrupt handler takes no lock: it says which handle it is about to fire in msi_firing, looks again whether the
 * handle is still in its slot, and fires; msi_free empties the slot and then waits until no CPU fires that handle.
 */
#include "irq/handles.h"
#include "irq/apic.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/x86.h"
#include "mem/iommu.h"

#define NR_VECTORS (VECTOR_LAST_MSI - VECTOR_FIRST_MSI + 1)
#define MAX_IRTE 4096u

typedef struct msi_handle *msi_slots[NR_VECTORS];
static PERCPU(msi_slots, msi_slot); /* changed under handles_lock, read by the CPU's handler */
static PERCPU(struct msi_handle *, msi_firing);
static struct spinlock handles_lock = SPINLOCK_INIT(LOCK_IRQ);
static uint64_t irte_used[MAX_IRTE / 64] = {1};

/* lock held */
static int take_irte(void)
{
    unsigned n = MIN(iommu->nr_irte, MAX_IRTE), i = bit_find_clear(irte_used, n);
    if (i >= n)
        return -ENOSPC;
    bit_set(irte_used, i);
    return (int)i;
}

int irte_alloc(void)
{
    spin_lock(&handles_lock);
    int i = take_irte();
    spin_unlock(&handles_lock);
    return i;
}

void irte_free(unsigned index)
{
    iommu->irte_clear(index);
    bit_clear(irte_used, index);
}

static void on_interrupt(uint8_t vector)
{
    struct msi_handle **slot = &this_cpu(msi_slot)[vector - VECTOR_FIRST_MSI];
    struct msi_handle *h = __atomic_load_n(slot, __ATOMIC_SEQ_CST);
    __atomic_store_n(&this_cpu(msi_firing), h, __ATOMIC_SEQ_CST);
    if (h && __atomic_load_n(slot, __ATOMIC_SEQ_CST) == h)
        h->fire(h->arg);
    __atomic_store_n(&this_cpu(msi_firing), NULL, __ATOMIC_SEQ_CST);
}

static struct msi_handle **slot_of(const struct msi_handle *h)
{
    return &per_cpu(msi_slot, h->cpu)[h->vector - VECTOR_FIRST_MSI];
}

/* lock held: the first free vector of `cpu`, or -1 */
static int free_vector(unsigned cpu)
{
    for (int i = 0; i < NR_VECTORS; i++)
        if (!per_cpu(msi_slot, cpu)[i])
            return VECTOR_FIRST_MSI + i;
    return -1;
}

/* lock held: a CPU and vector, the preferred CPU first */
static bool choose(unsigned cpu, struct msi_handle *h)
{
    for (unsigned i = 0; i < nr_cpus; i++) {
        unsigned c = (cpu + i) % nr_cpus;
        int vector = free_vector(c);
        if (vector < 0)
            continue;
        h->cpu = (uint8_t)c;
        h->vector = (uint8_t)vector;
        return true;
    }
    return false;
}

/* lock held. The message: an index into the remapping table (VT-d 5.1.5.2: handle, no subhandle), or vector and APIC id. */
static int message(struct msi_handle *h)
{
    uint32_t apic = per_cpu(apic_id, h->cpu);
    if (!iommu_remaps_interrupts()) {
        h->addr = 0xfee00000 | (apic & 0xff) << 12;
        h->data = h->vector;
        return apic > 0xff ? -ERANGE : 0;
    }
    int index = take_irte();
    if (index < 0)
        return index;
    h->index = (uint16_t)index;
    h->addr = 0xfee00010 | (h->index & 0x7fffu) << 5 | (h->index >> 15 & 1u) << 2;
    h->data = 0;
    int rc = iommu->irte_set(h->index, h->vector, apic, h->sbdf, false);
    if (rc)
        bit_clear(irte_used, h->index);
    return rc;
}

int msi_alloc(struct msi_handle *h, uint32_t sbdf, unsigned cpu, void (*fire)(void *), void *arg)
{
    *h = (struct msi_handle){.sbdf = sbdf, .fire = fire, .arg = arg};
    spin_lock(&handles_lock);
    int rc = choose(cpu % nr_cpus, h) ? message(h) : -ENOSPC;
    if (!rc) {
        irq_set_handler(h->vector, on_interrupt);
        __atomic_store_n(slot_of(h), h, __ATOMIC_SEQ_CST);
    }
    spin_unlock(&handles_lock);
    return rc;
}

void msi_free(struct msi_handle *h)
{
    spin_lock(&handles_lock);
    if (h->index)
        irte_free(h->index);
    __atomic_store_n(slot_of(h), NULL, __ATOMIC_SEQ_CST);
    spin_unlock(&handles_lock);
    for (unsigned c = 0; c < nr_cpus; c++)
        while (__atomic_load_n(&per_cpu(msi_firing, c), __ATOMIC_SEQ_CST) == h)
            cpu_pause();
    *h = (struct msi_handle){0};
}

bool msi_hold(struct msi_handle *h, bool hold)
{
    spin_lock(&handles_lock);
    if (h->index && hold)
        iommu->irte_clear(h->index);
    else if (h->index && !h->blocked)
        iommu->irte_set(h->index, h->vector, per_cpu(apic_id, h->cpu), h->sbdf, false);
    spin_unlock(&handles_lock);
    return h->index;
}

void msi_block(uint32_t sbdf)
{
    spin_lock(&handles_lock);
    for (unsigned c = 0; c < nr_cpus; c++)
        for (unsigned i = 0; i < NR_VECTORS; i++) {
            struct msi_handle *h = per_cpu(msi_slot, c)[i];
            if (!h || h->sbdf != sbdf || !h->index)
                continue;
            h->blocked = true;
            iommu->irte_clear(h->index);
        }
    spin_unlock(&handles_lock);
}
