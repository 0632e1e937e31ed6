/* SPDX-License-Identifier: MIT */
/*
 * Going to the background so that the caller knows when the service is ready: the parent leaves with status 0 after
 * daemon_ready(), with 1 when the child ends without it.
 */
#ifndef TOOLS_DAEMON_H
#define TOOLS_DAEMON_H
/* Returns in the child: 0, or -1 with errno. Call it before any thread or handle exists. log: named if the start fails. */
int daemon_start(const char *program, const char *log);
/* The service works: lets the parent go and detaches from the terminal. Does nothing without daemon_start(). */
void daemon_ready(void);
#endif
