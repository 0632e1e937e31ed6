/* SPDX-License-Identifier: MIT */
/*
 * xscore NODES: what requests cost xenstore's core alone, in CPU time, without a socket or a ring: a client in memory, whose requests
 * are there and whose answers go nowhere. The same tree and the same requests as xsload's. What xsload shows beyond
 * these figures is the kernel's work for two system calls a request, and for waking the client. Best of five.
 *
 * Then what bounds the wait of everybody: the longest turn (one request, and the parts after it of what is put off and of the state file), in
 * CPU time: while the file is written anew, while a million watches are set, and of the largest operations there are, each
 * of all nodes. What interrupts a turn counts as its time: the same is shown of a million turns of a loop that does nothing.
 */
#include "xenstore/core/later.h"
#include "xenstore/transport/statefile.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PER_KIND 100000
#define ROUNDS 5

static struct store store;
static char out[65536];
static size_t out_len;
static struct {
    char bytes[300];
    size_t at, len;
} in;

static void log_line(const char *line)
{
}

static void wake(struct conn *c)
{
}

static void set_alarm(struct store *s, unsigned us)
{
}

static int ring_open(struct store *s, struct domain *d, uint64_t gfn, uint32_t port)
{
    return 0;
}

static void ring_close(struct domain *d)
{
}

static const struct host_ops host = { .log = log_line, .wake = wake, .alarm = set_alarm, .ring_open = ring_open,
                                      .ring_close = ring_close };

static long mem_read(struct conn *c, void *buf, size_t n)
{
    size_t have = in.len - in.at;

    if (n > have)
        n = have;
    memcpy(buf, in.bytes + in.at, n);
    in.at += n;
    return (long)n;
}

static long mem_write(struct conn *c, const void *buf, size_t n)
{
    memcpy(out, buf, n < sizeof(out) ? n : sizeof(out));
    out_len = n;
    return (long)n;
}

static void begin(struct conn *c)
{
}

static bool flush(struct conn *c)
{
    return false;
}

static void position(const struct conn *c, uint32_t *r, uint32_t *w)
{
    *r = *w = 0;
}

static const struct transport_ops ops = { .name = "memory", .read = mem_read, .write = mem_write, .begin = begin, .flush = flush,
                                          .position = position };

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put(uint32_t type, uint32_t tx, const void *data, size_t len)
{
    struct xsd_sockmsg hdr = { type, 1, tx, (uint32_t)len };

    memcpy(in.bytes, &hdr, sizeof(hdr));
    memcpy(in.bytes + sizeof(hdr), data, len);
    in.at = 0;
    in.len = sizeof(hdr) + len;
}

static const char *ask(struct conn *c, uint32_t type, uint32_t tx, const void *data, size_t len)
{
    struct xsd_sockmsg hdr;

    put(type, tx, data, len);
    while (conn_turn(c) == TURN_MORE)
        ;
    memcpy(&hdr, out, sizeof(hdr));
    if (hdr.type == XS_ERROR) {
        fprintf(stderr, "xscore: %s\n", out + sizeof(hdr));
        exit(1);
    }
    out[out_len] = 0;
    return out + sizeof(hdr);
}

static size_t node_path(char *path, unsigned i)
{
    return (size_t)sprintf(path, "/bench/%u/%u/node%u", i / 1000, i / 10 % 100, i % 10) + 1;
}

static void one(struct conn *c, uint32_t type, unsigned node)
{
    char path[128];
    size_t len = node_path(path, node);
    uint32_t tx;

    if (type == XS_DIRECTORY) {
        len = (size_t)(strrchr(path, '/') - path) + 1;
        path[len - 1] = 0;
    } else if (type == XS_WRITE) {
        len += (size_t)sprintf(path + len, "other");
    }
    if (type != XS_TRANSACTION_START) {
        ask(c, type, 0, path, len);
        return;
    }
    tx = (uint32_t)atoi(ask(c, XS_TRANSACTION_START, 0, "", 1));
    ask(c, XS_READ, tx, path, len);
    ask(c, XS_WRITE, tx, path, len);
    ask(c, XS_TRANSACTION_END, tx, "T", 2);
}

static void measure(struct conn *c, const char *name, uint32_t type, unsigned nodes)
{
    double best = 1e9, start;

    for (int round = 0; round < ROUNDS; round++) {
        start = now_us();
        for (int i = 0; i < PER_KIND; i++)
            one(c, type, (unsigned)rand() % nodes);
        start = (now_us() - start) / PER_KIND;
        best = start < best ? start : best;
    }
    printf("%-34s %9.2f us\n", name, best);
}

static int up(const void *a, const void *b)
{
    const float *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* What so many turns of `type` take at most: all of them, and all but one in ten thousand. */
static void longest(struct conn *c, const char *name, uint32_t type, unsigned nodes, unsigned turns)
{
    float *us = malloc(turns * sizeof(*us));
    char path[128];
    double start;

    for (unsigned i = 0; us && i < turns; i++) {
        size_t len = type == XS_WATCH ? (size_t)sprintf(path, "/watched/%u", i) + 1 : node_path(path, (unsigned)rand() % nodes);

        len += (size_t)sprintf(path + len, "token") + 1;
        start = now_us();
        ask(c, type, 0, path, len);
        later_run(&store, LATER_PART);
        statefile_tend(&store);
        us[i] = (float)(now_us() - start);
    }
    if (!us)
        exit(1);
    qsort(us, turns, sizeof(*us), up);
    printf("%-34s %9.0f us, all but one in 10,000 %.0f us\n", name, us[turns - 1], us[turns - 1 - turns / 10000]);
    free(us);
}

/* The longest of a request's turn and of the parts that follow it until nothing is put off. */
static void largest(struct conn *c, const char *name, uint32_t type, uint32_t tx, const char *data, size_t len)
{
    double most = 0, all = 0, start;
    unsigned parts = 0;
    bool more;

    do {
        start = now_us();
        if (!parts++)
            put(type, tx, data, len);
        more = conn_turn(c) == TURN_MORE;
        more = later_run(&store, LATER_PART) || more;
        statefile_tend(&store);
        start = now_us() - start;
        most = start > most ? start : most;
        all += start;
    } while (more);
    printf("%-34s %9.0f us, %.0f in %u parts\n", name, most, all, parts);
}

static void measure_largest(struct conn *c, unsigned nodes)
{
    struct conn *watcher = conn_open(&store, &ops, NULL, (struct actor){ 0, NO_TARGET }, SOCKET_KEY + 1);
    char text[160];
    uint32_t tx = (uint32_t)atoi(ask(c, XS_TRANSACTION_START, 0, "", 1));

    for (unsigned i = 0; watcher && i < 10000; i++) /* one path: each is looked for among the others */
        ask(watcher, XS_WATCH, 0, text, (size_t)sprintf(text, "/bench%c%u", 0, i) + 1);
    largest(c, "largest: a write, 10,000 watches", XS_WRITE, 0, "/bench/x\0y", 10);
    largest(watcher, "largest: 10,000 watches reset", XS_RESET_WATCHES, 0, "", 1);
    for (unsigned i = 0; i < nodes; i++) {
        size_t len = node_path(text, i);

        ask(c, XS_WRITE, tx, text, len + (size_t)sprintf(text + len, "other"));
    }
    largest(c, "largest: a commit of all", XS_TRANSACTION_END, tx, "T", 2);
    ask(c, XS_INTRODUCE, 0, "7\0001\0001", 6);
    for (unsigned i = 0; i < nodes; i++) {
        size_t len = node_path(text, i);

        ask(c, XS_SET_PERMS, 0, text, len + (size_t)sprintf(text + len, "n7") + 1);
    }
    largest(c, "largest: the owner of all goes", XS_RELEASE, 0, "7", 2);
    for (unsigned i = 0; i < nodes; i++)
        ask(c, XS_WRITE, 0, text, node_path(text, i));
    largest(c, "largest: removal of all", XS_RM, 0, "/bench", 7);
}

/* What the machine makes of turns of two microseconds. */
static void measure_machine(void)
{
    double most = 0, start;

    for (int i = 0; i < 1000000; i++) {
        start = now_us();
        for (volatile int k = 0; k < 1000; k++)
            ;
        start = now_us() - start;
        most = start > most ? start : most;
    }
    printf("%-34s %9.0f us\n", "longest turn: nothing", most);
}

static void measure_turns(struct conn *c, unsigned nodes)
{
    struct conn *watcher = conn_open(&store, &ops, NULL, (struct actor){ 0, NO_TARGET }, SOCKET_KEY);
    char file[64];

    sprintf(file, "/dev/shm/xscore.%d", (int)getpid());
    if (!watcher || !statefile_begin(&store, file))
        exit(1);
    measure_machine();
    longest(c, "longest turn: write, state file", XS_WRITE, nodes, 3 * nodes + 100000); /* it is written anew on the way */
    longest(watcher, "longest turn: watch", XS_WATCH, nodes, 1000000);
    measure_largest(c, nodes);
    statefile_end(&store);
}

int main(int argc, char **argv)
{
    unsigned nodes = argc == 2 ? (unsigned)atoi(argv[1]) : 0;
    struct conn *c;
    char path[64];

    mallopt(M_MXFAST, 0); /* as the daemon does */
    if (!nodes || !store_init(&store, &host) || !(c = conn_open(&store, &ops, NULL, (struct actor){ 0, NO_TARGET }, 0)))
        return 2;
    for (unsigned i = 0; i < nodes; i++) {
        size_t len = node_path(path, i);

        len += (size_t)sprintf(path + len, "value");
        ask(c, XS_WRITE, 0, path, len);
    }
    measure(c, "core: read", XS_READ, nodes);
    measure(c, "core: write", XS_WRITE, nodes);
    measure(c, "core: directory", XS_DIRECTORY, nodes);
    measure(c, "core: transaction (4 requests)", XS_TRANSACTION_START, nodes);
    measure_turns(c, nodes);
    return 0;
}
