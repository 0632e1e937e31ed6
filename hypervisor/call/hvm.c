/* SPDX-License-Identifier: MIT */
/* hvm_op (xen/hvm/hvm_op.h, xen/hvm/params.h): the parameters a domain is built with, upcall vectors, small services. */
#include <xen/hvm/hvm_op.h>
#include "call/call.h"

#define CALLBACK_TYPE_SHIFT 56

/* What a domain may set for itself; all else is its builder's. */
static bool own_param(uint32_t i)
{
    switch (i) {
    case HVM_PARAM_CALLBACK_IRQ:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_EVTCHN:
    case HVM_PARAM_VM86_TSS:
    case HVM_PARAM_VM86_TSS_SIZED:
    case HVM_PARAM_ACPI_S_STATE:
    case HVM_PARAM_X87_FIP_WIDTH: return true;
    default: return false;
    }
}

static int set_callback(struct domain *d, uint64_t value)
{
    uint64_t type = value >> CALLBACK_TYPE_SHIFT;
    bool vector = type == HVM_PARAM_CALLBACK_TYPE_VECTOR;
    /* Kernels with vectors of their own for each vCPU announce themselves by naming GSI 1; there are no interrupt lines here. */
    if (!vector && type != HVM_PARAM_CALLBACK_TYPE_GSI) return -EINVAL;
    if (vector && (value & 0xff) < 16) return -EINVAL;
    d->callback_vector = vector ? (uint8_t)value : 0;
    return 0;
}

static int param(struct vcpu *v, uint64_t arg, bool set)
{
    struct xen_hvm_param op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.index >= HVM_NR_PARAMS) return -EINVAL;
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    spin_lock(&d->ctl_lock);
    if (!set) op.value = d->hvm_param[op.index];
    else if (d == v->dom && !own_param(op.index) && !domain_has_role(d, BH_ROLE_CONTROL)) rc = -EPERM;
    else if (op.index == HVM_PARAM_CALLBACK_IRQ) rc = set_callback(d, op.value);
    if (set && !rc) d->hvm_param[op.index] = op.value;
    spin_unlock(&d->ctl_lock);
    domain_put(d);
    return !rc && !set ? call_put(v, arg, &op) : rc;
}

static int set_upcall_vector(struct vcpu *v, uint64_t arg)
{
    struct xen_hvm_evtchn_upcall_vector op;
    struct domain *d = v->dom;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.vector < 16) return -EINVAL;
    if (op.vcpu >= d->max_vcpus || !d->vcpu[op.vcpu]) return -ENOENT;
    struct vcpu *t = d->vcpu[op.vcpu];
    spin_lock(&d->event_lock);
    t->upcall_vector = op.vector;
    if (t->info && READ_ONCE(t->info->evtchn_upcall_pending)) vcpu_event_upcall(t);
    spin_unlock(&d->event_lock);
    return 0;
}

static int get_time(struct vcpu *v, uint64_t arg)
{
    struct xen_hvm_get_time op = {.now = now_ns()};
    return call_put(v, arg, &op);
}

/* Nested paging: a guest's own TLB entries are stale only after its own doing; a flush of all its vCPUs is one of the p2m. */
static int flush_tlbs(struct vcpu *v, uint64_t arg)
{
    struct p2m *p = &v->dom->p2m;
    if (arg) return -EINVAL;
    spin_lock(&p->lock);
    __atomic_fetch_add(&p->flush_gen, 1, __ATOMIC_SEQ_CST);
    if (p2m_flush_cpus) p2m_flush_cpus(p);
    spin_unlock(&p->lock);
    return 0;
}

static int get_mem_type(struct vcpu *v, uint64_t arg)
{
    struct xen_hvm_get_mem_type op;
    struct domain *d;
    enum p2m_type t;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    p2m_lookup(&d->p2m, gfn(op.pfn), &t);
    domain_put(d);
    op.mem_type = t == P2M_HOLE || t == P2M_MMIO ? HVMMEM_mmio_dm : t == P2M_RO || t == P2M_GRANT_RO ? HVMMEM_ram_ro : HVMMEM_ram_rw;
    return call_put(v, arg, &op);
}

long call_hvm(struct vcpu *v, const struct call_args *args)
{
    uint64_t arg = args->a[1];
    switch (args->a[0]) {
    case HVMOP_set_param: return param(v, arg, true);
    case HVMOP_get_param: return param(v, arg, false);
    case HVMOP_set_evtchn_upcall_vector: return set_upcall_vector(v, arg);
    case HVMOP_flush_tlbs: return flush_tlbs(v, arg);
    case HVMOP_get_time: return get_time(v, arg);
    case HVMOP_get_mem_type: return get_mem_type(v, arg);
    default: return -ENOSYS;
    }
}
