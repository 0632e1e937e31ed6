/* SPDX-License-Identifier: MIT */
/* Options, log, going to the background, event loop; see daemon.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backends/core/host_linux.h"
#include "tools/lib/daemon.h"

struct options {
    bool foreground;
    const char *log;
};

/* -1 go on, else exit status. */
static int read_options(const struct daemon *d, int argc, char **argv, struct options *o)
{
    *o = (struct options){false, d->log};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
            fputs(d->help, stdout);
            return 0;
        }
        if (!strcmp(argv[i], "-f") || !strcmp(argv[i], "--foreground")) {
            o->foreground = true;
        } else if (!strcmp(argv[i], "--log") && i + 1 < argc) {
            o->log = argv[++i];
        } else {
            const char *what = strcmp(argv[i], "--log") ? "unknown option" : "no file behind";
            fprintf(stderr, "%s: %s '%s'\n%s", d->name, what, argv[i], d->help);
            return 2;
        }
    }
    return -1;
}

/* Returns in the child: where to tell that the service is ready, or -1 with errno. */
static int detach(const struct daemon *d, const char *log)
{
    int fds[2];
    char byte;
    if (pipe2(fds, O_CLOEXEC))
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid > 0) {
        close(fds[1]);
        if (read(fds[0], &byte, 1) == 1)
            _exit(0);
        fprintf(stderr, "%s: could not start; %s says why\n", d->name, log);
        _exit(1);
    }
    close(fds[0]);
    setsid();
    return chdir("/") ? -1 : fds[1];
}

/* The service works: lets the parent go and detaches from the terminal. */
static void ready(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int std = 0; null >= 0 && std < 3; std++)
        dup2(null, std);
    if (write(fd, "", 1) != 1)
        exit(1);
    close(fd);
}

int daemon_main(const struct daemon *d, int argc, char **argv)
{
    struct options o;
    int parent = -1, status = read_options(d, argc, argv, &o);
    if (status >= 0)
        return status;
    mkdir("/var/log/bulkhead", 0755);
    FILE *log = o.foreground ? stderr : fopen(o.log, "ae");
    if (!log) {
        fprintf(stderr, "%s: --log: %s: %s\n", d->name, o.log, strerror(errno));
        return 1;
    }
    if (!o.foreground && (parent = detach(d, o.log)) < 0) {
        fprintf(stderr, "%s: cannot go to the background: %s\n", d->name, strerror(errno));
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    if (d->priority)
        setpriority(PRIO_PROCESS, 0, d->priority);
    host_linux_log_to(log);
    struct event_base *base = event_base_new();
    if (!base || d->start(base))
        return 1;
    host_log("%s runs", d->name);
    if (parent >= 0)
        ready(parent);
    event_base_dispatch(base);
    host_log("%s ends", d->name);
    return 1; /* only a lost connection ends the loop */
}
