/* SPDX-License-Identifier: MIT */
/* dom/restart.c: a domain that ran wild is, after a restart, what its builder had made - but for what the world still holds. */
#include "hv/fake_dom.h"
#include "hv/fake_hv.h"
#include <stdlib.h>
#include <string.h>
#include "suite.h"

#define PAGES 64u
#define STORE 60u
#define CONSOLE 61u
static struct domain *zero, *d;
static evtchn_port_t store_port;

static char *page(struct domain *x, uint64_t g) { return mfn_to_virt(p2m_lookup(&x->p2m, gfn(g), NULL)); }
static enum p2m_type type(struct domain *x, uint64_t g)
{
    enum p2m_type t;
    p2m_lookup(&x->p2m, gfn(g), &t);
    return t;
}
static grant_entry_v1_t *entry(struct domain *x, unsigned ref)
{
    mfn_t m;
    CU_ASSERT_EQUAL(grant_table_frame(x, ref / GRANT_PER_FRAME, &m), 0);
    return (grant_entry_v1_t *)mfn_to_virt(m) + ref % GRANT_PER_FRAME;
}
static char image(uint64_t g) { return (char)(g % 3 ? 0 : 'A' + g % 26); }

static int setup(void)
{
    zero = fake_domain(0, BH_ROLE_CONTROL, 1, 8);
    return 0;
}

static void build(void)
{
    int rc;
    d = fake_domain(DOMID_INVALID, BH_ROLE_DEVICE, 2, PAGES);
    for (uint64_t g = 0; g < PAGES; g++) memset(page(d, g), image(g), PAGE_SIZE);
    d->hvm_param[HVM_PARAM_STORE_PFN] = STORE;
    d->hvm_param[HVM_PARAM_CONSOLE_PFN] = CONSOLE;
    *entry(d, GNTTAB_RESERVED_XENSTORE) = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = 0, .frame = STORE};
    CU_ASSERT_EQUAL(event_alloc_unbound(d, 0, &store_port), 0);
    CU_ASSERT_EQUAL(restart_in_place(d, "x"), -ENODATA);
    CU_ASSERT_EQUAL(restart_snapshot(d), -EINVAL); /* no state to start from yet */
    d->vcpu[0]->initialised = true;
    d->vcpu[0]->hv.regs.rip = 0x1234;
    fake_now_step = 50000; /* a slow machine: neither fits into one step */
    unsigned calls = 1;
    while ((rc = restart_snapshot(d)) == -ERESTART) {
        CU_ASSERT_EQUAL(restart_in_place(d, "x"), -ENODATA); /* not before it is whole */
        calls++;
    }
    CU_ASSERT(rc == 0 && calls > 1);
    fake_now_step = 0;
    CU_ASSERT_EQUAL(restart_snapshot(d), -EBUSY);
    d->ctl_pause = 0;
    domain_unpause(d);
    d->ever_ran = true;
    d->vcpu[0]->sched.down = false;
}

static void expect_pristine(void)
{
    for (uint64_t g = 0; g < PAGES; g++) {
        CU_ASSERT_EQUAL(type(d, g), P2M_RAM);
        if (g == STORE || g == CONSOLE || type(d, g) != P2M_RAM) continue;
        const char *p = page(d, g);
        CU_ASSERT(p[0] == image(g) && p[2000] == image(g) && p[4095] == image(g));
        CU_ASSERT_EQUAL(frame_of(p2m_lookup(&d->p2m, gfn(g), NULL))->refs, g == STORE ? 2 : 1);
    }
    CU_ASSERT_EQUAL(d->vcpu[0]->hv.regs.rip, 0x1234);
    CU_ASSERT(d->vcpu[0]->initialised && !d->vcpu[0]->sched.down && d->vcpu[1]->sched.down);
    CU_ASSERT(d->vcpu[0]->sched.pause_count == 0 && d->vcpu[1]->sched.pause_count == 0);
    CU_ASSERT(!d->is_shutdown && d->callback_vector == 0);
    CU_ASSERT_EQUAL(d->hvm_param[HVM_PARAM_STORE_PFN], STORE);
}

/* All that an incarnation can do to its own space. */
static void run_wild(struct domain *front)
{
    mfn_t m;
    for (uint64_t g = 0; g < PAGES; g++)
        if (type(d, g) == P2M_RAM && g % 5) memset(page(d, g), 0xee, PAGE_SIZE);
    strcpy(page(d, STORE), "ring in use");
    p2m_remove(&d->p2m, gfn(7), 0);                                     /* gives memory back */
    p2m_remove(&d->p2m, gfn(9), 0);
    frame_get(d->shared_info_mfn);
    CU_ASSERT_EQUAL(p2m_add(&d->p2m, gfn(9), d->shared_info_mfn, 0, P2M_SHARED), 0);
    CU_ASSERT_EQUAL(p2m_add(&d->p2m, gfn(0x10000), mfn(0xfeb00), 0, P2M_MMIO), 0); /* its device */
    m = frame_alloc_owned(&d->mem, 0);
    CU_ASSERT_EQUAL(p2m_add(&d->p2m, gfn(0x2000), m, 0, P2M_RAM), 0);    /* memory that was not there */
    *entry(front, 3) = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = d->id, .frame = 1};
    for (unsigned i = 0; i < 5; i++) {
        struct gnttab_map_grant_ref op = {.host_addr = (0x300ull + i) << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 3, .dom = front->id};
        grant_map(d, &op);
        CU_ASSERT_EQUAL(op.status, GNTST_okay);
    }
    *entry(d, 20) = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = 0, .frame = 12};
    d->hvm_param[HVM_PARAM_STORE_PFN] = 1; /* cannot make us keep another page, or give away the store's */
    d->callback_vector = 0x40;
    m = p2m_get(&d->p2m, gfn(2), true, NULL, NULL);
    d->vcpu[0]->info_mfn = m;
    d->vcpu[0]->info = mfn_to_virt(m);
    timer_set(&d->watchdog[0], 5);
    d->watchdog_used[0] = true;
    d->shared_info->evtchn_pending[0] = ~0ul;
    memset(&d->vcpu[0]->hv.regs, 0xff, sizeof(struct regs));
}

/* As the extension hypercall does it, again and again until it is done; the domain does not run meanwhile. */
static void restart_in_steps(bool slow)
{
    unsigned calls = 0;
    int rc;
    fake_now_step = slow ? 50000 : 0;
    do {
        domain_pause(d);
        domain_stop_watchdogs(d);
        spin_lock(&d->ctl_lock);
        rc = restart_in_place(d, "restart by test");
        spin_unlock(&d->ctl_lock);
        domain_unpause(d);
        calls++;
        CU_ASSERT(rc == 0 || (d->is_shutdown && d->vcpu[0]->sched.pause_count));
    } while (rc == -ERESTART);
    fake_now_step = 0;
    CU_ASSERT_EQUAL(rc, 0);
    CU_ASSERT(slow ? calls > 1 : calls == 1);
}

static void restarts(void)
{
    struct domain *front = fake_domain(DOMID_INVALID, 0, 1, 4);
    struct gnttab_map_grant_ref store = {.host_addr = 0x100ull << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = GNTTAB_RESERVED_XENSTORE};
    build();
    store.dom = d->id;
    grant_map(zero, &store);
    CU_ASSERT_EQUAL(store.status, GNTST_okay);
    for (unsigned n = 1; n <= 4; n++) {
        uint64_t pages = d->mem.pages;
        run_wild(front);
        struct gnttab_map_grant_ref peer = {.host_addr = (0x200ull + n) << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 20, .dom = d->id};
        grant_map(zero, &peer);
        CU_ASSERT_EQUAL(peer.status, GNTST_okay);
        strcpy(page(zero, 0x200 + n), "in the peer's hands");
        if (n & 1) domain_shutdown(d, SHUTDOWN_crash, "test");
        restart_in_steps(n > 2);
        expect_pristine();
        CU_ASSERT_EQUAL(d->incarnation, n + 1);
        CU_ASSERT_STRING_EQUAL(d->why, n & 1 ? "test" : "restart by test");
        CU_ASSERT_EQUAL(fake_dma_blocks, n);
        CU_ASSERT_STRING_EQUAL(page(zero, 0x100), "ring in use"); /* same frame, same content */
        CU_ASSERT_PTR_EQUAL(page(zero, 0x100), page(d, STORE));
        CU_ASSERT_STRING_EQUAL(page(zero, 0x200 + n), "in the peer's hands");
        CU_ASSERT_PTR_NOT_EQUAL(page(zero, 0x200 + n), page(d, 12));
        CU_ASSERT_EQUAL(entry(d, 20)->flags, 0);
        CU_ASSERT(entry(d, GNTTAB_RESERVED_XENSTORE)->flags & GTF_writing); /* domain 0 maps it still */
        CU_ASSERT_EQUAL(entry(front, 3)->flags, GTF_permit_access);
        CU_ASSERT_EQUAL(frame_of(p2m_lookup(&front->p2m, gfn(1), NULL))->refs, 1);
        CU_ASSERT_EQUAL(type(d, 0x2000), P2M_HOLE);
        CU_ASSERT_EQUAL(type(d, 0x300), P2M_HOLE);
        CU_ASSERT_EQUAL(type(d, 0x10000), P2M_MMIO);
        CU_ASSERT(d->watchdog[0].when == 0 && !d->watchdog_used[0]);
        CU_ASSERT_EQUAL(d->shared_info->evtchn_pending[0], 0);
        CU_ASSERT_EQUAL(d->mem.pages, pages + 1); /* the page that the peer keeps */
        /* The peer's unmapping is none of the new incarnation's business, not even with the same reference in use again. */
        *entry(d, 20) = (grant_entry_v1_t){.flags = GTF_permit_access, .domid = 0, .frame = 13};
        struct gnttab_map_grant_ref fresh = {.host_addr = 0x400ull << PAGE_SHIFT, .flags = GNTMAP_host_map, .ref = 20, .dom = d->id};
        grant_map(zero, &fresh);
        CU_ASSERT_PTR_EQUAL(page(zero, 0x400), page(d, 13));
        struct gnttab_unmap_grant_ref u = {.host_addr = peer.host_addr, .handle = peer.handle};
        grant_unmap(zero, &u);
        CU_ASSERT(u.status == GNTST_okay && (entry(d, 20)->flags & GTF_writing));
        CU_ASSERT_EQUAL(d->mem.pages, pages);
        u = (struct gnttab_unmap_grant_ref){.host_addr = fresh.host_addr, .handle = fresh.handle};
        grant_unmap(zero, &u);
        CU_ASSERT_EQUAL(entry(d, 20)->flags, GTF_permit_access);
        p2m_remove(&d->p2m, gfn(0x10000), 0);
    }
    struct gnttab_unmap_grant_ref u = {.host_addr = store.host_addr, .handle = store.handle};
    grant_unmap(zero, &u);
    CU_ASSERT_EQUAL(u.status, GNTST_okay);
    CU_ASSERT_EQUAL(entry(d, GNTTAB_RESERVED_XENSTORE)->flags, GTF_permit_access);
    fake_kill(front);
}

static void out_of_memory(void)
{
    static mfn_t all[20000];
    unsigned n = 0;
    p2m_remove(&d->p2m, gfn(30), 0);
    while (n < 20000 && mfn_valid_value(all[n] = frame_alloc(0))) n++;
    domain_pause(d);
    spin_lock(&d->ctl_lock);
    CU_ASSERT_EQUAL(restart_in_place(d, "no memory"), -ENOMEM);
    spin_unlock(&d->ctl_lock);
    domain_unpause(d);
    CU_ASSERT(d->is_shutdown && d->vcpu[0]->sched.pause_count == 1); /* it stays down */
    while (n) frame_put(all[--n]);
    domain_pause(d);
    spin_lock(&d->ctl_lock);
    CU_ASSERT_EQUAL(restart_in_place(d, "again"), 0);
    spin_unlock(&d->ctl_lock);
    domain_unpause(d);
    CU_ASSERT(!d->is_shutdown && type(d, 30) == P2M_RAM);
}

static void nothing_leaks(void)
{
    domid_t id = d->id;
    fake_kill(d);
    CU_ASSERT_PTR_NULL(domain_find(id));
    uint64_t before = frames_free();
    build();
    id = d->id;
    fake_kill(d);
    CU_ASSERT_PTR_NULL(domain_find(id));
    CU_ASSERT_EQUAL(frames_free(), before);
    CU_ASSERT_EQUAL(fake_locks_held, 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"restarts", restarts},
        {"out of memory", out_of_memory},
        {"nothing leaks", nothing_leaks},
        CU_TEST_INFO_NULL,
    };
    fake_memory(64ull << 20);
    return suite_run("restart in place", setup, tests);
}
