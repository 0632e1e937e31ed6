/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU pending work, raised by interrupt handlers and other CPUs, run by the CPU loop before it enters a guest.
 * `softirq_pending` != 0 also means: leave the guest / do not idle.
 */
#ifndef LIB_SOFTIRQ_H
#define LIB_SOFTIRQ_H
#include "lib/percpu.h"

enum softirq { SOFTIRQ_TIMER, SOFTIRQ_SCHED, SOFTIRQ_CONSOLE, SOFTIRQ_IOMMU, SOFTIRQ_TRACE, SOFTIRQ_PROFILE, SOFTIRQ_COUNT };
EXTERN_PERCPU(uint32_t, softirq_pending);
extern void (*const softirq_handlers[SOFTIRQ_COUNT])(void); /* boot/main.c: the list of who does what */
static inline void softirq_raise(enum softirq s)
{
    __atomic_fetch_or(&this_cpu(softirq_pending), 1u << s, __ATOMIC_SEQ_CST);
}
/* Sets the bit on another CPU; the caller then kicks it (irq/apic.h apic_kick). */
static inline void softirq_set(unsigned cpu, enum softirq s)
{
    __atomic_fetch_or(&per_cpu(softirq_pending, cpu), 1u << s, __ATOMIC_SEQ_CST);
}
void softirq_run(void); /* until nothing is pending on this CPU */
#endif
