/* SPDX-License-Identifier: MIT */
/*
 * Faults on purpose, for tests: how driver domains are told to go wrong, and the kinds that all of them share.
 *
 * In a command line:
 *   fault=KIND@N    go wrong when request N (1...) comes, in the first incarnation only; with KIND@N* in each one
 *   fault=store     do what the control domain writes to the node control/fault while the domain runs: KIND@N, N counted
 *                   from then on. The node is removed when it is read, so a later incarnation does not meet it again;
 *                   written while the domain restarts, it hits the new incarnation
 * What a request is, is the domain's choice: it calls rt_fault_due() for each. Shared KINDs:
 *   crash     end with SHUTDOWN_crash        wild      write through a wild pointer
 *   overrun   use up the stack               heap      write over the end of a heap block
 *   hang      loop, interrupts off           spin      loop, interrupts on
 * A domain has kinds of its own besides; their names are a NULL-terminated list.
 * fault.c is plain code (unit test: diskopts); fault_do.c does the deeds.
 */
#ifndef RT_FAULT_H
#define RT_FAULT_H
#include <stdbool.h>
#include <stdint.h>

enum { RT_FAULT_NONE, RT_FAULT_CRASH, RT_FAULT_WILD, RT_FAULT_OVERRUN, RT_FAULT_HEAP, RT_FAULT_HANG, RT_FAULT_SPIN, RT_FAULT_OWN };
struct rt_fault {
    const char *const *own; /* names of the domain's own kinds: RT_FAULT_OWN, RT_FAULT_OWN + 1 ... */
    int kind;
    uint64_t at;            /* 1..2^32-1 */
    bool always, store;
};

/* What stands behind "fault=", up to `end`. f->own is set by the caller. false: not understood, f->kind is RT_FAULT_NONE. */
bool rt_fault_parse(struct rt_fault *f, const char *word, const char *end);
/* From now on rt_fault_due() counts for *f, which stays the caller's. Watches control/fault where f->store. */
void rt_fault_start(struct rt_fault *f);
/* A request comes. Shared kinds happen here. An own kind is returned when it is due, else RT_FAULT_NONE. */
int rt_fault_due(void);
#endif
