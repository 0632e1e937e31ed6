/* SPDX-License-Identifier: MIT */
/* The hypervisor's trace rings (docs/tracing.md): switched on, read and switched off again; one reader at a time. */
#ifndef TOOLS_BH_RINGS_H
#define TOOLS_BH_RINGS_H
#include "tools/lib/trace.h"
#include "tools/bh/bh.h"

struct rings {
    int lock;
    unsigned n;
    uint32_t size; /* bytes of records */
    struct t_buf *ring[TRACE_MAX_CPUS];
};
typedef int ring_fn(void *arg, unsigned cpu, const void *records, size_t bytes); /* whole records of one CPU; not 0: stop */

int rings_open(struct rings *r); /* nobody else reads: 0, or prints why not and returns 1 */
/* Traces these events (TRC_*) and hands over what CPUs record, for so many seconds or until SIGINT or SIGTERM. `began`, if given, is
 * called when tracing is on. 0, or has printed why not. */
int rings_follow(struct rings *r, struct handles *h, uint32_t events, unsigned long seconds, int (*began)(struct handles *h, void *arg),
                 ring_fn *fn, void *arg);
void rings_close(struct rings *r);
/* Of a verb's options: NULL is `otherwise`. 0, or prints which is no such number. */
int need_number(const char *what, const char *text, unsigned long otherwise, unsigned long most, unsigned long *n);
#define RINGS_MAX_SECONDS 86400ul
#endif
