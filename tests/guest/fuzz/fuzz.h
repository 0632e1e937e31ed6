/* SPDX-License-Identifier: MIT */
/*
 * The hypercall fuzzer's parts: random numbers and places for arguments (places.c), the families of calls (calls.c, control.c), the
 * account of what was reached (cover.c).
 */
#ifndef TESTS_GUEST_FUZZ_FUZZ_H
#define TESTS_GUEST_FUZZ_FUZZ_H
#include "tests/guest/child/child.h"
#include <bulkhead/ext.h>

#define NO_GFN 0x100000ul /* gfns of ours from here on are holes */

/* --- places.c --- */
extern uint64_t seed;
extern uint64_t *arg;   /* the structure to be handed over; random words before each call */
extern uint64_t *data;      /* 64 KiB for lists and buffers, which begin in its first half */
uint64_t rnd(void), below(uint64_t n);
uint64_t word(void);        /* a number that means something somewhere */
void fill(void);            /* random words into arg and data */
void *argument(void);       /* arg, as whatever structure */
void places_init(void);     /* maps a page of each kind; before anything is fuzzed */
void places_done(void);
uint64_t handed(void);      /* where arg is handed over: itself mostly, else a copy of it in a page of another kind, or no memory */
uint64_t buffer(void);      /* a buffer that arg names: mostly data, else a page of another kind, or no memory */
uint64_t list(unsigned n);   /* the same, holding n frame numbers that are holes of ours or of nobody's */
uint16_t other(void);       /* a domain's id, never ours */
uint16_t any_domain(void);  /* ours too */
uint32_t own_ref(void);     /* a grant of ours to ourselves, mostly */

/* --- calls.c and control.c: one random call of the family, what is left of it in our own space is undone by unmap_all --- */
#define NO_SUB 0u
long call(unsigned number, unsigned sub, uint64_t a, uint64_t b, uint64_t c); /* made and accounted */
long memory_any(void), hvm_any(void), vcpu_any(void), sched_any(void), event_any(void), grant_any(void), version_any(void);
long physdev_any(void), console_any(void), multicall_any(void), number_any(void);
void prepare(void);          /* makes one of the other domains whole: memory, vCPUs with a state, perhaps a snapshot */
long domctl_any(void), sysctl_any(void), platform_any(void), bulkhead_any(void);

/* --- cover.c --- */
void cover(unsigned number, unsigned sub, long result);
void cover_print(void);      /* a line an operation: how often each answer was given */
unsigned cover_missing(void); /* operations that never succeeded, named in the log */
#endif
