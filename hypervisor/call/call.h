/* SPDX-License-Identifier: MIT */
/*
 * The hypercall table and the dispatcher of VM exits. One file per family: copy and check arguments here, act in dom/ and mem/.
 * A handler gets its five arguments and returns what RAX shall hold. Long operations check call_preempt() between elements,
 * store their progress in the guest's argument structure (or registers) and return call_restart(): the vCPU's RIP is put back
 * on the hypercall instruction and softirqs and other vCPUs get their turn. No hypercall may run longer than 1 ms: bench/run stall.
 */
#ifndef CALL_CALL_H
#define CALL_CALL_H
#include "dom/domain.h"

struct call_args { uint64_t a[6]; };
typedef long (*call_fn)(struct vcpu *v, const struct call_args *args);
struct call_row { call_fn fn; const char *name; uint32_t roles; }; /* roles: any of these is needed; 0 = all may */
extern const struct call_row call_table[64];

void call_hypercall(struct vcpu *v);                    /* EXIT_HYPERCALL: number in RAX; 32-bit mode callers get -ENOSYS */
void exit_dispatch(struct vcpu *v, const struct vmexit *x); /* call/exit.c: the only dispatcher */
/* call/lapic.c: the MSRs of the virtual local APIC, and its page in xAPIC mode. */
bool lapic_msr(uint32_t msr);
int lapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value); /* -EINVAL: #GP */
bool lapic_page(struct vcpu *v, const struct vmexit *x); /* EXIT_NPF: it was an access to that page, and is done */
bool call_preempt(void);                                /* softirq pending on this CPU, or this hypercall has run long enough */
/* Restart this hypercall later with these first three arguments. Return its value at once: it stands for "no result yet". */
#define CALL_RESTARTED (-0x10000l)
long call_restart(struct vcpu *v, uint64_t a0, uint64_t a1, uint64_t a2);
void call_hypercall_page(void *page);                   /* fills 4 KiB with stubs */

/* A domain named in an argument, with a reference: DOMID_SELF or the caller's own id always; others for the CONTROL role and
 * for a stub domain over its target. 0, -EPERM, -ESRCH. */
int call_domain(struct vcpu *v, domid_t id, struct domain **out);

/* The domain whose functions' interrupts are to be arranged, with a reference: the caller's own with DEVICE, another's for the PCI
 * role. 0, -EPERM, -ESRCH. call/physdev.c */
int call_device_domain(struct vcpu *v, domid_t id, struct domain **out);

/* May the caller's domain stop `d` and wait for its vCPUs? Not itself, and no control domain that runs: two of them could wait
 * for each other for ever. */
bool call_may_stop(const struct vcpu *v, const struct domain *d);

/* Bitmaps of CPUs, cut to the caller's number of bits; beyond 64 there are none. 0, -EFAULT. call/domctl.c */
struct xenctl_bitmap;
int call_get_map(struct vcpu *v, const struct xenctl_bitmap *b, uint64_t *cpus);
int call_put_map(struct vcpu *v, const struct xenctl_bitmap *b, uint64_t cpus);

/* Argument copies, by guest virtual address of the calling vCPU: 0 or -EFAULT. */
#define call_get(v, dst, va) guest_read(&(v)->hv, (dst), (va), sizeof(*(dst)))
#define call_put(v, va, src) guest_write(&(v)->hv, (va), (src), sizeof(*(src)))

long call_event_channel(struct vcpu *v, const struct call_args *args);   /* call/event.c */
long call_grant_table(struct vcpu *v, const struct call_args *args);     /* call/grant.c */
long call_memory(struct vcpu *v, const struct call_args *args);          /* call/memory.c */
long call_hvm(struct vcpu *v, const struct call_args *args);             /* call/hvm.c */
long call_sched(struct vcpu *v, const struct call_args *args);           /* call/sched.c */
long call_vcpu(struct vcpu *v, const struct call_args *args);            /* call/vcpu.c */
long call_version(struct vcpu *v, const struct call_args *args);         /* call/version.c */
long call_console(struct vcpu *v, const struct call_args *args);         /* call/version.c */
long call_physdev(struct vcpu *v, const struct call_args *args);         /* call/physdev.c */
long call_domctl(struct vcpu *v, const struct call_args *args);          /* call/domctl.c */
long call_sysctl(struct vcpu *v, const struct call_args *args);          /* call/sysctl.c */
struct xen_sysctl;
int call_tbuf(struct vcpu *v, struct xen_sysctl *op);                     /* call/trace.c: XEN_SYSCTL_tbuf_op */
/* call/profile.c */
int profile_set(uint64_t period_ns);                                      /* sample every CPU so often, 0: no more; -EINVAL */
void profile_nmi(uint64_t rip, uint64_t rsp, uint64_t rbp);               /* an NMI came to this CPU: what it interrupted */
void profile_guest(const struct vcpu *v);                                 /* the last NMI did not interrupt us, but this guest */
void profile_softirq(void);
EXTERN_PERCPU(uint64_t, profile_top);                                     /* the frame of the CPU loop: where chains of frames end */
long call_platform(struct vcpu *v, const struct call_args *args);        /* call/sysctl.c */
long call_bulkhead(struct vcpu *v, const struct call_args *args);        /* call/bulkhead.c */
long call_set_timer(struct vcpu *v, const struct call_args *args);        /* call/vcpu.c */
long call_multicall(struct vcpu *v, const struct call_args *args);       /* call/table.c */
#endif
