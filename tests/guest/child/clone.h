/* SPDX-License-Identifier: MIT */
/*
 * Children that run C: a clone has a copy of our own image at the same addresses, as it is at that moment, and starts in one of its
 * functions. Pages of a clone: 1-3 page tables (first GiB 1:1, all may be executed), 4-5 stack, 6 shared with us, 7 descriptor tables,
 * 8-9 stack of the second vCPU, 10 faults' stack, 11-15 its own; then the image. It has no devices and no start info.
 */
#ifndef TESTS_GUEST_CLONE_H
#define TESTS_GUEST_CLONE_H
#include "tests/guest/child/child.h"

#define CLONE_SHARED 0x6000ul
#define CLONE_TABLES 0x7000ul
#define CLONE_STACK2 0xa000ul
#define CLONE_FAULT_STACK 0xb000ul
/* The shared page. */
struct clone_shared { uint64_t done, seed, budget, faults, second; };
#define IN_CLONE ((volatile struct clone_shared *)CLONE_SHARED)

struct clone { struct child child; volatile struct clone_shared *shared; };
/* Built, not started; `entry` never returns. False: said why. */
bool clone_build(struct clone *c, void (*entry)(void), uint32_t roles, unsigned vcpus);
/* With restart in place: snapshot before the start, then restart as often as wanted (the mapped shared page is the new one's). */
long clone_snapshot(struct clone *c), clone_restart(struct clone *c);
bool clone_destroy(struct clone *c);

/* Inside a clone: GDT, TSS and an IDT whose vectors all lead to `handler` on the faults' stack. Traps: lgdt, lidt, ltr. */
void clone_tables(void (*handler)(void));
void clone_tables_again(void); /* the same tables for a vCPU brought up by VCPUOP_initialise */
#endif
