/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the micro benchmark share: the clock and the printer (main.c), grants (grants.c), and what takes a pair of
 * domains (pair.c).
 */
#ifndef MICRO_H
#define MICRO_H
#include "tests/guest/lib.h"

#define ROUNDS 101u
#define BATCH 16u /* grants that one call handles in the figures named so */

/* Run `op`, which returns 0 when it worked, ROUNDS times; prints `micro NAME TICKS` (the median less what reading the TSC costs)
 * or `micro NAME failed RESULT`. */
void measure(const char *name, long (*op)(void));
/* The median of v[n], which is sorted, in ticks, less what reading the TSC costs: printed as `micro NAME TICKS`. */
void micro_print(const char *name, uint64_t *v, unsigned n);

/* refs: BATCH grants of domain `domid`, writable. */
void micro_maps(uint16_t domid, const uint32_t *refs);
void micro_copies(uint16_t domid, const uint32_t *refs);

/* One of a pair, when the command line says `pair=left` or `pair=right`; returns false, at once, when it says neither. */
bool micro_pair(const char *cmdline);
#endif
