/* SPDX-License-Identifier: MIT */
/* dom/event.c: what each operation does and refuses, pending bits, pollers, MSI, peers that close or die, restart. */
#include "hv/fake_dom.h"
#include "hv/fake_hv.h"
#include "lib/bits.h"
#include <stdlib.h>
#include "suite.h"

static struct domain *zero, *a, *b;

static bool pending(struct domain *d, evtchn_port_t p) { return bit_test(d->shared_info->evtchn_pending, p); }
static void clear(struct domain *d)
{
    for (unsigned i = 0; i < 64; i++)
        d->shared_info->evtchn_pending[i] = 0;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        d->vcpu[i]->info->evtchn_pending_sel = 0;
        d->vcpu[i]->info->evtchn_upcall_pending = 0;
    }
    fake_upcalls = fake_wakes = 0;
}
static struct evtchn_status status(struct domain *d, evtchn_port_t p)
{
    struct evtchn_status s = {.dom = d->id, .port = p};
    CU_ASSERT_EQUAL(event_status(d, &s), 0);
    return s;
}
static int setup(void)
{
    zero = fake_domain(0, BH_ROLE_CONTROL | BH_ROLE_CONSOLE, 1, 4);
    a = fake_domain(DOMID_INVALID, BH_ROLE_DEVICE, 2, 4);
    b = fake_domain(DOMID_INVALID, 0, 1, 4);
    return 0;
}

static void interdomain(void)
{
    evtchn_port_t pa, pb, other;
    CU_ASSERT_EQUAL(event_alloc_unbound(a, b->id, &pa), 0);
    CU_ASSERT_EQUAL(status(a, pa).status, EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(event_send(a, pa), 0); /* nobody there yet: dropped */
    CU_ASSERT_EQUAL(event_bind_interdomain(zero, a->id, pa, &other), -EINVAL); /* not meant for domain 0 */
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a->id, pa + 1, &pb), -EINVAL);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a->id, 0, &pb), -EINVAL);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a->id, 4000000000u, &pb), -EINVAL);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, 999, pa, &pb), -ESRCH);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a->id, pa, &pb), 0);
    CU_ASSERT(pending(b, pb)); /* it may have missed something */
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a->id, pa, &other), -EINVAL); /* taken */
    clear(a), clear(b);
    CU_ASSERT_EQUAL(event_send(b, pb), 0);
    CU_ASSERT(pending(a, pa) && !pending(b, pb));
    CU_ASSERT_EQUAL(a->vcpu[0]->info->evtchn_pending_sel, 1ul << pa / 64);
    CU_ASSERT_EQUAL(a->vcpu[0]->info->evtchn_upcall_pending, 1);
    CU_ASSERT_EQUAL(fake_upcalls, 1);
    CU_ASSERT_EQUAL(event_send(b, pb), 0);
    CU_ASSERT_EQUAL(fake_upcalls, 1); /* once is enough */
    CU_ASSERT_EQUAL(event_close(b, pb), 0);
    CU_ASSERT_EQUAL(status(a, pa).status, EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(status(a, pa).u.unbound.dom, b->id);
    CU_ASSERT_EQUAL(event_close(b, pb), -EINVAL);
    CU_ASSERT_EQUAL(event_close(a, pa), 0);
}

/* Another CPU has the peer's lock, in whichever of the two is locked first. */
static void contended(void)
{
    evtchn_port_t pa, pb;
    fake_contended = true;
    CU_ASSERT_EQUAL(event_alloc_unbound(a, b->id, &pa), 0);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, a->id, pa, &pb), 0);
    clear(a), clear(b);
    CU_ASSERT_EQUAL(event_send(a, pa), 0);
    CU_ASSERT_EQUAL(event_send(b, pb), 0);
    CU_ASSERT(pending(a, pa) && pending(b, pb));
    CU_ASSERT_EQUAL(event_close(b, pb), 0);
    CU_ASSERT_EQUAL(status(a, pa).status, EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(event_close(a, pa), 0);
    CU_ASSERT(a->refs == 1 && b->refs == 1 && !fake_locks_held);
    fake_contended = false;
}

static void loopback(void)
{
    evtchn_port_t p, q;
    CU_ASSERT_EQUAL(event_alloc_unbound(a, a->id, &p), 0);
    CU_ASSERT_EQUAL(event_bind_interdomain(a, a->id, p, &q), 0);
    clear(a);
    CU_ASSERT_EQUAL(event_send(a, p), 0);
    CU_ASSERT(pending(a, q) && !pending(a, p));
    CU_ASSERT_EQUAL(event_close(a, p), 0);
    CU_ASSERT_EQUAL(status(a, q).status, EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(event_close(a, q), 0);
}

static void masks(void)
{
    evtchn_port_t p;
    CU_ASSERT_EQUAL(event_bind_ipi(a, 1, &p), 0);
    clear(a);
    bit_set(a->shared_info->evtchn_mask, p);
    CU_ASSERT_EQUAL(event_send(a, p), 0);
    CU_ASSERT(pending(a, p));
    CU_ASSERT_EQUAL(fake_upcalls, 0);
    CU_ASSERT_EQUAL(event_unmask(a, p), 0);
    CU_ASSERT_EQUAL(fake_upcalls, 1);
    CU_ASSERT_EQUAL(a->vcpu[1]->info->evtchn_upcall_pending, 1);
    CU_ASSERT_EQUAL(event_bind_vcpu(a, p, 0), -EINVAL); /* an IPI stays where it is */
    CU_ASSERT_EQUAL(event_bind_ipi(a, 2, &p), -ENOENT);
    CU_ASSERT_EQUAL(event_unmask(a, 3000), -EINVAL);
    CU_ASSERT_EQUAL(event_reset(a), 0);
    CU_ASSERT_EQUAL(status(a, p).status, EVTCHNSTAT_closed);
}

static void pollers(void)
{
    evtchn_port_t p;
    CU_ASSERT_EQUAL(event_bind_ipi(a, 0, &p), 0);
    clear(a);
    bit_set(a->shared_info->evtchn_mask, p);
    a->vcpu[1]->poll_list[0] = 77;
    a->vcpu[1]->poll_list[1] = p;
    a->vcpu[1]->poll_count = 2;
    CU_ASSERT_FALSE(event_any_pending(a, a->vcpu[1]->poll_list, 2));
    CU_ASSERT_EQUAL(event_send(a, p), 0);
    CU_ASSERT_EQUAL(fake_wakes, 1);
    CU_ASSERT_EQUAL(a->vcpu[1]->poll_count, 0);
    CU_ASSERT(event_any_pending(a, a->vcpu[1]->poll_list, 2));
    bit_clear(a->shared_info->evtchn_mask, p);
    CU_ASSERT_EQUAL(event_close(a, p), 0);
    CU_ASSERT_FALSE(pending(a, p)); /* whoever gets the port next starts clean */
}

static void virqs(void)
{
    evtchn_port_t t, e, p;
    CU_ASSERT_EQUAL(event_bind_virq(a, VIRQ_TIMER, 1, &t), 0);
    CU_ASSERT_EQUAL(event_bind_virq(a, VIRQ_TIMER, 1, &p), -EEXIST);
    CU_ASSERT_EQUAL(event_bind_virq(a, VIRQ_TIMER, 7, &p), -ENOENT);
    CU_ASSERT_EQUAL(event_bind_virq(a, VIRQ_DOM_EXC, 0, &p), -EPERM);
    CU_ASSERT_EQUAL(event_bind_virq(a, VIRQ_ARGO, 0, &p), -EINVAL);
    CU_ASSERT_EQUAL(event_bind_virq(a, 5, 0, &p), -EINVAL);
    CU_ASSERT_EQUAL(event_bind_virq(a, NR_VIRQS, 0, &p), -EINVAL);
    CU_ASSERT_EQUAL(event_bind_virq(a, ~0u, 0, &p), -EINVAL);
    CU_ASSERT_EQUAL(event_bind_virq(zero, VIRQ_DOM_EXC, 1, &p), -EINVAL); /* global ones belong to vCPU 0 */
    CU_ASSERT_EQUAL(event_bind_virq(zero, VIRQ_DOM_EXC, 0, &e), 0);
    clear(a), clear(zero);
    event_set_pending_virq(a->vcpu[1], VIRQ_TIMER);
    CU_ASSERT(pending(a, t) && a->vcpu[1]->info->evtchn_upcall_pending);
    event_set_pending_virq(a->vcpu[0], VIRQ_TIMER); /* not bound there */
    CU_ASSERT_EQUAL(fake_upcalls, 1);
    event_send_global_virq(VIRQ_DOM_EXC);
    CU_ASSERT(pending(zero, e));
    CU_ASSERT_EQUAL(event_send(a, t), -EINVAL); /* nobody sends a virtual interrupt to himself */
    CU_ASSERT_EQUAL(event_close(a, t), 0);
    CU_ASSERT_EQUAL(event_bind_virq(a, VIRQ_TIMER, 1, &t), 0); /* free again */
    CU_ASSERT_EQUAL(event_close(a, t), 0);
    CU_ASSERT_EQUAL(event_set_virq_handler(VIRQ_TIMER, 0), -EINVAL);
    CU_ASSERT_EQUAL(event_set_virq_handler(99, 0), -EINVAL);
    CU_ASSERT_EQUAL(event_close(zero, e), 0);
}

static void msi(void)
{
    evtchn_port_t p;
    uint64_t addr;
    uint32_t data;
    CU_ASSERT_EQUAL(event_bind_msi(a, 0x20, 9, &p, &addr, &data), -ENOENT);
    fake_msi_fails = true;
    CU_ASSERT_EQUAL(event_bind_msi(a, 0x20, 0, &p, &addr, &data), -ENOSPC);
    fake_msi_fails = false;
    CU_ASSERT_EQUAL(event_bind_msi(a, 0x20, 0, &p, &addr, &data), 0);
    CU_ASSERT_EQUAL(addr, 0xfee00010);
    clear(a);
    fake_msi_fire();
    CU_ASSERT(pending(a, p));
    CU_ASSERT_EQUAL(event_bind_vcpu(a, p, 1), 0);
    clear(a);
    fake_msi_fire();
    CU_ASSERT(a->vcpu[1]->info->evtchn_upcall_pending);
    CU_ASSERT_EQUAL(event_send(a, p), -EINVAL);
    CU_ASSERT_EQUAL(event_close(a, p), 0);
    CU_ASSERT_EQUAL(fake_msi_live, 0);
    CU_ASSERT_EQUAL(status(a, p).status, EVTCHNSTAT_closed);
}

/* The vectors of the CPUs are all domains': one cannot take them all. */
static void msi_share(void)
{
    evtchn_port_t port[EVENT_MAX_MSI], p;
    uint64_t addr;
    uint32_t data;
    for (unsigned i = 0; i < EVENT_MAX_MSI; i++)
        CU_ASSERT_EQUAL_FATAL(event_bind_msi(a, 0x20, 0, &port[i], &addr, &data), 0);
    CU_ASSERT_EQUAL(event_bind_msi(a, 0x20, 0, &p, &addr, &data), -ENOSPC);
    CU_ASSERT_EQUAL(event_bind_msi(b, 0x28, 0, &p, &addr, &data), 0);
    CU_ASSERT_EQUAL(event_close(b, p), 0);
    for (unsigned i = 0; i < EVENT_MAX_MSI; i++)
        CU_ASSERT_EQUAL(event_close(a, port[i]), 0);
    fake_msi_fails = true;
    CU_ASSERT_EQUAL(event_bind_msi(a, 0x20, 0, &p, &addr, &data), -ENOSPC);
    fake_msi_fails = false;
    CU_ASSERT_EQUAL(a->events.nr_msi, 0);
}

static void pirq(void)
{
    unsigned q, r;
    evtchn_port_t p;
    uint64_t addr = 0;
    uint32_t data = 0;
    CU_ASSERT_EQUAL(event_bind_pirq(a, 5), -ESRCH);
    CU_ASSERT_EQUAL(event_map_pirq(a, 0x20, &q), 0);
    CU_ASSERT(event_pirq_message(a, q, &addr, &data) == 0 && addr == 0xfee00010 && data == 7);
    CU_ASSERT_EQUAL(status(a, q).status, EVTCHNSTAT_closed);
    clear(a);
    fake_msi_fire();
    CU_ASSERT_FALSE(pending(a, q)); /* nobody has asked for it yet */
    CU_ASSERT_EQUAL(event_close(a, q), -EINVAL);
    CU_ASSERT_EQUAL(event_alloc_unbound(a, 0, &p), 0);
    CU_ASSERT_NOT_EQUAL(p, q); /* its port is its own */
    CU_ASSERT_EQUAL(event_bind_pirq(a, p), -ESRCH);
    CU_ASSERT_EQUAL(event_bind_pirq(a, q), 0);
    CU_ASSERT_EQUAL(event_bind_pirq(a, q), -EEXIST);
    CU_ASSERT(status(a, q).status == EVTCHNSTAT_pirq && status(a, q).u.pirq == q);
    fake_msi_fire();
    CU_ASSERT(pending(a, q));
    CU_ASSERT_EQUAL(event_close(a, q), 0); /* unbound, still mapped */
    CU_ASSERT_FALSE(pending(a, q));
    CU_ASSERT_EQUAL(fake_msi_live, 1);
    CU_ASSERT_EQUAL(event_bind_pirq(a, q), 0);
    CU_ASSERT_EQUAL(event_unmap_pirq(a, p), -ESRCH);
    CU_ASSERT_EQUAL(event_unmap_pirq(a, q), 0); /* bound or not */
    CU_ASSERT_EQUAL(event_unmap_pirq(a, q), -ESRCH);
    CU_ASSERT(fake_msi_live == 0 && a->events.nr_msi == 0);
    CU_ASSERT_EQUAL(event_map_pirq(a, 0x20, &q), 0);
    CU_ASSERT_EQUAL(event_map_pirq(a, 0x20, &r), 0);
    CU_ASSERT_EQUAL(event_bind_pirq(a, r), 0);
    CU_ASSERT_EQUAL(event_reset(a), 0);
    CU_ASSERT_EQUAL(fake_msi_live, 2);
    events_restart(a); /* what the next incarnation must not find */
    CU_ASSERT(fake_msi_live == 0 && event_bind_pirq(a, q) == -ESRCH && event_bind_pirq(a, r) == -ESRCH);
}

/* A device that does nothing but interrupt: so many in a slot, the next slot begins with one event for all that were lost. */
static void msi_storm(void)
{
    evtchn_port_t p;
    uint64_t addr;
    uint32_t data;
    unsigned taken = 0;
    CU_ASSERT_EQUAL(event_bind_msi(a, 0x20, 0, &p, &addr, &data), 0);
    fake_now += EVENT_MSI_SLOT_NS;
    for (; taken < 100000 && !fake_msi_held; taken++) {
        fake_msi_fire();
        fake_now += 100;
    }
    CU_ASSERT_EQUAL(taken, EVENT_MSI_PER_SLOT + 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "held back"));
    fake_msi_fire(); /* was on its way */
    clear(a);
    a->events.msi_timer.fn(a->events.msi_timer.arg);
    CU_ASSERT(!fake_msi_held && pending(a, p));
    fake_now += EVENT_MSI_SLOT_NS;
    for (unsigned i = 0; i < 10000; i++, fake_now += EVENT_MSI_SLOT_NS / 2000) /* a busy one is let be */
        fake_msi_fire();
    CU_ASSERT_FALSE(fake_msi_held);
    CU_ASSERT_EQUAL(event_close(a, p), 0);
    a->events.msi_timer.fn(a->events.msi_timer.arg); /* late: nobody is there */
}

static void exhaustion(void)
{
    evtchn_port_t p = 0, last = 0;
    unsigned n = 0;
    a->events.limit = 1024;
    while (event_alloc_unbound(a, 0, &p) == 0) {
        CU_ASSERT(p == last + 1);
        last = p;
        n++;
    }
    CU_ASSERT_EQUAL(n, 1023);
    CU_ASSERT_EQUAL(event_alloc_unbound(a, 0, &p), -ENOSPC);
    CU_ASSERT_EQUAL(event_close(a, 500), 0);
    CU_ASSERT_EQUAL(event_alloc_unbound(a, 0, &p), 0);
    CU_ASSERT_EQUAL(p, 500);
    while (event_reset(a) == -ERESTART) continue;
    a->events.limit = EVENT_MAX_PORTS;
    for (n = 0; event_alloc_unbound(a, 0, &p) == 0;) n++;
    CU_ASSERT_EQUAL(n, EVENT_MAX_PORTS - 1);
    CU_ASSERT_EQUAL(event_reset(a), -ERESTART); /* in several goes */
    for (n = 1; event_reset(a) == -ERESTART;) n++;
    CU_ASSERT(n > 5 && n < 20 && status(a, p).status == EVTCHNSTAT_closed);
}

static void restart(void)
{
    evtchn_port_t store, console, ps, ring, pr, pm;
    uint64_t addr;
    uint32_t data;
    CU_ASSERT_EQUAL(event_alloc_unbound(a, 0, &store), 0);
    CU_ASSERT_EQUAL(event_alloc_unbound(a, 0, &console), 0);
    events_mark_kept(a);
    CU_ASSERT_EQUAL(event_bind_interdomain(zero, a->id, store, &ps), 0);
    CU_ASSERT_EQUAL(event_close(a, console), 0); /* the old incarnation's folly */
    CU_ASSERT_EQUAL(event_alloc_unbound(b, a->id, &pr), 0);
    CU_ASSERT_EQUAL(event_bind_interdomain(a, b->id, pr, &ring), 0);
    CU_ASSERT_EQUAL(event_bind_msi(a, 0x20, 0, &pm, &addr, &data), 0);
    events_restart(a);
    CU_ASSERT_EQUAL(status(a, store).status, EVTCHNSTAT_interdomain); /* still connected */
    CU_ASSERT_EQUAL(status(zero, ps).u.interdomain.port, store);
    CU_ASSERT_EQUAL(status(a, console).status, EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(status(a, console).u.unbound.dom, 0);
    CU_ASSERT_EQUAL(status(a, pm).status, EVTCHNSTAT_closed);
    CU_ASSERT_EQUAL(fake_msi_live, 0);
    CU_ASSERT_EQUAL(status(b, pr).status, EVTCHNSTAT_unbound); /* the front's end waits for us again */
    CU_ASSERT_EQUAL(status(b, pr).u.unbound.dom, a->id);
    CU_ASSERT_EQUAL(event_bind_interdomain(a, b->id, pr, &ring), 0); /* and can be bound by the same name */
    CU_ASSERT_EQUAL(event_reset(a), 0);
    CU_ASSERT_EQUAL(event_close(zero, ps), 0);
}

static void death(void)
{
    evtchn_port_t pb, p;
    unsigned q;
    struct domain *c = fake_domain(DOMID_INVALID, 0, 1, 2);
    domid_t id = c->id;
    CU_ASSERT_EQUAL(event_alloc_unbound(c, b->id, &p), 0);
    CU_ASSERT_EQUAL(event_bind_interdomain(b, id, p, &pb), 0);
    CU_ASSERT_EQUAL(event_map_pirq(c, 0x20, &q), 0);
    CU_ASSERT_EQUAL(event_map_pirq(c, 0x20, &q), 0);
    CU_ASSERT_EQUAL(event_bind_pirq(c, q), 0);
    fake_kill(c);
    CU_ASSERT_EQUAL(fake_msi_live, 0);
    CU_ASSERT_PTR_NULL(domain_find(id));
    CU_ASSERT_EQUAL(status(b, pb).status, EVTCHNSTAT_unbound);
    CU_ASSERT_EQUAL(event_send(b, pb), 0); /* to nobody */
    CU_ASSERT_EQUAL(event_close(b, pb), 0);
}

/* Any sequence of operations with any port keeps the two ends of every channel pointing at each other. */
static void random_operations(void)
{
    struct domain *d[] = {zero, a, b};
    srand(7);
    for (unsigned n = 0; n < 30000; n++) {
        struct domain *x = d[rand() % 3], *y = d[rand() % 3];
        evtchn_port_t p = (evtchn_port_t)(rand() % 60), q;
        switch (rand() % 9) {
        case 0:
        case 4: event_alloc_unbound(x, y->id, &q); break;
        case 1:
        case 6:
        case 7:
            for (p = 0; p < 60 && event_bind_interdomain(x, y->id, p, &q); p++)
                ;
            break;
        case 2: event_bind_ipi(x, (unsigned)rand() % 3, &q); break;
        case 3: event_bind_virq(x, (unsigned)rand() % 26, (unsigned)rand() % 3, &q); break;
        default: event_close(x, p); break;
        case 5: event_send(x, p); break;
        }
        if (n % 2000 == 1999)
            event_reset(x);
    }
    unsigned pairs = 0;
    for (unsigned i = 0; i < 3; i++)
        for (evtchn_port_t p = 1; p < d[i]->events.max_ports; p++) {
            const struct event_channel *c = &d[i]->events.ch[p];
            if (c->state != EV_INTERDOMAIN)
                continue;
            struct domain *peer = domain_find(c->remote);
            const struct event_channel *r = &peer->events.ch[c->remote_port];
            CU_ASSERT(r->state == EV_INTERDOMAIN && r->remote == d[i]->id && r->remote_port == p);
            domain_put(peer);
            pairs++;
        }
    CU_ASSERT(pairs > 10);
    for (unsigned i = 0; i < 3; i++)
        event_reset(d[i]);
    CU_ASSERT_EQUAL(fake_locks_held, 0);
    CU_ASSERT_EQUAL(a->refs, 1);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"interdomain", interdomain},
        {"the peer's lock is taken", contended},
        {"loopback", loopback},
        {"masks and vCPUs", masks},
        {"pollers", pollers},
        {"virtual interrupts", virqs},
        {"MSI", msi},
        {"a domain's share of MSI", msi_share},
        {"pirqs", pirq},
        {"a storm of MSI", msi_storm},
        {"exhaustion", exhaustion},
        {"restart in place", restart},
        {"death of a peer", death},
        {"random operations", random_operations},
        CU_TEST_INFO_NULL,
    };
    fake_memory(64ull << 20);
    return suite_run("event channels", setup, tests);
}
