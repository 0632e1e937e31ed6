/* SPDX-License-Identifier: MIT */
/*
 * Live-lock: a queue whose front waits for answers that do not come, while this domain's loop goes round as if all were well.
 *
 * Purpose: such a domain is as dead as one that hangs, and ends as its watchdog would end it (host_give_up()).
 * Interface: a backend adds a struct progress for each queue; the domain calls progress_start().
 * Rules: looks are counted, not time: a domain that did not run for a while is not to blame. What somebody else watches over
 * (a request that the device has, with the driver's own timeout) is no waiting.
 */
#ifndef BACKENDS_PROGRESS_H
#define BACKENDS_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_LOOKS 8u /* in a row without an answer, after a first one */

struct progress {
    /* Does the queue hold requests that nobody is at? *mark is a number that every answer changes. */
    bool (*waits)(void *arg, uint32_t *mark);
    void *arg;
    const char *what;      /* for the log: "vif3.0 tx" */
    uint32_t mark;
    unsigned looks;        /* in a row that saw it wait with the same mark */
    struct progress *next;
};

void progress_add(struct progress *p);    /* the first four fields are the caller's */
void progress_remove(struct progress *p); /* also if it was never added */
/* From now on: give up when a queue has waited for limit_ns without one answer, a ninth earlier at the most. 0 = never. */
void progress_start(uint64_t limit_ns);
#endif
