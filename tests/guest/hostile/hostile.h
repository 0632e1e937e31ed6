/* SPDX-License-Identifier: MIT */
/* What the clones of hostile run: calls.c hypercalls without any role or as a driver domain, soup.c random instructions. */
#ifndef TESTS_GUEST_HOSTILE_H
#define TESTS_GUEST_HOSTILE_H
#include "tests/guest/child/clone.h"

static inline uint64_t rnd(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}
void calls_start(void); /* entry: both vCPUs make IN_CLONE->budget calls each, then the domain powers off */
void soup_start(void);  /* entry: never ends by itself */
void greedy_start(void); /* entry: maps one page wherever it can, counts in done, sets second to 1, spins */
void soup_cook(void);   /* new bytes, then runs them */
#endif
