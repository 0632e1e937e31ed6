/* SPDX-License-Identifier: MIT */
/*
 * dom/passthrough.c with the real p2m and page tables over a fake IOMMU: who may own what, what a device reaches, and whom a
 * fault stops.
 */
#include "hv/fake_hv.h"
#include "dom/domain.h"
#include "irq/apic.h"
#include "irq/handles.h"
#include "irq/ioapic.h"
#include "lib/softirq.h"
#include "mem/frames.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "suite.h"

/* --- what lies around passthrough.c --- */

PERCPU(uint32_t, softirq_pending);
static struct domain dom[2];
static unsigned references;
static bool remaps = true;
static unsigned blocked_msi, timer_sets, flushes;
static uint64_t flushed_page, flushed_count;
static irq_fn fault_handler;

bool iommu_remaps_interrupts(void) { return remaps; }
const char *iommu_fault_text(uint8_t reason) { return "reason"; }
void irq_set_handler(uint8_t vector, irq_fn fn) { fault_handler = vector == VECTOR_IOMMU ? fn : fault_handler; }
void msi_block(uint32_t sbdf) { blocked_msi = sbdf; }
bool ioapic_among(mfn_t first, uint64_t count) { return 0xfec00 - first.v < count; }
static unsigned frames_allocated, frames_limit = ~0u; /* limit: allocations fail beyond it */
mfn_t frame_alloc(unsigned order)
{
    void *p = frames_allocated < frames_limit ? aligned_alloc(PAGE_SIZE << order, PAGE_SIZE << order) : NULL;
    if (!p)
        return MFN_NONE;
    memset(p, 0xa5, PAGE_SIZE << order); /* contents are undefined */
    frames_allocated++;
    return virt_to_mfn(p);
}
void frame_put(mfn_t m)
{
    free(mfn_to_virt(m));
    frames_allocated--;
}
bool frame_any_ram(mfn_t first, uint64_t count) { return first.v < 0x1000; }
void frame_get(mfn_t m) {}
void frame_put_order(mfn_t m, unsigned order) {}
uint64_t now_ns(void) { return 1000; }
void timer_init(struct timer *t, void (*fn)(void *), void *arg) { t->fn = fn; }
void timer_set(struct timer *t, uint64_t when) { timer_sets += when == 10001000; }

struct domain *domain_find(domid_t id)
{
    for (unsigned i = 0; i < 2; i++)
        if (dom[i].id == id) {
            references++;
            return &dom[i];
        }
    return NULL;
}
void domain_put(struct domain *d) { references--; }
void domain_crash(struct domain *d, const char *fmt, ...)
{
    CU_ASSERT_EQUAL(fake_locks_held, 0);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->why, sizeof(d->why), fmt, ap);
    va_end(ap);
    d->is_shutdown = true;
}

static struct { uint32_t sbdf; struct iommu_domain *to; } attached[4];
static struct iommu_fault faults[20];
static unsigned nr_faults, tables;

static int fake_check(uint32_t sbdf) { return sbdf == 0x99 ? -EPERM : sbdf == 0x98 ? -ENODEV : 0; }
static int fake_init(struct iommu_domain *d, domid_t owner)
{
    d->owner = owner;
    tables++;
    return pt_init(&d->pt, &pt_vtd, 3);
}
static void fake_destroy(struct iommu_domain *d)
{
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT(!attached[i].to || attached[i].to != d);
    tables--;
    pt_destroy(&d->pt);
}
static int fake_attach(struct iommu_domain *d, uint32_t sbdf)
{
    for (unsigned i = 0; i < 4; i++)
        if (!attached[i].to) {
            attached[i].sbdf = sbdf;
            attached[i].to = d;
            return 0;
        }
    return -ENOMEM;
}
static void fake_detach(uint32_t sbdf)
{
    for (unsigned i = 0; i < 4; i++)
        if (attached[i].to && attached[i].sbdf == sbdf)
            attached[i].to = NULL;
}
static void fake_flush(struct iommu_domain *d, uint64_t page, uint64_t count)
{
    flushes++;
    flushed_page = page;
    flushed_count = count;
}
static bool fake_poll(void (*report)(const struct iommu_fault *f))
{
    bool any = nr_faults;
    for (unsigned i = 0; i < nr_faults; i++)
        report(&faults[i]);
    nr_faults = 0;
    return any;
}
static bool fake_among(mfn_t first, uint64_t count) { return 0xfed90 - first.v < count; }
static const struct iommu_ops ops = {
    .name = "fake", .check = fake_check, .domain_init = fake_init, .domain_destroy = fake_destroy, .attach = fake_attach,
    .detach = fake_detach, .flush = fake_flush, .poll_faults = fake_poll, .among = fake_among,
};
const struct iommu_ops *iommu = &ops;

/* --- tests --- */

static unsigned nr_attached(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 4; i++)
        n += attached[i].to != NULL;
    return n;
}

static void start(void)
{
    for (unsigned i = 0; i < 2; i++) {
        memset(&dom[i], 0, sizeof(dom[i]));
        dom[i].id = (domid_t)(3 + i);
        p2m_init(&dom[i].p2m);
    }
    fake_log_reset();
    timer_sets = flushes = nr_faults = 0;
    iommu = &ops;
    remaps = true;
    passthrough_init();
}

static void finish(void)
{
    for (unsigned i = 0; i < 2; i++) {
        while (!devices_release(&dom[i]))
            continue;
        p2m_destroy(&dom[i].p2m);
    }
    CU_ASSERT_EQUAL(nr_attached(), 0);
    CU_ASSERT_EQUAL(tables, 0);
    CU_ASSERT_EQUAL(references, 0);
    CU_ASSERT_EQUAL(fake_locks_held, 0);
    CU_ASSERT_EQUAL(frames_allocated, 0);
}

static void test_one_owner(void)
{
    start();
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), 0);
    CU_ASSERT_EQUAL(device_assign(&dom[1], 0x20, false), -EBUSY);
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), -EBUSY);
    CU_ASSERT(device_owned(&dom[0], 0x20) && !device_owned(&dom[1], 0x20) && !device_owned(&dom[0], 0x21));
    struct domain *d = device_owner(0x20);
    CU_ASSERT_PTR_EQUAL(d, &dom[0]);
    domain_put(d);
    CU_ASSERT_PTR_NULL(device_owner(0x28));
    CU_ASSERT_EQUAL(device_deassign(&dom[1], 0x20), -ENODEV);
    CU_ASSERT_EQUAL(device_deassign(&dom[0], 0x20), 0);
    CU_ASSERT_EQUAL(blocked_msi, 0x20); /* its old owner gets no more interrupts of it */
    CU_ASSERT_EQUAL(device_assign(&dom[1], 0x20, false), 0);
    finish();
}

static void test_refusals(void)
{
    start();
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x98, false), -ENODEV);
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x99, true), -EPERM);
    remaps = false;
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), -EXDEV);
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, true), 0);
    iommu = NULL;
    CU_ASSERT_EQUAL(device_assign(&dom[1], 0x28, false), -EXDEV);
    CU_ASSERT_EQUAL(device_assign(&dom[1], 0x28, true), 0);
    CU_ASSERT_EQUAL(device_enable_dma(&dom[1], 0x28), 0);
    CU_ASSERT_EQUAL(nr_attached(), 0);
    CU_ASSERT_EQUAL(device_deassign(&dom[1], 0x28), 0);
    iommu = &ops;
    for (unsigned i = 0; i < MAX_DEVICES_PER_DOMAIN; i++)
        CU_ASSERT_EQUAL(device_assign(&dom[1], 0x100 + i, true), 0);
    CU_ASSERT_EQUAL(device_assign(&dom[1], 0x200, true), -ENOSPC);
    CU_ASSERT_PTR_NULL(device_owner(0x200));
    finish();
}

static void test_no_memory(void)
{
    start();
    frames_limit = frames_allocated;
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), -ENOMEM);
    frames_limit = ~0u;
    tables = 0; /* the fake counted the one that failed */
    CU_ASSERT_PTR_NULL(device_owner(0x20));
    CU_ASSERT_PTR_NULL(dom[0].p2m.iommu);
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), 0);
    finish();
}

static bool reaches(struct domain *d, uint64_t g, uint64_t m, unsigned perm)
{
    struct pt_leaf l = pt_lookup(&d->iommu.pt, g);
    return l.present && l.mfn.v == m && (l.perm & (PT_READ | PT_WRITE)) == perm;
}

static void test_mirror(void)
{
    start();
    struct p2m *p = &dom[0].p2m;
    CU_ASSERT_EQUAL(p2m_add(p, gfn(0x200), mfn(0x400), ORDER_2M, P2M_RAM), 0);
    CU_ASSERT_EQUAL(p2m_add(p, gfn(5), mfn(0x55), 0, P2M_RAM), 0);
    CU_ASSERT_EQUAL(p2m_add(p, gfn(6), mfn(0x66), 0, P2M_GRANT_RO), 0);
    CU_ASSERT_EQUAL(p2m_add(p, gfn(7), mfn(0x77), 0, P2M_SHARED), 0);
    CU_ASSERT_EQUAL(p2m_add(p, gfn(8), mfn(0x88), 0, P2M_FOREIGN), 0);
    CU_ASSERT_EQUAL(p2m_add(p, gfn(9), mfn(0xfeb99), 0, P2M_MMIO), 0);
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), 0);
    CU_ASSERT(reaches(&dom[0], 0x200, 0x400, PT_READ | PT_WRITE));
    CU_ASSERT(reaches(&dom[0], 0x3ff, 0x5ff, PT_READ | PT_WRITE));
    CU_ASSERT(reaches(&dom[0], 5, 0x55, PT_READ | PT_WRITE));
    CU_ASSERT(reaches(&dom[0], 6, 0x66, PT_READ));
    for (uint64_t g = 7; g < 12; g++)
        CU_ASSERT_FALSE(pt_lookup(&dom[0].iommu.pt, g).present);
    /* later changes go to both */
    CU_ASSERT_EQUAL(p2m_add(p, gfn(10), mfn(0xaa), 0, P2M_GRANT_RW), 0);
    CU_ASSERT(reaches(&dom[0], 10, 0xaa, PT_READ | PT_WRITE));
    CU_ASSERT_EQUAL(p2m_add(p, gfn(11), mfn(0xbb), 0, P2M_FOREIGN), 0);
    CU_ASSERT_FALSE(pt_lookup(&dom[0].iommu.pt, 11).present);
    flushes = 0;
    CU_ASSERT_EQUAL(p2m_remove_exact(p, gfn(10), mfn(0xaa), P2M_GRANT_RW), 0);
    CU_ASSERT_FALSE(pt_lookup(&dom[0].iommu.pt, 10).present);
    CU_ASSERT(flushes == 1 && flushed_page <= 10 && flushed_page + flushed_count > 10);
    CU_ASSERT_EQUAL(p2m_remove(p, gfn(0x210), 0), 0); /* one page out of the large one */
    CU_ASSERT_FALSE(pt_lookup(&dom[0].iommu.pt, 0x210).present);
    CU_ASSERT(reaches(&dom[0], 0x20f, 0x40f, PT_READ | PT_WRITE) && reaches(&dom[0], 0x211, 0x411, PT_READ | PT_WRITE));
    finish();
}

static void fault(uint32_t sbdf, bool interrupt)
{
    faults[nr_faults++] = (struct iommu_fault){.sbdf = sbdf, .addr = 0x100000, .reason = 6, .interrupt = interrupt};
}

static void test_dma_gate(void)
{
    start();
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), 0);
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x28, false), 0);
    CU_ASSERT_EQUAL(nr_attached(), 0); /* blocked at assignment */
    CU_ASSERT_EQUAL(device_enable_dma(&dom[1], 0x20), -ENODEV);
    CU_ASSERT_EQUAL(device_enable_dma(&dom[0], 0x20), 0);
    CU_ASSERT_EQUAL(device_enable_dma(&dom[0], 0x20), 0);
    CU_ASSERT_EQUAL(nr_attached(), 1);
    CU_ASSERT_PTR_EQUAL(attached[0].to, &dom[0].iommu);
    CU_ASSERT_EQUAL(device_enable_dma(&dom[0], 0x28), 0);
    devices_block_dma(&dom[1]);
    CU_ASSERT_EQUAL(nr_attached(), 2);
    devices_block_dma(&dom[0]);
    CU_ASSERT_EQUAL(nr_attached(), 0);
    CU_ASSERT(device_owned(&dom[0], 0x20)); /* still its own */
    CU_ASSERT_EQUAL(device_enable_dma(&dom[0], 0x20), 0);
    finish();
}

static void test_faults(void)
{
    start();
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), 0);
    CU_ASSERT_EQUAL(device_assign(&dom[1], 0x28, false), 0);
    CU_ASSERT_EQUAL(device_enable_dma(&dom[1], 0x28), 0);
    iommu_fault_softirq();
    CU_ASSERT_EQUAL(timer_sets, 0);
    fault(0x20, false); /* blocked: left over from a predecessor */
    fault(0x28, true);  /* an interrupt refused */
    fault(0x30, false); /* nobody's */
    iommu_fault_softirq();
    CU_ASSERT(!dom[0].is_shutdown && !dom[1].is_shutdown);
    CU_ASSERT(dom[0].dma_faults == 1 && dom[1].dma_faults == 1);
    CU_ASSERT_EQUAL(timer_sets, 1); /* polled again later */
    CU_ASSERT_EQUAL(device_enable_dma(&dom[0], 0x20), 0);
    fault(0x20, false);
    iommu_fault_softirq();
    CU_ASSERT(dom[0].is_shutdown && !dom[1].is_shutdown); /* the owner alone */
    CU_ASSERT_STRING_EQUAL(dom[0].why, "DMA fault of 00:04.0 at 0x100000 (read)");
    CU_ASSERT_EQUAL(nr_attached(), 1); /* its DMA was blocked first */
    CU_ASSERT(fault_handler != NULL);
    fault_handler(VECTOR_IOMMU);
    CU_ASSERT_EQUAL(this_cpu(softirq_pending), 1u << SOFTIRQ_IOMMU);
    finish();
}

static void test_log_is_limited(void)
{
    start();
    CU_ASSERT_EQUAL(device_assign(&dom[0], 0x20, false), 0);
    unsigned lines = 0;
    for (unsigned i = 0; i < 1000; i++) {
        fake_log_reset();
        fault(0x20, false);
        iommu_fault_softirq();
        lines += fake_log[0] != 0;
    }
    CU_ASSERT_EQUAL(lines, 14); /* 1 to 8, 16, 32, ... 512 */
    CU_ASSERT_EQUAL(dom[0].dma_faults, 1000);
    finish();
}

static void test_mmio(void)
{
    CU_ASSERT(device_mmio_allowed(mfn(0xfeb00), 4));
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(0xfff), 2));       /* RAM */
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(0xfec00), 1));     /* I/O APIC */
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(0xfed00), 0x100)); /* IOMMU inside */
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(0xfee00), 1));
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(0xfeeff), 1));
    CU_ASSERT(device_mmio_allowed(mfn(0xfef00), 1));
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(0xfeb00), 0));
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(~0ull), 2));
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(BIT(40) - 1), 2));
    CU_ASSERT_FALSE(device_mmio_allowed(mfn(0x100000), ~0ull));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"one owner", test_one_owner},
        {"refusals", test_refusals},
        {"out of memory", test_no_memory},
        {"what a device reaches", test_mirror},
        {"DMA is blocked until asked for", test_dma_gate},
        {"whom a fault stops", test_faults},
        {"a flood of faults", test_log_is_limited},
        {"registers", test_mmio},
        CU_TEST_INFO_NULL,
    };
    return suite_run("passthrough", NULL, tests);
}
