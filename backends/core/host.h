/* SPDX-License-Identifier: MIT */
/*
 * The seam below every backend and PV front-end of ours: what protocol code asks of the place it runs in.
 * Implementations: backends/core/host_rt.c (small domains, on stubdoms/rt) and backends/core/host_linux.c
 * (programs of the control domain: libevent, libxengnttab, libxenevtchn, libxenstore); unit tests bring a fake.
 * Chosen at link. Single-threaded: callbacks come from the host's event loop and are never nested. There are two planes: events and timers
 * carry I/O and ask xenstore nothing; watches and deferred work may, and while they wait for it events and timers are served. So around a
 * host_xs_* call, and nowhere else, the planes take turns.
 * Errors are negative Linux/Xen errno unless said otherwise.
 */
#ifndef BACKENDS_HOST_H
#define BACKENDS_HOST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* events */
typedef void (*host_event_fn)(void *arg);
int host_event_bind(uint16_t dom, uint32_t remote_port, host_event_fn fn, void *arg); /* local port >= 0 */
int host_event_alloc(uint16_t dom, host_event_fn fn, void *arg);                      /* unbound port for dom */
void host_event_close(int port);
void host_event_send(int port);
void host_event_mute(int port, bool mute); /* muted: not heard of; an event that came meanwhile is heard of afterwards */

/* grants: n references of one domain at one contiguous address; at most HOST_MAP_MAX at a time */
#define HOST_MAP_MAX 256
struct host_map { void *addr; unsigned n; uint32_t handles[HOST_MAP_MAX]; };
int host_map(struct host_map *m, uint16_t dom, const uint32_t *refs, unsigned n, bool readonly); /* all or nothing */
void host_unmap(struct host_map *m);
int host_grant(uint16_t dom, void *page, bool readonly); /* reference, for fronts */
int host_grant_end(uint32_t ref);
struct host_copy { uint32_t ref; uint16_t dom; uint16_t offset; uint16_t len; bool to_guest; void *local; int16_t status; };
int host_copy(struct host_copy *ops, unsigned n); /* each status GNTST_*; 0 if all okay */

/* memory */
void *host_alloc(size_t bytes); /* zeroed or NULL */
void host_free(void *p);
void *host_alloc_pages(unsigned pages);
void host_free_pages(void *p, unsigned pages);

/* xenstore: values are NUL-terminated copies to host_free(); NULL where missing. 0 or positive errno. tx 0 = none */
char *host_xs_read(uint32_t tx, const char *path);
int host_xs_write(uint32_t tx, const char *path, const char *value);
int host_xs_rm(uint32_t tx, const char *path);
char **host_xs_list(uint32_t tx, const char *path, unsigned *n); /* one block to host_free() */
typedef void (*host_watch_fn)(const char *path, void *arg);
int host_xs_watch(const char *path, host_watch_fn fn, void *arg); /* fires once soon after */
void host_xs_unwatch(const char *path, host_watch_fn fn, void *arg);
int host_xs_tx_start(uint32_t *tx);
int host_xs_tx_end(uint32_t tx, bool abort); /* EAGAIN: again */

/* Work for the plane that may ask xenstore, asked for by the one that may not; one at a time, in order, idempotent while it waits. */
struct host_work { void (*fn)(void *arg); void *arg; void *priv[4]; };
void host_defer(struct host_work *w);

/* time and log */
uint64_t host_now(void); /* ns, monotonic */
struct host_timer { void (*fn)(void *arg); void *arg; void *priv[4]; };
void host_timer_set(struct host_timer *t, uint64_t when_ns);
void host_timer_cancel(struct host_timer *t);
void host_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What runs here cannot do its work any more and must be started anew: the reason is logged; a small domain ends as by its watchdog, a
 * program with status 1. Returns in tests only. */
void host_give_up(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint32_t host_incarnation(void); /* > 1: adopt what a predecessor left Connected */
uint16_t host_domid(void);
#endif
