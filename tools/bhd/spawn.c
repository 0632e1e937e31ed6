/* SPDX-License-Identifier: MIT */
/* Long work as a process of its own: `bh destroy`, and `bh create` after it. See bhd.h. */
#include <errno.h>
#include <event2/event.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "backends/core/host_linux.h"
#include "tools/bhd/bhd.h"

extern char **environ;

static void child_ended(evutil_socket_t fd, short what, void *arg)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            host_log("bh (process %d) failed: status %d", (int)pid, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

void spawn_bh(uint32_t domid, const char *name, const char *config)
{
    static struct event *ended;
    char id[16];
    pid_t pid;
    snprintf(id, sizeof(id), "%u", domid);
    if (!ended && (ended = evsignal_new(host_linux_base(), SIGCHLD, child_ended, NULL)))
        event_add(ended, NULL);
    char *const destroy[] = {"bh", "destroy", id, NULL};
    char *const rebuild[] = {"sh", "-c", "bh destroy \"$1\" && exec bh create -q \"$2\"", "bhd", id, (char *)(uintptr_t)config,
                             NULL};
    bool again = config && config[0];
    int rc = again ? posix_spawnp(&pid, "sh", NULL, NULL, rebuild, environ)
                   : posix_spawnp(&pid, "bh", NULL, NULL, destroy, environ);
    if (rc)
        host_log("%s domid=%u: cannot run bh: %s", name, domid, strerror(rc));
}
