/* SPDX-License-Identifier: MIT */
/*
 * Ticket spinlocks with a checked order. The hypervisor runs with interrupts off, so there is no irq-saving form.
 * Each lock has a rank; a CPU may take a lock only with a rank strictly above all it holds (the last being LOCK_SERIAL).
 * Two locks of one rank (two domains' event locks, two grant tables) are taken with spin_lock_pair, in address order, or the second one is
 * only tried.
 * The order, lowest first, is the enum below; docs/locking.md explains it.
 */
#ifndef LIB_LOCK_H
#define LIB_LOCK_H
#include "lib/types.h"

enum lock_rank {
    LOCK_DOMCTL = 1,  /* one control operation at a time per domain */
    LOCK_GRANT,       /* a domain's grant table */
    LOCK_EVENT,       /* a domain's event channels */
    LOCK_IRQ,         /* interrupt handles and remapping entries */
    LOCK_P2M,         /* a domain's p2m and its IOMMU table */
    LOCK_IOMMU,       /* an IOMMU's registers and queue */
    LOCK_VCPU,        /* a vCPU's run state (sched) */
    LOCK_RUNQ,        /* a CPU's run queue */
    LOCK_TIMER,       /* a CPU's timers */
    LOCK_DOMLIST,     /* the table of domains: look up and count, nothing else happens under it */
    LOCK_OWNER,       /* a memowner's page list */
    LOCK_HEAP,
    LOCK_FRAMES,
    LOCK_STALL,       /* the rows of the longest stretches */
    LOCK_CONSOLE,     /* console input and the lines of domains being gathered */
    LOCK_LOG,
    LOCK_SERIAL,      /* the serial ports and their queues */
};
struct spinlock {
    uint16_t next, serving; /* tickets */
    uint8_t rank;
    uint8_t holder;         /* CPU + 1, 0 = free: for assertions and panics */
};
#define SPINLOCK_INIT(r) {.rank = (r)}
void spin_init(struct spinlock *l, enum lock_rank rank);
void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
bool spin_held(const struct spinlock *l); /* by this CPU */
void spin_lock_pair(struct spinlock *a, struct spinlock *b); /* same rank; a == b allowed */
/* A second one of the rank of one held, in either order and so without waiting: false if another CPU has it. held == other: true. */
bool spin_try_pair(struct spinlock *held, struct spinlock *other);
void spin_unlock_pair(struct spinlock *a, struct spinlock *b);
void lock_assert_none_held(void); /* before entering a guest */
extern uint64_t lock_spin_limit;  /* TSC ticks that a wait may last before it is a bug; time_init sets 10 s */
#endif
