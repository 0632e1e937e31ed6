/* SPDX-License-Identifier: MIT */
/*
 * Which vCPU runs where. struct sched_unit is part of struct vcpu; the policy sits behind struct sched_policy (round robin
 * with time slices now, credit later). States: a unit is runnable when nothing blocks it and no pause count holds it.
 * Locks: u->lock (LOCK_VCPU) guards a unit's flags, the run queue's lock (LOCK_RUNQ) its place in a queue.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H
#include "lib/list.h"
#include "lib/lock.h"
#include "lib/percpu.h"

#define SCHED_SLICE_NS 5000000ull
struct sched_unit {
    struct spinlock lock;   /* LOCK_VCPU */
    struct list link;       /* run queue */
    unsigned cpu;           /* where it runs or last ran */
    uint64_t affinity;      /* bitmap of allowed CPUs */
    unsigned pause_count;   /* > 0: does not run */
    bool blocked;           /* HLT or SCHEDOP_block/poll: waits for sched_wake */
    bool down;              /* VCPU offline */
    bool queued, running;   /* running: inside the CPU loop of `cpu` right now */
    uint16_t weight, cap;
    uint64_t slice_end;     /* ns, while running */
    uint64_t slice_left;    /* ns, what a unit that stopped early has left of its slice */
    uint64_t run_ns;        /* time used, until it last left a CPU */
    uint64_t state_since;   /* ns: for runstate */
    uint64_t runstate[4];   /* RUNSTATE_* times, ns */
    int state;              /* RUNSTATE_running, runnable, blocked, offline */
};
struct sched_policy {
    const char *name;
    void (*cpu_init)(unsigned cpu);
    bool (*enqueue)(struct sched_unit *u, bool woken); /* on the queue of u->cpu; true: it should preempt what runs there */
    uint64_t (*waiting)(unsigned cpu);                 /* CPUs that any unit on this queue may run on */
    void (*dequeue)(struct sched_unit *u);             /* off the queue of u->cpu; nothing if it is not on it */
    /* Next for this CPU, taken off its queue, perhaps another CPU's; NULL: none. Under the queue's lock it also stores the
     * unit in this_cpu(sched_picking): whoever frees units waits for that. The core takes or refuses it under u->lock. */
    struct sched_unit *(*pick)(unsigned cpu);
};
EXTERN_PERCPU(struct sched_unit *, sched_picking);
extern const struct sched_policy sched_rr;
extern uint64_t sched_online;             /* bitmap of CPUs that run units */

void sched_init(void);                     /* once; each CPU then calls sched_cpu_init, and sched_cpu_join if it is to run units */
void sched_cpu_init(void);
void sched_cpu_join(void);                 /* from now on this CPU runs units; one that never joins only takes interrupts */
void sched_unit_init(struct sched_unit *u, unsigned cpu);   /* down, pause_count 0 */
void sched_unit_destroy(struct sched_unit *u);              /* not running, waits until it is off its CPU */
void sched_wake(struct sched_unit *u);     /* from any CPU; clears blocked, kicks the CPU that should run it */
/* Marks blocked unless `still_needed` says otherwise under the lock (no lost wake-up): returns true if it now blocks. */
bool sched_block(struct sched_unit *u, bool (*wake_pending)(void *arg), void *arg);
void sched_pause(struct sched_unit *u);    /* count up; does not wait */
void sched_wait_off_cpu(struct sched_unit *u); /* until it is not inside a guest or hypercall anywhere; not on oneself */
void sched_unpause(struct sched_unit *u);
void sched_set_down(struct sched_unit *u, bool down);
void sched_yield(struct sched_unit *u);
int sched_set_affinity(struct sched_unit *u, uint64_t cpus); /* -EINVAL if no CPU that is up is in it */
uint64_t sched_time_used(struct sched_unit *u); /* ns, up to now */
struct sched_unit *sched_current(void);    /* the unit this CPU runs, NULL when idle */
/* The CPU loop's choice: returns the unit to run now (may be the present one), or NULL to idle. Updates accounting. */
struct sched_unit *sched_next(void);
void sched_softirq(void);
bool sched_must_reschedule(void);          /* slice over or a better one waits */
extern uint64_t sched_idle_ns[MAX_CPUS];
#endif
