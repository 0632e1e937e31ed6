/* SPDX-License-Identifier: MIT */
/*
 * restart: what a restart in place does to those who deal with the domain. A child binds our event channel, maps a
 * page we granted it, counts in that page and sends an event; then it is restarted in every state it can be in. Before
 * the next incarnation runs, our port must be unbound again and waiting for the same domain, and our grant not in use;
 * then the same port and the same grant must serve again.
 */
#include "bulkhead/ext.h"
#include "tests/guest/child/child.h"
#include <xen/event_channel.h>
#include <xen/grant_table.h>

static struct grant_entry_v1 *const table = (void *)(uintptr_t)RT_GRANT_TABLE;
static volatile uint32_t *page;
static uint32_t ref, port;
static volatile bool heard;

static void on_event(void *arg)
{
    heard = true;
}

static long bh(unsigned cmd, struct child *c)
{
    struct bh_op b = { .version = BH_INTERFACE_VERSION, .domid = c->domid };
    return rt_hypercall2(BH_HYPERCALL, cmd, &b);
}

/* Tell the child, in the page that becomes part of its snapshot, what to bind and to map. */
static void instruct(struct child *c)
{
    volatile uint8_t *shared = (volatile uint8_t *)c->shared;
    *(volatile struct evtchn_bind_interdomain *)(shared + 0x100) =
        (struct evtchn_bind_interdomain){ .remote_dom = rt_domid, .remote_port = port };
    *(volatile struct gnttab_map_grant_ref *)(shared + 0x120) = (struct gnttab_map_grant_ref){ .host_addr = 0x8000000,
        .flags = GNTMAP_host_map, .ref = ref, .dom = rt_domid, .status = 77 };
}

static int port_status(struct child *c, bool unbound)
{
    struct evtchn_status s = { .dom = DOMID_SELF, .port = port };
    if (evtchn_op(EVTCHNOP_status, &s) != 0)
        return -1;
    if (unbound)
        return s.status == EVTCHNSTAT_unbound && s.u.unbound.dom == c->domid;
    return s.status == EVTCHNSTAT_interdomain && s.u.interdomain.dom == c->domid;
}

static bool in_use(void)
{
    return table[ref].flags & (GTF_reading | GTF_writing);
}

static void serves(struct child *c, unsigned incarnation)
{
    check(wait_for(&heard, 10000), "incarnation %u: its event arrives", incarnation);
    if (!heard) {
        child_map(c);
        check(false, "  bind %ld, map %ld, status %ld", (long)c->shared[1], (long)c->shared[2], (long)c->shared[3]);
    }
    check(page[0] == incarnation, "it has counted in our page (%u)", page[0]);
    check(in_use() && port_status(c, false) == 1, "grant in use, port bound");
}

/* One death and the next life. */
static void again(struct child *c, const char *how, unsigned incarnation)
{
    heard = false;
    if (strcmp(how, "crashed") == 0)
        IS(bh(BH_OP_crash, c), 0);
    IS(simple_domctl(XEN_DOMCTL_pausedomain, c->domid), 0);
    IS(bh(BH_OP_restart, c), 0);
    check(!in_use(), "%s, restarted, not yet running: the grant is not in use", how);
    check(port_status(c, true) == 1, "the port is unbound, for the same domain");
    check(page[0] == incarnation - 1, "our page is as it was");
    check(!heard, "nobody has sent an event");
    page[1] = incarnation;
    IS(simple_domctl(XEN_DOMCTL_unpausedomain, c->domid), 0);
    serves(c, incarnation);
}

void domain_main(const char *cmdline)
{
    struct child c;
    page = rt_alloc_pages(1);
    if (!child_build(&c, child_peer))
        test_done();
    ref = (uint32_t)rt_grant(c.domid, (void *)page, false);
    port = (uint32_t)rt_event_alloc(c.domid, on_event, NULL);
    instruct(&c);
    IS(bh(BH_OP_snapshot, &c), 0);
    check(!in_use() && port_status(&c, true) == 1, "before it runs: grant not in use, port unbound");
    child_start(&c);
    serves(&c, 1);
    for (unsigned i = 2; i <= 11; i++)
        again(&c, i % 2 ? "crashed" : "running", i);
    check(child_destroy(&c), "destroyed");
    check(!in_use(), "the grant is not in use");
    IS(rt_grant_end(ref), 0);
    struct evtchn_status s = { .dom = DOMID_SELF, .port = port };
    IS(evtchn_op(EVTCHNOP_status, &s), 0);
    check(s.status == EVTCHNSTAT_unbound || s.status == EVTCHNSTAT_closed, "the port is not bound any more");
    test_done();
}
