/* SPDX-License-Identifier: MIT */
/*
 * The extension hypercall: what Xen's public headers have no operation for.
 *
 * long bulkhead_op(unsigned int cmd, void *arg)   hypercall number BH_HYPERCALL
 * RAX = number, RDI = cmd (BH_OP_*), RSI = guest virtual address of `struct bh_op`.
 * Returns 0 or a negative Xen errno (xen/errno.h). Every call passes the whole structure with
 * `version` = BH_INTERFACE_VERSION; -EACCES where the caller lacks the role, -EINVAL for a bad field,
 * -ESRCH for no such domain, -ENODEV for a function that the domain does not own.
 * Fields are marked IN (caller writes) and OUT (hypervisor writes).
 */
#ifndef BULKHEAD_EXT_H
#define BULKHEAD_EXT_H
#include <stdint.h>

#define BH_HYPERCALL 55 /* __HYPERVISOR_arch_7 */
#define BH_INTERFACE_VERSION 1

/* Roles of a domain, bits of bh_op.u.roles.roles. A driver domain has DEVICE and nothing else. */
#define BH_ROLE_CONTROL (1u << 0)  /* build, destroy, configure domains: domctl, sysctl, foreign memory */
#define BH_ROLE_PCI (1u << 1)      /* PCI configuration space: ports CF8h-CFFh */
#define BH_ROLE_XENSTORE (1u << 2) /* the registry */
#define BH_ROLE_CONSOLE (1u << 3)  /* the machine's console: console_io, VIRQ_CONSOLE */
#define BH_ROLE_DEVICE (1u << 4)   /* may own PCI functions: IOMMU table, MSI handles */
#define BH_ROLE_TARGET (1u << 5)   /* stub domain over one HVM guest (bh_op.u.roles.target) */

/* A PCI function: segment << 16 | bus << 8 | devfn, as in XEN_DOMCTL_assign_device. */

enum {
    BH_OP_set_roles = 1,  /* CONTROL. u.roles; only before the domain first runs */
    BH_OP_snapshot = 2,   /* CONTROL. Keep the built, never-run domain as its pristine image for restart */
    BH_OP_restart = 3,    /* CONTROL. Restart in place (docs/recovery.md). The domain may run, hang, or be shut down
                             or crashed; -ENODATA without a snapshot; OUT u.info */
    BH_OP_crash = 4,      /* CONTROL. Crash a domain now, as a fault of its own would: SHUTDOWN_crash, VIRQ_DOM_EXC */
    BH_OP_info = 5,       /* any for DOMID_SELF, CONTROL for others. OUT u.info */
    BH_OP_msi_bind = 6,   /* DEVICE. One MSI/MSI-X message of a function the caller owns -> a new event-channel port */
    BH_OP_msi_unbind = 7, /* DEVICE. Give a handle back (closing the port does the same) */
    BH_OP_dma_enable = 8, /* DEVICE. Let the function's DMA through again. Blocked at assignment and at every restart
                             until the owner has stopped what its predecessor left running in the device */
    BH_OP_pirq_message = 9, /* DEVICE for its own, PCI for others. What a device is to be programmed with for a pirq that
                             PHYSDEVOP_map_pirq gave: IN u.msi.port = pirq, OUT u.msi.addr, data; -ESRCH no such pirq */
    BH_OP_stalls = 11,    /* CONTROL, DOMID_SELF only. The longest stretches for which the hypervisor kept a CPU from guests, since they were
                             last read. IN/OUT u.stalls; -ENOSPC: room for fewer than are kept of one CPU, BH_STALL_ROWS */
    BH_OP_profile = 13,   /* CONTROL, DOMID_SELF only. Sample where each CPU is every u.profile.period_us into the trace (bulkhead/trace.h), 0: no
                             more. It ends by itself where those events are not traced. -EINVAL for a period out of range */
    BH_OP_rest = 10,      /* CONTROL, DOMID_SELF only. Stop all vCPUs of the caller for u.rest.ms, to see who needs it; -EBUSY if
                             it rests already, -EINVAL for a time out of range */
    BH_OP_changed = 14,   /* CONTROL, DOMID_SELF only. A domain that has shut down, was destroyed or was restarted since this was last asked: OUT
                             domid, each domain once, however often it changed; -ENOENT: no more. VIRQ_DOM_EXC says when to ask. The
                             news is for one asker */
    BH_OP_pci_config = 12, /* PCI, DOMID_SELF only. One access to the extended configuration space (PCI Express 5.0, 7.2.2) of a function
                             of segment 0; what lies below 100h is reached by the ports. IN u.config, OUT u.config.value (read);
                             -ENODEV where the machine has none, -EINVAL for an offset or size that is none */
};

/* What a stretch of the hypervisor began with. */
enum {
    BH_STALL_hypercall = 1, /* number: the hypercall's, sub: its operation (of a multicall: of the last entry) */
    BH_STALL_exit = 2,      /* number: the exit code of the CPU's vendor (APM vol. 2 appendix C, SDM vol. 3 appendix C) */
    BH_STALL_idle = 3,      /* an interrupt while no guest ran */
};
#define BH_STALL_ROWS 16 /* kept of one CPU */
struct bh_stall {
    uint32_t cause;      /* OUT BH_STALL_* */
    uint32_t number;     /* OUT */
    uint32_t sub;        /* OUT */
    uint32_t cpu;        /* OUT */
    uint64_t stretch_ns; /* OUT longest: from the guest's exit, or the end of idling, to the next guest's entry, or idling */
    uint64_t answer_ns;  /* OUT longest that dealing with the exit took; the rest is softirqs and scheduling */
};

struct bh_op {
    uint32_t version; /* IN BH_INTERFACE_VERSION */
    uint16_t domid;   /* IN the domain operated on, or DOMID_SELF (7FF0h); OUT (changed) */
    uint16_t pad;     /* IN 0 */
    union {
        struct {
            uint32_t roles;  /* IN BH_ROLE_* */
            uint16_t target; /* IN with BH_ROLE_TARGET: the guest, else 0 */
            uint16_t pad;
        } roles;
        struct {
            uint32_t roles;       /* OUT */
            uint32_t incarnation; /* OUT 1 at creation, one higher at each restart */
            uint64_t now_ns;      /* OUT system time, ns since boot */
            uint64_t died_ns;     /* OUT when the last incarnation was stopped (crash, watchdog, kill, restart); 0 = never */
            uint64_t started_ns;  /* OUT when the present incarnation was started */
            uint32_t last_reason; /* OUT SHUTDOWN_* of the last death; 0xff = never */
            uint32_t dma_faults;  /* OUT DMA and interrupt-remapping faults of this domain's functions so far */
            char why[64];         /* OUT NUL-terminated: last death in words, e.g. "triple fault", "kill by domain 0" */
        } info;
        struct {
            uint32_t sbdf;  /* IN the function */
            uint32_t vcpu;  /* IN vCPU that the port's events go to, 0.. */
            uint32_t port;  /* OUT (bind) IN (unbind) event-channel port */
            uint32_t data;  /* OUT value for the message data register */
            uint64_t addr;  /* OUT value for the message address register pair */
        } msi;
        struct {
            uint32_t sbdf; /* IN the function */
            uint32_t pad;
        } dma;
        struct {
            uint32_t ms;   /* IN 1 to 60000 */
            uint32_t pad;
        } rest;
        struct {
            uint32_t period_us; /* IN 1000 to 1000000, or 0 */
            uint32_t pad;       /* IN 0 */
        } profile;
        struct {
            uint64_t rows;  /* IN guest virtual address of struct bh_stall[room] */
            uint32_t cpu;   /* IN of which CPU */
            uint32_t room;  /* IN at least BH_STALL_ROWS; OUT how many there are */
            uint32_t cpus;  /* OUT how many CPUs there are: 0 to cpus - 1 */
            uint32_t pad;
        } stalls;
        struct {
            uint32_t sbdf;   /* IN the function */
            uint16_t offset; /* IN 100h to FFFh, a multiple of size */
            uint8_t size;    /* IN 1, 2 or 4 bytes */
            uint8_t write;   /* IN 0 read, 1 write */
            uint32_t value;  /* IN (write) OUT (read): all ones where no function answers */
            uint32_t pad;    /* IN 0 */
        } config;
        uint8_t space[112];
    } u;
};
#endif
