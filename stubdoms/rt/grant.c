/* SPDX-License-Identifier: MIT */
/*
 * Grants, version 1. Ours: the table's frames are mapped at RT_GRANT_TABLE as they are needed; a free entry has
 * flags 0 and links to the next through its frame field. Others': mapped by host address into the grant window,
 * whose pages a bitmap manages.
 */
#include "rt/internal.h"
#include <xen/errno.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include "rt/hypercall.h"

#define PER_FRAME (RT_PAGE / sizeof(struct grant_entry_v1))
#define MAX_FRAMES 32u
#define BATCH 32u

static struct grant_entry_v1 *const table = (void *)(uintptr_t)RT_GRANT_TABLE;
static unsigned frames, max_frames;
static uint32_t free_ref; /* 0 = none: entry 0 is reserved, so it ends the list */
static uint64_t window[RT_WINDOW_PAGES / 64];
static unsigned window_next;

static bool add_frame(void)
{
    struct xen_add_to_physmap x = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = frames,
                                    .gpfn = RT_GRANT_TABLE / RT_PAGE + frames };
    if (frames >= max_frames || rt_hypercall2(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &x) != 0)
        return false;
    uint32_t first = frames++ * PER_FRAME;
    for (uint32_t ref = first + PER_FRAME - 1; ref + 1 > first && ref >= GNTTAB_NR_RESERVED_ENTRIES; ref--) {
        table[ref].flags = 0;
        table[ref].frame = free_ref;
        free_ref = ref;
    }
    return true;
}

void rt_grants_init(void)
{
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    RT_ASSERT(rt_map_ram(RT_GRANT_TABLE, MAX_FRAMES * RT_PAGE) == 0);
    RT_ASSERT(rt_map_ram(RT_WINDOW, (uint64_t)RT_WINDOW_PAGES * RT_PAGE) == 0);
    if (rt_hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, &q, 1) != 0 || q.status != GNTST_okay) {
        rt_log("grants: no grant table");
        return;
    }
    max_frames = q.max_nr_frames < MAX_FRAMES ? q.max_nr_frames : MAX_FRAMES;
    if (!add_frame())
        rt_log("grants: the first frame of the table could not be mapped");
}

int rt_grant(uint16_t to, void *page, bool readonly)
{
    uint64_t pfn = (uintptr_t)page / RT_PAGE;
    if ((uintptr_t)page % RT_PAGE || pfn > UINT32_MAX)
        return -XEN_EINVAL;
    if (!free_ref && !add_frame())
        return -XEN_ENOSPC;
    uint32_t ref = free_ref;
    struct grant_entry_v1 *e = &table[ref];
    free_ref = e->frame;
    e->frame = (uint32_t)pfn;
    e->domid = to;
    __atomic_store_n(&e->flags, (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0)), __ATOMIC_RELEASE);
    return (int)ref;
}

int rt_grant_end(uint32_t ref)
{
    if (ref < GNTTAB_NR_RESERVED_ENTRIES || ref >= frames * PER_FRAME)
        return -XEN_EINVAL;
    struct grant_entry_v1 *e = &table[ref];
    uint16_t flags = __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE);
    do {
        if (!(flags & GTF_type_mask))
            return -XEN_EINVAL;
        if (flags & (GTF_reading | GTF_writing))
            return -XEN_EBUSY;
    } while (!__atomic_compare_exchange_n(&e->flags, &flags, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));
    e->frame = free_ref;
    free_ref = ref;
    return 0;
}

static bool in_use(unsigned page)
{
    return window[page / 64] >> (page % 64) & 1;
}

static void window_mark(unsigned page, unsigned n, bool use)
{
    for (unsigned i = page; i < page + n; i++) {
        if (use)
            window[i / 64] |= 1ull << (i % 64);
        else
            window[i / 64] &= ~(1ull << (i % 64));
    }
}

/* n pages in a row of the window, next-fit; RT_WINDOW_PAGES = none. */
static unsigned window_find(unsigned n)
{
    unsigned run = 0;
    for (unsigned pass = 0; pass < 2; pass++, run = 0)
        for (unsigned p = pass ? 0 : window_next; p < RT_WINDOW_PAGES; p++) {
            run = in_use(p) ? 0 : run + 1;
            if (run == n)
                return p + 1 - n;
        }
    return RT_WINDOW_PAGES;
}

/* At most BATCH unmaps; returns how many failed, whose window pages must stay reserved. */
static unsigned unmap_batch(uint64_t at, const uint32_t *handles, unsigned n)
{
    struct gnttab_unmap_grant_ref ops[BATCH];
    unsigned failed = 0;
    for (unsigned i = 0; i < n; i++)
        ops[i] = (struct gnttab_unmap_grant_ref){ .host_addr = at + (uint64_t)i * RT_PAGE, .handle = handles[i] };
    if (rt_hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, ops, n) != 0)
        return n;
    for (unsigned i = 0; i < n; i++)
        if (ops[i].status == GNTST_okay)
            window_mark((unsigned)((at - RT_WINDOW) / RT_PAGE) + i, 1, false);
        else
            failed++;
    return failed;
}

void rt_gnt_unmap(void *addr, const uint32_t *handles, unsigned n)
{
    uint64_t at = (uint64_t)addr;
    RT_ASSERT(at >= RT_WINDOW && at % RT_PAGE == 0 && n <= RT_WINDOW_PAGES &&
              at + (uint64_t)n * RT_PAGE <= RT_WINDOW + (uint64_t)RT_WINDOW_PAGES * RT_PAGE);
    for (unsigned done = 0; done < n; done += BATCH) {
        unsigned m = n - done < BATCH ? n - done : BATCH;
        unsigned failed = unmap_batch(at + (uint64_t)done * RT_PAGE, handles + done, m);
        if (failed)
            rt_log("grants: %u of %u not unmapped", failed, m);
    }
}

/* At most BATCH maps. 0, or the first bad status; handles of the good ones are set, others are ~0. */
static int map_batch(uint64_t at, uint16_t dom, const uint32_t *refs, unsigned n, bool readonly, uint32_t *handles,
                     int16_t *bad)
{
    struct gnttab_map_grant_ref ops[BATCH];
    int first = 0;
    for (unsigned i = 0; i < n; i++)
        ops[i] = (struct gnttab_map_grant_ref){ .host_addr = at + (uint64_t)i * RT_PAGE,
            .flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0), .ref = refs[i], .dom = dom,
            .status = GNTST_general_error };
    rt_hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, ops, n);
    for (unsigned i = 0; i < n; i++) {
        handles[i] = ops[i].status == GNTST_okay ? ops[i].handle : ~0u;
        if (bad)
            bad[i] = ops[i].status;
        if (ops[i].status != GNTST_okay && !first)
            first = ops[i].status;
    }
    return first;
}

static int status_errno(int status)
{
    switch (status) {
    case GNTST_no_space:
    case GNTST_no_device_space: return -XEN_ENOSPC;
    case GNTST_permission_denied: return -XEN_EACCES;
    case GNTST_bad_domain: return -XEN_ESRCH;
    case GNTST_bad_gntref: return -XEN_ENOENT;
    case GNTST_eagain: return -XEN_EAGAIN;
    default: return -XEN_EINVAL;
    }
}

/* Of n pages the first `done` were tried. */
static void undo_maps(uint64_t at, const uint32_t *handles, unsigned n, unsigned done)
{
    for (unsigned i = 0, run; i < n; i += run) {
        for (run = 0; i + run < done && handles[i + run] != ~0u; run++)
            ;
        if (run)
            rt_gnt_unmap((void *)(at + (uint64_t)i * RT_PAGE), &handles[i], run);
        else
            window_mark((unsigned)((at - RT_WINDOW) / RT_PAGE) + i, run = 1, false);
    }
}

int rt_gnt_map(uint16_t dom, const uint32_t *refs, unsigned n, bool readonly, void **addr, uint32_t *handles, int16_t *bad)
{
    unsigned page = n && n <= RT_WINDOW_PAGES ? window_find(n) : RT_WINDOW_PAGES;
    if (page == RT_WINDOW_PAGES)
        return n ? -XEN_ENOSPC : -XEN_EINVAL;
    uint64_t at = RT_WINDOW + (uint64_t)page * RT_PAGE;
    int status = 0;
    unsigned done = 0;

    window_mark(page, n, true);
    while (done < n && !status) {
        unsigned m = n - done < BATCH ? n - done : BATCH;
        status = map_batch(at + (uint64_t)done * RT_PAGE, dom, refs + done, m, readonly, handles + done,
                           bad ? bad + done : NULL);
        done += m;
    }
    if (!status) {
        window_next = page + n;
        *addr = (void *)at;
        return 0;
    }
    undo_maps(at, handles, n, done);
    for (unsigned i = done; bad && i < n; i++)
        bad[i] = GNTST_general_error;
    return status_errno(status);
}

int rt_gnt_copy(struct gnttab_copy *ops, unsigned n)
{
    long ret = rt_hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, ops, n);
    if (ret)
        return GNTST_general_error;
    for (unsigned i = 0; i < n; i++)
        if (ops[i].status != GNTST_okay)
            return ops[i].status;
    return 0;
}
