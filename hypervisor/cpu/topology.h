/* SPDX-License-Identifier: MIT */
/*
 * Which CPUs are threads of one core and cores of one socket, from the APIC ids, whose bits CPUID tells apart (Intel SDM vol. 3, 9.9;
 * AMD APM vol. 3, appendix E.4). CPUs are numbered by APIC id, so depth first: a core's threads are neighbours, a socket's cores too.
 */
#ifndef CPU_TOPOLOGY_H
#define CPU_TOPOLOGY_H
#include "lib/percpu.h"
#include "lib/x86.h"

struct topology {
    uint32_t core, socket;   /* core: its number within the socket */
    uint64_t threads, cores; /* bitmaps of CPUs: those of its core, those of its socket; itself included */
};
extern struct topology topology[MAX_CPUS]; /* constant once the CPUs are up; all 0 before */

void topology_init(void); /* all CPUs are up */
/* Where in an APIC id the core's number and the socket's begin. `leaf` is CPUID. */
void topology_shifts(struct cpuid (*leaf)(uint32_t leaf, uint32_t sub), unsigned *core, unsigned *socket);
#endif
