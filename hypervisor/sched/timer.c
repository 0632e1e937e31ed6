/* SPDX-License-Identifier: MIT */
/*
 * Timers: one list per CPU, sorted by time, the local APIC armed for its head. A timer lives on the list of the CPU that
 * set it last; moving it takes both lists' locks. Functions run from SOFTIRQ_TIMER with no lock held.
 */
#include "irq/apic.h"
#include "lib/lock.h"
#include "lib/softirq.h"
#include "lib/x86.h"
#include "sched/timer.h"

#define MAX_PER_SOFTIRQ 64

struct timer_queue {
    struct spinlock lock;        /* LOCK_TIMER */
    struct list timers;          /* sorted by when */
    const struct timer *running; /* whose fn runs now; written by the queue's CPU under the lock, cleared without */
};
static PERCPU(struct timer_queue, timer_queue);

void timer_init(struct timer *t, void (*fn)(void *), void *arg)
{
    *t = (struct timer){.fn = fn, .arg = arg, .cpu = this_cpu_id()};
    list_init(&t->link);
}

/* Lock the queue the timer belongs to, together with `other`. */
static struct timer_queue *lock_queue_of(const struct timer *t, struct timer_queue *other)
{
    for (;;) {
        unsigned cpu = READ_ONCE(t->cpu);
        struct timer_queue *q = &per_cpu(timer_queue, cpu);

        spin_lock_pair(&q->lock, &other->lock);
        if (READ_ONCE(t->cpu) == cpu)
            return q;
        spin_unlock_pair(&q->lock, &other->lock);
    }
}

/* The local APIC follows the head of this CPU's list. */
static void arm(const struct timer_queue *q)
{
    apic_timer_set(list_empty(&q->timers) ? 0 : list_first(&q->timers, struct timer, link)->when);
}

static void insert_sorted(struct timer_queue *q, struct timer *t)
{
    struct list *after = q->timers.prev; /* mostly the new one is late */

    while (after != &q->timers && list_entry(after, struct timer, link)->when > t->when)
        after = after->prev;
    list_insert(after, &t->link);
}

void timer_set(struct timer *t, uint64_t when)
{
    struct timer_queue *mine = &this_cpu(timer_queue), *old = lock_queue_of(t, mine);
    bool was_head = mine->timers.next == &t->link;

    list_del(&t->link);
    t->when = when ? when : 1;
    t->cpu = this_cpu_id();
    insert_sorted(mine, t);
    if (was_head || mine->timers.next == &t->link)
        arm(mine);
    spin_unlock_pair(&old->lock, &mine->lock);
}

void timer_cancel(struct timer *t)
{
    bool busy;

    do {
        struct timer_queue *mine = &this_cpu(timer_queue), *q = lock_queue_of(t, mine);

        list_del(&t->link);
        t->when = 0;
        spin_unlock_pair(&q->lock, &mine->lock);
        busy = false;
        for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
            if (cpu == this_cpu_id())
                continue;
            while (__atomic_load_n(&per_cpu(timer_queue, cpu).running, __ATOMIC_ACQUIRE) == t) {
                busy = true; /* and may set itself again: take it out once more */
                cpu_pause();
            }
        }
    } while (busy);
}

/* Take the first timer that is due off this CPU's list. */
static struct timer *take_due(struct timer_queue *q, uint64_t now)
{
    struct timer *t = NULL;

    spin_lock(&q->lock);
    if (!list_empty(&q->timers) && list_first(&q->timers, struct timer, link)->when <= now) {
        t = list_first(&q->timers, struct timer, link);
        list_del(&t->link);
        t->when = 0;
        __atomic_store_n(&q->running, t, __ATOMIC_RELEASE);
    } else {
        arm(q);
    }
    spin_unlock(&q->lock);
    return t;
}

void timer_softirq(void)
{
    struct timer_queue *q = &this_cpu(timer_queue);
    uint64_t now = now_ns();
    struct timer *t;

    for (unsigned n = 0; n < MAX_PER_SOFTIRQ; n++) {
        t = take_due(q, now);
        if (!t)
            return;
        t->fn(t->arg); /* may free t */
        __atomic_store_n(&q->running, NULL, __ATOMIC_RELEASE);
    }
    softirq_raise(SOFTIRQ_TIMER); /* timers that set themselves in the past must not keep the rest waiting */
}

static void timer_interrupt(uint8_t vector)
{
    softirq_raise(SOFTIRQ_TIMER);
}

void timer_cpu_init(void)
{
    struct timer_queue *q = &this_cpu(timer_queue);

    spin_init(&q->lock, LOCK_TIMER);
    list_init(&q->timers);
    irq_set_handler(VECTOR_TIMER, timer_interrupt);
}
