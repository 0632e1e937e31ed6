/* SPDX-License-Identifier: MIT */
/*
 * xenstored: the registry daemon. Options, log, and the start: without --foreground the command returns once the socket listens
 * and the rings are served, or with an error. With a state file there are two processes: the daemon, and its supervisor.
 */
#define _GNU_SOURCE
#include "xenstore/transport/loop.h"
#include "xenstore/transport/statefile.h"
#include "xenstore/transport/supervise.h"
#include "xenstore/transport/update.h"
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
    "  -s, --state FILE      keep the registry in FILE, which is to be in memory (tmpfs), so that the daemon goes on from it after\n"
    "                        a crash (RUNDIR/state)\n"
    "      --no-state        do not; a crash loses everything\n"
    "      --no-domain-ring  Unix socket only: works without a hypervisor\n"
    "  -h, --help            this text\n"
    "\n"
    "SIGHUP: live update, the program on disk takes over (xenstore-control live-update).\n";

struct options {
    bool foreground, verbose, rings, keep;
    const char *log, *rundir, *state;
    int resume, listener; /* descriptors that an earlier daemon left, or -1 */
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
        { "state", required_argument, NULL, 's' }, { "no-state", no_argument, NULL, 'S' },
        { "resume", required_argument, NULL, 'R' },
        { "no-domain-ring", no_argument, NULL, 'n' }, { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "fvl:r:s:h", longs, NULL)) != -1)
        switch (c) {
        case 'f': o->foreground = true; break;
        case 'v': o->verbose = true; break;
        case 'l': o->log = optarg; break;
        case 'r': o->rundir = optarg; break;
        case 's': o->state = optarg; break;
        case 'S': o->keep = false; break;
        case 'R':
            if (sscanf(optarg, "%d,%d", &o->resume, &o->listener) != 2)
                return false;
            break;
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

static void update(evutil_socket_t sig, short what, void *arg)
{
    update_ask(&store, NULL);
}

/* What an earlier daemon left: by live update, or by its death. False: it is no good; the next start will be without it. */
static bool take_over(const struct options *o)
{
    char bad[4096];
    enum statefile is = STATEFILE_NONE;

    if (o->resume >= 0 || o->keep)
        is = statefile_load(&store, o->state, o->resume);
    if (is == STATEFILE_BAD && o->resume < 0 && snprintf(bad, sizeof(bad), "%s.bad", o->state) < (int)sizeof(bad) &&
        !rename(o->state, bad))
        store_log(&store, "state kept as %s", bad);
    return is != STATEFILE_BAD;
}

/* Everything up to the point where clients are served. */
static struct event_base *start(const struct options *o)
{
    struct event_base *base = event_base_new();
    uint32_t key = 0;

    if (getrandom(&key, sizeof(key), GRND_NONBLOCK) == sizeof(key))
        tree_seed(key);
    if (!base || !loop_open(base, &store) || !store_init(&store, o->rings ? &xen_host : &plain_host)) {
        log_line("no memory");
        return NULL;
    }
    store.trace = o->verbose;
    if (!socket_listen(base, &store, o->listener) || (o->rings && !xen_host_open(base, &store)))
        return NULL;
    if (!take_over(o))
        abort(); /* the supervisor starts the next */
    if (o->keep)
        statefile_begin(&store, o->state);
    domains_refresh(&store);
    event_add(event_new(base, SIGTERM, EV_SIGNAL | EV_PERSIST, stop, base), NULL);
    event_add(event_new(base, SIGINT, EV_SIGNAL | EV_PERSIST, stop, base), NULL);
    event_add(event_new(base, SIGHUP, EV_SIGNAL | EV_PERSIST, update, NULL), NULL);
    store_log(&store, "serving %s/socket%s", o->rundir, o->rings ? " and rings" : "");
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

/* Let go of what we were started with; a file as standard error stays, for the log. */
static void let_go(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct stat st;

    if (chdir("/") || null < 0)
        return;
    dup2(null, 0);
    dup2(null, 1);
    if (fstat(2, &st) || !S_ISREG(st.st_mode))
        dup2(null, 2);
    close(null);
}

/* One daemon a directory: whoever starts first has the lock as long as it or one of its children lives. */
static bool alone(const char *rundir)
{
    char path[200];
    int fd;

    snprintf(path, sizeof(path), "%s/lock", rundir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
        return true;
    fprintf(stderr, "xenstored: %s: %s\n", path, fd >= 0 ? "another xenstored serves here" : strerror(errno));
    return false;
}

/* What the options leave open. False: it cannot be, and that was said. */
static bool prepare(struct options *o)
{
    static char path[200], state[200];

    if (!o->rundir)
        o->rundir = "/run/xenstored";
    snprintf(path, sizeof(path), "%s/socket", o->rundir);
    snprintf(state, sizeof(state), "%s/state", o->rundir);
    if (!o->state)
        o->state = state;
    log_file = o->log ? fopen(o->log, "ae") : stderr;
    if (!log_file) {
        fprintf(stderr, "xenstored: log %s: %s\n", o->log, strerror(errno));
        return false;
    }
    mkdir(o->rundir, 0755);
    if (o->listener < 0 && !alone(o->rundir))
        return false;
    if (o->listener < 0)
        o->listener = socket_bind(path);
    if (o->listener < 0)
        fprintf(stderr, "xenstored: socket %s: %s\n", path, strerror(errno));
    return o->listener >= 0;
}

static void serve(struct event_base *base)
{
    while (loop_once(base, true)) {
        statefile_tend(&store);
        update_go(&store);
    }
}

/* An orderly end. */
static void end(const struct options *o)
{
    char path[200];

    log_line("stopped by a signal");
    statefile_end(&store);
    socket_close(&store);
    snprintf(path, sizeof(path), "%s/socket", o->rundir);
    unlink(path);
    while (store.domains)
        domain_release(&store, store.domains->domid);
    xen_host_close();
    loop_close();
    store_free(&store);
}

int main(int argc, char **argv)
{
    struct options o = { .rings = true, .keep = true, .rundir = getenv("XENSTORED_RUNDIR"), .resume = -1, .listener = -1 };
    struct event_base *base;
    int tell = -1;

    if (!parse(argc, argv, &o)) {
        fputs("Try \"xenstored --help\".\n", stderr);
        return 2;
    }
    mallopt(M_MXFAST, 0); /* else small pieces that were freed pile up, until one allocation has to join them all: milliseconds */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a state file that may not grow is an error like others */
    if (!prepare(&o) || !update_init(argv))
        return 1;
    if (!o.foreground && o.resume < 0)
        tell = detach();
    if (o.keep && o.resume < 0)
        supervise(log_line, o.foreground ? NULL : let_go);
    base = start(&o);
    if (!base)
        return 1;
    if (tell >= 0 && write(tell, "\1", 1) >= 0) /* else nobody waits any more: not the first daemon of its supervisor */
        close(tell);
    if (tell >= 0)
        let_go();
    supervise_served();
    serve(base);
    end(&o);
    return 0;
}
