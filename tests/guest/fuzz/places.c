/* SPDX-License-Identifier: MIT */
/* Random numbers, and the kinds of pages that arguments and buffers are handed over in. */
#include "tests/guest/fuzz/fuzz.h"
#include <xen/grant_table.h>
#include <xen/memory.h>

#define AT (RT_WINDOW + 0x8000000ull) /* a free corner of the grant window */
#define DEVICE_MFN 0xc0000ul          /* below 4 GiB and no RAM */
#define FIRST_WORDS 64u               /* of arg: no structure is longer than 512 bytes */

enum kind { PLAIN, GRANT_RW, GRANT_RO, FOREIGN, DEVICE, SHARED, TABLE, EDGE, HOLE, KINDS };

uint64_t seed = 1;
uint64_t *arg, *data;
static uint64_t stage[512] __attribute__((aligned(4096))); /* our page behind both grants */
static uint64_t page_of[KINDS], list_edge;                 /* address of a page of the kind; of another EDGE, for lists */
static uint32_t refs[4], handle[2];

uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
uint64_t below(uint64_t n) { return rnd() % n; }

/* Never the frame number of a page of ours but the lowest few. */
uint64_t word(void)
{
    switch (below(12)) {
    case 0: return 0;
    case 1: return below(16);
    case 2: return buffer();
    case 3: return ~0ul >> below(64);
    case 4: return 1ul << below(64);
    case 5: return 0x7ff0 + below(16);
    case 6: return NO_GFN + below(256);
    case 7: return (NO_GFN + below(256)) << 12;
    case 8: return below(5) | below(5) << 32;
    case 9: return (uint64_t)(uintptr_t)data | below(64) << 56;
    case 10: return 0xffff800000000000ul + below(1ul << 32);
    default: return rnd();
    }
}

void *argument(void) { return arg; }

void fill(void)
{
    for (unsigned i = 0; i < 24; i++)
        arg[i] = word();
    for (unsigned i = 0; i < 8; i++)
        data[below(4096)] = below(2) ? word() | 1ul << 40 : NO_GFN + below(4096);
}

uint16_t other(void) { return (uint16_t)(below(8) ? 1 + below(4) : 0x7ff1 + below(14)); }
uint16_t any_domain(void) { return below(2) ? DOMID_SELF : other(); }
uint32_t own_ref(void) { return below(8) ? refs[below(4)] : (uint32_t)word(); }

uint64_t handed(void)
{
    enum kind k = below(8) ? PLAIN : (enum kind)below(KINDS);
    if (!below(64)) { /* anywhere but in our own memory: what lies there may be a structure that names frames of ours */
        uint64_t a = word();
        return a ? a | 1ul << 46 : a;
    }
    if (k == PLAIN) return (uint64_t)(uintptr_t)arg;
    if (k == DEVICE || k == HOLE) return page_of[k] + below(RT_PAGE);
    /* The hypervisor's own pages from 3 KiB on: nothing of theirs is there. At the edge, the structure ends where nothing is mapped. */
    uint64_t offset = k == SHARED || k == TABLE ? 3072 : k == EDGE ? RT_PAGE - 8 * (1 + below(FIRST_WORDS)) : below(2048);
    char *to = (char *)(k == GRANT_RO ? (uint64_t)(uintptr_t)stage : page_of[k]) + offset;
    memcpy(to, arg, offset + FIRST_WORDS * 8 > RT_PAGE ? RT_PAGE - offset : FIRST_WORDS * 8);
    return page_of[k] + offset;
}

uint64_t buffer(void)
{
    enum kind k = below(8) ? PLAIN : (enum kind)below(KINDS);
    if (k == PLAIN) return (uint64_t)(uintptr_t)data + 8 * below(below(2) ? 4 : 4096);
    return page_of[k] + (k == SHARED || k == TABLE ? 3072 : below(RT_PAGE));
}

uint64_t list(unsigned n)
{
    enum kind k = below(8) ? PLAIN : (enum kind)below(KINDS);
    /* Where handed() puts no copy of arg, and no answer is written: what comes there could be frames of ours. */
    uint64_t at = k == PLAIN ? (uint64_t)(uintptr_t)&data[8000] : k == EDGE ? list_edge + RT_PAGE - 8 * (1 + n / 2) : page_of[k] + 3584;
    uint64_t *to = (uint64_t *)(k == GRANT_RO ? (uint64_t)(uintptr_t)stage + 3584 : at);
    for (unsigned i = 0; k != DEVICE && k != HOLE && i < n && (uint64_t)&to[i] / RT_PAGE == (uint64_t)to / RT_PAGE; i++)
        to[i] = below(16) ? NO_GFN + below(64) : word() | 1ul << 40;
    return at;
}

static void map_grant(unsigned i, uint32_t flags)
{
    struct gnttab_map_grant_ref m = {.host_addr = AT + 2 * i * RT_PAGE, .flags = GNTMAP_host_map | flags, .ref = refs[i], .dom = rt_domid};
    IS(grant_op(GNTTABOP_map_grant_ref, &m, 1) ?: m.status, 0);
    handle[i] = m.handle;
    page_of[i ? GRANT_RO : GRANT_RW] = m.host_addr;
}

/* A page of a domain that is then destroyed: it stays for as long as we have it. */
static void map_foreign(void)
{
    struct xen_domctl c = {.u.createdomain = {.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, .max_vcpus = 1, .max_evtchn_port = 15}};
    IS(domctl(&c, XEN_DOMCTL_createdomain, 0), 0);
    uint16_t id = c.domain;
    c.u.max_mem.max_memkb = 64;
    IS(domctl(&c, XEN_DOMCTL_max_mem, id), 0);
    xen_pfn_t gfn = 1, at = AT / RT_PAGE + 4;
    xen_ulong_t idx = 1;
    int err = -1;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = id};
    set_xen_guest_handle(r.extent_start, &gfn);
    IS(memory_op(XENMEM_populate_physmap, &r), 1);
    struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = 1, .u.foreign_domid = id};
    set_xen_guest_handle(b.idxs, &idx);
    set_xen_guest_handle(b.gpfns, &at);
    set_xen_guest_handle(b.errs, &err);
    IS(memory_op(XENMEM_add_to_physmap_batch, &b) ?: err, 0);
    page_of[FOREIGN] = at * RT_PAGE;
}

/* Pages of ours at an address with nothing behind them: what runs over the end harms nothing. */
static void *pages_at(uint64_t address, unsigned n)
{
    uint64_t spare = (uint64_t)(uintptr_t)rt_alloc_pages(n) / RT_PAGE;
    for (unsigned i = 0; i < n; i++) {
        struct xen_add_to_physmap move = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = spare + i, .gpfn = address / RT_PAGE + i};
        IS(memory_op(XENMEM_add_to_physmap, &move), 0);
    }
    return (void *)(uintptr_t)address;
}

void places_init(void)
{
    struct xen_domctl c = {.u.memory_mapping = {.first_gfn = AT / RT_PAGE + 3, .first_mfn = DEVICE_MFN, .nr_mfns = 1, .add_mapping = 1}};
    RT_ASSERT(rt_map_ram(AT, 32 * RT_PAGE) == 0);
    arg = pages_at(AT + 8 * RT_PAGE, 1);
    data = pages_at(AT + 10 * RT_PAGE, 16);
    for (unsigned i = 0; i < 4096; i++)
        data[i] = NO_GFN + i;
    for (unsigned i = 0; i < 4; i++)
        refs[i] = (uint32_t)rt_grant(rt_domid, i < 2 ? (void *)stage : (void *)data, i == 1);
    map_grant(0, 0); /* no two pages of AT are neighbours but those that are meant to be: a list ends at its page's end */
    map_grant(1, GNTMAP_readonly);
    map_foreign();
    IS(domctl(&c, XEN_DOMCTL_memory_mapping, DOMID_SELF), 0);
    page_of[DEVICE] = AT + 3 * RT_PAGE;
    page_of[SHARED] = RT_SHARED_INFO;
    page_of[TABLE] = RT_GRANT_TABLE;
    page_of[HOLE] = AT + 5 * RT_PAGE;
    page_of[EDGE] = (uint64_t)pages_at(AT + 6 * RT_PAGE, 1);
    list_edge = (uint64_t)pages_at(AT + 27 * RT_PAGE, 1);
}

void places_done(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct gnttab_unmap_grant_ref u = {.host_addr = AT + 2 * i * RT_PAGE, .handle = handle[i]};
        grant_op(GNTTABOP_unmap_grant_ref, &u, 1);
    }
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = page_of[FOREIGN] / RT_PAGE};
    memory_op(XENMEM_remove_from_physmap, &r);
}
