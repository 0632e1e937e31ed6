/* SPDX-License-Identifier: MIT */
/*
 * Tiny domains made by a tiny guest that has the role CONTROL: 16 pages of memory, one vCPU, started in 64-bit mode
 * (no IDT) on one of the routines below. Used by the guests domctl and ext; needs -D__XEN_TOOLS__.
 */
#ifndef TESTS_GUEST_CHILD_H
#define TESTS_GUEST_CHILD_H
#include "tests/guest/lib.h"
#include <xen/domctl.h>
#include <xen/sched.h>
#include <xen/sysctl.h>

#define CHILD_PAGES 16u
#define CHILD_SHARED 6u /* page that counting routines count in: word 0; ext's routine: word 1 = incarnation */

/* Routines, in blobs.S */
extern const char child_poweroff[], child_crash[], child_ud[], child_garbage[], child_flood[], child_spin[], child_count[];
extern const char child_deaf[], child_peer[], child_watchdog[], child_wild[], child_refused[], child_calls[], child_sleep[], child_pae[], child_end[];

struct child { uint16_t domid; volatile uint64_t *shared; };

long domctl(struct xen_domctl *c, unsigned cmd, uint16_t domid);
long simple_domctl(unsigned cmd, uint16_t domid);
/* Build a child that will run `routine` (not started). On failure says which step failed, destroys it and returns false. */
bool child_build(struct child *c, const char *routine);
/* vCPU 0 of a domain with page tables at 1000h: 64-bit mode at `rip`, stack below 6000h, no IDT. */
long child_context(uint16_t domid, uint64_t rip);
/* The same in 32-bit mode with PAE paging, the first GiB 1:1, its table of four at 7000h; on a routine that was given to child_build. */
long child_context_pae(struct child *c, const char *routine);
/* Map its pages anew: after a restart in place it may stand on others. 0 or -errno. */
long child_map(struct child *c);
void child_start(struct child *c);
/* A child on child_calls makes this hypercall; its result, or -XEN_ETIMEDOUT. `arg`, of `size` bytes, is its second argument by
 * reference and comes back changed. */
long child_call(struct child *c, unsigned number, unsigned long cmd, void *arg, unsigned size);
/* The same with a third argument: so many elements of `size` bytes in all. */
long child_call_many(struct child *c, unsigned number, unsigned long cmd, void *arg, unsigned size, unsigned count);
/* Wait for the end of the child; its SHUTDOWN_* reason, -1 = it still runs after so many ms. */
int child_wait(struct child *c, unsigned ms);
bool child_info(struct child *c, struct xen_domctl_getdomaininfo *info);
/* Destroy; true when the domain is gone for good. */
bool child_destroy(struct child *c);
uint64_t free_pages(void); /* of the machine, sysctl physinfo */
#endif
