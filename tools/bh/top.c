/* SPDX-License-Identifier: MIT */
/* bh top: what the domains use, as xentop shows it: a table every few seconds, on the terminal or one after the other. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "tools/bh/bh.h"

#define MAX_DOMAINS 1024u

struct sample {
    int n;
    uint64_t ns; /* when */
    xc_domaininfo_t d[MAX_DOMAINS];
};

static volatile sig_atomic_t stopped;
static void stop(int signal)
{
    stopped = signal;
}

static int take(struct handles *h, struct sample *s)
{
    struct timespec now;
    s->n = xc_domain_getinfolist(h->xc, 0, MAX_DOMAINS, s->d);
    clock_gettime(CLOCK_MONOTONIC, &now);
    s->ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return s->n < 0 ? complain("cannot list the domains: %s", strerror(errno)) : 0;
}

/* CPU time of a domain in the sample before; 0: it was not there. */
static uint64_t time_before(const struct sample *s, uint32_t domid)
{
    for (int i = 0; i < s->n; i++)
        if (s->d[i].domain == domid)
            return s->d[i].cpu_time;
    return 0;
}

static void line(struct handles *h, const xc_domaininfo_t *d, const struct sample *before, uint64_t ns, uint64_t total_kib)
{
    char state[7], *name = shown_name(h, d->domain);
    uint64_t used = time_before(before, d->domain), mem = d->tot_pages * 4, max = d->max_pages * 4;
    double percent = used && ns > 100000000u && d->cpu_time > used ? 100.0 * (double)(d->cpu_time - used) / (double)ns : 0;
    state_letters(d, state);
    printf("%-20.20s %s %10llu %6.1f %10llu %6.1f %10llu %6.1f %5u %5u\n", name ? name : "", state,
           (unsigned long long)(d->cpu_time / 1000000000u), percent, (unsigned long long)mem, 100.0 * (double)mem / (double)total_kib,
           (unsigned long long)max, 100.0 * (double)max / (double)total_kib, d->nr_online_vcpus, d->domain);
    free(name);
}

static int table(struct handles *h, const struct sample *s, const struct sample *before, bool batch)
{
    xc_physinfo_t p = {0};
    char clock[32];
    time_t now = time(NULL);
    if (xc_physinfo(h->xc, &p))
        return complain("the hypervisor gives no physical information: %s", strerror(errno));
    strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
    if (!batch)
        printf("\033[H\033[J");
    printf("bh top - %s\n%d domains, %u CPUs at %u MHz; memory: %lluk total, %lluk free\n", clock, s->n, p.nr_cpus, p.cpu_khz / 1000,
           (unsigned long long)p.total_pages * 4, (unsigned long long)p.free_pages * 4);
    printf("%-20s %s %10s %6s %10s %6s %10s %6s %5s %5s\n", "NAME", "STATE ", "CPU(sec)", "CPU(%)", "MEM(k)", "MEM(%)", "MAXMEM(k)",
           "MAXMEM", "VCPUS", "ID");
    for (int i = 0; i < s->n; i++)
        line(h, &s->d[i], before, s->ns - before->ns, p.total_pages ? p.total_pages * 4 : 1);
    return fflush(stdout) ? complain("cannot write to standard output") : 0;
}

/* Waits; true when a key or a signal says that it is enough. */
static bool enough(unsigned long seconds, bool keys)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = 0;
    if (poll(&in, keys ? 1 : 0, (int)seconds * 1000) > 0 && read(STDIN_FILENO, &key, 1) != 1)
        return true;
    return stopped || key == 'q' || key == 'Q';
}

static int watch(struct handles *h, bool batch, bool keys, unsigned long count, unsigned long delay)
{
    static struct sample sample[2];
    int rc = take(h, &sample[1]);
    for (unsigned long i = 0; !rc && (!count || i < count); i++) {
        if (i && enough(delay, keys))
            break;
        rc = take(h, &sample[i & 1]) || table(h, &sample[i & 1], &sample[~i & 1], batch);
    }
    return rc;
}

static int number(const char *what, const char *text, unsigned long max, unsigned long *n)
{
    char *end;
    *n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || *n < 1 || *n > max)
        return complain("%s: '%s' is not a number from 1 to %lu", what, text, max);
    return 0;
}

int verb_top(struct handles *h, int argc, char **argv)
{
    bool batch = false;
    unsigned long count = 0, delay = 3;
    for (int i = 1; i < argc; i++) {
        bool iterations = !strcmp(argv[i], "-i") || !strcmp(argv[i], "--iterations");
        if (!strcmp(argv[i], "-b") || !strcmp(argv[i], "--batch")) {
            batch = true;
        } else if (iterations || !strcmp(argv[i], "-d") || !strcmp(argv[i], "--delay")) {
            if (i + 1 == argc)
                return usage(argv[0], "'%s' lacks its value", argv[i]);
            if (number(iterations ? "iterations" : "delay", argv[i + 1], iterations ? 1000000 : 3600, iterations ? &count : &delay))
                return 1;
            i++;
        } else {
            return usage(argv[0], "unexpected '%s'", argv[i]);
        }
    }
    struct termios old, raw;
    bool keys = !batch && isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &old);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    if (keys) {
        raw = old;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    int rc = watch(h, batch, keys, count, delay);
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &old);
    return rc;
}
