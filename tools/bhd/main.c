/* SPDX-License-Identifier: MIT */
/* bhd: options, start, event loop; see bhd.h. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backends/core/host_linux.h"
#include "tools/bhd/bhd.h"
#include "tools/lib/daemon.h"

#define LOG_FILE "/var/log/bulkhead/bhd.log"

static const char help[] =
    "usage: bhd [--foreground] [--log FILE]\n"
    "The supervisor of a Bulkhead machine's control domain: restarts driver domains in place when they crash or hang,\n"
    "applies on_poweroff, on_reboot, on_crash and on_watchdog to the others, and serves consoles.\n\n"
    "  -f, --foreground  stay in the foreground and log to standard error\n"
    "  --log FILE        log file (" LOG_FILE ")\n"
    "  -h, --help        this text\n\n"
    "One line a recovery: restart NAME domid=D incarnation=N reason=R detected_us=X restarted_us=Y\n"
    "(X: from death until bhd saw it, Y: from death until the new incarnation ran).\n"
    "Restarts wait 0, 10 ms, 100 ms, then 1 s when the domain dies again within a second; the 11th such death in a\n"
    "row puts it in quarantine: its devices close in order. `bh kill` does not count.\n"
    "Consoles: socket /run/bulkhead/console-NAME, log /var/log/bulkhead/console-NAME.log. docs/toolstack.md says more.\n";

struct options {
    bool foreground;
    const char *log;
};

/* -1 go on, else exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    *o = (struct options){false, LOG_FILE};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
            fputs(help, stdout);
            return 0;
        }
        if (!strcmp(argv[i], "-f") || !strcmp(argv[i], "--foreground")) {
            o->foreground = true;
        } else if (!strcmp(argv[i], "--log") && i + 1 < argc) {
            o->log = argv[++i];
        } else {
            fprintf(stderr, "bhd: unknown option '%s'\n%s", argv[i], help);
            return 2;
        }
    }
    return -1;
}

static int start(struct event_base *base, struct handles *h)
{
    struct err e;
    char pid[16];
    if (host_linux_start(base))
        return -1;
    if (handles_open(h, &e) || handles_store(h, &e)) {
        host_log("%s", e.text);
        return -1;
    }
    if (consoles_start(h) || domains_start(h))
        return -1;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (store_write(h, "/tool/bhd/pid", pid)) {
        host_log("cannot write /tool/bhd/pid: %s", strerror(errno));
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    struct handles h;
    int status = read_options(argc, argv, &o);
    if (status >= 0)
        return status;
    mkdir("/var/log/bulkhead", 0755);
    FILE *log = o.foreground ? stderr : fopen(o.log, "ae");
    if (!log) {
        fprintf(stderr, "bhd: --log: %s: %s\n", o.log, strerror(errno));
        return 1;
    }
    if (!o.foreground && daemon_start("bhd", o.log)) {
        fprintf(stderr, "bhd: cannot go to the background: %s\n", strerror(errno));
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    setpriority(PRIO_PROCESS, 0, -20); /* a guest's pause contains the time until bhd runs */
    host_linux_log_to(log);
    struct event_base *base = event_base_new();
    if (!base || start(base, &h))
        return 1;
    host_log("bhd runs");
    daemon_ready();
    event_base_dispatch(base);
    host_log("bhd ends");
    return 1; /* only a lost connection ends the loop */
}
