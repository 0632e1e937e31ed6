/* SPDX-License-Identifier: MIT */
/* sched_op (xen/sched.h): giving up the CPU, waiting for events, shutting down, the watchdogs. */
#include "call/call.h"

static bool has_work(void *v) { return vcpu_has_work(v); }

/* ---- poll ---- */

static bool poll_done(void *arg)
{
    struct vcpu *v = arg;
    return !v->poll_count || event_any_pending(v->dom, v->poll_list, v->poll_count) ||
           (cpu->can_take_interrupt(&v->hv) && vcpu_has_work(v));
}

/* Waits until one of the ports is pending, an interrupt can be taken, or the time has come. Wake-ups without cause are allowed. */
static int poll(struct vcpu *v, uint64_t arg)
{
    struct sched_poll op;
    struct domain *d = v->dom;
    evtchn_port_t ports[ARRAY_SIZE(v->poll_list)];
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.nr_ports > ARRAY_SIZE(ports)) return -EINVAL;
    if (guest_read(&v->hv, ports, (uint64_t)op.ports.p, op.nr_ports * sizeof(ports[0]))) return -EFAULT;
    for (unsigned i = 0; i < op.nr_ports; i++)
        if (ports[i] == 0 || ports[i] >= EVENT_MAX_PORTS) return -EINVAL;
    if (op.timeout && op.timeout <= now_ns()) return 0;
    timer_cancel(&v->poll_timer);
    spin_lock(&d->event_lock);
    for (unsigned i = 0; i < op.nr_ports; i++) v->poll_list[i] = ports[i];
    __atomic_store_n(&v->poll_count, op.nr_ports, __ATOMIC_SEQ_CST);
    spin_unlock(&d->event_lock);
    if (!op.nr_ports) {
        /* only a pause until the time has come, or an interrupt */
        if (op.timeout) timer_set(&v->poll_timer, op.timeout);
        sched_block(&v->sched, has_work, v);
        return 0;
    }
    if (op.timeout) timer_set(&v->poll_timer, op.timeout);
    if (!sched_block(&v->sched, poll_done, v)) {
        timer_cancel(&v->poll_timer);
        v->poll_count = 0;
    }
    return 0;
}

/* ---- shutdown ---- */

static const char *const reason_words[SHUTDOWN_MAX + 1] = {"powered off", "rebooted", "suspended", "crashed by its own word", "watchdog", "soft reset"};

static int shut_down(struct vcpu *v, uint64_t arg, bool latch)
{
    struct sched_shutdown op;
    struct domain *d = v->dom;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.reason > SHUTDOWN_MAX) return -EINVAL;
    if (!latch) {
        domain_shutdown(d, op.reason, reason_words[op.reason]);
        return 0;
    }
    spin_lock(&d->ctl_lock);
    if (!d->is_shutdown && d->shutdown_code == 0xff) d->shutdown_code = (uint8_t)op.reason;
    spin_unlock(&d->ctl_lock);
    return 0;
}

static int remote_shutdown(struct vcpu *v, uint64_t arg)
{
    struct sched_remote_shutdown op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.reason > SHUTDOWN_MAX) return -EINVAL;
    int rc = call_domain(v, op.domain_id, &d);
    if (rc) return rc;
    domain_shutdown(d, op.reason, reason_words[op.reason]);
    domain_put(d);
    return 0;
}

/* ---- watchdog ---- */

static int watchdog(struct vcpu *v, uint64_t arg)
{
    struct sched_watchdog op;
    struct domain *d = v->dom;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.id > ARRAY_SIZE(d->watchdog) || (!op.id && !op.timeout)) return -EINVAL;
    unsigned i = op.id ? op.id - 1 : 0;
    spin_lock(&d->ctl_lock);
    if (!op.id)
        while (i < ARRAY_SIZE(d->watchdog) && d->watchdog_used[i]) i++;
    int rc = op.id ? (d->watchdog_used[i] ? 0 : -EINVAL) : i < ARRAY_SIZE(d->watchdog) ? (int)i + 1 : -ENOSPC;
    if (rc >= 0) d->watchdog_used[i] = op.timeout != 0;
    spin_unlock(&d->ctl_lock);
    if (rc < 0) return rc;
    if (op.timeout) timer_set(&d->watchdog[i], now_ns() + op.timeout * 1000000000ull);
    else timer_cancel(&d->watchdog[i]);
    return rc;
}

long call_sched(struct vcpu *v, const struct call_args *args)
{
    uint64_t arg = args->a[1];
    switch (args->a[0]) {
    case SCHEDOP_yield:
        sched_yield(&v->sched);
        return 0;
    case SCHEDOP_block:
        sched_block(&v->sched, has_work, v);
        return 0;
    case SCHEDOP_poll: return poll(v, arg);
    case SCHEDOP_shutdown: return shut_down(v, arg, false);
    case SCHEDOP_shutdown_code: return shut_down(v, arg, true);
    case SCHEDOP_remote_shutdown: return remote_shutdown(v, arg);
    case SCHEDOP_watchdog: return watchdog(v, arg);
    default: return -ENOSYS;
    }
}
