/* SPDX-License-Identifier: MIT */
/*
 * Grants of one domain, our own or another, copied and mapped: one and BATCH in a call. Interface: micro.h.
 */
#include "bench/micro/micro.h"
#include <xen/grant_table.h>

#define AT (RT_WINDOW + 0x8000000ull) /* a free corner of the grant window */

static uint16_t granter;
static const uint32_t *refs;
static char *pages; /* BATCH, to copy to */

static long copy(unsigned n)
{
    struct gnttab_copy c[BATCH];
    for (unsigned i = 0; i < n; i++)
        c[i] = (struct gnttab_copy){
            .source = {.u.ref = refs[i], .domid = granter},
            .dest = {.u.gmfn = (uint64_t)(pages + i * RT_PAGE) / RT_PAGE, .domid = DOMID_SELF},
            .len = RT_PAGE, .flags = GNTCOPY_source_gref};
    long rc = grant_op(GNTTABOP_copy, c, n);
    for (unsigned i = 0; i < n && !rc; i++)
        rc = c[i].status;
    return rc;
}
static long copy_1(void) { return copy(1); }
static long copy_16(void) { return copy(BATCH); }

static long map(unsigned n, bool touch)
{
    struct gnttab_map_grant_ref m[BATCH];
    struct gnttab_unmap_grant_ref u[BATCH];
    for (unsigned i = 0; i < n; i++)
        m[i] = (struct gnttab_map_grant_ref){.host_addr = AT + i * RT_PAGE, .flags = GNTMAP_host_map, .ref = refs[i], .dom = granter};
    long rc = grant_op(GNTTABOP_map_grant_ref, m, n);
    for (unsigned i = 0; i < n && !rc; i++) {
        rc = m[i].status;
        if (touch)
            *(volatile char *)(AT + i * RT_PAGE) = 1;
        u[i] = (struct gnttab_unmap_grant_ref){.host_addr = m[i].host_addr, .handle = m[i].handle};
    }
    if (!rc)
        rc = grant_op(GNTTABOP_unmap_grant_ref, u, n);
    for (unsigned i = 0; i < n && !rc; i++)
        rc = u[i].status;
    return rc;
}
static long map_1(void) { return map(1, false); }
static long map_touch_1(void) { return map(1, true); }
static long map_16(void) { return map(BATCH, false); }

void micro_copies(uint16_t domid, const uint32_t *their)
{
    granter = domid;
    refs = their;
    pages = rt_alloc_pages(BATCH);
    measure("grant_copy_4k", copy_1);
    measure("grant_copy_16_pages", copy_16);
    rt_free_pages(pages, BATCH);
}

void micro_maps(uint16_t domid, const uint32_t *their)
{
    granter = domid;
    refs = their;
    measure("grant_map_unmap", map_1);
    measure("grant_map_touch_unmap", map_touch_1);
    measure("grant_map_unmap_16", map_16);
}
