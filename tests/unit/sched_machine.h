/* SPDX-License-Identifier: MIT */
/*
 * The machine below the scheduler for the tests that run its real sources on the host. One source of a test includes it.
 * now_ns() and apic_kick() are the test's own.
 */
#ifndef TESTS_SCHED_MACHINE_H
#define TESTS_SCHED_MACHINE_H
#include "cpu/topology.h" /* Xen's errno names before the host's macros */
#include "sched/sched.h" /* Xen's errno names before the host's macros */
#include "irq/apic.h"
#include "lib/log.h"
#include "lib/softirq.h"
#include "sched/timer.h"
#include "trace/trace.h"
#include <stdio.h>
#include <stdlib.h>

#define MS 1000000ull

struct topology topology[MAX_CPUS]; /* of the test; all 0: every CPU is alone */
uint32_t trace_events; /* nobody traces */
void trace_record(uint32_t event, const uint32_t *word, unsigned n) { (void)event; (void)word; (void)n; }

_Thread_local unsigned fake_cpu;
unsigned nr_cpus;
static uint64_t fake_now = 1, deadline[MAX_CPUS];
PERCPU(uint32_t, apic_id);
void (*const softirq_handlers[SOFTIRQ_COUNT])(void) = {[SOFTIRQ_TIMER] = timer_softirq, [SOFTIRQ_SCHED] = sched_softirq};

void apic_timer_set(uint64_t when) { deadline[fake_cpu] = when; }
void irq_set_handler(uint8_t vector, irq_fn fn) { (void)vector; (void)fn; }
void log_msg(enum log_level l, const char *fmt, ...) { (void)l; (void)fmt; }
void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
#endif
