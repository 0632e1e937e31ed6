/* SPDX-License-Identifier: MIT */
/*
 * Which vCPU runs where. struct sched_unit is part of struct vcpu, struct sched_group of struct domain; the policy sits behind
 * struct sched_policy (round robin with time slices, or credit). States: a unit is runnable when nothing blocks it and no pause
 * count holds it. Locks: u->lock (LOCK_VCPU) guards a unit's flags, the run queue's lock (LOCK_RUNQ) its place in a queue.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H
#include "lib/list.h"
#include "lib/lock.h"
#include "lib/percpu.h"

#define SCHED_SLICE_NS 5000000ull
/* What units share that are scheduled as one: a domain. Only the credit policy looks at it. */
struct sched_group {
    struct list link;       /* groups that take part in accounting; LOCK_RUNQ */
    uint16_t weight;        /* share of the CPUs where they are scarce, 1..65535, 256 unless told */
    uint16_t cap;           /* percent of one CPU that its units use at most in sum, 0: no limit */
    unsigned units;         /* atomic */
    bool active;            /* on the list */
    int64_t credit;         /* ns it may use before others that have not had their share; atomic */
    int64_t budget;         /* ns it may use at all, where there is a cap; atomic */
    int64_t used;           /* ns since the last accounting; atomic */
    int64_t line;           /* with less credit than this it has had its share; written in accounting */
    int64_t wish;           /* ns that fill its bank, during accounting; LOCK_RUNQ */
};
struct sched_unit {
    struct spinlock lock;   /* LOCK_VCPU */
    struct sched_group *group; /* constant */
    uint32_t who;           /* its name in the trace: vCPU, domain << 16; constant */
    struct list link;       /* run queue */
    unsigned cpu;           /* where it runs or last ran */
    uint64_t affinity;      /* bitmap of allowed CPUs */
    uint64_t soft;          /* of those that it prefers; the others only take it rather than idle */
    unsigned pause_count;   /* > 0: does not run */
    bool blocked;           /* HLT or SCHEDOP_block/poll: waits for sched_wake */
    bool down;              /* VCPU offline */
    bool queued, running;   /* running: inside the CPU loop of `cpu` right now */
    uint8_t class;          /* credit: which list of its queue it is on; the queue's lock */
    uint64_t slice_end;     /* ns, while running */
    uint64_t slice_left;    /* ns, what a unit that stopped early has left of its slice */
    uint64_t run_ns;        /* time used, until it last left a CPU */
    uint64_t state_since;   /* ns: for runstate */
    uint64_t runstate[4];   /* RUNSTATE_* times, ns */
    int state;              /* RUNSTATE_running, runnable, blocked, offline */
};
struct sched_policy {
    const char *name;
    uint64_t least_ns; /* what a unit runs at least before a woken one takes its place, unless it stops by itself */
    void (*cpu_init)(unsigned cpu);
    /* On the queue of u->cpu, or of another CPU that it may run on, which u->cpu then names. True: it should preempt what runs
     * there. */
    bool (*enqueue)(struct sched_unit *u, bool woken);
    uint64_t (*waiting)(unsigned cpu);                 /* CPUs that any unit on this queue may run on */
    void (*dequeue)(struct sched_unit *u);             /* off the queue of u->cpu; nothing if it is not on it */
    /* Next for this CPU, taken off its queue, perhaps another CPU's; NULL: none. Under the queue's lock it also stores the
     * unit in this_cpu(sched_picking): whoever frees units waits for that. The core takes or refuses it under u->lock. */
    struct sched_unit *(*pick)(unsigned cpu);
    void (*ran)(struct sched_unit *u, uint64_t ns); /* it left its CPU, not queued yet; NULL: the policy does not count */
};
EXTERN_PERCPU(struct sched_unit *, sched_picking);
extern const struct sched_policy sched_rr, sched_credit;
extern uint64_t sched_online;             /* bitmap of CPUs that run units */

const struct sched_policy *sched_named(const char *name); /* "rr" or "credit"; NULL: no such policy */
const struct sched_policy *sched_policy(void);            /* the one in use */
void sched_init(const struct sched_policy *p); /* once; each CPU then calls sched_cpu_init, and sched_cpu_join if it is to run units */
void sched_cpu_init(void);
void sched_cpu_join(void);                 /* from now on this CPU runs units; one that never joins only takes interrupts */
void sched_group_init(struct sched_group *g);
void sched_group_destroy(struct sched_group *g); /* its units are destroyed */
void sched_group_set(struct sched_group *g, uint16_t weight, uint16_t cap); /* weight > 0 */
void sched_unit_init(struct sched_unit *u, unsigned cpu, struct sched_group *g); /* down, pause_count 0 */
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
int sched_set_soft(struct sched_unit *u, uint64_t cpus);     /* the same error; where none of them is allowed, it prefers none */
uint64_t sched_time_used(struct sched_unit *u); /* ns, up to now */
struct sched_unit *sched_current(void);    /* the unit this CPU runs, NULL when idle */
/* The CPU loop's choice: returns the unit to run now (may be the present one), or NULL to idle. Updates accounting. */
struct sched_unit *sched_next(void);
void sched_softirq(void);
#define SCHED_LATE_NS 2000000ull
void sched_prod_late(void);                /* pokes each CPU that is SCHED_LATE_NS behind the end of a slice; from any CPU */
void sched_offer(unsigned cpu);            /* what waits on this CPU's queue is for the idle CPUs */
bool sched_must_reschedule(void);          /* slice over or a better one waits */
extern uint64_t sched_idle_ns[MAX_CPUS];
#endif
