/* SPDX-License-Identifier: MIT */
/*
 * Turns: connections that have something to do wait in one queue, and each gets one bounded turn before any gets a second.
 */
#ifndef XENSTORE_TRANSPORT_LOOP_H
#define XENSTORE_TRANSPORT_LOOP_H
#include "xenstore/core/conn.h"
#include <event2/event.h>

/* Ready the loop. False: no memory. */
bool loop_open(struct event_base *base, struct store *s);
void loop_close(void);
/* Look for input, waiting for it if asked to and nothing is due, and run one round of turns and a part of what is put off (later.h);
 * false after event_base_loopbreak. */
bool loop_once(struct event_base *base, bool wait);
/* Serve until event_base_loopbreak. */
void loop_run(struct event_base *base);
/* Queue a turn for c, if none is queued. Also the store's host_ops.wake. */
void loop_wake(struct conn *c);
/* The store's host_ops.alarm. */
void loop_alarm(struct store *s, unsigned us);
/* Take c out of the queue: before it is closed. */
void loop_forget(struct conn *c);

/* A listening Unix socket at `path`, in the place of what is there. -1 with errno. */
int socket_bind(const char *path);
/* Accept clients, who are domain 0, from what socket_bind gave. False: no memory. */
bool socket_listen(struct event_base *base, struct store *s, int fd);
int socket_listener(void);
/* A client of an earlier daemon: the store's host_ops.adopt. */
struct conn *socket_adopt(struct store *s, uint32_t key);
/* Have the listener and all clients' sockets stay open, or not, in a program that takes this one's place. */
bool socket_let_through(const struct store *s, bool exec);
/* Stop listening, close every client. */
void socket_close(struct store *s);

extern const struct host_ops xen_host;   /* rings by grant and event channel (xenhost.c) */
extern const struct host_ops plain_host; /* no rings: Unix socket only (plainhost.c) */
/* Open the hypervisor's interfaces and the control kernel's own ring. Logs and returns false on error. */
bool xen_host_open(struct event_base *base, struct store *s);
/* Let go of them; domains' rings must be closed. */
void xen_host_close(void);
/* The store's host_ops.update (update.c). */
int update_ask(struct store *s, const char *path);
/* Write a line to the log. */
void log_line(const char *line);
#endif
