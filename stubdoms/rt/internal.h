/* SPDX-License-Identifier: MIT */
/*
 * What the files of rt share among themselves. Order of start: main.c. Nothing here is for domains, but for
 * rt_map_mmio and waiting (driverdoms/pci, frontends/) and rt_trap_hook (tests).
 */
#ifndef RT_INTERNAL_H
#define RT_INTERNAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include "rt/layout.h"
#include "rt/rt.h"

#define RT_SHARED ((struct shared_info *)(uintptr_t)RT_SHARED_INFO)

struct hvm_start_info;
struct rt_range { uint64_t start, end; }; /* bytes, end exclusive */
extern char _image_start[], _image_end[], _text_start[], _text_end[], _rodata_end[];
extern char _stack_guard[], _stack_bottom[], _stack_top[], _task_guard[], _task_bottom[], _task_top[];

/* Is it in one of the pages below a stack? */
static inline bool rt_in_guard(uint64_t a)
{
    return (a >= (uint64_t)_stack_guard && a < (uint64_t)_stack_bottom) || (a >= (uint64_t)_task_guard && a < (uint64_t)_task_bottom);
}


/* paging.c. Pages come from rt_alloc_pages once that is up. 0 or -errno */
void rt_paging_init(const struct rt_range *ram, unsigned n);
int rt_map_ram(uint64_t addr, uint64_t bytes);  /* cached, no code; rounded out to 2 MiB */
int rt_map_mmio(uint64_t addr, uint64_t bytes); /* uncached, no code; rounded out to 2 MiB */

/* pages.c */
void rt_pages_init(const struct rt_range *ram, unsigned n); /* ranges may be given in any order */
unsigned rt_pages_free(void);                               /* pages left */

/* traps.c */
struct rt_trap {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
void rt_traps_init(void);
void rt_trap(struct rt_trap *t);
void rt_set_gate(unsigned vector, void (*entry)(void), unsigned ist);
void rt_backtrace(uint64_t rip, uint64_t rbp);
extern bool (*rt_trap_hook)(struct rt_trap *t); /* true = handled, carry on at t->rip */

/* console.c */
void rt_console_init(void);
void rt_console_write(const char *s, size_t n);

/* event.c */
void rt_events_init(void);
void rt_events_collect(void);  /* take what the hypervisor has flagged; interrupts stay off */
bool rt_events_run(void);      /* call handlers of all collected events; true if there was one */
bool rt_events_waiting(void);           /* flagged, or collected by a wait for the store, and not handled yet */
void rt_events_clear(uint32_t port);
void rt_idle(void);            /* sleep until the next upcall, one that came meanwhile included */

/* time.c */
void rt_time_init(void);
void rt_timers_run(void);
uint64_t rt_timers_next(void);      /* ns, UINT64_MAX = none */
void rt_time_arm(uint64_t when);    /* an upcall at `when` at the latest */
void rt_time_disarm(void);          /* forget a timer event that may be pending */

/* main.c */
int64_t rt_hvm_param(unsigned index); /* value, 0 if there is none */
void rt_watchdog_kick(void);
struct rt_works { struct rt_work *first, *last; }; /* a queue; last has a meaning only where there is a first */
void rt_works_put(struct rt_works *q, struct rt_work *w); /* does nothing if that is in a queue */
struct rt_work *rt_works_take(struct rt_works *q);  /* the first, or NULL */
bool rt_works_run(void);            /* one round of rt_defer's: what is queued now; true if that queued more */
/* Waiting in the middle of a call, for an event of one port: loop { rt_look_again(port); done? ; late? ;
 * rt_sleep_until(deadline); }. The port's event and the timer's are consumed, all others stay for the loop. */
void rt_look_again(uint32_t port);
void rt_sleep_until(uint64_t deadline);

/* task.c */
bool rt_on_task(void);
void rt_task_wait(uint64_t deadline); /* on the task: until rt_task_poke() or then; the loop goes on */
void rt_task_poke(void);              /* what it waits for may have come */
bool rt_task_run(void);               /* from the loop: true if it had something to do */
uint64_t rt_task_next(void);          /* when to call that again; UINT64_MAX = when there is something */

/* grant.c */
void rt_grants_init(void);

/* xsconn.c: the connection to xenstore. One request at a time. */
struct rt_xs_part { const void *data; unsigned len; };
void rt_xs_init(void);
/* Send a request made of n parts and wait for its answer. 0 and the body in *reply (*len bytes and a NUL behind them,
 * valid until the next request), or a positive errno: the server's, EIO (no store, or it broke the protocol),
 * ETIMEDOUT. */
int rt_xs_request(uint32_t type, uint32_t tx, const struct rt_xs_part *parts, unsigned n, char **reply, unsigned *len);
/* xs.c: a watch event came in. Both strings are NUL-terminated and valid for the call. */
void rt_xs_event(const char *path, const char *token);
void rt_xs_event_all(void); /* events were lost: every watch must be taken as fired */
#endif
