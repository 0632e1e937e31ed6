/* SPDX-License-Identifier: MIT */
/*
 * How long the hypervisor keeps a CPU to itself. A stretch begins at a guest's exit, or where idling ends, and ends at the next entry
 * into a guest, or where idling begins. Each CPU keeps the longest, one row for each kind of cause; control reads them by BH_OP_stalls.
 * The rule that is watched here: no stretch is longer than 1 ms.
 */
#ifndef LIB_STALL_H
#define LIB_STALL_H
#include <bulkhead/ext.h>
#include "lib/percpu.h"
#include "lib/x86.h"

#define STALL_ROWS 16u

struct stall_row { uint32_t cause, number, sub; uint64_t stretch, answer; }; /* cause: BH_STALL_*; TSC ticks */
struct stall_cpu {
    uint64_t began, answered;    /* TSC; answered: when softirqs or scheduling came behind the exit's own work, or 0 */
    uint64_t least;              /* a stretch that is not longer than this is of no interest */
    uint32_t cause, number, sub; /* of the present stretch */
    struct stall_row row[STALL_ROWS];
};
EXTERN_PERCPU(struct stall_cpu, stall_cpu);

/* Unordered: a few cycles more or less are nothing here. */
static inline uint64_t stall_clock(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* A stretch begins on this CPU: behind a guest's exit, and behind idling. */
static inline void stall_begin(void)
{
    struct stall_cpu *c = &this_cpu(stall_cpu);
    c->began = stall_clock();
    c->answered = 0;
}
/* What it is about: number of the hypercall and its operation, or of the exit. The last word counts. */
static inline void stall_about(uint32_t cause, uint32_t number, uint32_t sub)
{
    struct stall_cpu *c = &this_cpu(stall_cpu);
    c->cause = cause;
    c->number = number;
    c->sub = sub;
}
static inline void stall_sub(uint32_t sub) { this_cpu(stall_cpu).sub = sub; }
/* The exit is dealt with; softirqs or scheduling follow. */
static inline void stall_answered(void)
{
    struct stall_cpu *c = &this_cpu(stall_cpu);
    if (!c->answered) c->answered = stall_clock();
}
static inline uint64_t stall_ticks(void) { return stall_clock() - this_cpu(stall_cpu).began; } /* so far */

void stall_note(uint64_t stretch); /* into the rows, if it is among the longest; no lock held */
static inline void stall_end(void)
{
    const struct stall_cpu *c = &this_cpu(stall_cpu);
    uint64_t stretch = stall_clock() - c->began;
    if (stretch > c->least) stall_note(stretch);
}
/* Up to STALL_ROWS rows of CPU `cpu`, which starts anew; how many. */
unsigned stall_read(unsigned cpu, struct bh_stall *out);
#endif
