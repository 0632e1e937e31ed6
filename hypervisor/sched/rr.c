/* SPDX-License-Identifier: MIT */
/*
 * Round robin with time slices: one queue per CPU. A unit that wakes with some of its slice left goes to the head and preempts as
 * soon as what runs has had its least time, so short work is served soon; when the slice is used up it waits its turn like all others.
 * A CPU whose queue is empty takes the longest waiting unit that may run on it from another's.
 */
#include "sched/sched.h"
#include "lib/bits.h"

#define WORTH_RUNNING_NS 100000ull /* less of a slice than this does not count as left */

struct runq {
    struct spinlock lock; /* LOCK_RUNQ */
    struct list units;
};
static PERCPU(struct runq, runq);

static void rr_cpu_init(unsigned cpu)
{
    struct runq *q = &per_cpu(runq, cpu);

    spin_init(&q->lock, LOCK_RUNQ);
    list_init(&q->units);
}

static bool rr_enqueue(struct sched_unit *u, bool woken)
{
    struct runq *q = &per_cpu(runq, u->cpu);
    bool first = woken && u->slice_left >= WORTH_RUNNING_NS;

    spin_lock(&q->lock);
    if (first)
        list_add_head(&q->units, &u->link);
    else
        list_add_tail(&q->units, &u->link);
    spin_unlock(&q->lock);
    return first;
}

static void rr_dequeue(struct sched_unit *u)
{
    struct runq *q = &per_cpu(runq, u->cpu);

    spin_lock(&q->lock);
    list_del(&u->link);
    spin_unlock(&q->lock);
}

static uint64_t rr_waiting(unsigned cpu)
{
    struct runq *q = &per_cpu(runq, cpu);
    uint64_t may = 0;

    spin_lock(&q->lock);
    list_for_each(u, &q->units, struct sched_unit, link)
        may |= READ_ONCE(u->affinity);
    spin_unlock(&q->lock);
    return may;
}

/* The first unit on `from`'s queue that may run on this CPU, taken off it. */
static struct sched_unit *take_from(unsigned from, unsigned cpu)
{
    struct runq *q = &per_cpu(runq, from);
    struct sched_unit *found = NULL;

    spin_lock(&q->lock);
    list_for_each(u, &q->units, struct sched_unit, link)
        if (READ_ONCE(u->affinity) >> cpu & 1) {
            found = u;
            break;
        }
    if (found)
        list_del(&found->link);
    WRITE_ONCE(this_cpu(sched_picking), found);
    spin_unlock(&q->lock);
    return found;
}

static struct sched_unit *rr_pick(unsigned cpu)
{
    uint64_t turned = bits_turned(__atomic_load_n(&sched_online, __ATOMIC_SEQ_CST), cpu);
    struct sched_unit *u = NULL;

    for (; !u && turned; turned &= turned - 1) /* its own queue first, then its neighbours' */
        u = take_from((cpu + (unsigned)__builtin_ctzll(turned)) % 64, cpu);
    if (u && u->slice_left < WORTH_RUNNING_NS)
        u->slice_left = SCHED_SLICE_NS;
    return u;
}

const struct sched_policy sched_rr = {
    .name = "round robin", .least_ns = 20000, .cpu_init = rr_cpu_init, .enqueue = rr_enqueue, .waiting = rr_waiting,
    .dequeue = rr_dequeue, .pick = rr_pick,
};
