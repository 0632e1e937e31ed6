/* SPDX-License-Identifier: MIT */
/*
 * Consoles of domains: ring -> log file, history and every client; clients -> ring. See bhd.h and conring.h.
 * A client that does not read loses output, never holds up the domain; input waits in a small queue.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xen/grant_table.h>
#include <xen/io/console.h>
#include "backends/core/host_linux.h"
#include "tools/bhd/bhd.h"
#include "tools/bhd/conring.h"
#include "tools/bhd/history.h"
#include "tools/lib/pcidc.h"

#define LOG_LIMIT (1l << 20) /* then the file becomes NAME.log.old */
#define CLIENT_BACKLOG (256u << 10)
#define INPUT_LIMIT 4096u
#define MAX_CLIENTS 16u
#define FILES 16384u /* a console has two, and its clients one each; what a shell gives ends at some 500 domains */

struct client {
    struct console *console;
    struct bufferevent *bev;
    struct client *next;
};

struct console {
    uint32_t domid;
    char path[128], log_path[160];
    struct host_map map;
    int port;
    int log; /* file, -1: none */
    long logged;
    struct evconnlistener *listener;
    struct client *clients;
    unsigned nr_clients;
    struct evbuffer *input;
    struct history history;
    bool complained;
};

static struct handles *h;
static struct console *consoles[DOMID_FIRST_RESERVED]; /* by domain id */

/* --- output --- */

static int log_open(const struct console *c, int how)
{
    return open(c->log_path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644);
}

static void log_output(struct console *c, const char *buf, unsigned n)
{
    if (c->log >= 0 && c->logged > LOG_LIMIT) {
        char old[176];
        snprintf(old, sizeof(old), "%s.old", c->log_path);
        close(c->log);
        rename(c->log_path, old);
        c->log = log_open(c, O_TRUNC);
        c->logged = 0;
    }
    for (ssize_t done; c->log >= 0 && n && (done = write(c->log, buf, n)) > 0; buf += done, n -= (unsigned)done)
        c->logged += done;
}

static void complain_once(struct console *c, const char *what)
{
    if (!c->complained)
        host_log("domain %u: console ring: %s", c->domid, what);
    c->complained = true;
}

static void pass_input(struct console *c)
{
    char buf[INPUT_LIMIT];
    bool bad;
    ev_ssize_t n = evbuffer_copyout(c->input, buf, sizeof(buf));
    if (n <= 0)
        return;
    unsigned done = conring_write(c->map.addr, buf, (unsigned)n, &bad);
    if (bad)
        complain_once(c, "in_prod and in_cons are further apart than the ring is long; input is held");
    evbuffer_drain(c->input, done);
    if (done)
        host_event_send(c->port);
}

static void drain(struct console *c)
{
    char buf[CONRING_OUT];
    bool bad;
    unsigned n = conring_read(c->map.addr, buf, &bad);
    if (bad)
        complain_once(c, "out_prod and out_cons are further apart than the ring is long; output dropped");
    if (n) {
        host_event_send(c->port);
        history_add(&c->history, buf, n);
        for (struct client *k = c->clients; k; k = k->next)
            if (evbuffer_get_length(bufferevent_get_output(k->bev)) < CLIENT_BACKLOG)
                bufferevent_write(k->bev, buf, n);
        log_output(c, buf, n);
    }
    pass_input(c);
}

static void ring_event(void *arg)
{
    drain(arg);
}

/* --- clients --- */

static void client_free(struct client *k)
{
    for (struct client **p = &k->console->clients; *p; p = &(*p)->next)
        if (*p == k) {
            *p = k->next;
            break;
        }
    k->console->nr_clients--;
    bufferevent_free(k->bev);
    free(k);
}

static void client_input(struct bufferevent *bev, void *arg)
{
    struct client *k = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct console *c = k->console;
    size_t room = INPUT_LIMIT - evbuffer_get_length(c->input);
    evbuffer_remove_buffer(in, c->input, room);
    evbuffer_drain(in, evbuffer_get_length(in)); /* typed faster than the guest reads */
    pass_input(c);
}

static void client_event(struct bufferevent *bev, short what, void *arg)
{
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        client_free(arg);
}

static void client_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *arg)
{
    struct console *c = arg;
    struct client *k = c->nr_clients < MAX_CLIENTS ? calloc(1, sizeof(*k)) : NULL;
    struct bufferevent *bev = k ? bufferevent_socket_new(host_linux_base(), fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (!bev) {
        free(k);
        close(fd);
        return;
    }
    *k = (struct client){c, bev, c->clients};
    c->clients = k;
    c->nr_clients++;
    const char *piece[2];
    size_t n[2];
    history_get(&c->history, piece, n);
    for (unsigned i = 0; i < 2; i++)
        if (n[i])
            bufferevent_write(bev, piece[i], n[i]);
    bufferevent_setcb(bev, client_input, NULL, client_event, k);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

/* --- life of a console --- */

static void console_close(struct console *c)
{
    if (c->map.addr)
        drain(c);
    while (c->clients) { /* what is queued goes out if the socket takes it at once */
        struct evbuffer *out = bufferevent_get_output(c->clients->bev);
        evbuffer_write(out, bufferevent_getfd(c->clients->bev));
        client_free(c->clients);
    }
    if (c->listener) {
        evconnlistener_free(c->listener);
        unlink(c->path);
    }
    if (c->port >= 0)
        host_event_close(c->port);
    host_unmap(&c->map);
    if (c->log >= 0)
        close(c->log);
    if (c->input)
        evbuffer_free(c->input);
    history_free(&c->history);
    free(c);
}

static void console_names(struct console *c)
{
    char *name = domain_name(h, c->domid), id[24];
    bool good = name && name[0] && strlen(name) < 64 && !strchr(name, '/') && name[0] != '.';
    snprintf(id, sizeof(id), "domain%u", c->domid);
    snprintf(c->path, sizeof(c->path), "/run/bulkhead/console-%s", good ? name : id);
    snprintf(c->log_path, sizeof(c->log_path), "/var/log/bulkhead/console-%s.log", good ? name : id);
    free(name);
}

static int console_listen(struct console *c)
{
    int fd = unix_listen(c->path);
    if (fd < 0) {
        host_log("domain %u: console: cannot listen at %s: %s", c->domid, c->path, strerror(errno));
        return -1;
    }
    c->listener = evconnlistener_new(host_linux_base(), client_accept, c, LEV_OPT_CLOSE_ON_FREE, 0, fd);
    if (c->listener)
        return 0;
    close(fd);
    return -1;
}

static int console_connect(struct console *c, unsigned long port)
{
    uint32_t ref = GNTTAB_RESERVED_CONSOLE;
    int rc = host_map(&c->map, (uint16_t)c->domid, &ref, 1, false);
    if (rc) {
        host_log("domain %u: console: cannot map the ring: %s", c->domid, strerror(-rc));
        return -1;
    }
    c->port = host_event_bind((uint16_t)c->domid, (uint32_t)port, ring_event, c);
    if (c->port < 0) {
        host_log("domain %u: console: cannot bind its event channel %lu: %s", c->domid, port, strerror(-c->port));
        return -1;
    }
    return 0;
}

static void console_open(uint32_t domid)
{
    unsigned long port;
    char tty[64];
    struct console *c;
    if (store_number(h, &port, "/local/domain/%u/console/port", domid) || !(c = calloc(1, sizeof(*c))))
        return;
    c->domid = domid;
    c->port = c->log = -1;
    console_names(c);
    c->input = evbuffer_new();
    if (!c->input || console_connect(c, port) || console_listen(c)) {
        console_close(c);
        return;
    }
    c->log = log_open(c, O_APPEND);
    consoles[domid] = c;
    snprintf(tty, sizeof(tty), "/local/domain/%u/console/tty", domid);
    store_write(h, tty, c->path);
    drain(c);
}

void console_here(uint32_t domid)
{
    if (domid < DOMID_FIRST_RESERVED && !consoles[domid])
        console_open(domid);
}

void console_gone(uint32_t domid)
{
    if (domid < DOMID_FIRST_RESERVED && consoles[domid]) {
        console_close(consoles[domid]);
        consoles[domid] = NULL;
    }
}

int consoles_start(struct handles *handles)
{
    struct rlimit files = {FILES, FILES};
    h = handles;
    if (setrlimit(RLIMIT_NOFILE, &files))
        host_log("%u open files are not allowed (%s): with many domains the last ones have no console", FILES, strerror(errno));
    mkdir("/run/bulkhead", 0755);
    mkdir("/var/log/bulkhead", 0755);
    return 0;
}
