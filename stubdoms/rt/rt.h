/* SPDX-License-Identifier: MIT */
/*
 * rt: the runtime that every small domain links.
 *
 * One vCPU, one stack, no threads: a domain sets up its handlers in domain_main() and returns; rt then runs
 * the event loop for ever (pending event channels, due timers, deferred work; SCHEDOP_block when there is none).
 * Handlers run to completion and are never re-entered; but while a watch's callback or other slow work (rt_defer_slow) waits for
 * xenstore, events, timers and other work are served. Guest physical = virtual = DMA address: the whole of low
 * memory, the MMIO windows and the grant window are mapped 1:1, so a pointer can be given to a device.
 * Elsewhere calls that wait (rt_xs_*) serve nothing but the xenstore ring.
 * A failed RT_ASSERT, a fault or rt_crash() ends the domain with SHUTDOWN_crash.
 */
#ifndef RT_H
#define RT_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_PAGE 4096u
#define RT_ASSERT(c) ((c) ? (void)0 : rt_crash("%s:%d: %s", __FILE__, __LINE__, #c))

/* Written by the domain: called once, after the console, events, grants, heap, time and xenstore are up. */
void domain_main(const char *cmdline);

/* --- the domain itself --- */
extern uint16_t rt_domid;         /* our domain id */
extern uint32_t rt_incarnation;   /* 1, then one higher at each restart in place */
void rt_log(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a line on the PV console and in the log */
void rt_vlog(const char *fmt, va_list ap);
_Noreturn void rt_crash(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void rt_shutdown(unsigned reason); /* SHUTDOWN_poweroff, ... */
void rt_watchdog(unsigned seconds); /* main loop must come round at least this often or the domain dies; 0 = off */

/* --- memory: no call returns on exhaustion with half an act; NULL = none left --- */
void *rt_alloc(size_t bytes);              /* zeroed, 16-byte aligned */
void rt_free(void *p);
void *rt_alloc_pages(unsigned pages);      /* contiguous, page aligned, zeroed */
void rt_free_pages(void *p, unsigned pages);
void rt_memory(unsigned *used_kib, unsigned *most_kib, unsigned *all_kib); /* of the domain: what no call can get any more, the most so far, and all there is */

/* --- time --- */
uint64_t rt_now(void);                     /* ns since boot of the machine, from the PV clock */
struct rt_timer { uint64_t when; void (*fn)(void *arg); void *arg; struct rt_timer *next; bool armed; };
void rt_timer_set(struct rt_timer *t, uint64_t when); /* absolute ns; re-arms */
void rt_timer_cancel(struct rt_timer *t);
void rt_spin_ns(uint64_t ns);              /* busy wait, for device registers only */

/* --- event channels: ports of this domain; negative Xen errno on failure --- */
typedef void (*rt_event_fn)(void *arg);
int rt_event_alloc(uint16_t remote, rt_event_fn fn, void *arg);                   /* unbound port for `remote` */
int rt_event_bind(uint16_t remote, uint32_t remote_port, rt_event_fn fn, void *arg); /* interdomain */
int rt_event_bind_virq(unsigned virq, rt_event_fn fn, void *arg);
void rt_event_attach(uint32_t port, rt_event_fn fn, void *arg); /* a port made otherwise (MSI handle); unmasks it */
void rt_event_close(uint32_t port);
void rt_event_send(uint32_t port);
void rt_event_mute(uint32_t port, bool mute); /* muted: the peer's events cost us nothing; one that came is handled afterwards */
/* Work that runs from the loop after the events at hand; one at a time, in order of asking; idempotent while queued. */
struct rt_work { void (*fn)(void *arg); void *arg; struct rt_work *next; bool queued; };
void rt_defer(struct rt_work *w);
/* The same for work that may wait in a rt_xs_* call, as watches' callbacks do: while it waits, the loop goes on. One at a time. */
void rt_defer_slow(struct rt_work *w);

/* --- grants --- */
int rt_grant(uint16_t to, void *page, bool readonly);     /* a page of ours to `to`: grant reference or -errno */
int rt_grant_end(uint32_t ref);                           /* -EBUSY while the peer has it mapped */
/* Map n grants of one domain at consecutive pages of the grant window. *addr is also the DMA address.
 * handles[n] are needed to unmap. 0, or -errno with nothing mapped; bad[] (may be NULL) gets each GNTST_* status. */
int rt_gnt_map(uint16_t dom, const uint32_t *refs, unsigned n, bool readonly, void **addr, uint32_t *handles, int16_t *bad);
void rt_gnt_unmap(void *addr, const uint32_t *handles, unsigned n);
struct gnttab_copy;
int rt_gnt_copy(struct gnttab_copy *ops, unsigned n);     /* statuses in the ops; 0 if all GNTST_okay else first status */

/* --- xenstore; paths absolute or relative to /local/domain/<self> --- */
/* Strings returned are rt_alloc'ed and NUL-terminated; NULL with *err = positive errno on failure. */
char *rt_xs_read(uint32_t tx, const char *path, unsigned *len, int *err);
int rt_xs_write(uint32_t tx, const char *path, const char *value);      /* 0 or positive errno; so are all below */
int rt_xs_printf(uint32_t tx, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int rt_xs_rm(uint32_t tx, const char *path);
char **rt_xs_directory(uint32_t tx, const char *path, unsigned *n, int *err); /* one rt_alloc'ed block */
int rt_xs_watch(const char *path, void (*fn)(const char *path, void *arg), void *arg); /* fires once at once */
int rt_xs_unwatch(const char *path, void (*fn)(const char *path, void *arg), void *arg);
int rt_xs_tx_start(uint32_t *tx);
int rt_xs_tx_end(uint32_t tx, bool abort);                              /* EAGAIN: do it all again */
int rt_xs_read_u64(const char *path, uint64_t *value);                  /* decimal; EINVAL if it is not a number */

/* --- hypercalls for those who need one by hand: see rt/hypercall.h --- */

/* --- C library: what a freestanding domain needs, with the standard meaning --- */
void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
int snprintf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
unsigned long strtoul(const char *s, char **end, int base);
#endif
