/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU data: variables defined with PERCPU live in section .percpu; each CPU has its own copy, reached through
 * the GS base (which always holds this CPU's offset from the section's link address; guests' GS is swapped at entry/exit).
 * Every per-CPU variable starts as zero on every CPU: no initialisers.
 * The hypervisor is not preemptible, so a this_cpu() value stays valid until the function returns to the CPU loop.
 */
#ifndef LIB_PERCPU_H
#define LIB_PERCPU_H
#include "lib/types.h"

#define MAX_CPUS 64
#define PERCPU(type, name) __attribute__((section(".percpu"))) type name
#define EXTERN_PERCPU(type, name) extern __attribute__((section(".percpu"))) type name

extern uint64_t percpu_offset[MAX_CPUS]; /* GS base of each CPU that is up (boot/smp.c) */
extern unsigned nr_cpus;                 /* CPUs that take part, numbered 0.. without gaps */
EXTERN_PERCPU(unsigned, cpu_number);
EXTERN_PERCPU(uint64_t, percpu_self); /* this CPU's offset */

static inline uint64_t percpu_base(void)
{
    uint64_t off;
    __asm__ volatile("movq %%gs:percpu_self, %0" : "=r"(off));
    return off;
}
#define per_cpu(name, cpu) (*(__typeof__(&(name)))((char *)&(name) + percpu_offset[cpu]))
#define this_cpu(name) (*(__typeof__(&(name)))((char *)&(name) + percpu_base()))
static inline unsigned this_cpu_id(void) { return this_cpu(cpu_number); }
#endif
