/* SPDX-License-Identifier: MIT */
/*
 * memory: memory_op. Pages given back and taken again, special pages mapped, the memory map, and what is refused.
 */
#include "tests/guest/lib.h"
#include <xen/memory.h>

#define SPOT 0x1100000000ull /* 68 GiB: nothing there */

static long reservation(unsigned cmd, xen_pfn_t *gfns, unsigned long n, unsigned order)
{
    struct xen_memory_reservation r = { .nr_extents = n, .extent_order = order, .domid = DOMID_SELF };
    set_xen_guest_handle(r.extent_start, gfns);
    return memory_op(cmd, &r);
}

static void populate(void)
{
    xen_pfn_t gfns[4];
    RT_ASSERT(rt_map_ram(SPOT, 1 << 21) == 0);
    for (unsigned i = 0; i < 4; i++)
        gfns[i] = SPOT / RT_PAGE + i;
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);
    check(before > 100, "current reservation: %ld pages", before);
    /* room under the limit, if we had all we may have */
    xen_pfn_t own[4];
    char *pages = rt_alloc_pages(4);
    for (unsigned i = 0; i < 4; i++)
        own[i] = (uint64_t)pages / RT_PAGE + i;
    IS(reservation(XENMEM_decrease_reservation, own, 4, 0), 4);
    IS(memory_op(XENMEM_current_reservation, &self), before - 4);
    IS(reservation(XENMEM_decrease_reservation, own, 1, 0), 0); /* gone already */
    IS(reservation(XENMEM_populate_physmap, gfns, 4, 0), 4);
    IS(memory_op(XENMEM_current_reservation, &self), before);
    volatile uint32_t *spot = (uint32_t *)SPOT;
    check(spot[0] == 0 && spot[1023] == 0 && spot[3 * 1024] == 0, "new pages are clean");
    spot[3 * 1024] = 0x12345678;
    check(spot[3 * 1024] == 0x12345678, "and hold what is written");
    IS(reservation(XENMEM_decrease_reservation, gfns, 4, 0), 4);
    IS(reservation(XENMEM_populate_physmap, own, 4, 0), 4);
    check(*(volatile uint32_t *)pages == 0, "a page taken again is clean");
}

static void reservation_refusals(void)
{
    xen_pfn_t gfn = SPOT / RT_PAGE, far = 1ull << 50;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = 0x7000 };
    set_xen_guest_handle(r.extent_start, &gfn);
    long ret = reservation(XENMEM_populate_physmap, &gfn, 1, 40);
    check(ret <= 0, "populate: order 40 is refused (%ld)", ret);
    ret = reservation(XENMEM_decrease_reservation, &gfn, 1, 40);
    check(ret <= 0, "decrease: order 40 is refused (%ld)", ret);
    ret = reservation(XENMEM_decrease_reservation, &far, 1, 0);
    check(ret <= 0, "decrease: a frame that cannot be is refused (%ld)", ret);
    ret = memory_op(XENMEM_populate_physmap, &r);
    check(ret <= 0, "populate: no such domain (%ld)", ret);
    r.domid = DOMID_SELF;
    r.nr_extents = ~0ul;
    ret = memory_op(XENMEM_decrease_reservation, &r);
    check(ret <= 0, "decrease: 2^64-1 extents are refused (%ld)", ret);
    ret = reservation(XENMEM_populate_physmap, BAD_POINTER, 1, 0);
    check(ret <= 0, "populate: a bad list is refused (%ld)", ret);
    ret = memory_op(XENMEM_populate_physmap, BAD_POINTER);
    check(ret <= 0, "populate: a bad argument is refused (%ld)", ret);
}

static void add_to_physmap(void)
{
    struct xen_add_to_physmap x = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = 1,
                                    .gpfn = SPOT / RT_PAGE + 16 };
    IS(memory_op(XENMEM_add_to_physmap, &x), 0);
    volatile uint32_t *frame = (uint32_t *)(SPOT + 16 * RT_PAGE);
    uint32_t v;
    check(try_read(frame, &v) == -1 && v == 0, "the second grant frame is there, and empty");
    x.idx = 1u << 20;
    REFUSED(memory_op(XENMEM_add_to_physmap, &x));
    x.idx = 0;
    x.space = 77;
    REFUSED(memory_op(XENMEM_add_to_physmap, &x));
    x.space = XENMAPSPACE_shared_info;
    x.domid = 0x7000;
    IS(memory_op(XENMEM_add_to_physmap, &x), -XEN_ESRCH);
    IS(memory_op(XENMEM_add_to_physmap, BAD_POINTER), -XEN_EFAULT);
    x = (struct xen_add_to_physmap){ .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = 1ull << 50 };
    REFUSED(memory_op(XENMEM_add_to_physmap, &x));
    struct xen_remove_from_physmap rm = { .domid = DOMID_SELF, .gpfn = SPOT / RT_PAGE + 16 };
    IS(memory_op(XENMEM_remove_from_physmap, &rm), 0);
}

/* A page of ours somewhere else; where that cannot be, it stays where it was. */
static void move(void)
{
    volatile uint32_t *page = rt_alloc_pages(1), *there = (uint32_t *)(SPOT + 20 * RT_PAGE);
    xen_pfn_t here = (uint64_t)page / RT_PAGE;
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);
    struct xen_add_to_physmap x = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = here, .gpfn = 1ull << 50 };
    *page = 0xabcd;
    REFUSED(memory_op(XENMEM_add_to_physmap, &x));
    check(*page == 0xabcd, "a page that cannot be moved stays");
    x.gpfn = here;
    IS(memory_op(XENMEM_add_to_physmap, &x), 0);
    x.gpfn = (uint64_t)there / RT_PAGE;
    IS(memory_op(XENMEM_add_to_physmap, &x), 0);
    check(*there == 0xabcd, "a page is moved");
    REFUSED(memory_op(XENMEM_add_to_physmap, &x)); /* gone from there */
    x = (struct xen_add_to_physmap){ .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = (uint64_t)there / RT_PAGE, .gpfn = here };
    IS(memory_op(XENMEM_add_to_physmap, &x), 0);
    check(*page == 0xabcd && memory_op(XENMEM_current_reservation, &self) == before, "and back; none is lost");
}

static void memory_map(void)
{
    struct { uint64_t addr, size; uint32_t type; } __attribute__((packed)) e[64];
    struct xen_memory_map m = { .nr_entries = 64 };
    uint64_t ram = 0;
    bool sorted = true;
    set_xen_guest_handle(m.buffer, e);
    IS(memory_op(XENMEM_memory_map, &m), 0);
    for (unsigned i = 0; i < m.nr_entries; i++) {
        ram += e[i].type == 1 ? e[i].size : 0;
        sorted &= i == 0 || e[i].addr >= e[i - 1].addr + e[i - 1].size;
    }
    check(m.nr_entries && m.nr_entries <= 64 && sorted, "%u entries, in order, none overlapping", m.nr_entries);
    check(ram >= 4 << 20, "%lu MiB of RAM", ram >> 20);
    set_xen_guest_handle(m.buffer, BAD_POINTER);
    REFUSED(memory_op(XENMEM_memory_map, &m));
    IS(memory_op(XENMEM_memory_map, BAD_POINTER), -XEN_EFAULT);
    domid_t self = DOMID_SELF, nobody = 0x7000;
    check(memory_op(XENMEM_maximum_reservation, &self) >= memory_op(XENMEM_current_reservation, &self), "maximum reservation");
    REFUSED(memory_op(XENMEM_current_reservation, &nobody));
    IS(memory_op(63, NULL), -XEN_ENOSYS);
    struct xen_memory_exchange exchange = { .in.domid = DOMID_SELF, .out.domid = DOMID_SELF };
    IS(memory_op(XENMEM_exchange, &exchange), -XEN_ENOSYS);
}

void domain_main(const char *cmdline)
{
    populate();
    reservation_refusals();
    add_to_physmap();
    move();
    memory_map();
    test_done();
}
