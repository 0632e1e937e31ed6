/* SPDX-License-Identifier: MIT */
/*
 * What a trace says, in sums: how often and for how long each domain was in the hypervisor, by exit reason and by hypercall.
 * Records are those of xen/trace.h and bulkhead/trace.h (docs/tracing.md); a file is as xentrace writes it: pieces of one CPU's ring,
 * each behind a TRC_TRACE_CPU_CHANGE that says whose and how long.
 */
#ifndef TOOLS_LIB_TRACE_H
#define TOOLS_LIB_TRACE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "tools/lib/err.h"

#define TRACE_MAX_CPUS 64u

struct trace;
/* Times are printed with the TSC at `khz`; exit reasons are named as Intel's (else AMD's). NULL: no memory. */
struct trace *trace_new(uint32_t khz, bool intel);
void trace_free(struct trace *t);
struct trace_record { uint32_t event; const uint32_t *word; unsigned words; uint64_t tsc; }; /* tsc: 0 where it has none */
/* Each of whole records of one CPU. 0; -1: they are no such records (their CPU and offset are named). */
int trace_walk(unsigned cpu, const void *records, size_t bytes, void (*fn)(void *arg, unsigned cpu, const struct trace_record *r), void *arg,
               struct err *e);
/* Whole records of one CPU, in its order, into the sums. 0; -1: as above, or no memory. */
int trace_feed(struct trace *t, unsigned cpu, const void *records, size_t bytes, struct err *e);
/* The record that stands before a piece of `bytes` in a file. */
struct trace_piece { uint32_t header, cpu, bytes; };
struct trace_piece trace_piece(unsigned cpu, size_t bytes);
int trace_read(struct trace *t, FILE *f, struct err *e); /* a whole file */
void trace_print(const struct trace *t, FILE *out);
#endif
