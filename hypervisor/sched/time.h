/* SPDX-License-Identifier: MIT */
/* System time: ns since boot, one for all CPUs (invariant, synchronised TSC), calibrated against HPET, PM timer or PIT. */
#ifndef SCHED_TIME_H
#define SCHED_TIME_H
#include "lib/list.h"
#include "lib/percpu.h"

void time_init(uint64_t hpet_base, uint16_t pm_timer_port, bool pm_timer_32bit); /* 0 = absent; sets tsc_khz() */
uint64_t now_ns(void);
uint64_t tsc_to_ns(uint64_t tsc), ns_to_tsc(uint64_t ns); /* between a TSC reading and system time; TSC before boot = 0 ns */
uint64_t time_wallclock_boot_sec(void); /* Unix time at boot, from the CMOS clock */
void time_scale(uint32_t *mul, int8_t *shift); /* for the PV clock: ns = (tsc << shift) * mul >> 32 */

/* Timers: each belongs to the CPU it was last set on; fn runs from SOFTIRQ_TIMER there, no lock held. */
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
