/* SPDX-License-Identifier: MIT */
/* Going to the background; see daemon.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tools/lib/daemon.h"

static int ready_fd = -1;

int daemon_start(const char *program, const char *log)
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
        fprintf(stderr, "%s: could not start; %s says why\n", program, log);
        _exit(1);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    return chdir("/");
}

void daemon_ready(void)
{
    if (ready_fd < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        dup2(null, fd);
    if (write(ready_fd, "", 1) != 1)
        exit(1);
    close(ready_fd);
    ready_fd = -1;
}
