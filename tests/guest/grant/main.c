/* SPDX-License-Identifier: MIT */
/*
 * grant: grant tables, version 1. The domain grants pages to itself: map, write through, in-use flags, read-only,
 * copy, query; then bad references, handles, addresses, domains and everything done twice.
 */
#include "tests/guest/lib.h"
#include <xen/grant_table.h>

#define AT (RT_WINDOW + 0x8000000ull) /* a free corner of the grant window */

static volatile uint32_t *page;
static struct grant_entry_v1 *const table = (void *)(uintptr_t)RT_GRANT_TABLE;

static struct gnttab_map_grant_ref map_of(uint32_t ref, uint32_t flags)
{
    return (struct gnttab_map_grant_ref){ .host_addr = AT, .flags = GNTMAP_host_map | flags, .ref = ref,
                                          .dom = rt_domid, .status = 77 };
}

static struct gnttab_unmap_grant_ref unmap_of(uint32_t handle)
{
    return (struct gnttab_unmap_grant_ref){ .host_addr = AT, .handle = handle, .status = 77 };
}

static void mapping(void)
{
    volatile uint32_t *window = (uint32_t *)AT;
    int ref = rt_grant(rt_domid, (void *)page, false);
    check(ref >= GNTTAB_NR_RESERVED_ENTRIES, "reference %d", ref);
    struct gnttab_map_grant_ref m = map_of((uint32_t)ref, 0);
    IS(grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    IS(m.status, GNTST_okay);
    page[0] = 0x11111111;
    check(window[0] == 0x11111111, "the mapping shows the page");
    window[1] = 0x22222222;
    check(page[1] == 0x22222222, "writes go through");
    check((table[ref].flags & (GTF_reading | GTF_writing)) == (GTF_reading | GTF_writing), "in-use flags are set");
    IS(rt_grant_end((uint32_t)ref), -XEN_EBUSY);
    struct gnttab_unmap_grant_ref wrong = unmap_of(m.handle);
    wrong.host_addr = AT + RT_PAGE;
    IS(grant_op(GNTTABOP_unmap_grant_ref, &wrong, 1), 0);
    check(wrong.status < 0, "unmap at another address is refused (%d)", wrong.status);
    struct gnttab_unmap_grant_ref u = unmap_of(m.handle);
    IS(grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    IS(u.status, GNTST_okay);
    check((table[ref].flags & (GTF_reading | GTF_writing)) == 0, "in-use flags are cleared");
    u = unmap_of(m.handle);
    IS(grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    IS(u.status, GNTST_bad_handle);
    IS(rt_grant_end((uint32_t)ref), 0);
    m = map_of((uint32_t)ref, 0);
    IS(grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    check(m.status < 0, "an ended grant cannot be mapped (%d)", m.status);
}

static void readonly(void)
{
    int ref = rt_grant(rt_domid, (void *)page, true);
    struct gnttab_map_grant_ref m = map_of((uint32_t)ref, 0);
    IS(grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    check(m.status < 0, "a read-only grant cannot be mapped for writing (%d)", m.status);
    m = map_of((uint32_t)ref, GNTMAP_readonly);
    IS(grant_op(GNTTABOP_map_grant_ref, &m, 1), 0);
    IS(m.status, GNTST_okay);
    check((table[ref].flags & (GTF_reading | GTF_writing)) == GTF_reading, "in use for reading only");
    page[2] = 0x33333333;
    uint32_t seen = 0;
    check(try_read((uint32_t *)AT + 2, &seen) == -1 && seen == 0x33333333, "it can be read");
    int vector = try_write((uint32_t *)AT + 2, 0x44444444);
    check(page[2] == 0x33333333, "and not be written (exception %d)", vector);
    struct gnttab_unmap_grant_ref u = unmap_of(m.handle);
    IS(grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    IS(u.status, GNTST_okay);
    IS(rt_grant_end((uint32_t)ref), 0);
}

static int map_status(struct gnttab_map_grant_ref m)
{
    long ret = grant_op(GNTTABOP_map_grant_ref, &m, 1);
    return ret ? 99 : m.status;
}

static void bad_maps(void)
{
    int mine = rt_grant(rt_domid, (void *)page, false), other = rt_grant(0x1234, (void *)page, false);
    struct gnttab_map_grant_ref m = map_of(0x7fffffff, 0);
    IS(map_status(m), GNTST_bad_gntref);
    m = map_of(100, 0);
    check(map_status(m) < 0, "a free entry cannot be mapped");
    m = map_of((uint32_t)other, 0);
    check(map_status(m) < 0, "a page granted to another domain cannot be mapped");
    m = map_of((uint32_t)mine, 0);
    m.dom = 0x7000;
    IS(map_status(m), GNTST_bad_domain);
    m = map_of((uint32_t)mine, 0);
    m.host_addr = AT + 8;
    check(map_status(m) < 0, "an address inside a page is refused");
    m.host_addr = 1ull << 60;
    check(map_status(m) < 0, "an address beyond the physical width is refused");
    m = map_of((uint32_t)mine, 0);
    m.flags = 0;
    check(map_status(m) < 0, "neither host nor device mapping is refused");
    check((table[mine].flags & (GTF_reading | GTF_writing)) == 0, "no refused map leaves the grant in use");
    IS(grant_op(GNTTABOP_map_grant_ref, BAD_POINTER, 1), -XEN_EFAULT);
    IS(grant_op(GNTTABOP_unmap_grant_ref, BAD_POINTER, 1), -XEN_EFAULT);
    IS(grant_op(GNTTABOP_map_grant_ref, &m, 0), 0);
    REFUSED(grant_op(1000, &m, 1));
    struct gnttab_unmap_grant_ref u = unmap_of(0x7fffffff);
    IS(grant_op(GNTTABOP_unmap_grant_ref, &u, 1), 0);
    IS(u.status, GNTST_bad_handle);
    IS(rt_grant_end((uint32_t)mine), 0);
    IS(rt_grant_end((uint32_t)other), 0);
}

/* Bytes from our page `from` into grant `to`. */
static struct gnttab_copy copy_of(void *from, unsigned from_at, uint32_t to, unsigned to_at, unsigned len)
{
    return (struct gnttab_copy){ .source = { .u.gmfn = (uint64_t)from / RT_PAGE, .domid = DOMID_SELF, .offset = (uint16_t)from_at },
        .dest = { .u.ref = to, .domid = rt_domid, .offset = (uint16_t)to_at }, .len = (uint16_t)len,
        .flags = GNTCOPY_dest_gref, .status = 77 };
}

static void copying(void)
{
    char *from = rt_alloc_pages(1);
    volatile char *to = (volatile char *)page;
    int ref = rt_grant(rt_domid, (void *)page, false);
    memset(from, 0xa5, RT_PAGE);
    memset((void *)page, 0, RT_PAGE);
    struct gnttab_copy c = copy_of(from, 100, (uint32_t)ref, 200, 3000);
    IS(rt_gnt_copy(&c, 1), 0);
    check(to[199] == 0 && (uint8_t)to[200] == 0xa5 && (uint8_t)to[3199] == 0xa5 && to[3200] == 0, "exactly those bytes");
    check((table[ref].flags & (GTF_reading | GTF_writing)) == 0, "the grant is not in use afterwards");
    c = copy_of(from, 0, (uint32_t)ref, 0, 4096);
    IS(rt_gnt_copy(&c, 1), 0);
    c = copy_of(from, 2000, (uint32_t)ref, 0, 3000);
    IS(rt_gnt_copy(&c, 1), GNTST_bad_copy_arg);
    c = copy_of(from, 0, (uint32_t)ref, 2000, 3000);
    IS(rt_gnt_copy(&c, 1), GNTST_bad_copy_arg);
    c = copy_of(from, 0, 0x7fffffff, 0, 10);
    IS(rt_gnt_copy(&c, 1), GNTST_bad_gntref);
    c = copy_of((void *)0x7000000000, 0, (uint32_t)ref, 0, 10);
    check(rt_gnt_copy(&c, 1) < 0, "a source frame that does not exist is refused");
    c = copy_of(from, 0, (uint32_t)ref, 0, 10);
    c.dest.domid = 0x7000;
    IS(rt_gnt_copy(&c, 1), GNTST_bad_domain);
    IS(rt_grant_end((uint32_t)ref), 0);
    int closed = rt_grant(rt_domid, (void *)page, true);
    c = copy_of(from, 0, (uint32_t)closed, 0, 10);
    check(rt_gnt_copy(&c, 1) < 0, "copying into a read-only grant is refused");
    IS(rt_grant_end((uint32_t)closed), 0);
    IS(grant_op(GNTTABOP_copy, BAD_POINTER, 1), -XEN_EFAULT);
}

static void queries(void)
{
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    struct gnttab_get_version v = { .dom = DOMID_SELF };
    IS(grant_op(GNTTABOP_query_size, &q, 1), 0);
    check(q.status == GNTST_okay && q.nr_frames >= 1 && q.max_nr_frames >= q.nr_frames, "%u of %u frames", q.nr_frames,
          q.max_nr_frames);
    q.dom = 0x7000;
    IS(grant_op(GNTTABOP_query_size, &q, 1), 0);
    IS(q.status, GNTST_bad_domain);
    IS(grant_op(GNTTABOP_get_version, &v, 1), 0);
    IS(v.version, 1);
}

static void many(void)
{
    enum { N = 200 };
    static uint32_t refs[N], handles[N];
    void *addr;
    unsigned same = 0, ended = 0;
    for (unsigned i = 0; i < N; i++)
        refs[i] = (uint32_t)rt_grant(rt_domid, (void *)page, false);
    int err = rt_gnt_map(rt_domid, refs, N, false, &addr, handles, NULL);
    check(err == 0, "200 maps in batches (%d)", err);
    for (unsigned i = 0; !err && i < N; i++)
        same += *(volatile uint32_t *)((char *)addr + i * RT_PAGE) == page[0];
    check(same == N, "every one shows the page");
    if (!err)
        rt_gnt_unmap(addr, handles, N);
    uint32_t last = refs[N - 1];
    refs[N - 1] = 0x7fffffff;
    err = rt_gnt_map(rt_domid, refs, N, false, &addr, handles, NULL);
    check(err < 0, "one bad reference among them: nothing stays mapped (%d)", err);
    refs[N - 1] = last;
    for (unsigned i = 0; i < N; i++)
        ended += rt_grant_end(refs[i]) == 0;
    check(ended == N, "every one can be ended");
}

void domain_main(const char *cmdline)
{
    page = rt_alloc_pages(1);
    mapping();
    readonly();
    bad_maps();
    copying();
    queries();
    many();
    test_done();
}
