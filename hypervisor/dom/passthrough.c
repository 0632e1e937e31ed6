/* SPDX-License-Identifier: MIT */
/*
 * Which domain owns which PCI function, and what a function may reach. An owned function's DMA is blocked until its owner
 * asks for it (device_enable_dma), so that what a predecessor left running in the device hurts nobody.
 * A DMA fault stops the owner alone; faults of blocked functions and refused interrupts are only counted.
 * owners_lock (LOCK_IRQ) guards the table of owners; attaching and detaching happen under it, so that blocking is final.
 */
#include "dom/domain.h"
#include "irq/apic.h"
#include "irq/handles.h"
#include "irq/ioapic.h"
#include "lib/log.h"
#include "lib/softirq.h"
#include "mem/iommu.h"

#define MAX_OWNED 256
#define FAULT_POLL_NS 10000000ull /* between polls while faults keep coming */
#define FAULTS_LOGGED 8u          /* of one function; then only every power of two */
#define LOCAL_APICS 0xfee00u      /* page frames of FEE00000h-FEEFFFFFh: writes there are interrupts */
#define LOCAL_APICS_END 0xfef00u
#define MAX_MMIO_PAGES BIT(18)    /* 1 GiB in one go */
#define MFN_LIMIT BIT(40)         /* 52-bit physical addresses */

static struct owned { bool used, dma; uint32_t sbdf; domid_t domid; uint32_t faults; } owners[MAX_OWNED];
static struct spinlock owners_lock = SPINLOCK_INIT(LOCK_IRQ);
static uint32_t stray_faults; /* of functions that nobody owns */
static struct timer fault_timer;

static unsigned pci_bus(uint32_t sbdf) { return sbdf >> 8 & 0xff; }
static unsigned pci_dev(uint32_t sbdf) { return sbdf >> 3 & 31; }
static unsigned pci_fn(uint32_t sbdf) { return sbdf & 7; }

/* lock held */
static struct owned *find(uint32_t sbdf)
{
    for (unsigned i = 0; i < MAX_OWNED; i++)
        if (owners[i].used && owners[i].sbdf == sbdf)
            return &owners[i];
    return NULL;
}

/* lock held */
static void block(struct owned *o)
{
    if (o->dma && iommu)
        iommu->detach(o->sbdf);
    o->dma = false;
}

/* --- who owns what --- */

static int claim(domid_t domid, uint32_t sbdf)
{
    int rc = -ENOSPC;
    spin_lock(&owners_lock);
    if (find(sbdf))
        rc = -EBUSY;
    for (unsigned i = 0; rc == -ENOSPC && i < MAX_OWNED; i++)
        if (!owners[i].used) {
            owners[i] = (struct owned){.used = true, .sbdf = sbdf, .domid = domid};
            rc = 0;
        }
    spin_unlock(&owners_lock);
    return rc;
}

static void disown(uint32_t sbdf)
{
    spin_lock(&owners_lock);
    struct owned *o = find(sbdf);
    if (o) {
        block(o);
        o->used = false;
    }
    spin_unlock(&owners_lock);
    msi_block(sbdf);
}

static bool owner_of(uint32_t sbdf, domid_t *domid)
{
    spin_lock(&owners_lock);
    const struct owned *o = find(sbdf);
    if (o)
        *domid = o->domid;
    spin_unlock(&owners_lock);
    return o;
}

bool device_owned(const struct domain *d, uint32_t sbdf)
{
    domid_t domid;
    return owner_of(sbdf, &domid) && domid == d->id;
}

struct domain *device_owner(uint32_t sbdf)
{
    domid_t domid;
    return owner_of(sbdf, &domid) ? domain_find(domid) : NULL;
}

/* --- assignment --- */

static int guardable(uint32_t sbdf, bool unsafe)
{
    if (!iommu || !iommu_remaps_interrupts()) {
        log_warn("assign %02x:%02x.%u: the machine has no %s remapping: %s", pci_bus(sbdf), pci_dev(sbdf), pci_fn(sbdf),
                 iommu ? "interrupt" : "DMA and interrupt", unsafe ? "its owner can harm every domain" : "refused");
        if (!unsafe)
            return -EXDEV;
    }
    return iommu ? iommu->check(sbdf) : 0;
}

/* The domain's IOMMU table is made with its first function, some at a time, and kept until it dies. */
static int make_table(struct domain *d)
{
    if (!iommu)
        return 0;
    int rc = d->iommu.pt.fmt ? 0 : iommu->domain_init(&d->iommu, d->id);
    return rc ? rc : p2m_attach_iommu(&d->p2m, &d->iommu);
}

int device_assign(struct domain *d, uint32_t sbdf, bool unsafe)
{
    if (d->nr_devices == MAX_DEVICES_PER_DOMAIN)
        return -ENOSPC;
    int rc = guardable(sbdf, unsafe);
    if (!rc)
        rc = make_table(d);
    if (!rc)
        rc = claim(d->id, sbdf);
    if (rc)
        return rc;
    d->device[d->nr_devices++] = sbdf;
    log_info("%02x:%02x.%u belongs to domain %u now, DMA blocked", pci_bus(sbdf), pci_dev(sbdf), pci_fn(sbdf), d->id);
    return 0;
}

int device_deassign(struct domain *d, uint32_t sbdf)
{
    for (unsigned i = 0; i < d->nr_devices; i++)
        if (d->device[i] == sbdf) {
            disown(sbdf);
            d->device[i] = d->device[--d->nr_devices];
            return 0;
        }
    return -ENODEV;
}

void devices_block_dma(struct domain *d)
{
    spin_lock(&owners_lock);
    for (unsigned i = 0; i < MAX_OWNED; i++)
        if (owners[i].used && owners[i].domid == d->id)
            block(&owners[i]);
    spin_unlock(&owners_lock);
}

int device_enable_dma(struct domain *d, uint32_t sbdf)
{
    int rc = 0;
    spin_lock(&owners_lock);
    struct owned *o = find(sbdf);
    if (!o || o->domid != d->id)
        rc = -ENODEV;
    else if (!o->dma && iommu)
        rc = iommu->attach(&d->iommu, sbdf);
    if (!rc)
        o->dma = true;
    spin_unlock(&owners_lock);
    return rc;
}

/* The domain dies: ctl_lock held, none of its vCPUs run. */
bool devices_release(struct domain *d)
{
    devices_block_dma(d);
    while (d->nr_devices)
        disown(d->device[--d->nr_devices]);
    if (!d->iommu.pt.fmt)
        return true;
    p2m_detach_iommu(&d->p2m);
    if (!pt_prune(&d->iommu.pt, PT_PRUNE))
        return false;
    iommu->domain_destroy(&d->iommu);
    return true;
}

/* --- registers --- */

bool device_mmio_allowed(mfn_t first, uint64_t count)
{
    if (!count || count > MAX_MMIO_PAGES || first.v + count > MFN_LIMIT || first.v + count < count)
        return false;
    if (first.v < LOCAL_APICS_END && first.v + count > LOCAL_APICS)
        return false;
    return !frame_any_ram(first, count) && !ioapic_among(first, count) && !(iommu && iommu->among(first, count));
}

/* --- faults --- */

/* Count the fault for its function: the owner if there is one, whether its DMA was let through, whether to say so. */
static bool count_fault(uint32_t sbdf, domid_t *domid, bool *live, uint32_t *count)
{
    spin_lock(&owners_lock);
    struct owned *o = find(sbdf);
    *count = o ? ++o->faults : ++stray_faults;
    *live = o && o->dma;
    if (o)
        *domid = o->domid;
    spin_unlock(&owners_lock);
    return o;
}

static void report(const struct iommu_fault *f)
{
    domid_t domid = DOMID_INVALID;
    bool live;
    uint32_t n, at = f->sbdf;
    struct domain *d = count_fault(at, &domid, &live, &n) ? domain_find(domid) : NULL;
    const char *what = f->interrupt ? "interrupt" : f->write ? "DMA write" : "DMA read";
    if (n <= FAULTS_LOGGED || !(n & (n - 1)))
        log_warn("IOMMU: %s of %02x:%02x.%u refused at %#lx: %s; %s %u, fault %u", what, pci_bus(at), pci_dev(at), pci_fn(at),
                 (unsigned long)f->addr, iommu_fault_text(f->reason), d ? "owner domain" : "no owner", d ? d->id : 0u, n);
    if (!d)
        return;
    __atomic_fetch_add(&d->dma_faults, 1, __ATOMIC_SEQ_CST);
    if (live && !f->interrupt) {
        devices_block_dma(d);
        domain_crash(d, "DMA fault of %02x:%02x.%u at %#lx (%s)", pci_bus(at), pci_dev(at), pci_fn(at), (unsigned long)f->addr,
                     f->write ? "write" : "read");
    }
    domain_put(d);
}

void iommu_fault_softirq(void)
{
    if (iommu && iommu->poll_faults(report))
        timer_set(&fault_timer, now_ns() + FAULT_POLL_NS);
}

static void poll_again(void *arg) { iommu_fault_softirq(); }

static void on_fault_interrupt(uint8_t vector) { softirq_raise(SOFTIRQ_IOMMU); }

void passthrough_init(void)
{
    timer_init(&fault_timer, poll_again, NULL);
    irq_set_handler(VECTOR_IOMMU, on_fault_interrupt);
}
