/* SPDX-License-Identifier: MIT */
/*
 * Domains and vCPUs. The letter beside a field is the lock that guards it:
 *   c  constant once the domain is on the list     d  d->ctl_lock (LOCK_DOMCTL)    e  d->event_lock (LOCK_EVENT)
 *   g  d->grant.lock (LOCK_GRANT)                  l  domain list lock             r  only the CPU running the vCPU
 *   a  atomic
 */
#ifndef DOM_DOMAIN_H
#define DOM_DOMAIN_H
#include <bulkhead/ext.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/xen.h>
#include "cpu/cpu.h"
#include "irq/vlapic.h"
#include "mem/iommu.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define MAX_VCPUS 128
#define MAX_DOMAINS 1024

struct vcpu {
    struct sched_unit sched;
    struct hvcpu hv;              /* r */
    struct vlapic lapic;          /* r, irr a */
    struct domain *dom;           /* c */
    unsigned id;                  /* c */
    bool initialised;             /* d: has a state to run (PVH start, INIT/SIPI, sethvmcontext) */
    bool wait_sipi;               /* a: INIT received */
    bool sipi_pending;            /* a: the next entry starts anew at sipi_page << 12 */
    uint8_t sipi_page;
    bool nmi_pending;             /* a */
    uint8_t upcall_vector;        /* HVMOP_set_evtchn_upcall_vector: 0 = domain-wide callback */
    struct vcpu_info *info;       /* e: direct-map address; in shared info until registered */
    mfn_t info_mfn;               /* frame held for a registered vcpu_info, or MFN_NONE */
    uint64_t runstate_va;         /* r: guest virtual address registered, 0 none */
    uint64_t time_va;             /* r: VCPUOP_register_vcpu_time_memory_area */
    struct timer singleshot, lapic_timer, poll_timer;
    struct timer nudge;           /* brings the vCPU out of the guest when an interrupt shadow was in the way */
    struct timer periodic;        /* VCPUOP_set_periodic_timer */
    uint64_t period_ns;
    uint32_t time_version;
    unsigned poll_count;          /* e: SCHEDOP_poll waits for the ports of poll_list; 0 = not polling */
    evtchn_port_t poll_list[128];
    uint32_t virq_port[NR_VIRQS]; /* e */
};

#include "dom/event.h"
#include "dom/grant.h"

#define MAX_DEVICES_PER_DOMAIN 16
#define MAX_MEMMAP 64
struct memmap_entry { uint64_t addr, size; uint32_t type; } __attribute__((packed)); /* the e820 layout that guests get */
struct memmap { unsigned n; struct memmap_entry e[MAX_MEMMAP]; };
struct snapshot;
struct domain {
    struct list link;             /* l */
    domid_t id;                   /* c */
    uint32_t refs;                /* a: domain_get/put; freed at 0 */
    struct spinlock ctl_lock;     /* LOCK_DOMCTL */
    uint32_t roles;               /* a: BH_ROLE_*; changed only before the first run, but TARGET goes with the target */
    domid_t target;               /* of BH_ROLE_TARGET */
    uint8_t handle[16];           /* d: uuid */
    uint32_t flags;               /* c: XEN_DOMCTL_CDF_* of creation */
    unsigned max_vcpus;           /* c */
    struct vcpu *vcpu[MAX_VCPUS]; /* set once each, under d */
    struct sched_group sched;     /* weight and cap of them all */
    struct memowner mem;
    struct p2m p2m;
    struct iommu_domain iommu;    /* valid when p2m.iommu points to it */
    uint32_t device[MAX_DEVICES_PER_DOMAIN]; /* d: sbdf owned */
    unsigned nr_devices;          /* d */
    struct shared_info *shared_info;   /* c: direct-map address */
    mfn_t shared_info_mfn;        /* c */
    struct spinlock event_lock;   /* LOCK_EVENT */
    struct event_channels events; /* e */
    struct grant_table grant;     /* g */
    uint64_t hvm_param[HVM_NR_PARAMS]; /* d */
    uint8_t callback_vector;      /* of HVM_PARAM_CALLBACK_IRQ type vector; 0 none */
    unsigned ctl_pause;           /* d: count of domctl pauses; a new domain starts with 1 */
    bool ever_ran;                /* d */
    bool is_shutdown;             /* d: shutdown_code says why; vCPUs are paused */
    bool dying;                   /* a: being destroyed */
    uint8_t shutdown_code;        /* d: 0xff none; SCHEDOP_shutdown_code may latch one before the shutdown */
    char why[64];                 /* d: of the last death */
    uint64_t died_ns, started_ns; /* d */
    uint32_t incarnation;         /* d */
    uint8_t last_reason;          /* d */
    uint32_t dma_faults;          /* a */
    struct timer watchdog[2];     /* SCHEDOP_watchdog ids 1, 2 */
    bool watchdog_used[2];
    struct snapshot *snapshot;    /* d: pristine image, dom/restart.c */
    struct memmap memmap;         /* d: XENMEM_set_memory_map */
    char console_line[128];       /* console_io of a domain without CONSOLE: gathered into log lines */
    unsigned console_len;
    uint64_t drain_next;          /* d: progress of destruction */
    bool drained;                 /* a: destroyed but for references that others still hold */
    uint32_t pci_address;         /* last write to port CF8h */
    uint64_t log_window_ns;       /* rate limit of console lines: start of the present second */
    unsigned log_lines;
};

extern struct domain *domain0;
extern unsigned control_linger_s; /* how long the machine goes on when domain 0 has crashed; 0 = not at all */

/* dom/domain.c */
void domains_init(void);
/* A new domain, paused, without vCPUs or memory; id DOMID_INVALID: choose a free one. -ENOMEM, -EEXIST, -EINVAL. With a reference beside the list's:
 * from here on others know it, and may destroy it. */
int domain_create(domid_t id, uint32_t flags, unsigned max_vcpus, int grant_frames, int maptrack, struct domain **out); /* those two: grants_init */
struct domain *domain_find(domid_t id);       /* with a reference, or NULL; also dying ones */
struct domain *domain_known(domid_t id);      /* without one, when something the caller has locked keeps the domain in the table */
struct domain *domain_next(domid_t from);     /* first with id >= from, with a reference */
void domain_put(struct domain *d);
void domains_reap(void);                      /* drop destroyed domains whose last frames have come back meanwhile */
struct domain *current_domain(void);          /* of the vCPU in whose hypercall or exit we are */
struct vcpu *current_vcpu(void);
int domain_kill(struct domain *d);            /* -ERESTART until all is given back; then it leaves the list. ctl_lock not held */
void domain_pause(struct domain *d);          /* all vCPUs out of the guest when this returns (not the caller's own). No lock held */
void domain_unpause(struct domain *d);        /* undoes one domain_pause, or the ctl_pause that a domain is created with */
void domain_reset_shared_info(struct domain *d); /* to what a new domain sees: no events, the wall clock */
void domain_stop_watchdogs(struct domain *d); /* paused; ctl_lock NOT held: an expiring one takes it */
void domain_release_infos(struct domain *d);  /* registered vcpu_info frames back; the vCPUs are stopped */
void domain_tell_changed(domid_t id);         /* it shut down, was destroyed, or runs anew: domain_changed() says so, and VIRQ_DOM_EXC. No event lock held */
int domain_changed(void);                     /* an id that was told of and is not known to the asker yet, each once; -ENOENT: no more */
/* Ends the domain's run with SHUTDOWN_* `code`: pauses its vCPUs, records `why`, tells (above); domain 0: the machine goes. */
void domain_shutdown(struct domain *d, unsigned code, const char *why);
/* A fault of the guest's own: logs and SHUTDOWN_crash. */
void domain_crash(struct domain *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Before the first run. -EBUSY it has run; with BH_ROLE_TARGET: -ESRCH no domain `target`, -EINVAL itself. ctl_lock not held */
int domain_set_roles(struct domain *d, uint32_t roles, domid_t target);
bool domain_has_role(const struct domain *d, uint32_t role);

/* dom/vcpu.c */
int vcpu_create(struct domain *d, unsigned id);
void vcpu_destroy(struct vcpu *v);
void vcpu_reset(struct vcpu *v);              /* as after INIT: down unless it is vCPU 0 being started by its builder */
void vcpu_set_interrupt(struct vcpu *v, uint8_t vector); /* virtual local APIC; wakes */
void vcpu_event_upcall(struct vcpu *v);       /* an event became pending for v: wake, kick, inject at the next entry */
bool vcpu_has_work(struct vcpu *v);           /* something would wake it from HLT/block: pending upcall or interrupt */
void vcpu_prepare_entry(struct vcpu *v);      /* PV clock, interrupt injection, windows; just before cpu->run */
void vcpu_time_update(struct vcpu *v);        /* writes vcpu_info's time, when the version must change */
void vcpu_runstate_update(struct vcpu *v);
void vcpu_deliver_ipi(struct vcpu *from, const struct vlapic_ipi *ipi);
void vcpu_lapic_timer_changed(struct vcpu *v);
void vcpu_context_switch(struct vcpu *prev, struct vcpu *next); /* FPU, MSRs; either may be NULL */
void vcpu_forget(unsigned c, struct vcpu *v); /* CPU c must not save v's FPU any more: v is going away */

/* dom/restart.c (docs/recovery.md) */
int restart_snapshot(struct domain *d);       /* ctl_lock held, never ran. -EBUSY, -ENOMEM; -ERESTART: call again to go on */
int restart_in_place(struct domain *d, const char *why); /* ctl_lock held, paused by domain_pause,
                                                watchdogs stopped. -ENODATA, -ENOMEM; -ERESTART: stopped, call again to go on */
bool restart_forget(struct domain *d);        /* gives the snapshot back; false: call again to go on */

/* dom/passthrough.c (docs/passthrough.md). A function is assigned with its DMA blocked, until device_enable_dma. */
void passthrough_init(void);                  /* before vtd_init's faults can come: takes VECTOR_IOMMU */
/* -EBUSY owned, -ENODEV no unit guards it, -EPERM firmware reserves memory for it, -EXDEV no remapping and not `unsafe`,
 * -ENOSPC, -ENOMEM; -ERESTART: call again to go on. ctl_lock held */
int device_assign(struct domain *d, uint32_t sbdf, bool unsafe);
int device_deassign(struct domain *d, uint32_t sbdf); /* DMA and its MSI handles are blocked when this returns. ctl_lock held */
bool device_owned(const struct domain *d, uint32_t sbdf);
void devices_block_dma(struct domain *d);     /* all functions, at once; returns when nothing is in flight */
int device_enable_dma(struct domain *d, uint32_t sbdf);
bool devices_release(struct domain *d);       /* it owns none any more, and its IOMMU table is given back; false: call again to go on */
void iommu_fault_softirq(void);               /* logs faults, counts them, stops the owner */
struct domain *device_owner(uint32_t sbdf);   /* with reference */
bool device_mmio_allowed(mfn_t first, uint64_t count); /* may be a device's registers: no RAM, APIC or IOMMU among them */

/* dom/console.c */
void console_init(void);
/* console_io: the machine's console for the CONSOLE role, log lines for others. The bytes taken: fewer than n only on the console, whose queue is full. */
unsigned console_write(struct domain *d, const char *s, unsigned n);
int console_read(char *buf, unsigned n);
void console_softirq(void);                   /* serial input arrived: VIRQ_CONSOLE; output waits: some of it */
#endif
