/* SPDX-License-Identifier: MIT */
/*
 * Tracing: each CPU writes compact records of what happens on it into a ring of its own, which the control domain reads
 * (docs/tracing.md). Records, rings and switches are Xen's (xen/trace.h, XEN_SYSCTL_tbuf_op).
 * A hook is TRACE(EVENT, word...): while nobody traces that class of events it costs a test and a branch not taken, and its words
 * are not even computed. Hooks may stand anywhere: they take no lock, and only the CPU itself writes to its ring.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H
#include <bulkhead/trace.h>
#include "lib/percpu.h"
#include "lib/types.h"

extern uint32_t trace_events; /* classes and subclasses (TRC_*) that are recorded, 0: tracing is off */

#define TRACE(event, ...)                                                                          \
    do {                                                                                           \
        if (trace_wants(TRACE_CLASS(event)))                                                       \
            trace_record((event), (const uint32_t[8]){__VA_ARGS__}, TRACE_WORDS(__VA_ARGS__));     \
    } while (0)
#define TRACE_CLASS(event) ((event) & TRC_ALL & ~((1u << TRC_CLS_SHIFT) - 1))
#define TRACE_WORDS(...) (sizeof((const uint32_t[]){0, ##__VA_ARGS__}) / sizeof(uint32_t) - 1)
#define COLD __attribute__((cold, noinline))
/* Two instructions, whatever is around it. */
static inline __attribute__((always_inline)) bool trace_wants(uint32_t class)
{
    __asm__ goto("testl %1, %0; jnz %l[wanted]" : : "m"(trace_events), "i"(class) : "cc" : wanted);
    return false;
wanted:
    return true;
}
/* 64 bits as two words. */
#define TRACE_LONG(value) (uint32_t)(value), (uint32_t)((uint64_t)(value) >> 32)

/* A record with the time, if the event's subclass and this CPU are traced; `n` words, at most TRACE_EXTRA_MAX. */
COLD void trace_record(uint32_t event, const uint32_t *word, unsigned n);

/* The rest is call/trace.c's; it calls one at a time. */
#define TRACE_MAX_PAGES 256u
/* A ring of so many pages for each CPU, once: 0, also if that is their size already. -EINVAL no page or too many, -EEXIST they have
 * another size, -ENOMEM; -ERESTART: call again to go on. */
int trace_set_size(unsigned pages);
int trace_enable(bool on);                 /* -ENODEV: no rings */
void trace_set_mask(uint32_t events);      /* from now on, also while tracing is on; at first all */
void trace_set_cpus(uint64_t cpus);        /* which CPUs record; at first all */
uint32_t trace_mask(void);
/* The table that tells where the rings are: its first frame, and its size in bytes; 0: no rings. */
unsigned trace_table(uint64_t *first_frame);
/* May the control domain have this frame in its memory? `*writable`: also to write, for it tells there how far it has read. */
bool trace_frame(mfn_t m, bool *writable);
#endif
