/* SPDX-License-Identifier: MIT */
/*
 * xsload SOCKET PID NODES CLIENTS [floor]: load a xenstore daemon and print what each kind of request costs it.
 *
 * The daemon's CPU time per operation (its scheduler's nanoseconds, /proc/PID/schedstat, so the noise of other programs is
 * out) with CLIENTS clients on a tree of NODES nodes, ten in a directory; then how CLIENTS clients fare that all move one
 * from one of four numbers to another by transactions, for two seconds, and how many tries a transaction needed. "floor": only the former, of one that answers without a look (xsfloor).
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <errno.h>
#include <xen/io/xs_wire.h>

#define MAX_CLIENTS 1024
#define PER_KIND 20000

struct client {
    int fd, step, node;
    uint32_t tx;
    unsigned commits, again;
    unsigned tries, most; /* of the transaction it is at, of any */
};

static struct client clients[MAX_CLIENTS];
static unsigned count, nodes;
static const char *pid;

static void die(const char *what)
{
    fprintf(stderr, "xsload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int dial(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
        die(path);
    return fd;
}

static double daemon_us(void)
{
    char path[64];
    unsigned long long ns;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
    f = fopen(path, "r");
    if (!f || fscanf(f, "%llu", &ns) != 1)
        die(path);
    fclose(f);
    return (double)ns / 1000;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_msg(struct client *c, uint32_t type, uint32_t tx, const void *data, size_t len)
{
    char buf[sizeof(struct xsd_sockmsg) + 256];
    struct xsd_sockmsg h = { type, 1, tx, (uint32_t)len };

    memcpy(buf, &h, sizeof(h));
    memcpy(buf + sizeof(h), data, len);
    if (write(c->fd, buf, sizeof(h) + len) != (ssize_t)(sizeof(h) + len))
        die("write");
}

static void read_all(int fd, void *to, size_t n)
{
    for (char *p = to; n;) {
        ssize_t got = read(fd, p, n);

        if (got <= 0)
            die("read");
        p += got;
        n -= (size_t)got;
    }
}

/* The next message; its body, NUL-terminated, in `body`. Returns its type. */
static uint32_t recv_msg(struct client *c, char body[4097])
{
    struct xsd_sockmsg h;

    read_all(c->fd, &h, sizeof(h));
    if (h.len > 4096)
        die("reply");
    read_all(c->fd, body, h.len);
    body[h.len] = 0;
    return h.type;
}

static size_t node_path(char *out, unsigned i)
{
    return (size_t)sprintf(out, "/bench/%u/%u/node%u", i / 1000, i / 10 % 100, i % 10) + 1;
}

static void build(void)
{
    char path[64], body[4097];
    double cpu = daemon_us();

    for (unsigned i = 0; i < nodes; i++) {
        size_t len = node_path(path, i);

        memcpy(path + len, "value", 5);
        send_msg(&clients[0], XS_WRITE, 0, path, len + 5);
        if (recv_msg(&clients[0], body) == XS_ERROR)
            die(body);
    }
    printf("%-34s %9.1f us\n", "build, a node", (daemon_us() - cpu) / nodes);
}

/* PER_KIND requests of a kind, all clients at once. */
static void measure(const char *name, uint32_t type, const char *value)
{
    char path[128], body[4097];
    double cpu = daemon_us();

    for (unsigned done = 0; done < PER_KIND; done += count) {
        for (unsigned i = 0; i < count; i++) {
            size_t len = node_path(path, (unsigned)rand() % nodes);

            if (type == XS_DIRECTORY) {
                len = (size_t)(strrchr(path, '/') - path) + 1;
                path[len - 1] = 0;
            }
            if (value)
                len += (size_t)sprintf(path + len, "%s", value);
            send_msg(&clients[i], type, 0, path, len);
        }
        for (unsigned i = 0; i < count; i++)
            if (recv_msg(&clients[i], body) == XS_ERROR)
                die(body);
    }
    printf("%-34s %9.2f us\n", name, (daemon_us() - cpu) / PER_KIND);
}

/* start, read, write, commit, each client on nodes of its own */
static void measure_transactions(void)
{
    char path[128], body[4097];
    double cpu = daemon_us();
    unsigned again = 0;

    for (unsigned done = 0; done < PER_KIND / 4; done += count)
        for (int step = 0; step < 4; step++) {
            for (unsigned i = 0; i < count; i++) {
                struct client *c = &clients[i];
                size_t len = node_path(path, (i * 7919u + done) % nodes);

                if (step == 0)
                    send_msg(c, XS_TRANSACTION_START, 0, "", 1);
                else if (step == 1)
                    send_msg(c, XS_READ, c->tx, path, len);
                else if (step == 2)
                    send_msg(c, XS_WRITE, c->tx, path, len);
                else
                    send_msg(c, XS_TRANSACTION_END, c->tx, "T", 2);
            }
            for (unsigned i = 0; i < count; i++) {
                uint32_t type = recv_msg(&clients[i], body);

                if (step == 0)
                    clients[i].tx = (uint32_t)strtoul(body, NULL, 10);
                again += step == 3 && type == XS_ERROR;
            }
        }
    printf("%-34s %9.2f us   (%.1f %% EAGAIN)\n", "transaction (4 requests)", (daemon_us() - cpu) / (PER_KIND / 4),
           again * 100.0 / (PER_KIND / 4));
}

/* A write that `count` - 1 clients watch. */
static void measure_events(void)
{
    char body[4097];
    unsigned writes = 2000;
    double cpu;

    if (count < 2)
        return;
    for (unsigned i = 1; i < count; i++) {
        send_msg(&clients[i], XS_WATCH, 0, "/watched\0token", 15);
        recv_msg(&clients[i], body);
        recv_msg(&clients[i], body);
    }
    cpu = daemon_us();
    for (unsigned n = 0; n < writes / count + 1; n++) {
        send_msg(&clients[0], XS_WRITE, 0, "/watched/x\0v", 12);
        recv_msg(&clients[0], body);
        for (unsigned i = 1; i < count; i++)
            recv_msg(&clients[i], body);
    }
    printf("%-34s %9.2f us\n", "watch event", (daemon_us() - cpu) / (writes / count + 1) / (count - 1));
    for (unsigned i = 1; i < count; i++) {
        send_msg(&clients[i], XS_UNWATCH, 0, "/watched\0token", 15);
        recv_msg(&clients[i], body);
    }
}

/* A client of the contention goes on by one request, after the answer to its last. */
static void contend(struct client *c)
{
    char path[32], body[4097] = "";
    uint32_t type = c->step ? recv_msg(c, body) : 0;

    switch (c->step++) {
    case 1:
        c->tx = (uint32_t)strtoul(body, NULL, 10);
        c->node = rand() % 4;
        send_msg(c, XS_READ, c->tx, path, (size_t)sprintf(path, "/hot/%d", c->node) + 1);
        return;
    case 2:
        send_msg(c, XS_WRITE, c->tx, path, (size_t)sprintf(path, "/hot/%d%c%d", c->node, 0, atoi(body) + 1));
        return;
    case 3:
        send_msg(c, XS_TRANSACTION_END, c->tx, "T", 2);
        return;
    case 4:
        c->commits += type != XS_ERROR;
        c->again += type == XS_ERROR;
        c->tries++;
        c->most = c->tries > c->most ? c->tries : c->most;
        c->tries = type == XS_ERROR ? c->tries : 0;
    }
    send_msg(c, XS_TRANSACTION_START, 0, "", 1);
    c->step = 1;
}

static void measure_contention(void)
{
    struct pollfd p[MAX_CLIENTS];
    unsigned commits = 0, again = 0, never = 0, most = 0;
    double start = now(), cpu = daemon_us();

    for (unsigned i = 0; i < count; i++) {
        p[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
        clients[i].step = 0;
        contend(&clients[i]);
    }
    while (now() - start < 2) {
        if (poll(p, count, 100) < 0)
            die("poll");
        for (unsigned i = 0; i < count; i++)
            if (p[i].revents)
                contend(&clients[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        commits += clients[i].commits;
        again += clients[i].again;
        never += !clients[i].commits;
        most = clients[i].most > most ? clients[i].most : most;
    }
    printf("%-34s %9.0f commits/s, %.0f %% EAGAIN, %u of %u clients without a commit, %u tries at most, "
           "%.0f us of the daemon a commit\n",
           "contention on 4 nodes, 2 s", commits / (now() - start), again * 100.0 / (commits + again + !commits), never, count,
           most, commits ? (daemon_us() - cpu) / commits : 0);
}

int main(int argc, char **argv)
{
    if (argc != 5 && !(argc == 6 && !strcmp(argv[5], "floor"))) {
        fputs("usage: xsload SOCKET PID NODES CLIENTS [floor]\n", stderr);
        return 2;
    }
    pid = argv[2];
    nodes = (unsigned)atoi(argv[3]);
    count = (unsigned)atoi(argv[4]);
    if (!nodes || !count || count > MAX_CLIENTS)
        return 2;
    for (unsigned i = 0; i < count; i++)
        clients[i].fd = dial(argv[1]);
    build();
    measure("read", XS_READ, NULL);
    measure("write", XS_WRITE, "other");
    measure("directory", XS_DIRECTORY, NULL);
    measure_transactions();
    if (argc == 6)
        return 0;
    measure_events();
    measure_contention();
    return 0;
}
