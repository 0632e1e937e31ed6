/* SPDX-License-Identifier: MIT */
/* Per-CPU data for host tests: an array, indexed by the CPU that this thread plays. */
#ifndef LIB_PERCPU_H
#define LIB_PERCPU_H
#include "lib/types.h"

#define MAX_CPUS 64
#define PERCPU(type, name) type name[MAX_CPUS]
#define EXTERN_PERCPU(type, name) extern type name[MAX_CPUS]
extern _Thread_local unsigned fake_cpu;
extern unsigned nr_cpus;
#define per_cpu(name, cpu) ((name)[cpu])
#define this_cpu(name) ((name)[fake_cpu])
static inline unsigned this_cpu_id(void) { return fake_cpu; }
#endif
