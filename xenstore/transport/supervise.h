/* SPDX-License-Identifier: MIT */
/* The daemon's supervisor: a process of its own that starts the daemon again when it dies of anything but an order. */
#ifndef XENSTORE_TRANSPORT_SUPERVISE_H
#define XENSTORE_TRANSPORT_SUPERVISE_H

/*
 * Fork. Returns in the daemon, and again in each that follows one which died; the supervisor itself never returns: it ends with the
 * daemon's status, and passes SIGTERM, SIGINT and SIGHUP on to it. Ten deaths within a minute are the last,
 * and so is an exit with status 0, which was an order, or before it ever served. `settle`, if not NULL, is called in the supervisor once there
 * is a daemon.
 */
void supervise(void (*log)(const char *line), void (*settle)(void));
/* In the daemon: it serves. */
void supervise_served(void);
#endif
