/* SPDX-License-Identifier: MIT */
/* dom/grant.c: maps, unmaps and copies; what the entry's flags say meanwhile; bad references, hostile entries, death. */
#include "hv/fake_dom.h"
#include "hv/fake_hv.h"
#include <stdlib.h>
#include <string.h>
#include "suite.h"

#define WINDOW 0x100ull /* gfns of the mapper that are holes */
static struct domain *a, *b; /* a grants, b maps */

static grant_entry_v1_t *entry(struct domain *d, unsigned ref)
{
    mfn_t m;
    CU_ASSERT_EQUAL(grant_table_frame(d, ref / GRANT_PER_FRAME, &m), 0);
    return (grant_entry_v1_t *)mfn_to_virt(m) + ref % GRANT_PER_FRAME;
}
static void grant(unsigned ref, domid_t to, uint32_t frame, uint16_t flags)
{
    *entry(a, ref) = (grant_entry_v1_t){.flags = flags, .domid = to, .frame = frame};
}
static struct gnttab_map_grant_ref map(unsigned ref, uint64_t g, uint32_t flags)
{
    struct gnttab_map_grant_ref op = {.host_addr = g << PAGE_SHIFT, .flags = flags, .ref = ref, .dom = a->id};
    grant_map(b, &op);
    CU_ASSERT_EQUAL(fake_locks_held, 0);
    return op;
}
static int unmap(uint32_t handle, uint64_t g)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = g << PAGE_SHIFT, .handle = handle};
    grant_unmap(b, &op);
    return op.status;
}
static char *page(struct domain *d, uint64_t g) { return mfn_to_virt(p2m_lookup(&d->p2m, gfn(g), NULL)); }
static uint32_t refs(struct domain *d, uint64_t g) { return frame_of(p2m_lookup(&d->p2m, gfn(g), NULL))->refs; }

static int setup(void)
{
    fake_domain(0, BH_ROLE_CONTROL, 1, 2);
    a = fake_domain(DOMID_INVALID, 0, 1, 16);
    b = fake_domain(DOMID_INVALID, 0, 1, 16);
    return 0;
}

static void map_and_unmap(void)
{
    enum p2m_type t;
    grant(9, b->id, 3, GTF_permit_access);
    strcpy(page(a, 3), "granted");
    struct gnttab_map_grant_ref m = map(9, WINDOW, GNTMAP_host_map | GNTMAP_device_map);
    CU_ASSERT_EQUAL(m.status, GNTST_okay);
    CU_ASSERT_EQUAL(m.dev_bus_addr, WINDOW << PAGE_SHIFT); /* no machine address leaves us */
    CU_ASSERT_STRING_EQUAL(page(b, WINDOW), "granted");
    p2m_lookup(&b->p2m, gfn(WINDOW), &t);
    CU_ASSERT_EQUAL(t, P2M_GRANT_RW);
    CU_ASSERT_EQUAL(entry(a, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    CU_ASSERT_EQUAL(refs(a, 3), 2);
    struct gnttab_map_grant_ref r = map(9, WINDOW + 1, GNTMAP_host_map | GNTMAP_readonly);
    CU_ASSERT_EQUAL(r.status, GNTST_okay);
    p2m_lookup(&b->p2m, gfn(WINDOW + 1), &t);
    CU_ASSERT_EQUAL(t, P2M_GRANT_RO);
    CU_ASSERT_EQUAL(unmap(m.handle, WINDOW + 1), GNTST_bad_virt_addr);
    CU_ASSERT_EQUAL(unmap(m.handle, 0), GNTST_okay); /* nothing named, nothing undone */
    CU_ASSERT_EQUAL(refs(a, 3), 3);
    CU_ASSERT_EQUAL(unmap(m.handle, WINDOW), GNTST_okay);
    CU_ASSERT_EQUAL(entry(a, 9)->flags, GTF_permit_access | GTF_reading);
    CU_ASSERT_EQUAL(unmap(m.handle, WINDOW), GNTST_bad_handle);
    CU_ASSERT_EQUAL(unmap(r.handle, WINDOW + 1), GNTST_okay);
    CU_ASSERT_EQUAL(entry(a, 9)->flags, GTF_permit_access);
    CU_ASSERT_EQUAL(refs(a, 3), 1);
    CU_ASSERT_FALSE(mfn_valid_value(p2m_lookup(&b->p2m, gfn(WINDOW), NULL)));
    CU_ASSERT_EQUAL(unmap(12345678, WINDOW), GNTST_bad_handle);
}

static void refusals(void)
{
    const uint32_t rw = GNTMAP_host_map, ro = GNTMAP_host_map | GNTMAP_readonly;
    grant(10, b->id, 3, GTF_permit_access | GTF_readonly);
    CU_ASSERT_EQUAL(map(10, WINDOW, rw).status, GNTST_general_error);
    CU_ASSERT_EQUAL(entry(a, 10)->flags, GTF_permit_access | GTF_readonly); /* nothing left behind */
    grant(11, a->id, 3, GTF_permit_access);
    CU_ASSERT_EQUAL(map(11, WINDOW, ro).status, GNTST_general_error); /* for another */
    grant(12, b->id, 3, GTF_invalid);
    CU_ASSERT_EQUAL(map(12, WINDOW, ro).status, GNTST_general_error);
    grant(13, b->id, 3, GTF_accept_transfer);
    CU_ASSERT_EQUAL(map(13, WINDOW, ro).status, GNTST_general_error);
    grant(14, b->id, 3, GTF_permit_access | GTF_sub_page);
    CU_ASSERT_EQUAL(map(14, WINDOW, ro).status, GNTST_general_error);
    grant(15, b->id, 0xfffffffe, GTF_permit_access);
    CU_ASSERT_EQUAL(map(15, WINDOW, ro).status, GNTST_bad_page);
    CU_ASSERT_EQUAL(entry(a, 15)->flags, GTF_permit_access);
    CU_ASSERT_EQUAL(map(600, WINDOW, ro).status, GNTST_bad_gntref); /* beyond the table */
    CU_ASSERT_EQUAL(map(~0u, WINDOW, ro).status, GNTST_bad_gntref);
    grant(16, b->id, 3, GTF_permit_access);
    CU_ASSERT_EQUAL(map(16, 2, rw).status, GNTST_bad_virt_addr); /* memory of the mapper's own is in the way */
    CU_ASSERT_EQUAL(entry(a, 16)->flags, GTF_permit_access);
    CU_ASSERT_EQUAL(refs(a, 3), 1);
    CU_ASSERT_EQUAL(map(16, WINDOW, GNTMAP_device_map).status, GNTST_general_error);
    CU_ASSERT_EQUAL(map(16, WINDOW, rw | GNTMAP_contains_pte).status, GNTST_general_error);
    struct gnttab_map_grant_ref op = {.host_addr = (WINDOW << PAGE_SHIFT) + 8, .flags = rw, .ref = 16, .dom = a->id};
    grant_map(b, &op);
    CU_ASSERT_EQUAL(op.status, GNTST_bad_virt_addr);
    op = (struct gnttab_map_grant_ref){.host_addr = WINDOW << PAGE_SHIFT, .flags = rw, .ref = 16, .dom = 999};
    grant_map(b, &op);
    CU_ASSERT_EQUAL(op.status, GNTST_bad_domain);
    /* What was granted to the granter cannot be passed on as its own. */
    grant(17, b->id, 3, GTF_permit_access);
    struct gnttab_map_grant_ref m = map(17, WINDOW, rw);
    *entry(b, 0) = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = a->id, .frame = WINDOW};
    op = (struct gnttab_map_grant_ref){.host_addr = WINDOW << PAGE_SHIFT, .flags = rw, .ref = 0, .dom = b->id};
    grant_map(a, &op);
    CU_ASSERT_EQUAL(op.status, GNTST_bad_page);
    CU_ASSERT_EQUAL(unmap(m.handle, WINDOW), GNTST_okay);
}

static void hostile_entry(void)
{
    grant(20, b->id, 4, GTF_permit_access);
    struct gnttab_map_grant_ref m = map(20, WINDOW, GNTMAP_host_map);
    /* The granter rewrites an entry in use: what is mapped stays what it was, and more of it is the same frame. */
    grant(20, b->id, 5, GTF_permit_access);
    struct gnttab_map_grant_ref n = map(20, WINDOW + 1, GNTMAP_host_map);
    CU_ASSERT_EQUAL(n.status, GNTST_okay);
    CU_ASSERT_PTR_EQUAL(page(b, WINDOW), page(b, WINDOW + 1));
    CU_ASSERT_PTR_EQUAL(page(b, WINDOW), page(a, 4));
    grant(20, a->id, 5, GTF_permit_access); /* and for another domain meanwhile: refused */
    struct gnttab_map_grant_ref self = {.host_addr = WINDOW << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 20, .dom = DOMID_SELF};
    grant_map(a, &self);
    CU_ASSERT_EQUAL(self.status, GNTST_general_error);
    /* The granter takes the page away altogether: the mapper still has it, the frame is not free. */
    mfn_t held = p2m_lookup(&a->p2m, gfn(4), NULL);
    CU_ASSERT_EQUAL(p2m_remove(&a->p2m, gfn(4), 0), 0);
    CU_ASSERT_EQUAL(frame_of(held)->refs, 2);
    CU_ASSERT_EQUAL(unmap(m.handle, WINDOW), GNTST_okay);
    CU_ASSERT_EQUAL(unmap(n.handle, WINDOW + 1), GNTST_okay);
    CU_ASSERT_EQUAL(frame_of(held)->refs, 0);
}

static void loopback(void)
{
    grant(21, a->id, 6, GTF_permit_access);
    struct gnttab_map_grant_ref m = {.host_addr = WINDOW << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 21, .dom = DOMID_SELF};
    grant_map(a, &m);
    CU_ASSERT_EQUAL(m.status, GNTST_okay);
    CU_ASSERT_PTR_EQUAL(page(a, 6), page(a, WINDOW));
    struct gnttab_unmap_grant_ref u = {.host_addr = WINDOW << PAGE_SHIFT, .handle = m.handle};
    grant_unmap(a, &u);
    CU_ASSERT_EQUAL(u.status, GNTST_okay);
    CU_ASSERT_EQUAL(entry(a, 21)->flags, GTF_permit_access);
}

static void copy(struct domain *d, struct gnttab_copy *c)
{
    struct grant_run run;
    grant_run_begin(&run);
    grant_copy(d, c, &run);
    grant_run_end(&run);
}

static void copies(void)
{
    grant(30, b->id, 7, GTF_permit_access | GTF_readonly);
    grant(31, b->id, 8, GTF_permit_access);
    memset(page(a, 7), 'x', PAGE_SIZE);
    struct gnttab_copy c = {.source = {.u.ref = 30, .domid = a->id, .offset = 4000}, .dest = {.u.gmfn = 5, .domid = DOMID_SELF, .offset = 100},
                            .len = 96, .flags = GNTCOPY_source_gref};
    copy(b, &c);
    CU_ASSERT_EQUAL(c.status, GNTST_okay);
    CU_ASSERT(page(b, 5)[99] == 0 && page(b, 5)[100] == 'x' && page(b, 5)[195] == 'x' && page(b, 5)[196] == 0);
    CU_ASSERT_EQUAL(entry(a, 30)->flags, GTF_permit_access | GTF_readonly);
    c.len = 97; /* crosses the end of the source */
    copy(b, &c);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_copy_arg);
    c.len = 65535, c.source.offset = 65535;
    copy(b, &c);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_copy_arg);
    c = (struct gnttab_copy){.source = {.u.gmfn = 5, .domid = DOMID_SELF}, .dest = {.u.ref = 30, .domid = a->id}, .len = 4, .flags = GNTCOPY_dest_gref};
    copy(b, &c);
    CU_ASSERT_EQUAL(c.status, GNTST_general_error); /* read-only */
    c.dest.u.ref = 31;
    copy(b, &c);
    CU_ASSERT_EQUAL(c.status, GNTST_okay);
    c.source.domid = a->id;
    copy(b, &c);
    CU_ASSERT_EQUAL(c.status, GNTST_permission_denied); /* another's memory by its frame number */
    c.source.domid = DOMID_SELF;
    c.source.u.gmfn = 0x5000;
    copy(b, &c);
    CU_ASSERT_EQUAL(c.status, GNTST_bad_page);
    CU_ASSERT_EQUAL(entry(a, 31)->flags, GTF_permit_access);
    CU_ASSERT_EQUAL(refs(a, 7), 1);
}

/* What a run keeps of one copy never answers for another domain's pages or for one that has gone. */
static void run_of_copies(void)
{
    struct grant_run run;
    unsigned held = a->refs;
    grant_run_begin(&run);
    grant(32, b->id, 7, GTF_permit_access);
    grant(33, b->id, 8, GTF_permit_access);
    memset(page(a, 7), 'a', PAGE_SIZE);
    memset(page(a, 8), 'A', PAGE_SIZE);
    memset(page(b, 7), 'b', PAGE_SIZE);
    struct gnttab_copy from_a = {.source = {.u.ref = 32, .domid = a->id}, .dest = {.u.gmfn = 5, .domid = DOMID_SELF}, .len = 1, .flags = GNTCOPY_source_gref};
    struct gnttab_copy own = {.source = {.u.gmfn = 7, .domid = DOMID_SELF}, .dest = {.u.gmfn = 5, .domid = DOMID_SELF}, .len = 1};
    grant_copy(b, &from_a, &run);
    CU_ASSERT(from_a.status == GNTST_okay && page(b, 5)[0] == 'a');
    CU_ASSERT_EQUAL(a->refs, held + 1);
    grant_copy(b, &own, &run); /* the same gfn of another domain */
    CU_ASSERT(own.status == GNTST_okay && page(b, 5)[0] == 'b');
    from_a.source.u.ref = 33;
    grant_copy(b, &from_a, &run);
    CU_ASSERT(from_a.status == GNTST_okay && page(b, 5)[0] == 'A');
    CU_ASSERT_EQUAL(p2m_remove(&a->p2m, gfn(8), 0), 0);
    grant_copy(b, &from_a, &run);
    CU_ASSERT_EQUAL(from_a.status, GNTST_bad_page);
    CU_ASSERT_EQUAL(entry(a, 33)->flags, GTF_permit_access);
    own.source.u.gmfn = 7 + (1ull << 52); /* the page's address does not fit 64 bits */
    grant_copy(b, &own, &run);
    CU_ASSERT_EQUAL(own.status, GNTST_bad_page);
    from_a.source.domid = 77;
    grant_copy(b, &from_a, &run);
    CU_ASSERT_EQUAL(from_a.status, GNTST_bad_domain);
    grant_run_end(&run);
    CU_ASSERT_EQUAL(a->refs, held);
    CU_ASSERT(refs(a, 7) == 1 && refs(b, 5) == 1 && refs(b, 7) == 1);
}

static void limits(void)
{
    struct domain *c = fake_domain(DOMID_INVALID, 0, 1, 4);
    mfn_t m;
    grants_destroy(c);
    CU_ASSERT_EQUAL(grants_init(c, 2, 300), 0);
    CU_ASSERT_EQUAL(grant_table_frame(c, 2, &m), -EINVAL);
    CU_ASSERT_EQUAL(grant_table_frame(c, 1, &m), 0);
    CU_ASSERT_EQUAL(c->grant.nr_frames, 2);
    struct gnttab_query_size q = {.dom = c->id};
    grant_query_size(b, &q);
    CU_ASSERT_EQUAL(q.status, GNTST_permission_denied);
    q.dom = DOMID_SELF;
    grant_query_size(c, &q);
    CU_ASSERT(q.status == GNTST_okay && q.nr_frames == 2 && q.max_nr_frames == 2);
    grant(40, c->id, 9, GTF_permit_access);
    struct gnttab_map_grant_ref op;
    unsigned n = 0;
    do {
        op = (struct gnttab_map_grant_ref){.host_addr = (WINDOW + n) << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 40, .dom = a->id};
        grant_map(c, &op);
        n += op.status == GNTST_okay;
    } while (op.status == GNTST_okay);
    CU_ASSERT_EQUAL(op.status, GNTST_no_space);
    CU_ASSERT_EQUAL(n, 300);
    CU_ASSERT_EQUAL(refs(a, 9), 301);
    fake_kill(c); /* a dead mapper lets go of all */
    CU_ASSERT_EQUAL(refs(a, 9), 1);
    CU_ASSERT_EQUAL(entry(a, 40)->flags, GTF_permit_access);
}

static void death_of_a_granter(void)
{
    struct domain *c = fake_domain(DOMID_INVALID, 0, 1, 4);
    domid_t id = c->id;
    *entry(c, 1) = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = b->id, .frame = 2};
    strcpy(page(c, 2), "last words");
    struct gnttab_map_grant_ref op = {.host_addr = WINDOW << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 1, .dom = id};
    grant_map(b, &op);
    CU_ASSERT_EQUAL(op.status, GNTST_okay);
    fake_kill(c);
    c = domain_find(id);
    CU_ASSERT_PTR_NOT_NULL(c); /* dying, until its page comes back */
    CU_ASSERT(c->dying && c->mem.pages == 1);
    domain_put(c);
    CU_ASSERT_STRING_EQUAL(page(b, WINDOW), "last words");
    struct gnttab_map_grant_ref again = {.host_addr = (WINDOW + 1) << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 1, .dom = id};
    grant_map(b, &again);
    CU_ASSERT_NOT_EQUAL(again.status, GNTST_okay);
    CU_ASSERT_EQUAL(unmap(op.handle, WINDOW), GNTST_okay);
    CU_ASSERT_PTR_NULL(domain_find(id));
}

/* Random maps and unmaps over few pages: in the end nothing is left of them. */
static void random_operations(void)
{
    static struct { bool on; uint32_t handle; uint64_t at; } live[64];
    srand(11);
    for (unsigned ref = 100; ref < 116; ref++) grant(ref, b->id, ref % 4 + 10, GTF_permit_access | (ref & 1 ? GTF_readonly : 0));
    for (unsigned n = 0; n < 20000; n++) {
        unsigned i = (unsigned)rand() % 64, ref = 100 + (unsigned)rand() % 16;
        if (live[i].on) {
            CU_ASSERT_EQUAL(unmap(live[i].handle, live[i].at), GNTST_okay);
            live[i].on = false;
            continue;
        }
        bool ro = rand() & 1;
        struct gnttab_map_grant_ref m = map(ref, WINDOW + i, GNTMAP_host_map | (ro ? GNTMAP_readonly : 0));
        CU_ASSERT_EQUAL(m.status == GNTST_okay, ro || !(ref & 1));
        if (m.status == GNTST_okay) live[i].on = true, live[i].handle = m.handle, live[i].at = WINDOW + i;
    }
    CU_ASSERT_FALSE(grants_drop_mappings(b, 3)); /* keeps to its budget, and goes on */
    CU_ASSERT(grants_drop_mappings(b, 1000));
    for (unsigned ref = 100; ref < 116; ref++) CU_ASSERT_EQUAL(entry(a, ref)->flags & (GTF_reading | GTF_writing), 0);
    for (unsigned g = 10; g < 14; g++) CU_ASSERT_EQUAL(refs(a, g), 1);
    CU_ASSERT_EQUAL(fake_locks_held, 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"map and unmap", map_and_unmap},
        {"refusals", refusals},
        {"hostile entries", hostile_entry},
        {"loopback", loopback},
        {"copies", copies},
        {"run of copies", run_of_copies},
        {"limits", limits},
        {"death of a granter", death_of_a_granter},
        {"random operations", random_operations},
        CU_TEST_INFO_NULL,
    };
    fake_memory(64ull << 20);
    return suite_run("grant tables", setup, tests);
}
