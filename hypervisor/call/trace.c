/* SPDX-License-Identifier: MIT */
/* XEN_SYSCTL_tbuf_op (xen/sysctl.h): the trace's size, what it records, on and off. docs/tracing.md */
#include <xen/sysctl.h>
#include "call/call.h"
#include "trace/trace.h"

static struct spinlock lock = SPINLOCK_INIT(LOCK_DOMCTL);

int call_tbuf(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_tbuf_op *t = &op->u.tbuf_op;
    uint64_t cpus = 0;
    int rc = t->cmd == XEN_SYSCTL_TBUFOP_set_cpu_mask ? call_get_map(v, &t->cpu_mask, &cpus) : 0;
    if (rc) return rc;
    spin_lock(&lock);
    switch (t->cmd) {
    case XEN_SYSCTL_TBUFOP_get_info:
        t->evt_mask = trace_mask();
        t->size = trace_table(&t->buffer_mfn);
        break;
    case XEN_SYSCTL_TBUFOP_set_cpu_mask: trace_set_cpus(cpus); break;
    case XEN_SYSCTL_TBUFOP_set_evt_mask: trace_set_mask(t->evt_mask); break;
    case XEN_SYSCTL_TBUFOP_set_size: rc = trace_set_size(t->size); break;
    case XEN_SYSCTL_TBUFOP_enable: rc = trace_enable(true); break;
    case XEN_SYSCTL_TBUFOP_disable: rc = trace_enable(false); break;
    default: rc = -EINVAL;
    }
    spin_unlock(&lock);
    return rc;
}
