/* SPDX-License-Identifier: MIT */
/* The supervisor: see supervise.h. */
#define _GNU_SOURCE
#include "xenstore/transport/supervise.h"
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEATHS 10
#define WINDOW 60 /* seconds */

static volatile sig_atomic_t daemon_pid;
static volatile bool *served; /* shared with the daemons */

void supervise_served(void)
{
    if (served)
        *served = true;
}

static void pass_on(int sig)
{
    int err = errno;

    if (daemon_pid > 0)
        kill((pid_t)daemon_pid, sig);
    errno = err;
}

static void handle(void (*how)(int))
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

    for (int i = 0; i < 3; i++)
        signal(signals[i], how);
}

static long now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec;
}

/* Wait for the daemon's end. Returns when it has to be started again. */
static void await(void (*log)(const char *line))
{
    static long deaths[DEATHS];
    static unsigned n;
    char line[100];
    int status;

    while (waitpid((pid_t)daemon_pid, &status, 0) < 0)
        if (errno != EINTR)
            exit(1);
    daemon_pid = 0;
    if (WIFEXITED(status) && (!WEXITSTATUS(status) || !*served))
        exit(WEXITSTATUS(status));
    if (WIFEXITED(status))
        snprintf(line, sizeof(line), "the daemon died: status %d", WEXITSTATUS(status));
    else
        snprintf(line, sizeof(line), "the daemon died: %s", strsignal(WTERMSIG(status)));
    log(line);
    if (n >= DEATHS - 1 && now() - deaths[(n + 1) % DEATHS] < WINDOW) {
        log("that was too often, giving up");
        exit(1);
    }
    deaths[n++ % DEATHS] = now();
}

void supervise(void (*log)(const char *line), void (*settle)(void))
{
    served = mmap(NULL, sizeof(*served), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (served == MAP_FAILED) {
        perror("xenstored: shared memory");
        exit(1);
    }
    for (;;) {
        sigset_t all, old;
        pid_t pid;

        sigfillset(&all); /* no signal is lost between the fork and the handlers */
        sigprocmask(SIG_BLOCK, &all, &old);
        pid = fork();
        if (!pid) {
            handle(SIG_DFL);
            sigprocmask(SIG_SETMASK, &old, NULL);
            return;
        }
        if (pid < 0) {
            perror("xenstored: fork");
            exit(1);
        }
        daemon_pid = pid;
        handle(pass_on);
        sigprocmask(SIG_SETMASK, &old, NULL);
        if (settle)
            settle();
        await(log);
    }
}
