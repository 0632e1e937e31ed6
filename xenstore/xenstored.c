/* SPDX-License-Identifier: MIT */
/*
 * xenstored: the registry daemon. Options, log, and the start: without --foreground the command returns once the socket listens
 * and the rings are served, or with an error.
 */
#define _GNU_SOURCE
#include "xenstore/transport/loop.h"
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "Usage: xenstored [OPTION]...\n"
    "The registry of all domains: Unix socket, the control kernel's ring, and the rings of introduced domains.\n"
    "\n"
    "  -f, --foreground      stay in the foreground, log to standard error\n"
    "  -v, --verbose         log every request\n"
    "  -l, --log FILE        log to FILE (appended), else to standard error as long as it is a file or in the foreground\n"
    "  -r, --rundir DIR      directory of the socket (XENSTORED_RUNDIR, else /run/xenstored)\n"
    "      --no-domain-ring  Unix socket only: works without a hypervisor\n"
    "  -h, --help            this text\n";

struct options {
    bool foreground, verbose, rings;
    const char *log, *rundir;
};

static FILE *log_file;
static struct store store;

void log_line(const char *line)
{
    struct timespec t;

    if (!log_file)
        return;
    clock_gettime(CLOCK_MONOTONIC, &t);
    fprintf(log_file, "[%5lld.%06ld] xenstored: %s\n", (long long)t.tv_sec, t.tv_nsec / 1000, line);
    fflush(log_file);
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        { "foreground", no_argument, NULL, 'f' }, { "verbose", no_argument, NULL, 'v' },
        { "log", required_argument, NULL, 'l' },  { "rundir", required_argument, NULL, 'r' },
        { "no-domain-ring", no_argument, NULL, 'n' }, { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "fvl:r:h", longs, NULL)) != -1)
        switch (c) {
        case 'f': o->foreground = true; break;
        case 'v': o->verbose = true; break;
        case 'l': o->log = optarg; break;
        case 'r': o->rundir = optarg; break;
        case 'n': o->rings = false; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: return false;
        }
    if (optind < argc)
        fprintf(stderr, "xenstored: argument \"%s\" is not expected\n", argv[optind]);
    return optind == argc;
}

static void stop(evutil_socket_t sig, short what, void *base)
{
    event_base_loopbreak(base);
}

/* Everything up to the point where clients are served. */
static struct event_base *start(const struct options *o)
{
    struct event_base *base = event_base_new();
    uint32_t key = 0;
    char path[200];

    if (getrandom(&key, sizeof(key), GRND_NONBLOCK) == sizeof(key))
        tree_seed(key);
    if (!base || !loop_open(base, &store) || !store_init(&store, o->rings ? &xen_host : &plain_host)) {
        log_line("no memory");
        return NULL;
    }
    store.trace = o->verbose;
    mkdir(o->rundir, 0755);
    snprintf(path, sizeof(path), "%s/socket", o->rundir);
    if (!socket_listen(base, &store, path) || (o->rings && !xen_host_open(base, &store)))
        return NULL;
    event_add(event_new(base, SIGTERM, EV_SIGNAL | EV_PERSIST, stop, base), NULL);
    event_add(event_new(base, SIGINT, EV_SIGNAL | EV_PERSIST, stop, base), NULL);
    store_log(&store, "serving %s%s", path, o->rings ? " and rings" : "");
    return base;
}

/* Fork; the parent waits until the child tells that it serves, and exits. Returns, in the child, where to tell. */
static int detach(void)
{
    int fd[2];
    char ok = 0;
    pid_t pid;

    if (pipe2(fd, O_CLOEXEC)) {
        perror("xenstored: pipe");
        exit(1);
    }
    pid = fork();
    if (pid < 0) {
        perror("xenstored: fork");
        exit(1);
    }
    if (pid) {
        close(fd[1]);
        exit(read(fd[0], &ok, 1) == 1 && ok ? 0 : 1);
    }
    setsid();
    close(fd[0]);
    return fd[1];
}

/* Tell the parent, and let go of what it was started with; a file as standard error stays, for the log. */
static void detached(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct stat st;

    if (write(fd, "\1", 1) != 1)
        log_line("the starting process is gone");
    close(fd);
    if (chdir("/") || null < 0)
        return;
    dup2(null, 0);
    dup2(null, 1);
    if (fstat(2, &st) || !S_ISREG(st.st_mode))
        dup2(null, 2);
}

int main(int argc, char **argv)
{
    struct options o = { .rings = true, .rundir = getenv("XENSTORED_RUNDIR") };
    struct event_base *base;
    int tell = -1;

    if (!parse(argc, argv, &o)) {
        fputs("Try \"xenstored --help\".\n", stderr);
        return 2;
    }
    if (!o.rundir)
        o.rundir = "/run/xenstored";
    log_file = o.log ? fopen(o.log, "ae") : stderr;
    if (!log_file) {
        fprintf(stderr, "xenstored: log %s: %s\n", o.log, strerror(errno));
        return 1;
    }
    if (!o.foreground)
        tell = detach();
    base = start(&o);
    if (!base)
        return 1;
    if (tell >= 0)
        detached(tell);
    loop_run(base);
    log_line("stopped by a signal");
    socket_close(&store);
    while (store.domains)
        domain_release(&store, store.domains->domid);
    xen_host_close();
    loop_close();
    store_free(&store);
    return 0;
}
