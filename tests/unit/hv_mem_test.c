/* SPDX-License-Identifier: MIT */
/* mem/: frames, heap, the page-table walker and p2m, the real sources over fake RAM. */
#include "mem/iommu.h" /* Xen's errno names before the host's macros */
#include "mem/p2m.h"
#include "hv/fake_hv.h"
#include <stdlib.h>
#include <string.h>
#include "suite.h"

#define RAM (64ull << 20)

const struct iommu_ops *iommu;
static unsigned cpu_flushes, iommu_flushes;
static void count_cpu_flush(struct p2m *p) { (void)p; cpu_flushes++; }
static void count_iommu_flush(struct iommu_domain *d, uint64_t page, uint64_t n) { (void)d; (void)page; (void)n; iommu_flushes++; }
static const struct iommu_ops fake_iommu = {.name = "fake", .flush = count_iommu_flush};

static void frames_split_and_merge(void)
{
    uint64_t before = frames_free();
    mfn_t a = frame_alloc(0), b = frame_alloc(ORDER_2M), c = frame_alloc(3);
    CU_ASSERT(mfn_valid_value(a) && mfn_valid_value(b) && mfn_valid_value(c));
    CU_ASSERT_EQUAL(b.v % 512, 0);
    CU_ASSERT_EQUAL(c.v % 8, 0);
    CU_ASSERT_EQUAL(frames_free(), before - 1 - 512 - 8);
    frame_put_order(b, ORDER_2M);
    frame_put(a);
    frame_put_order(c, 3);
    CU_ASSERT_EQUAL(frames_free(), before);
    mfn_t big = frame_alloc(ORDER_2M + 3); /* 16 MiB: only whole if everything merged again */
    CU_ASSERT(mfn_valid_value(big));
    frame_put_order(big, ORDER_2M + 3);
    CU_ASSERT_FALSE(mfn_valid_value(frame_alloc(ORDER_1G)));
}

/* A block goes back but for the frames that somebody else holds; those follow one by one. */
static void frames_of_a_block(void)
{
    struct memowner o;
    uint64_t before = frames_free();
    memowner_init(&o, 9);
    o.max_pages = 1024;
    mfn_t m = frame_alloc_owned(&o, ORDER_2M);
    CU_ASSERT_FATAL(mfn_valid_value(m));
    static const unsigned held[] = {0, 1, 77, 300, 511};
    for (unsigned i = 0; i < 5; i++)
        frame_get(mfn_add(m, held[i]));
    frame_put_order(m, ORDER_2M);
    CU_ASSERT_EQUAL(o.pages, 5);
    CU_ASSERT_EQUAL(frames_free(), before - 5);
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT(frame_get_owned(mfn_add(m, held[i]), &o)); /* still its owner's */
        frame_put(mfn_add(m, held[i]));
        frame_put(mfn_add(m, held[i]));
    }
    CU_ASSERT_EQUAL(o.pages, 0);
    CU_ASSERT_EQUAL(frames_free(), before);
    mfn_t again = frame_alloc(ORDER_2M + 3); /* all has merged */
    CU_ASSERT(mfn_valid_value(again));
    frame_put_order(again, ORDER_2M + 3);
    CU_ASSERT(frame_any_ram(mfn(0), 1ull << 36));
    CU_ASSERT(frame_any_ram(mfn((RAM >> PAGE_SHIFT) - 1), 1));
    CU_ASSERT_FALSE(frame_any_ram(mfn(RAM >> PAGE_SHIFT), 1ull << 36));
}

/* A page here and there: many tables, given back some at a time, to the last one. */
static void tables_in_steps(void)
{
    struct p2m p;
    struct memowner o;
    uint64_t before = frames_free(), next = 0;
    unsigned n = 0;
    memowner_init(&o, 9);
    o.max_pages = 1024;
    CU_ASSERT_EQUAL_FATAL(p2m_init(&p), 0);
    for (unsigned i = 0; i < 300; i++)
        CU_ASSERT_EQUAL_FATAL(p2m_add(&p, gfn((uint64_t)i * i << 9), frame_alloc_owned(&o, 0), 0, P2M_RAM), 0);
    while (!p2m_drain(&p, &next, 10000))
        n++;
    CU_ASSERT(n > 300 / PT_PRUNE && n < 40);
    CU_ASSERT_EQUAL(o.pages, 0);
    CU_ASSERT_EQUAL(frames_free(), before - 1); /* the root */
    p2m_destroy(&p);
    CU_ASSERT_EQUAL(frames_free(), before);
}

static void frames_of_an_owner(void)
{
    struct memowner o, other;
    memowner_init(&o, 7);
    memowner_init(&other, 8);
    o.max_pages = 2;
    mfn_t a = frame_alloc_owned(&o, 0), b = frame_alloc_owned(&o, 0);
    CU_ASSERT(mfn_valid_value(a) && mfn_valid_value(b));
    CU_ASSERT_FALSE(mfn_valid_value(frame_alloc_owned(&o, 0))); /* over the limit */
    CU_ASSERT_EQUAL(o.pages, 2);
    CU_ASSERT(frame_get_owned(a, &o));
    CU_ASSERT_FALSE(frame_get_owned(a, &other));
    CU_ASSERT_FALSE(frame_get_owned(mfn(1ull << 40), &o)); /* no such RAM */
    memset(mfn_to_virt(a), 0x5a, PAGE_SIZE);
    frame_put(a);
    CU_ASSERT_EQUAL(o.pages, 2); /* one reference still holds it */
    frame_put(a);
    CU_ASSERT_EQUAL(o.pages, 1);
    CU_ASSERT_FALSE(frame_get_owned(a, &o)); /* free frames are nobody's */
    mfn_t again = frame_alloc_owned(&o, 0);
    CU_ASSERT_EQUAL(*(char *)mfn_to_virt(again), 0); /* never another's data */
    frame_put(again);
    frame_put(b);
    CU_ASSERT_EQUAL(o.pages, 0);
}

static void heap_sizes(void)
{
    void *p[200];
    for (unsigned i = 0; i < 200; i++) {
        size_t n = 1 + i * 37;
        p[i] = heap_alloc(n);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p[i]);
        CU_ASSERT_EQUAL((uintptr_t)p[i] % 16, 0);
        for (size_t k = 0; k < n; k++)
            if (((char *)p[i])[k])
                CU_FAIL("not zeroed");
        memset(p[i], 0xff, n);
    }
    for (unsigned i = 0; i < 200; i++)
        heap_free(p[i]);
    CU_ASSERT_PTR_NULL(heap_alloc(4ull << 20));
    heap_free(NULL);
}

static void walker_maps_and_splits(void)
{
    static const struct pt_format *const formats[] = {&pt_host, &pt_npt, &pt_vtd, &pt_ept};
    for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
        struct pagetable pt;
        uint64_t before = frames_free();
        CU_ASSERT_EQUAL_FATAL(pt_init(&pt, formats[f], f == 2 ? 3 : 4), 0);
        CU_ASSERT_EQUAL(pt_map(&pt, 512, mfn(1024), ORDER_2M, PT_READ | PT_WRITE), 0);
        struct pt_leaf l = pt_lookup(&pt, 700);
        CU_ASSERT(l.present && l.order == ORDER_2M && l.mfn.v == 1024 + 700 - 512);
        CU_ASSERT_EQUAL(pt_map(&pt, 700, mfn(5), 0, PT_READ), 0); /* splits the large page */
        l = pt_lookup(&pt, 700);
        CU_ASSERT(l.present && l.order == 0 && l.mfn.v == 5 && !(l.perm & PT_WRITE));
        l = pt_lookup(&pt, 701);
        CU_ASSERT(l.present && l.order == 0 && l.mfn.v == 1024 + 701 - 512 && (l.perm & PT_WRITE));
        CU_ASSERT_EQUAL(pt_unmap(&pt, 512, ORDER_2M), 0);
        CU_ASSERT_FALSE(pt_lookup(&pt, 600).present);
        CU_ASSERT_EQUAL(pt_map(&pt, 1, mfn(2), ORDER_2M, PT_READ), -ERANGE); /* not aligned */
        CU_ASSERT_EQUAL(pt_map(&pt, 512, mfn(3), ORDER_2M, PT_READ | PT_SOFT(6)), 0); /* mfn not aligned: small pages */
        l = pt_lookup(&pt, 1023);
        CU_ASSERT(l.present && l.order == 0 && l.mfn.v == 3 + 511);
        if (formats[f]->soft_shift)
            CU_ASSERT_EQUAL(PT_SOFT_OF(l.perm), 6);
        pt_destroy(&pt);
        CU_ASSERT_EQUAL(frames_free(), before); /* no table is lost */
    }
}

static void walker_bits(void)
{
    struct pagetable pt;
    pt_init(&pt, &pt_npt, 4);
    pt_map(&pt, 3, mfn(0x123), 0, PT_READ);
    uint64_t *t = mfn_to_virt(pt.root);
    for (unsigned l = 0; l < 3; l++)
        t = (uint64_t *)mpa_to_virt(mpa(t[0] & 0x000ffffffffff000ull));
    CU_ASSERT_EQUAL(t[3], 0x8000000000000000ull | 0x123000 | 0x65); /* NX, address, D A U P; no W */
    pt_destroy(&pt);
}

static void walker_ept_bits(void)
{
    struct pagetable pt;
    pt_init(&pt, &pt_ept, 4);
    pt_map(&pt, 0, mfn(0x400), ORDER_2M, PT_READ | PT_WRITE | PT_EXEC | PT_SOFT(1));
    uint64_t *t = mfn_to_virt(pt.root);
    for (unsigned l = 0; l < 2; l++) {
        CU_ASSERT_EQUAL(t[0] & 0xfff, 7); /* a table: read, write, execute and nothing else */
        t = (uint64_t *)mpa_to_virt(mpa(t[0] & 0x000ffffffffff000ull));
    }
    CU_ASSERT_EQUAL(t[0], 1ull << 52 | 0x400000 | 0x80 | 6 << 3 | 7); /* large, write-back */
    pt_map(&pt, 3, mfn(0x123), 0, PT_READ | PT_WRITE | PT_UNCACHED);
    t = (uint64_t *)mpa_to_virt(mpa(t[0] & 0x000ffffffffff000ull));
    CU_ASSERT_EQUAL(t[2], 1ull << 52 | 0x402000 | 6 << 3 | 7);
    CU_ASSERT_EQUAL(t[3], 0x123000 | 3); /* uncached; no execute */
    CU_ASSERT_EQUAL(pt_lookup(&pt, 2).perm, (PT_READ | PT_WRITE | PT_EXEC | PT_SOFT(1)));
    CU_ASSERT_EQUAL(pt_lookup(&pt, 3).perm, (PT_READ | PT_WRITE | PT_UNCACHED));
    pt_destroy(&pt);
}

static void random_walker(void)
{
    static uint64_t model[4096];
    struct pagetable pt;
    pt_init(&pt, &pt_npt, 4);
    srand(1);
    for (unsigned n = 0; n < 3000; n++) {
        unsigned order = rand() % 8 == 0 ? ORDER_2M : 0;
        uint64_t page = (uint64_t)rand() % 4096 & ~((1ull << order) - 1), m = (uint64_t)rand() % 100000 & ~((1ull << order) - 1);
        bool map = rand() & 1;
        CU_ASSERT_EQUAL(map ? pt_map(&pt, page, mfn(m), order, PT_READ) : pt_unmap(&pt, page, order), 0);
        for (uint64_t i = 0; i < 1ull << order; i++)
            model[page + i] = map ? m + i + 1 : 0;
        uint64_t q = (uint64_t)rand() % 4096;
        struct pt_leaf l = pt_lookup(&pt, q);
        CU_ASSERT_EQUAL(l.present ? l.mfn.v + 1 : 0, model[q]);
    }
    pt_destroy(&pt);
}

static void p2m_life(void)
{
    struct p2m p;
    struct memowner o;
    struct iommu_domain io = {.owner = 1};
    uint64_t before = frames_free();
    memowner_init(&o, 1);
    o.max_pages = 2000;
    CU_ASSERT_EQUAL_FATAL(p2m_init(&p), 0);
    pt_init(&io.pt, &pt_vtd, 3);
    p.iommu = &io;
    iommu = &fake_iommu;
    p2m_flush_cpus = count_cpu_flush;
    mfn_t big = frame_alloc_owned(&o, ORDER_2M), small = frame_alloc_owned(&o, 0);
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(0), big, ORDER_2M, P2M_RAM), 0);
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(5), small, 0, P2M_RAM), -EEXIST);
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(600), small, 0, P2M_GRANT_RO), 0);
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(1ull << 40), small, 0, P2M_RAM), -ERANGE);
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(1), small, ORDER_2M, P2M_RAM), -EINVAL);
    CU_ASSERT(pt_lookup(&io.pt, 600).present && !(pt_lookup(&io.pt, 600).perm & PT_WRITE));

    char text[] = "across a page boundary", back[sizeof(text)];
    CU_ASSERT_EQUAL(p2m_write(&p, gpa(0x1ff8), text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(p2m_read(&p, gpa(0x1ff8), back, sizeof(back)), 0);
    CU_ASSERT_STRING_EQUAL(back, text);
    CU_ASSERT_EQUAL(p2m_write(&p, gpa(600ull << 12), text, 1), -EFAULT); /* read-only grant */
    CU_ASSERT_EQUAL(p2m_read(&p, gpa(600ull << 12), back, 1), 0);
    CU_ASSERT_EQUAL(p2m_read(&p, gpa(0x1ffff8), back, 16), -EFAULT); /* runs into a hole */
    CU_ASSERT_EQUAL(p2m_read(&p, gpa(~0ull - 4), back, 16), -EFAULT);

    /* Beyond what devices can name: undone, and a vCPU that used it meanwhile forgets it. */
    cpu_flushes = 0;
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(1ull << 30), small, 0, P2M_GRANT_RW), -ERANGE);
    CU_ASSERT_FALSE(pt_lookup(&p.npt, 1ull << 30).present);
    CU_ASSERT_EQUAL(cpu_flushes, 1);

    cpu_flushes = iommu_flushes = 0;
    CU_ASSERT_EQUAL(p2m_remove_exact(&p, gfn(600), big, P2M_GRANT_RO), -ENOENT);
    CU_ASSERT_EQUAL(p2m_remove_exact(&p, gfn(600), small, P2M_GRANT_RO), 0);
    CU_ASSERT_EQUAL(cpu_flushes, 1);
    CU_ASSERT_EQUAL(iommu_flushes, 1);
    CU_ASSERT_FALSE(pt_lookup(&io.pt, 600).present);
    CU_ASSERT_EQUAL(p2m_remove(&p, gfn(3), 0), 0); /* one page out of a large one */
    CU_ASSERT_EQUAL(p2m_remove(&p, gfn(3), 0), -ENOENT);
    CU_ASSERT_EQUAL(o.pages, 511);
    uint64_t next = 0;
    unsigned rounds = 0;
    while (!p2m_drain(&p, &next, 100))
        rounds++;
    CU_ASSERT(rounds > 3); /* kept to its budget */
    CU_ASSERT_EQUAL(o.pages, 0);
    mfn_t late = frame_alloc_owned(&o, 0);
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(0), late, 0, P2M_RAM), -ESRCH); /* else nobody would ever take it out */
    frame_put(late);
    pt_destroy(&io.pt);
    p2m_destroy(&p);
    CU_ASSERT_EQUAL(frames_free(), before);
    CU_ASSERT_EQUAL(fake_locks_held, 0);
}

/* One frame may be named often, but not without end. */
static void p2m_shared_limit(void)
{
    struct p2m p;
    struct memowner o;
    uint64_t before = frames_free();
    memowner_init(&o, 1);
    CU_ASSERT_EQUAL_FATAL(p2m_init(&p), 0);
    mfn_t m = frame_alloc_shared(&o);
    for (uint64_t g = 0; g < P2M_MAX_SHARED; g++) {
        frame_get(m);
        CU_ASSERT_EQUAL_FATAL(p2m_add(&p, gfn(g), m, 0, P2M_SHARED), 0);
    }
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(P2M_MAX_SHARED), m, 0, P2M_SHARED), -ENOSPC);
    CU_ASSERT_EQUAL(p2m_remove(&p, gfn(7), 0), 0);
    frame_get(m);
    CU_ASSERT_EQUAL(p2m_add(&p, gfn(P2M_MAX_SHARED), m, 0, P2M_SHARED), 0);
    CU_ASSERT_EQUAL(p2m_remove(&p, gfn(P2M_MAX_SHARED), 0), 0);
    for (uint64_t g = 0; g < P2M_MAX_SHARED; g++)
        CU_ASSERT_EQUAL(p2m_remove(&p, gfn(g), 0), g == 7 ? -ENOENT : 0);
    CU_ASSERT_EQUAL(p.shared, 0);
    p2m_destroy(&p);
    frame_put(m);
    CU_ASSERT_EQUAL(frames_free(), before);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"frames split and merge", frames_split_and_merge},
        {"frames of an owner", frames_of_an_owner},
        {"frames of a block", frames_of_a_block},
        {"tables in steps", tables_in_steps},
        {"heap", heap_sizes},
        {"walker maps and splits", walker_maps_and_splits},
        {"walker bits", walker_bits},
        {"walker, EPT bits", walker_ept_bits},
        {"walker against a model", random_walker},
        {"p2m", p2m_life},
        {"shared pages are limited", p2m_shared_limit},
        CU_TEST_INFO_NULL,
    };
    fake_memory(RAM);
    pt_ept.max_order = ORDER_2M; /* as cpu/ would find it */
    return suite_run("hypervisor mem", NULL, tests);
}
