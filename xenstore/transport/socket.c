/* SPDX-License-Identifier: MIT */
/*
 * Unix socket clients. They are domain 0: only root may connect (mode 0600).
 * Reading is switched off for a client that does not read its replies, writing on only while something waits to go.
 */
#define _GNU_SOURCE
#include "xenstore/core/state.h"
#include "xenstore/transport/loop.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
    int fd;
    bool reading, writing;
    struct event *readable, *writable;
    struct conn *conn;
};

static struct store *store;
static struct event_base *base;
static struct event *listener, *retry;

static long sock_read(struct conn *c, void *buf, size_t n)
{
    struct client *cl = c->transport;
    ssize_t got = recv(cl->fd, buf, n, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return got > 0 ? got : -1;
}

static long sock_write(struct conn *c, const void *buf, size_t n)
{
    struct client *cl = c->transport;
    ssize_t put = send(cl->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return put >= 0 ? put : -1;
}

static void sock_begin(struct conn *c)
{
}

/* Have the event wait or not, as wanted. Returns what is now so. */
static bool want(struct event *ev, bool is, bool should)
{
    if (should && !is)
        return event_add(ev, NULL) == 0;
    if (!should && is)
        event_del(ev);
    return should;
}

static bool sock_flush(struct conn *c)
{
    struct client *cl = c->transport;

    cl->reading = want(cl->readable, cl->reading, conn_takes(c));
    cl->writing = want(cl->writable, cl->writing, c->out != NULL);
    return false;
}

/* Positions count from where the state was taken: nothing moves while it changes hands. */
static void sock_position(const struct conn *c, uint32_t *in, uint32_t *out)
{
    *in = *out = 0;
}

static void sock_resume(struct conn *c, uint32_t in)
{
}

static void client_free(struct client *cl)
{
    if (cl->conn) {
        loop_forget(cl->conn);
        conn_close(cl->conn);
    }
    if (cl->readable)
        event_free(cl->readable);
    if (cl->writable)
        event_free(cl->writable);
    close(cl->fd);
    free(cl);
}

static void sock_over(struct conn *c, enum turn why)
{
    if (why == TURN_BAD)
        store_log(c->store, "socket: client sent a message that is too long, closed");
    client_free(c->transport);
}

static const struct transport_ops socket_ops = { "socket", sock_read, sock_write, sock_begin, sock_flush, sock_position, sock_resume,
                                                 sock_over };

static void ready(evutil_socket_t fd, short what, void *arg)
{
    struct client *cl = arg;

    loop_wake(cl->conn);
}

static struct conn *client_new(int fd)
{
    struct client *cl = calloc(1, sizeof(*cl));

    if (!cl) {
        close(fd);
        return NULL;
    }
    cl->fd = fd;
    cl->readable = event_new(base, fd, EV_READ | EV_PERSIST, ready, cl);
    cl->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, ready, cl);
    if (cl->readable && cl->writable)
        cl->conn = conn_open(store, &socket_ops, cl, (struct actor){ 0, NO_TARGET }, SOCKET_KEY + (uint32_t)fd);
    if (!cl->conn || event_add(cl->readable, NULL)) {
        store_log(store, "socket: no memory for a client, closed");
        client_free(cl);
        return NULL;
    }
    cl->reading = true;
    return cl->conn;
}

struct conn *socket_adopt(struct store *s, uint32_t key)
{
    int fd = (int)(key - SOCKET_KEY), flags = key < SOCKET_KEY ? -1 : fcntl(fd, F_GETFD);

    if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC)) {
        store_log(s, "socket: descriptor %d of an earlier daemon: %s", fd, strerror(errno));
        return NULL;
    }
    return client_new(fd);
}

static bool let_through(int fd, bool exec)
{
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && !fcntl(fd, F_SETFD, exec ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC);
}

bool socket_let_through(const struct store *s, bool exec)
{
    bool ok = let_through(event_get_fd(listener), exec);

    for (struct conn *c = s->conns; c; c = c->next)
        if (c->key >= SOCKET_KEY)
            ok = let_through((int)(c->key - SOCKET_KEY), exec) && ok;
    return ok;
}

int socket_listener(void)
{
    return event_get_fd(listener);
}

static void accept_again(evutil_socket_t fd, short what, void *arg)
{
    event_add(listener, NULL);
}

static void accept_client(evutil_socket_t listen_fd, short what, void *arg)
{
    static const struct timeval pause = { 0, 100000 };
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        client_new(fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        store_log(store, "socket: accept: %s; trying again in 100 ms", strerror(errno));
        event_del(listener);
        event_add(retry, &pause);
    }
}

int socket_bind(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd, err;

    if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.new", path) >= (int)sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    unlink(addr.sun_path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || chmod(addr.sun_path, 0600) || listen(fd, SOMAXCONN) ||
        rename(addr.sun_path, path)) { /* where clients find it, it listens */
        err = errno;
        unlink(addr.sun_path);
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

bool socket_listen(struct event_base *b, struct store *s, int fd)
{
    store = s;
    base = b;
    let_through(fd, false);
    listener = event_new(b, fd, EV_READ | EV_PERSIST, accept_client, NULL);
    retry = event_new(b, -1, 0, accept_again, NULL);
    return listener && retry && !event_add(listener, NULL);
}

void socket_close(struct store *s)
{
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (c->ops == &socket_ops)
            client_free(c->transport);
    }
    if (listener) {
        close(event_get_fd(listener));
        event_free(listener);
    }
    if (retry)
        event_free(retry);
    listener = retry = NULL;
}
