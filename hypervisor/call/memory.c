/* SPDX-License-Identifier: MIT */
/*
 * memory_op (xen/memory.h) for auto-translated guests. RDI = command in the low six bits, above it the number of
 * extents already done (continuation; also what the caller may begin with). RSI = argument.
 */
#include <xen/memory.h>
#include "lib/machine.h"
#include "call/call.h"
#include "lib/stall.h"
#include "trace/trace.h"

#define EXTENT_SHIFT 6 /* commands take the low bits */
#define CMD_MASK ((1u << EXTENT_SHIFT) - 1)
#define SELF_MAX_ORDER ORDER_2M /* zeroing more at a time takes too long; who asks for more is told to split */

/* Later, from element i on. */
static long go_on(struct vcpu *v, uint64_t cmd, uint64_t i, uint64_t arg) { return call_restart(v, cmd | i << EXTENT_SHIFT, arg, 0); }

/* ---- one page into a domain's space ---- */

/* Puts `m` at `g`, whose reference it consumes in any case. RAM, foreign and shared pages there give way; others do not. */
static int place(struct domain *d, gfn_t g, mfn_t m, enum p2m_type t)
{
    enum p2m_type old;
    int rc = 0;
    if (mfn_valid_value(p2m_lookup(&d->p2m, g, &old)))
        rc = old == P2M_RAM || old == P2M_FOREIGN || old == P2M_SHARED ? p2m_remove(&d->p2m, g, ORDER_4K) : -EBUSY;
    if (!rc) rc = p2m_add(&d->p2m, g, m, ORDER_4K, t);
    if (rc) frame_put(m);
    return rc;
}

static int place_shared_info(struct domain *d, gfn_t g)
{
    frame_get(d->shared_info_mfn);
    int rc = place(d, g, d->shared_info_mfn, P2M_SHARED);
    for (unsigned i = 0; !rc && i < d->max_vcpus; i++)
        if (d->vcpu[i] && !mfn_valid_value(d->vcpu[i]->info_mfn)) vcpu_time_update(d->vcpu[i]);
    return rc;
}

static int place_grant_frame(struct domain *of, uint64_t idx, struct domain *d, gfn_t g, enum p2m_type t)
{
    mfn_t m;
    if (idx >= of->grant.max_frames) return -EINVAL;
    int rc = grant_table_frame(of, (unsigned)idx, &m);
    if (rc) return rc;
    frame_get(m);
    return place(d, g, m, t);
}

static int move_page(struct domain *d, gfn_t from, gfn_t to)
{
    enum p2m_type t;
    mfn_t m = p2m_get(&d->p2m, from, true, &t, NULL);
    if (!mfn_valid_value(m)) return -EINVAL;
    if (t != P2M_RAM || from.v == to.v) {
        frame_put(m);
        return t == P2M_RAM ? 0 : -EINVAL;
    }
    int rc = place(d, to, m, P2M_RAM); /* first, so that the page is lost nowhere; for a moment it is at both places */
    if (rc) return rc;
    rc = p2m_remove_exact(&d->p2m, from, m, P2M_RAM);
    if (rc) p2m_remove_exact(&d->p2m, to, m, P2M_RAM); /* another vCPU has moved it meanwhile */
    return rc;
}

/* A page of the trace, named by its frame number as Xen's tools name it. */
static int place_trace(struct vcpu *v, struct domain *d, mfn_t m, gfn_t to)
{
    bool writable;
    if (!domain_has_role(v->dom, BH_ROLE_CONTROL)) return -EPERM;
    if (!trace_frame(m, &writable)) return -EINVAL;
    frame_get(m);
    return place(d, to, m, writable ? P2M_FOREIGN : P2M_RO);
}

static int place_foreign(struct vcpu *v, struct domain *d, domid_t owner, gfn_t from, gfn_t to)
{
    struct domain *f;
    if (owner == DOMID_XEN) return place_trace(v, d, mfn(from.v), to);
    int rc = call_domain(v, owner, &f);
    if (rc) return rc;
    enum p2m_type t;
    mfn_t m = f == d || f->dying ? MFN_NONE : p2m_get(&f->p2m, from, true, &t, NULL);
    if (mfn_valid_value(m) && t != P2M_RAM) {
        frame_put(m);
        m = MFN_NONE;
    }
    rc = mfn_valid_value(m) ? place(d, to, m, P2M_FOREIGN) : -EINVAL;
    domain_put(f);
    return rc;
}

static int add_one(struct vcpu *v, struct domain *d, unsigned space, domid_t foreign, uint64_t idx, gfn_t g)
{
    switch (space) {
    case XENMAPSPACE_shared_info: return idx ? -EINVAL : place_shared_info(d, g);
    case XENMAPSPACE_grant_table: return place_grant_frame(d, idx, d, g, P2M_SHARED);
    case XENMAPSPACE_gmfn: return move_page(d, gfn(idx), g);
    case XENMAPSPACE_gmfn_foreign: return place_foreign(v, d, foreign, gfn(idx), g);
    default: return -EINVAL;
    }
}

static long add_to_physmap(struct vcpu *v, uint64_t cmd, uint64_t start, uint64_t arg)
{
    struct xen_add_to_physmap op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.space == XENMAPSPACE_gmfn_foreign) return -EINVAL; /* batch only: this form names no owner */
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    bool range = op.space == XENMAPSPACE_gmfn_range;
    uint64_t n = range ? op.size : 1;
    long result = 0;
    for (uint64_t i = start; i < n && !result; i++) {
        result = add_one(v, d, range ? XENMAPSPACE_gmfn : op.space, 0, op.idx + i, gfn(op.gpfn + i));
        if (result == -ERESTART) result = go_on(v, cmd, i, arg);
        else if (!result && i + 1 < n && call_preempt()) result = go_on(v, cmd, i + 1, arg);
    }
    domain_put(d);
    return result;
}

static long add_to_physmap_batch(struct vcpu *v, uint64_t cmd, uint64_t start, uint64_t arg)
{
    struct xen_add_to_physmap_batch op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    long result = 0;
    for (uint64_t i = start; i < op.size && !result; i++) {
        xen_ulong_t idx;
        xen_pfn_t g;
        if (call_get(v, &idx, (uint64_t)(op.idxs.p + i)) || call_get(v, &g, (uint64_t)(op.gpfns.p + i))) {
            result = -EFAULT;
            break;
        }
        int err = add_one(v, d, op.space, op.u.foreign_domid, idx, gfn(g));
        if (err == -ERESTART) result = go_on(v, cmd, i, arg);
        else if (call_put(v, (uint64_t)(op.errs.p + i), &err)) result = -EFAULT;
        else if (i + 1u < op.size && call_preempt()) result = go_on(v, cmd, i + 1, arg);
    }
    domain_put(d);
    return result;
}

static long remove_from_physmap(struct vcpu *v, uint64_t arg)
{
    struct xen_remove_from_physmap op;
    struct domain *d;
    enum p2m_type t;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    mfn_t m = p2m_lookup(&d->p2m, gfn(op.gpfn), &t);
    if (!mfn_valid_value(m)) rc = -ENOENT;
    else if (t != P2M_RAM && t != P2M_FOREIGN && t != P2M_SHARED && t != P2M_RO) rc = -EINVAL;
    else rc = p2m_remove(&d->p2m, gfn(op.gpfn), ORDER_4K);
    domain_put(d);
    return rc;
}

/* Frames of a domain's grant table into the caller's space: the list holds the gfns where they shall appear. */
static long acquire_resource(struct vcpu *v, uint64_t cmd, uint64_t start, uint64_t arg)
{
    struct xen_mem_acquire_resource op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.pad || op.type != XENMEM_resource_grant_table || op.id != XENMEM_resource_grant_table_id_shared) return -EINVAL;
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    long result = 0;
    if (!op.frame_list.p) {
        result = op.nr_frames ? -EINVAL : 0;
        op.nr_frames = d->grant.max_frames;
        if (!result) result = call_put(v, arg, &op);
    } else if (op.nr_frames > d->grant.max_frames || op.frame > d->grant.max_frames - op.nr_frames) {
        result = -EINVAL;
    } else {
        for (uint64_t i = start; i < op.nr_frames && !result; i++) {
            xen_pfn_t g;
            if (call_get(v, &g, (uint64_t)(op.frame_list.p + i))) result = -EFAULT;
            else result = place_grant_frame(d, op.frame + i, v->dom, gfn(g), d == v->dom ? P2M_SHARED : P2M_FOREIGN);
            if (result == -ERESTART) result = go_on(v, cmd, i, arg);
            else if (!result && i + 1 < op.nr_frames && call_preempt()) result = go_on(v, cmd, i + 1, arg);
        }
    }
    domain_put(d);
    return result;
}

/* ---- a domain's reservation ---- */

static int populate_one(struct domain *d, uint64_t g, unsigned order)
{
    if (g & ((1ull << order) - 1)) return -EINVAL;
    mfn_t m = frame_alloc_owned(&d->mem, order);
    if (!mfn_valid_value(m)) return -ENOMEM;
    int rc = p2m_add(&d->p2m, gfn(g), m, order, P2M_RAM);
    if (rc) frame_put_order(m, order);
    return rc;
}

static int release_one(struct domain *d, uint64_t g, unsigned order)
{
    for (uint64_t i = 0; i < 1ull << order; i++) {
        enum p2m_type t;
        mfn_t m = p2m_lookup(&d->p2m, gfn(g + i), &t);
        if (!mfn_valid_value(m) || (t != P2M_RAM && t != P2M_RO)) return -EINVAL;
    }
    for (uint64_t i = 0; i < 1ull << order; i++) {
        bool whole = !((g + i) & 511) && (1ull << order) - i >= 512;
        int rc = p2m_remove(&d->p2m, gfn(g + i), whole ? ORDER_2M : ORDER_4K);
        if (rc) return rc;
        if (whole) i += 511;
    }
    return 0;
}

/* populate_physmap and decrease_reservation: the number of extents done. */
static long change_reservation(struct vcpu *v, uint64_t cmd, uint64_t start, uint64_t arg)
{
    struct xen_memory_reservation op;
    struct domain *d;
    if (call_get(v, &op, arg)) return (long)start;
    if (op.nr_extents > ~0ull >> (EXTENT_SHIFT + 1)) return (long)start;
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    uint64_t i = start;
    for (; i < op.nr_extents && op.extent_order <= SELF_MAX_ORDER && !d->dying; i++) {
        xen_pfn_t g;
        if (i > start && call_preempt()) {
            domain_put(d);
            return go_on(v, cmd, i, arg);
        }
        if (call_get(v, &g, (uint64_t)(op.extent_start.p + i))) break;
        if ((cmd == XENMEM_populate_physmap ? populate_one : release_one)(d, g, op.extent_order)) break;
    }
    domain_put(d);
    return (long)i;
}

/* ---- questions and the memory map ---- */

static long query(struct vcpu *v, uint64_t cmd, uint64_t arg)
{
    struct xen_memory_domain op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    long rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    rc = (long)(cmd == XENMEM_current_reservation ? d->mem.pages : cmd == XENMEM_maximum_reservation ? d->mem.max_pages : d->p2m.max_gfn);
    domain_put(d);
    return rc;
}

static long memory_map(struct vcpu *v, uint64_t arg, bool count_only_if_null)
{
    struct xen_memory_map op;
    const struct memmap *m = &v->dom->memmap;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (!m->n) return -ENOSYS;
    if (op.buffer.p) {
        op.nr_entries = MIN(op.nr_entries, m->n);
        if (guest_write(&v->hv, (uint64_t)op.buffer.p, m->e, op.nr_entries * sizeof(m->e[0]))) return -EFAULT;
    } else if (count_only_if_null) {
        op.nr_entries = m->n;
    } else {
        return -EFAULT;
    }
    return call_put(v, arg, &op);
}

static long set_memory_map(struct vcpu *v, uint64_t arg)
{
    struct xen_foreign_memory_map op;
    struct domain *d;
    struct memmap map = {.n = 0};
    if (!domain_has_role(v->dom, BH_ROLE_CONTROL)) return -EPERM;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.map.nr_entries > MAX_MEMMAP) return -EINVAL;
    map.n = op.map.nr_entries;
    if (guest_read(&v->hv, map.e, (uint64_t)op.map.buffer.p, map.n * sizeof(map.e[0]))) return -EFAULT;
    int rc = call_domain(v, op.domid, &d);
    if (rc) return rc;
    spin_lock(&d->ctl_lock);
    d->memmap = map;
    spin_unlock(&d->ctl_lock);
    domain_put(d);
    return 0;
}

static long reserved_device_memory(struct vcpu *v, uint64_t arg)
{
    struct xen_reserved_device_memory_map op;
    if (call_get(v, &op, arg)) return -EFAULT;
    op.nr_entries = 0; /* domains never see firmware's reserved regions */
    return call_put(v, arg, &op);
}

long call_memory(struct vcpu *v, const struct call_args *args)
{
    uint64_t cmd = args->a[0] & CMD_MASK, start = args->a[0] >> EXTENT_SHIFT, arg = args->a[1];
    stall_sub((uint32_t)cmd);
    switch (cmd) {
    case XENMEM_populate_physmap:
    case XENMEM_decrease_reservation: return change_reservation(v, cmd, start, arg);
    case XENMEM_add_to_physmap: return add_to_physmap(v, cmd, start, arg);
    case XENMEM_add_to_physmap_batch: return add_to_physmap_batch(v, cmd, start, arg);
    case XENMEM_remove_from_physmap: return remove_from_physmap(v, arg);
    case XENMEM_acquire_resource: return acquire_resource(v, cmd, start, arg);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn: return query(v, cmd, arg);
    case XENMEM_maximum_ram_page: return (long)(machine.ram_end >> PAGE_SHIFT) - 1;
    case XENMEM_memory_map: return memory_map(v, arg, false);
    case XENMEM_machine_memory_map: return domain_has_role(v->dom, BH_ROLE_CONTROL) ? memory_map(v, arg, true) : -EPERM;
    case XENMEM_set_memory_map: return set_memory_map(v, arg);
    case XENMEM_claim_pages: return domain_has_role(v->dom, BH_ROLE_CONTROL) ? 0 : -EPERM;
    case XENMEM_reserved_device_memory_map: return reserved_device_memory(v, arg);
    case XENMEM_increase_reservation: return -EINVAL; /* memory without a place in an auto-translated guest */
    case XENMEM_get_vnumainfo: return -EOPNOTSUPP;
    default: return -ENOSYS; /* XENMEM_exchange too: docs/interfaces.md */
    }
}
