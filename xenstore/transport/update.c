/* SPDX-License-Identifier: MIT */
/* Live update: the daemon's process runs another program, or the same anew, which goes on from its state (update.h). */
#define _GNU_SOURCE
#include "xenstore/transport/update.h"
#include "xenstore/transport/loop.h"
#include "xenstore/transport/statefile.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char **arguments;
static char own[4096], wanted[4096];
static bool due;

bool update_init(char **argv)
{
    ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

    arguments = argv;
    return n > 0;
}

int update_ask(struct store *s, const char *path)
{
    struct stat st;

    if (!path)
        path = own;
    if (strlen(path) >= sizeof(wanted))
        return EINVAL;
    if (stat(path, &st) || !S_ISREG(st.st_mode) || access(path, X_OK)) {
        store_log(s, "live update: %s is not a program", path);
        return EINVAL;
    }
    strcpy(wanted, path);
    due = true;
    return 0;
}

/* The arguments that this process was given, without what an update added, and with what this one adds. */
static char **next_arguments(char *resume)
{
    size_t n = 0, k = 0;
    char **v;

    while (arguments[n])
        n++;
    v = calloc(n + 2, sizeof(*v));
    for (size_t i = 0; v && i < n; i++)
        if (strncmp(arguments[i], "--resume=", 9))
            v[k++] = arguments[i];
    if (v)
        v[k] = resume;
    return v;
}

void update_go(struct store *s)
{
    int state = due ? statefile_live(s) : -1;
    char resume[64], **v = NULL;

    if (!due)
        return;
    due = false;
    store_log(s, "live update to %s", wanted);
    snprintf(resume, sizeof(resume), "--resume=%d,%d", state, socket_listener());
    if (state >= 0 && !fcntl(state, F_SETFD, 0) && socket_let_through(s, true) && (v = next_arguments(resume)))
        execv(wanted, v);
    store_log(s, "live update to %s: %s; going on as before", wanted, strerror(errno));
    socket_let_through(s, false);
    free(v);
    if (state >= 0)
        close(state);
}
