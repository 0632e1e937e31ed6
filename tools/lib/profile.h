/* SPDX-License-Identifier: MIT */
/*
 * What the profiler's samples say (BH_TRC_SAMPLE, bulkhead/trace.h): stacks with names and how often each was seen, as flamegraph.pl
 * reads them ("folded"), or each sample for itself as `perf script` prints it.
 */
#ifndef TOOLS_LIB_PROFILE_H
#define TOOLS_LIB_PROFILE_H
#include <stdint.h>
#include <stdio.h>
#include "tools/lib/err.h"
#include "tools/lib/symbols.h"

#define PROFILE_HYPERVISOR UINT32_MAX /* in place of a domain's number */

struct profile;
/* `name` gives a domain's name, which stays; `perf`: where samples are printed as they come, or NULL. NULL: no memory. */
struct profile *profile_new(uint32_t khz, const char *(*name)(void *arg, uint32_t domid), void *arg, FILE *perf);
void profile_free(struct profile *p);
/* The table of a domain's or of the hypervisor's symbols, to be filled before the first sample; NULL: no memory. */
struct symbols *profile_symbols(struct profile *p, uint32_t domid);
/* Whole records of one CPU, in its order. 0; -1: they are no such records, or no memory. */
int profile_feed(struct profile *p, unsigned cpu, const void *records, size_t bytes, struct err *e);
int profile_end(struct profile *p, struct err *e); /* the last samples too, when nothing more comes */
void profile_print(const struct profile *p, FILE *out); /* folded: a line for each stack, "domain;outer;inner COUNT" */
void profile_summary(const struct profile *p, FILE *out); /* one line: how many samples, and where */
#endif
