/* SPDX-License-Identifier: MIT */
/*
 * event: event channels, 2-level. Every kind is bound, fired, masked, closed; then everything a caller may get wrong.
 * The domain is its own peer (interdomain loopback).
 */
#include "tests/guest/lib.h"
#include <xen/event_channel.h>

static volatile bool fired;
static unsigned count;

static void on_event(void *arg)
{
    fired = true;
    count++;
}

static long status_of(uint32_t port, struct evtchn_status *s)
{
    *s = (struct evtchn_status){ .dom = DOMID_SELF, .port = port };
    return evtchn_op(EVTCHNOP_status, s);
}

static long close_port(uint32_t port)
{
    struct evtchn_close c = { .port = port };
    return evtchn_op(EVTCHNOP_close, &c);
}

static long send(uint32_t port)
{
    struct evtchn_send s = { .port = port };
    return evtchn_op(EVTCHNOP_send, &s);
}

static void interdomain(void)
{
    struct evtchn_status s;
    int far = rt_event_alloc(rt_domid, on_event, NULL);
    check(far > 0, "unbound port %d", far);
    IS(status_of((uint32_t)far, &s), 0);
    check(s.status == EVTCHNSTAT_unbound && s.u.unbound.dom == rt_domid, "status: unbound, for us");
    int near = rt_event_bind(rt_domid, (uint32_t)far, NULL, NULL);
    check(near > 0 && near != far, "interdomain port %d", near);
    IS(status_of((uint32_t)near, &s), 0);
    check(s.status == EVTCHNSTAT_interdomain && s.u.interdomain.port == (uint32_t)far, "status: bound to %d", far);
    fired = false;
    IS(send((uint32_t)near), 0);
    check(wait_for(&fired, 10000), "the event arrives at the other end");
    struct evtchn_bind_interdomain again = { .remote_dom = rt_domid, .remote_port = (uint32_t)far };
    REFUSED(evtchn_op(EVTCHNOP_bind_interdomain, &again));
    IS(close_port((uint32_t)near), 0);
    IS(status_of((uint32_t)far, &s), 0);
    check(s.status == EVTCHNSTAT_unbound, "closing one end leaves the other unbound");
    IS(close_port((uint32_t)far), 0);
    IS(status_of((uint32_t)far, &s), 0);
    check(s.status == EVTCHNSTAT_closed, "closed");
    REFUSED(close_port((uint32_t)far));
}

static void masking(void)
{
    struct evtchn_bind_ipi b = { .vcpu = 0 };
    IS(evtchn_op(EVTCHNOP_bind_ipi, &b), 0);
    rt_event_attach(b.port, on_event, NULL);
    count = 0;
    fired = false;
    IS(send(b.port), 0);
    check(wait_for(&fired, 10000) && count == 1, "an IPI event arrives once");
    port_mask(b.port, true);
    fired = false;
    IS(send(b.port), 0);
    check(port_pending(b.port) && !wait_for(&fired, 50), "masked: pending, not delivered");
    IS(send(b.port), 0);
    struct evtchn_unmask u = { .port = b.port };
    IS(evtchn_op(EVTCHNOP_unmask, &u), 0);
    check(wait_for(&fired, 10000) && count == 2, "unmasked: delivered, once");
    struct evtchn_bind_vcpu v = { .port = b.port, .vcpu = 0 };
    REFUSED(evtchn_op(EVTCHNOP_bind_vcpu, &v)); /* an IPI stays where it was bound */
    IS(close_port(b.port), 0);
}

static void virq(void)
{
    struct evtchn_status s;
    struct evtchn_bind_virq b = { .virq = VIRQ_DEBUG, .vcpu = 0 };
    IS(evtchn_op(EVTCHNOP_bind_virq, &b), 0);
    IS(status_of(b.port, &s), 0);
    check(s.status == EVTCHNSTAT_virq && s.u.virq == VIRQ_DEBUG, "status: VIRQ_DEBUG");
    struct evtchn_bind_virq twice = { .virq = VIRQ_DEBUG, .vcpu = 0 };
    IS(evtchn_op(EVTCHNOP_bind_virq, &twice), -XEN_EEXIST);
    struct evtchn_bind_virq timer = { .virq = VIRQ_TIMER, .vcpu = 0 }; /* rt's */
    IS(evtchn_op(EVTCHNOP_bind_virq, &timer), -XEN_EEXIST);
    struct evtchn_bind_virq bad = { .virq = NR_VIRQS, .vcpu = 0 };
    IS(evtchn_op(EVTCHNOP_bind_virq, &bad), -XEN_EINVAL);
    struct evtchn_bind_virq nowhere = { .virq = VIRQ_DEBUG, .vcpu = 4000 };
    IS(evtchn_op(EVTCHNOP_bind_virq, &nowhere), -XEN_ENOENT);
    IS(close_port(b.port), 0);
}

static void refusals(void)
{
    struct evtchn_status s;
    struct evtchn_alloc_unbound a = { .dom = 0x7000, .remote_dom = 0 };
    struct evtchn_bind_ipi ipi = { .vcpu = 4000 };
    struct evtchn_bind_interdomain b = { .remote_dom = 0x7000, .remote_port = 1 };
    struct evtchn_unmask u = { .port = 0xffffffff };

    IS(evtchn_op(EVTCHNOP_alloc_unbound, &a), -XEN_ESRCH);
    IS(evtchn_op(EVTCHNOP_bind_interdomain, &b), -XEN_ESRCH);
    b = (struct evtchn_bind_interdomain){ .remote_dom = rt_domid, .remote_port = 0x7fffffff };
    REFUSED(evtchn_op(EVTCHNOP_bind_interdomain, &b));
    REFUSED(evtchn_op(EVTCHNOP_bind_ipi, &ipi));
    REFUSED(evtchn_op(EVTCHNOP_unmask, &u));
    REFUSED(close_port(0));
    REFUSED(close_port(4096));
    REFUSED(close_port(0xffffffff));
    REFUSED(send(4095));
    REFUSED(send(0xffffffff));
    REFUSED(status_of(0xffffffff, &s));
    IS(evtchn_op(1000, &u), -XEN_ENOSYS);
    IS(evtchn_op(EVTCHNOP_send, BAD_POINTER), -XEN_EFAULT);
    IS(evtchn_op(EVTCHNOP_alloc_unbound, BAD_POINTER), -XEN_EFAULT);
}

static void exhaustion(void)
{
    static uint16_t ports[4096];
    unsigned n = 0, closed = 0;
    long ret = 0;
    while (n < 4096) {
        struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = rt_domid };
        ret = evtchn_op(EVTCHNOP_alloc_unbound, &a);
        if (ret)
            break;
        ports[n++] = (uint16_t)a.port;
    }
    check(n >= 1000 && n < 4096 && ret == -XEN_ENOSPC, "%u ports, then %ld (no space)", n, ret);
    for (unsigned i = 0; i < n; i++)
        closed += close_port(ports[i]) == 0;
    check(closed == n, "all of them closed again");
}

static void reset(void)
{
    struct evtchn_status s;
    struct evtchn_reset r = { .dom = DOMID_SELF };
    int port = rt_event_alloc(rt_domid, on_event, NULL);
    IS(evtchn_op(EVTCHNOP_reset, &r), 0);
    IS(status_of((uint32_t)port, &s), 0);
    check(s.status == EVTCHNSTAT_closed, "reset closes every port");
}

void domain_main(const char *cmdline)
{
    interdomain();
    masking();
    virq();
    refusals();
    exhaustion();
    reset(); /* the last: rt's own timer port is gone after it */
    test_done();
}
