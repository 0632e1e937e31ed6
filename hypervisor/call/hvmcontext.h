/* SPDX-License-Identifier: MIT */
/* A domain's vCPU state as HVM save records. The domain is paused and its ctl_lock held; `v` is the caller whose buffer it is. */
#ifndef CALL_HVMCONTEXT_H
#define CALL_HVMCONTEXT_H
#include <xen/domctl.h>
#include <xen/hvm/save.h>
#include "call/call.h"

/* -ENOSPC: the buffer is too small; a NULL buffer asks for the size. Sets op->size. -EFAULT. */
int hvmcontext_get(struct vcpu *v, struct domain *d, struct xen_domctl_hvmcontext *op);
/* HEADER and CPU records. -EINVAL for another type, -ENOENT no such vCPU, -ENOSPC, -EFAULT. */
int hvmcontext_get_partial(struct vcpu *v, struct domain *d, struct xen_domctl_hvmcontext_partial *op);
/* Marks each vCPU with a CPU record as initialised and up. -EINVAL: records that make no sense or a state that cannot run. */
int hvmcontext_set(struct vcpu *v, struct domain *d, const struct xen_domctl_hvmcontext *op);
/* call/domctl.c: also for sysctl's list. */
void domctl_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);
#endif
