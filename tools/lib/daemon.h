/* SPDX-License-Identifier: MIT */
/*
 * A service of the control domain from its options to its event loop. In the background, so that the caller knows when the
 * service is ready: the parent leaves with status 0 when start() has succeeded, with 1 when the child ends before.
 */
#ifndef TOOLS_DAEMON_H
#define TOOLS_DAEMON_H
struct event_base;

struct daemon {
    const char *name;
    const char *log;                       /* default of --log */
    const char *help;                      /* all of it, for --help and behind a wrong option */
    int (*start)(struct event_base *base); /* everything that must work before the service is ready: 0, or -1 and logged */
    int priority;                          /* nice value, 0 = as started */
};
/* --foreground, --log FILE, --help. Returns main()'s status: 0 help, 1 not started or ended, 2 wrong options. */
int daemon_main(const struct daemon *d, int argc, char **argv);
#endif
