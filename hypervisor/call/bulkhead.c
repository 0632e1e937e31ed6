/* SPDX-License-Identifier: MIT */
/* The extension hypercall, include/bulkhead/ext.h: roles, snapshot and restart, crash, news, rest, stalls, profile, MSI messages,
 * DMA, extended configuration space. */
#include "call/call.h"
#include "lib/machine.h"
#include "lib/log.h"
#include "lib/stall.h"
#include "lib/string.h"

#define ALL_ROLES (BH_ROLE_CONTROL | BH_ROLE_PCI | BH_ROLE_XENSTORE | BH_ROLE_CONSOLE | BH_ROLE_DEVICE | BH_ROLE_TARGET)

static int set_roles(struct domain *d, const struct bh_op *op)
{
    uint32_t roles = op->u.roles.roles;
    if (roles & ~ALL_ROLES || op->u.roles.pad || (!(roles & BH_ROLE_TARGET) && op->u.roles.target)) return -EINVAL;
    return domain_set_roles(d, roles, op->u.roles.target);
}

static void fill_info(struct domain *d, struct bh_op *op)
{
    spin_lock(&d->ctl_lock);
    memset(&op->u, 0, sizeof(op->u));
    op->u.info.roles = d->roles;
    op->u.info.incarnation = d->incarnation;
    op->u.info.now_ns = now_ns();
    op->u.info.died_ns = d->died_ns;
    op->u.info.started_ns = d->started_ns;
    op->u.info.last_reason = d->last_reason;
    op->u.info.dma_faults = d->dma_faults;
    memcpy(op->u.info.why, d->why, sizeof(op->u.info.why));
    op->domid = d->id;
    spin_unlock(&d->ctl_lock);
}

static int snapshot(struct domain *d)
{
    spin_lock(&d->ctl_lock);
    int rc = restart_snapshot(d);
    spin_unlock(&d->ctl_lock);
    return rc;
}

static int restart(struct vcpu *v, struct domain *d, struct bh_op *op)
{
    char why[sizeof(d->why)];
    if (!d->snapshot) return -ENODATA;
    snprintf(why, sizeof(why), "restart by domain %u", v->dom->id);
    domain_pause(d);
    domain_stop_watchdogs(d);
    spin_lock(&d->ctl_lock);
    int rc = restart_in_place(d, why);
    spin_unlock(&d->ctl_lock);
    if (!rc) fill_info(d, op);
    domain_unpause(d);
    if (!rc) domain_tell_changed(d->id);
    return rc;
}

static int crash(struct vcpu *v, struct domain *d)
{
    char why[sizeof(d->why)];
    if (d->is_shutdown || d->dying) return -EINVAL;
    snprintf(why, sizeof(why), "kill by domain %u", v->dom->id);
    domain_shutdown(d, SHUTDOWN_crash, why);
    return 0;
}

/* The operations of CONTROL over another domain. */
static int control(struct vcpu *v, uint32_t cmd, struct bh_op *op)
{
    struct domain *c = v->dom;
    if (!domain_has_role(c, BH_ROLE_CONTROL)) return -EACCES;
    struct domain *d = domain_find(op->domid == DOMID_SELF ? c->id : op->domid);
    if (!d) return -ESRCH;
    int rc = -EINVAL;
    if (!call_may_stop(v, d)) rc = -EPERM;
    else if (cmd == BH_OP_set_roles) rc = set_roles(d, op);
    else if (cmd == BH_OP_snapshot) rc = snapshot(d);
    else if (cmd == BH_OP_restart) rc = restart(v, d, op);
    else if (cmd == BH_OP_crash) rc = crash(v, d);
    domain_put(d);
    return rc;
}

static int changed(struct vcpu *v, struct bh_op *op)
{
    if (!domain_has_role(v->dom, BH_ROLE_CONTROL)) return -EACCES;
    if (op->domid != DOMID_SELF) return -EINVAL;
    int id = domain_changed();
    if (id < 0) return id;
    op->domid = (domid_t)id;
    return 0;
}

static struct domain *resting; /* holds a reference */

static void rested(void *arg)
{
    struct domain *d = resting;
    log_info("domain %u: goes on", d->id);
    domain_unpause(d);
    __atomic_store_n(&resting, NULL, __ATOMIC_RELEASE);
    domain_put(d);
}

/* Stops the caller too, when this call is over. */
static int rest(struct vcpu *v, const struct bh_op *op)
{
    static struct timer timer;
    struct domain *nobody = NULL, *d;
    if (!domain_has_role(v->dom, BH_ROLE_CONTROL)) return -EACCES;
    if (op->domid != DOMID_SELF || op->u.rest.pad || !op->u.rest.ms || op->u.rest.ms > 60000) return -EINVAL;
    if (!(d = domain_find(v->dom->id))) return -ESRCH;
    if (!__atomic_compare_exchange_n(&resting, &nobody, d, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        domain_put(d);
        return -EBUSY;
    }
    log_info("domain %u: rests for %u ms", d->id, op->u.rest.ms);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i]) sched_pause(&d->vcpu[i]->sched);
    timer_init(&timer, rested, NULL);
    timer_set(&timer, now_ns() + op->u.rest.ms * 1000000ull);
    return 0;
}

static int stalls(struct vcpu *v, struct bh_op *op)
{
    struct bh_stall rows[STALL_ROWS];
    if (!domain_has_role(v->dom, BH_ROLE_CONTROL)) return -EACCES;
    if (op->domid != DOMID_SELF || op->u.stalls.pad || op->u.stalls.cpu >= nr_cpus) return -EINVAL;
    if (op->u.stalls.room < STALL_ROWS) return -ENOSPC;
    op->u.stalls.room = stall_read(op->u.stalls.cpu, rows);
    op->u.stalls.cpus = nr_cpus;
    return guest_write(&v->hv, op->u.stalls.rows, rows, op->u.stalls.room * sizeof(rows[0]));
}

static int profile(struct vcpu *v, const struct bh_op *op)
{
    if (!domain_has_role(v->dom, BH_ROLE_CONTROL)) return -EACCES;
    if (op->domid != DOMID_SELF || op->u.profile.pad) return -EINVAL;
    return profile_set(op->u.profile.period_us * 1000ull);
}

static int info(struct vcpu *v, struct bh_op *op)
{
    struct domain *d;
    bool self = op->domid == DOMID_SELF || op->domid == v->dom->id;
    if (!self && !domain_has_role(v->dom, BH_ROLE_CONTROL)) return -EACCES;
    int rc = call_domain(v, op->domid, &d);
    if (rc) return rc;
    fill_info(d, op);
    domain_put(d);
    return 0;
}

static int msi_unbind(struct domain *d, evtchn_port_t port)
{
    struct evtchn_status s = {.dom = d->id, .port = port};
    int rc = event_status(d, &s);
    if (rc) return rc;
    return s.status == EVTCHNSTAT_pirq ? event_close(d, port) : -EINVAL;
}

static int msi_bind(struct domain *d, uint32_t sbdf, struct bh_op *op)
{
    int rc = event_bind_msi(d, sbdf, op->u.msi.vcpu, &op->u.msi.port, &op->u.msi.addr, &op->u.msi.data);
    if (rc || device_owned(d, sbdf)) return rc;
    event_close(d, op->u.msi.port); /* taken away meanwhile, before there was a message to block */
    return -ENODEV;
}

/* The operations of a DEVICE domain on its own functions. */
static int device(struct domain *d, uint32_t cmd, struct bh_op *op)
{
    if (!domain_has_role(d, BH_ROLE_DEVICE)) return -EACCES;
    if (op->domid != DOMID_SELF && op->domid != d->id) return -EINVAL;
    if (cmd == BH_OP_msi_unbind) return msi_unbind(d, op->u.msi.port);
    uint32_t sbdf = cmd == BH_OP_msi_bind ? op->u.msi.sbdf : op->u.dma.sbdf;
    if (!device_owned(d, sbdf)) return -ENODEV;
    if (cmd == BH_OP_msi_bind) return msi_bind(d, sbdf, op);
    spin_lock(&d->ctl_lock);
    int rc = device_enable_dma(d, sbdf);
    spin_unlock(&d->ctl_lock);
    return rc;
}

static int pirq_message(struct vcpu *v, struct bh_op *op)
{
    struct domain *d;
    int rc = call_device_domain(v, op->domid, &d);
    if (rc) return rc;
    rc = event_pirq_message(d, op->u.msi.port, &op->u.msi.addr, &op->u.msi.data);
    domain_put(d);
    return rc;
}

static int pci_config(struct vcpu *v, struct bh_op *op)
{
    uint32_t sbdf = op->u.config.sbdf, at = op->u.config.offset, size = op->u.config.size, value = op->u.config.value;
    if (!domain_has_role(v->dom, BH_ROLE_PCI)) return -EACCES;
    if (op->domid != DOMID_SELF || op->u.config.pad || op->u.config.write > 1) return -EINVAL;
    if ((size != 1 && size != 2 && size != 4) || at < 0x100 || at + size > 0x1000 || at % size) return -EINVAL;
    if (sbdf >> 8 >= machine.mcfg_buses) return -ENODEV;
    volatile void *p = mpa_to_virt(mpa(machine.mcfg_base + ((uint64_t)sbdf << 12) + at));
    if (op->u.config.write) {
        if (size == 1) *(volatile uint8_t *)p = (uint8_t)value;
        else if (size == 2) *(volatile uint16_t *)p = (uint16_t)value;
        else *(volatile uint32_t *)p = value;
    } else {
        op->u.config.value = size == 1 ? *(volatile uint8_t *)p : size == 2 ? *(volatile uint16_t *)p : *(volatile uint32_t *)p;
    }
    return 0;
}

long call_bulkhead(struct vcpu *v, const struct call_args *args)
{
    uint32_t cmd = (uint32_t)args->a[0];
    struct bh_op op;
    int rc;
    if (call_get(v, &op, args->a[1])) return -EFAULT;
    if (op.version != BH_INTERFACE_VERSION || op.pad) return -EINVAL;
    switch (cmd) {
    case BH_OP_set_roles:
    case BH_OP_snapshot:
    case BH_OP_restart:
    case BH_OP_crash: rc = control(v, cmd, &op); break;
    case BH_OP_info: rc = info(v, &op); break;
    case BH_OP_changed: rc = changed(v, &op); break;
    case BH_OP_rest: rc = rest(v, &op); break;
    case BH_OP_stalls: rc = stalls(v, &op); break;
    case BH_OP_profile: rc = profile(v, &op); break;
    case BH_OP_msi_bind:
    case BH_OP_msi_unbind:
    case BH_OP_dma_enable: rc = device(v->dom, cmd, &op); break;
    case BH_OP_pci_config: rc = pci_config(v, &op); break;
    case BH_OP_pirq_message: rc = pirq_message(v, &op); break;
    default: return -ENOSYS;
    }
    if (rc == -ERESTART) return call_restart(v, cmd, args->a[1], args->a[2]);
    if (!rc && call_put(v, args->a[1], &op)) {
        if (cmd == BH_OP_msi_bind) event_close(v->dom, op.u.msi.port);
        if (cmd == BH_OP_changed) domain_tell_changed(op.domid); /* it does not know yet */
        rc = -EFAULT;
    }
    return rc;
}
