/* SPDX-License-Identifier: MIT */
/* event_channel_op (xen/event_channel.h): copies and checks; dom/event.c acts. */
#include "call/call.h"

static int alloc_unbound(struct vcpu *v, uint64_t arg)
{
    struct evtchn_alloc_unbound op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_domain(v, op.dom, &d);
    if (rc) return rc;
    rc = event_alloc_unbound(d, op.remote_dom == DOMID_SELF ? v->dom->id : op.remote_dom, &op.port);
    if (!rc && call_put(v, arg, &op)) {
        event_close(d, op.port);
        rc = -EFAULT;
    }
    domain_put(d);
    return rc;
}

static int bind_interdomain(struct vcpu *v, uint64_t arg)
{
    struct evtchn_bind_interdomain op;
    if (call_get(v, &op, arg)) return -EFAULT;
    domid_t remote = op.remote_dom == DOMID_SELF ? v->dom->id : op.remote_dom;
    int rc = event_bind_interdomain(v->dom, remote, op.remote_port, &op.local_port);
    if (!rc && call_put(v, arg, &op)) {
        event_close(v->dom, op.local_port);
        rc = -EFAULT;
    }
    return rc;
}

static int bind_virq(struct vcpu *v, uint64_t arg)
{
    struct evtchn_bind_virq op;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = event_bind_virq(v->dom, op.virq, op.vcpu, &op.port);
    if (!rc && call_put(v, arg, &op)) {
        event_close(v->dom, op.port);
        rc = -EFAULT;
    }
    return rc;
}

static int bind_ipi(struct vcpu *v, uint64_t arg)
{
    struct evtchn_bind_ipi op;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = event_bind_ipi(v->dom, op.vcpu, &op.port);
    if (!rc && call_put(v, arg, &op)) {
        event_close(v->dom, op.port);
        rc = -EFAULT;
    }
    return rc;
}

static int bind_pirq(struct vcpu *v, uint64_t arg)
{
    struct evtchn_bind_pirq op;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.flags & ~(uint32_t)BIND_PIRQ__WILL_SHARE) return -EINVAL;
    int rc = event_bind_pirq(v->dom, op.pirq);
    op.port = op.pirq;
    if (!rc && call_put(v, arg, &op)) {
        event_close(v->dom, op.port);
        rc = -EFAULT;
    }
    return rc;
}

static int status(struct vcpu *v, uint64_t arg)
{
    struct evtchn_status op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_domain(v, op.dom, &d);
    if (rc) return rc;
    rc = event_status(d, &op);
    domain_put(d);
    return !rc && call_put(v, arg, &op) ? -EFAULT : rc;
}

static long reset(struct vcpu *v, uint64_t arg)
{
    struct evtchn_reset op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_domain(v, op.dom, &d);
    if (rc) return rc;
    rc = event_reset(d);
    domain_put(d);
    return rc == -ERESTART ? call_restart(v, EVTCHNOP_reset, arg, 0) : rc;
}

long call_event_channel(struct vcpu *v, const struct call_args *args)
{
    uint64_t arg = args->a[1];
    union {
        struct evtchn_close close;
        struct evtchn_send send;
        struct evtchn_unmask unmask;
        struct evtchn_bind_vcpu bind_vcpu;
    } op;
    switch (args->a[0]) {
    case EVTCHNOP_send: return call_get(v, &op.send, arg) ? -EFAULT : event_send(v->dom, op.send.port);
    case EVTCHNOP_alloc_unbound: return alloc_unbound(v, arg);
    case EVTCHNOP_bind_interdomain: return bind_interdomain(v, arg);
    case EVTCHNOP_bind_virq: return bind_virq(v, arg);
    case EVTCHNOP_bind_ipi: return bind_ipi(v, arg);
    case EVTCHNOP_bind_pirq: return bind_pirq(v, arg);
    case EVTCHNOP_close: return call_get(v, &op.close, arg) ? -EFAULT : event_close(v->dom, op.close.port);
    case EVTCHNOP_status: return status(v, arg);
    case EVTCHNOP_bind_vcpu:
        return call_get(v, &op.bind_vcpu, arg) ? -EFAULT : event_bind_vcpu(v->dom, op.bind_vcpu.port, op.bind_vcpu.vcpu);
    case EVTCHNOP_unmask: return call_get(v, &op.unmask, arg) ? -EFAULT : event_unmask(v->dom, op.unmask.port);
    case EVTCHNOP_reset: return reset(v, arg);
    default: return -ENOSYS; /* the FIFO ABI: guests fall back to 2-level */
    }
}
