/* SPDX-License-Identifier: MIT */
/*
 * host.h for programs of the control domain: start and event loop, and what only they can do.
 * Everything runs in one thread, on one libevent base.
 */
#ifndef BACKENDS_HOST_LINUX_H
#define BACKENDS_HOST_LINUX_H
#include "backends/core/host.h"

struct event_base;
struct xs_handle;

/* Opens event channels, grants and xenstore, and hooks them into base. 0 or -errno (the reason is logged). */
int host_linux_start(struct event_base *base);
/* A virtual interrupt of this domain: port >= 0, or -errno. */
int host_linux_bind_virq(unsigned virq, host_event_fn fn, void *arg);
struct xs_handle *host_linux_xs(void);
struct event_base *host_linux_base(void);
/* Where host_log() lines go: an open file, default standard error. */
void host_linux_log_to(void *file);
#endif
