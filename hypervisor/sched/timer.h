/* SPDX-License-Identifier: MIT */
/*
 * Timers in system time: each belongs to the CPU it was last set on; fn runs from SOFTIRQ_TIMER there, no lock held.
 * Lock: LOCK_TIMER, one a CPU, guards that CPU's queue and the fields of the timers in it.
 */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H
#include "lib/list.h"
#include "lib/percpu.h"
#include "lib/time.h"

struct timer {
    struct list link;
    uint64_t when;       /* ns; 0 = not set */
    unsigned cpu;
    void (*fn)(void *arg);
    void *arg;
};
void timer_init(struct timer *t, void (*fn)(void *), void *arg);
void timer_set(struct timer *t, uint64_t when); /* on this CPU; re-arms, also from another CPU */
void timer_cancel(struct timer *t);             /* waits while fn runs on another CPU: hold no lock that fn takes */
void timer_softirq(void);
void timer_cpu_init(void);
#endif
