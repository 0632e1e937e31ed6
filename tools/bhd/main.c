/* SPDX-License-Identifier: MIT */
/* bhd: help and start; see bhd.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
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

static int start(struct event_base *base)
{
    static struct handles h;
    struct err e;
    char pid[16];
    if (host_linux_start(base))
        return -1;
    if (handles_open(&h, &e) || handles_store(&h, &e)) {
        host_log("%s", e.text);
        return -1;
    }
    if (consoles_start(&h) || domains_start(&h))
        return -1;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (store_write(&h, "/tool/bhd/pid", pid)) {
        host_log("cannot write /tool/bhd/pid: %s", strerror(errno));
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    /* the highest priority: a guest's pause contains the time until bhd runs */
    static const struct daemon bhd = {.name = "bhd", .log = LOG_FILE, .help = help, .start = start, .priority = -20};
    return daemon_main(&bhd, argc, argv);
}
