/* SPDX-License-Identifier: MIT */
/*
 * grant_table_op (xen/grant_table.h): an array of one operation's structures; each gets its own status. dom/grant.c acts.
 * Version 1 tables only, for auto-translated guests: setup_table is answered as XENMEM_add_to_physmap would be asked for.
 */
#include "call/call.h"
#include "lib/log.h"

#define COPY_STEP 8u /* copies between two looks at whether somebody else's turn has come */

/* 0, or -ERESTART: the table has grown by a step. */
static int setup_table(struct vcpu *v, struct gnttab_setup_table *op)
{
    struct domain *d;
    mfn_t m;
    int rc = call_domain(v, op->dom, &d);
    op->status = rc == -EPERM ? GNTST_permission_denied : GNTST_bad_domain;
    if (rc) return 0;
    rc = op->nr_frames && op->nr_frames <= d->grant.max_frames ? grant_table_frame(d, op->nr_frames - 1, &m) : 0;
    if (op->nr_frames > d->grant.max_frames) op->status = GNTST_general_error;
    else op->status = rc ? GNTST_no_space : GNTST_okay;
    /* The frames' names mean nothing to an auto-translated guest: it maps them by index. The list is filled with zeros. */
    for (uint32_t i = 0; op->status == GNTST_okay && i < op->nr_frames; i++) {
        xen_pfn_t none = 0;
        if (call_put(v, (uint64_t)op->frame_list.p + i * sizeof(none), &none)) op->status = GNTST_bad_virt_addr;
    }
    domain_put(d);
    return rc == -ERESTART ? rc : 0;
}

/* One element at guest address `at`. 0 or -EFAULT, -EINVAL...: ends the whole call; -ERESTART: to be done again. */
static int one(struct vcpu *v, unsigned cmd, uint64_t at)
{
    union {
        struct gnttab_map_grant_ref map;
        struct gnttab_unmap_grant_ref unmap;
        struct gnttab_query_size size;
        struct gnttab_setup_table setup;
        struct gnttab_set_version set_version;
        struct gnttab_get_version get_version;
        struct gnttab_unmap_and_replace replace;
        struct gnttab_transfer transfer;
        struct gnttab_get_status_frames status;
        struct gnttab_swap_grant_ref swap;
    } op;
    struct domain *d = v->dom;
    switch (cmd) {
#define ELEMENT(field, action)                  \
    if (call_get(v, &op.field, at)) return -EFAULT; \
    action;                                     \
    return call_put(v, at, &op.field)
    case GNTTABOP_map_grant_ref: ELEMENT(map, grant_map(d, &op.map));
    case GNTTABOP_unmap_grant_ref: ELEMENT(unmap, grant_unmap(d, &op.unmap));
    case GNTTABOP_query_size: ELEMENT(size, grant_query_size(d, &op.size));
    case GNTTABOP_setup_table: ELEMENT(setup, if (setup_table(v, &op.setup)) return -ERESTART);
    case GNTTABOP_unmap_and_replace: ELEMENT(replace, op.replace.status = GNTST_general_error);
    case GNTTABOP_transfer: ELEMENT(transfer, op.transfer.status = GNTST_general_error);
    case GNTTABOP_get_status_frames: ELEMENT(status, op.status.status = GNTST_general_error);
    case GNTTABOP_swap_grant_ref: ELEMENT(swap, op.swap.status = GNTST_general_error);
    case GNTTABOP_get_version: ELEMENT(get_version, op.get_version.version = 1);
    case GNTTABOP_set_version:
        if (call_get(v, &op.set_version, at)) return -EFAULT;
        if (op.set_version.version != 1) return op.set_version.version == 2 ? -ENOSYS : -EINVAL;
        return call_put(v, at, &op.set_version);
    default: return -ENOSYS;
    }
}

static size_t element_size(unsigned cmd)
{
    switch (cmd) {
    case GNTTABOP_map_grant_ref: return sizeof(struct gnttab_map_grant_ref);
    case GNTTABOP_unmap_grant_ref: return sizeof(struct gnttab_unmap_grant_ref);
    case GNTTABOP_copy: return sizeof(struct gnttab_copy);
    case GNTTABOP_query_size: return sizeof(struct gnttab_query_size);
    case GNTTABOP_setup_table: return sizeof(struct gnttab_setup_table);
    case GNTTABOP_unmap_and_replace: return sizeof(struct gnttab_unmap_and_replace);
    case GNTTABOP_transfer: return sizeof(struct gnttab_transfer);
    case GNTTABOP_get_status_frames: return sizeof(struct gnttab_get_status_frames);
    case GNTTABOP_swap_grant_ref: return sizeof(struct gnttab_swap_grant_ref);
    case GNTTABOP_get_version: return sizeof(struct gnttab_get_version);
    case GNTTABOP_set_version: return sizeof(struct gnttab_set_version);
    default: return 0;
    }
}

/* n copies at `at`, several read and written back at a time; where an array ends in a page that is not there, one. */
static long copies(struct vcpu *v, uint64_t at, uint32_t n)
{
    struct gnttab_copy op[COPY_STEP];
    struct grant_run run;
    long rc = 0;
    grant_run_begin(&run);
    for (uint32_t i = 0, k; i < n && !rc; i += k, at += k * sizeof(op[0])) {
        if (i && call_preempt()) {
            rc = call_restart(v, GNTTABOP_copy, at, n - i);
            break;
        }
        k = MIN(n - i, COPY_STEP);
        rc = guest_read(&v->hv, op, at, k * sizeof(op[0]));
        if (rc && k > 1) rc = guest_read(&v->hv, op, at, (k = 1) * sizeof(op[0]));
        if (rc) break;
        for (uint32_t j = 0; j < k; j++) grant_copy(v->dom, &op[j], &run);
        if (guest_write(&v->hv, at, op, k * sizeof(op[0]))) rc = -EFAULT;
    }
    grant_run_end(&run);
    return rc;
}

long call_grant_table(struct vcpu *v, const struct call_args *args)
{
    unsigned cmd = (unsigned)args->a[0];
    uint64_t at = args->a[1];
    uint32_t n = (uint32_t)args->a[2];
    size_t size = element_size(cmd);
    if (!size) return -ENOSYS;
    if ((int32_t)n < 0) return -EINVAL;
    if (cmd == GNTTABOP_copy) return copies(v, at, n);
    for (uint32_t i = 0; i < n; i++, at += size) {
        if (i && call_preempt()) return call_restart(v, cmd, at, n - i);
        int rc = one(v, cmd, at);
        if (rc == -ERESTART) return call_restart(v, cmd, at, n - i);
        if (rc) return rc;
    }
    return 0;
}
