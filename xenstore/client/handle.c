/* SPDX-License-Identifier: MIT */
/* A client's connection: see handle.h. */
#define _GNU_SOURCE
#include "xenstore/client/handle.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int open_socket(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd, err;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = EINVAL;
        return -1;
    }
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
        err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

/* A path given by the environment may name a device. */
static int open_path(const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return -1;
    return S_ISSOCK(st.st_mode) ? open_socket(path) : open(path, O_RDWR | O_CLOEXEC);
}

/* A socket's path is kept, for when the daemon is another. */
static int open_any(struct xs_handle *h)
{
    const char *path = xs_daemon_socket();
    int fd = open_path(path), err = errno;
    struct stat st;

    if (fd >= 0 && !fstat(fd, &st) && S_ISSOCK(st.st_mode))
        h->path = strdup(path);
    if (fd < 0 && !getenv("XENSTORED_PATH")) {
        fd = open_path("/dev/xen/xenbus");
        if (fd < 0)
            errno = err; /* the daemon's answer says more */
    }
    return fd;
}

static bool watch_fd(int set, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN };

    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) == 0;
}

struct xs_handle *handle_open(bool filter)
{
    struct xs_handle *h = calloc(1, sizeof(*h));
    int err;

    if (!h)
        return NULL;
    h->filter = filter;
    h->last_event = &h->events;
    h->poll_fd = h->count_fd = -1;
    pthread_mutex_init(&h->one_request, NULL);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->moved, NULL);
    h->fd = open_any(h);
    if (h->fd >= 0) {
        h->poll_fd = epoll_create1(EPOLL_CLOEXEC);
        h->count_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (h->poll_fd >= 0 && h->count_fd >= 0 && watch_fd(h->poll_fd, h->fd) && watch_fd(h->poll_fd, h->count_fd))
            return h;
    }
    err = errno;
    handle_close(h);
    errno = err;
    return NULL;
}

void handle_close(struct xs_handle *h)
{
    struct watch *w;
    struct event *e;
    const int fds[] = { h->fd, h->poll_fd, h->count_fd };

    while ((e = h->events)) {
        h->events = e->next;
        free(e);
    }
    while ((w = h->watches)) {
        h->watches = w->next;
        free(w);
    }
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(h->reply_body);
    free(h->path);
    pthread_mutex_destroy(&h->one_request);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->moved);
    free(h);
}

/* Read exactly n bytes; false with errno. */
static bool read_all(int fd, void *to, size_t n)
{
    char *p = to;

    while (n) {
        ssize_t got = read(fd, p, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got ? errno : EBADF; /* the daemon is gone */
            return false;
        }
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static void set_aside(struct xs_handle *h, struct event *e)
{
    e->next = NULL;
    *h->last_event = e;
    h->last_event = &e->next;
    eventfd_write(h->count_fd, 1);
}

/* Read one message; its body lies in an event, whoever it is for. NULL with errno. */
static struct event *read_message(int fd, struct xsd_sockmsg *hdr)
{
    struct event *e;

    if (!read_all(fd, hdr, sizeof(*hdr)))
        return NULL;
    if (hdr->len > XENSTORE_PAYLOAD_MAX) {
        errno = EIO;
        return NULL;
    }
    e = malloc(sizeof(*e) + hdr->len + 1);
    if (!e || !read_all(fd, e->text, hdr->len)) {
        free(e);
        return NULL;
    }
    e->len = hdr->len;
    e->text[hdr->len] = 0;
    return e;
}

/* Give a message to whom it is for. With the lock. */
static void deliver(struct xs_handle *h, const struct xsd_sockmsg *hdr, struct event *e)
{
    if (hdr->type == XS_WATCH_EVENT && strlen(e->text) + 1 < e->len && !e->text[e->len - 1]) {
        set_aside(h, e);
        return;
    }
    if (hdr->type != XS_WATCH_EVENT && hdr->req_id == h->id && !h->reply_body) {
        h->reply = *hdr;
        h->reply_body = malloc(e->len + 1);
        if (h->reply_body)
            memcpy(h->reply_body, e->text, e->len + 1);
        else
            h->broken = ENOMEM;
    } else {
        h->broken = EIO; /* nobody asked for that */
    }
    free(e);
}

/* Write all, to a socket (without a SIGPIPE if the daemon is gone) or to a device; false with errno. */
static bool write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t put = send(fd, p, n, MSG_NOSIGNAL);

        if (put < 0 && errno == ENOTSOCK)
            return xs_write_all(fd, p, (unsigned)n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

static bool send_request(struct xs_handle *h, const struct xsd_sockmsg *hdr, const struct piece *pieces, unsigned n)
{
    char buf[sizeof(*hdr) + XENSTORE_PAYLOAD_MAX], *p = buf;

    memcpy(p, hdr, sizeof(*hdr));
    p += sizeof(*hdr);
    for (unsigned i = 0; i < n; p += pieces[i++].len)
        memcpy(p, pieces[i].data, pieces[i].len);
    return write_all(h->fd, buf, (size_t)(p - buf));
}

/* Send a request and wait for its answer, with the lock, where nobody else reads. */
static bool exchange(struct xs_handle *h, uint32_t type, const struct piece *pieces, unsigned n)
{
    struct xsd_sockmsg hdr = { .type = type, .req_id = ++h->id }, in;
    struct event *e;
    bool ok;

    for (unsigned i = 0; i < n; i++)
        hdr.len += (uint32_t)pieces[i].len;
    if (!send_request(h, &hdr, pieces, n))
        return false;
    while ((e = read_message(h->fd, &in)) && in.type == XS_WATCH_EVENT)
        deliver(h, &in, e);
    ok = e && in.type == type && in.req_id == hdr.req_id;
    free(e);
    return ok;
}

/* Connect to the daemon that came after ours, in the place of the old descriptor, and watch again. What is watched may have changed
 * meanwhile: the event that each watch begins with tells its owner to look. */
static bool connect_again(struct xs_handle *h)
{
    int fd = open_path(h->path);
    bool ok = fd >= 0;

    if (!ok)
        return false;
    epoll_ctl(h->poll_fd, EPOLL_CTL_DEL, h->fd, NULL);
    ok = dup3(fd, h->fd, O_CLOEXEC) >= 0 && watch_fd(h->poll_fd, h->fd);
    close(fd);
    h->lives++;
    h->tx_base += h->tx_last;
    h->tx_last = 0;
    for (const struct watch *w = h->watches; w && ok; w = w->next) {
        const struct piece p[] = { { w->path, strlen(w->path) + 1 }, { w->token, strlen(w->token) + 1 } };

        ok = exchange(h, XS_WATCH, p, 2);
    }
    return ok;
}

/* The connection failed. That of a daemon that died is made anew; else the handle is down, until the next request tries again. */
static void lost(struct xs_handle *h, int err)
{
    h->down = 0;
    if (!h->path || (err != EBADF && err != ECONNRESET && err != EPIPE)) {
        h->broken = err;
        return;
    }
    for (int i = 0; i < LIVES; i++)
        if (connect_again(h))
            return;
    h->down = err;
}

/* Let one message come in, by this thread or by another. With the lock, which is open meanwhile. */
static void await_message(struct xs_handle *h)
{
    struct xsd_sockmsg hdr;
    struct event *e;

    if (h->reading) {
        pthread_cond_wait(&h->moved, &h->lock);
        return;
    }
    h->reading = true;
    pthread_mutex_unlock(&h->lock);
    e = read_message(h->fd, &hdr);
    pthread_mutex_lock(&h->lock);
    h->reading = false;
    if (e)
        deliver(h, &hdr, e);
    else
        lost(h, errno);
    pthread_cond_broadcast(&h->moved);
}

static int error_number(const char *name)
{
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
        if (!strcmp(xsd_errors[i].errstring, name))
            return xsd_errors[i].errnum;
    return EINVAL;
}

/* Take the reply out of the handle. NULL with errno if it is an error. */
static char *take_reply(struct xs_handle *h, uint32_t type, unsigned *len)
{
    char *body = h->reply_body;
    int err = 0;

    h->reply_body = NULL;
    if (h->reply.type == XS_ERROR)
        err = error_number(body);
    else if (h->reply.type != type)
        err = h->broken = EIO;
    if (err) {
        free(body);
        errno = err;
        return NULL;
    }
    if (len)
        *len = h->reply.len;
    return body;
}

/* May the request be executed twice, with the same outcome? */
static bool repeatable(uint32_t type)
{
    return type != XS_CONTROL && type != XS_INTRODUCE && type != XS_RELEASE && type != XS_TRANSACTION_END;
}

/* Send and wait once. Returns whether the answer is there, or why not: h->broken, h->down, or another connection by now. */
static bool ask_once(struct xs_handle *h, struct xsd_sockmsg *hdr, const struct piece *pieces, unsigned n, bool *sent)
{
    unsigned life = h->lives;

    hdr->req_id = ++h->id;
    *sent = send_request(h, hdr, pieces, n);
    if (!*sent && errno != EPIPE && errno != ECONNRESET)
        h->broken = errno; /* else whoever reads finds out */
    while (!h->broken && !h->down && !h->reply_body && h->lives == life)
        await_message(h);
    return h->reply_body;
}

/* Ask, of the next daemon too if the one asked died before it answered. 0, or errno. */
static int ask(struct xs_handle *h, struct xsd_sockmsg *hdr, const struct piece *pieces, unsigned n)
{
    uint32_t tx = hdr->tx_id;
    bool sent, before = false;

    if (h->down)
        lost(h, h->down);
    for (int i = 0; i < LIVES && !h->broken && !h->down; i++) {
        if (tx && tx <= h->tx_base)
            return EAGAIN; /* its connection was another */
        hdr->tx_id = tx ? tx - h->tx_base : 0;
        if (ask_once(h, hdr, pieces, n, &sent))
            return 0;
        if (sent && (before || !repeatable(hdr->type)))
            break; /* not a third time: it may be what they die of */
        before = before || sent;
    }
    return h->broken ? h->broken : h->down ? h->down : ECONNRESET; /* the last: done or not, nobody knows */
}

/* A transaction has begun: the number that the caller is to have for it, in the place of the reply. NULL: no memory. */
static char *renumber(struct xs_handle *h, char *body)
{
    uint32_t id = (uint32_t)strtoul(body, NULL, 10);
    char *text = NULL;

    free(body);
    if (id > h->tx_last)
        h->tx_last = id;
    return asprintf(&text, "%u", h->tx_base + id) < 0 ? NULL : text;
}

/* A watch was set: it is to be there on the next connection too. Returns the reply, or NULL: no memory. */
static char *remember(struct xs_handle *h, const struct piece *p, char *body)
{
    struct watch *w = malloc(sizeof(*w) + p[0].len + p[1].len);

    if (!w) {
        free(body);
        return NULL;
    }
    w->path = memcpy(w->text, p[0].data, p[0].len);
    w->token = memcpy(w->text + p[0].len, p[1].data, p[1].len);
    w->next = h->watches;
    h->watches = w;
    return body;
}

/* Is the event one of the watch? Its path is the watch's or below. */
static bool event_of(const struct event *e, const char *path, const char *token)
{
    return !strcmp(e->text + strlen(e->text) + 1, token) && xs_path_is_subpath(path, e->text);
}

/* It was removed; with XS_UNWATCH_FILTER its events that were set aside are, too. */
static void forget(struct xs_handle *h, const char *path, const char *token)
{
    struct watch **at = &h->watches, *w;
    struct event **link = &h->events, *e;
    eventfd_t n;

    while ((w = *at) && (strcmp(w->path, path) || strcmp(w->token, token)))
        at = &w->next;
    if (w) {
        *at = w->next;
        free(w);
    }
    if (!h->filter)
        return;
    while ((e = *link))
        if (event_of(e, path, token)) {
            *link = e->next;
            free(e);
        } else {
            link = &e->next;
        }
    h->last_event = link;
    if (!h->events && eventfd_read(h->count_fd, &n))
        n = 0;
}

/* What the handle has to know of a request that was answered. Returns the answer, or NULL with errno. */
static char *note(struct xs_handle *h, uint32_t type, const struct piece *pieces, char *body)
{
    if (body && type == XS_TRANSACTION_START)
        return renumber(h, body);
    if (body && type == XS_WATCH)
        return remember(h, pieces, body);
    if (body && type == XS_UNWATCH)
        forget(h, pieces[0].data, pieces[1].data);
    return body;
}

char *handle_ask(struct xs_handle *h, uint32_t type, uint32_t tx, const struct piece *pieces, unsigned n, unsigned *len)
{
    struct xsd_sockmsg hdr = { .type = type, .tx_id = tx };
    size_t total = 0;
    char *body = NULL;
    int err;

    for (unsigned i = 0; i < n; i++)
        total += pieces[i].len;
    if (total > XENSTORE_PAYLOAD_MAX) {
        errno = E2BIG;
        return NULL;
    }
    hdr.len = (uint32_t)total;
    pthread_mutex_lock(&h->one_request);
    pthread_mutex_lock(&h->lock);
    err = ask(h, &hdr, pieces, n);
    if (!err)
        body = note(h, type, pieces, take_reply(h, type, len));
    else
        errno = err;
    pthread_mutex_unlock(&h->lock);
    pthread_mutex_unlock(&h->one_request);
    return body;
}

/* Is there something to read at once? */
static bool readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

struct event *handle_event(struct xs_handle *h, bool wait)
{
    struct event *e;
    eventfd_t n;

    pthread_mutex_lock(&h->lock);
    while (!h->events && !h->broken && !h->down && (wait || (!h->reading && readable(h->fd))))
        await_message(h);
    e = h->events;
    if (e) {
        h->events = e->next;
        if (!h->events) {
            h->last_event = &h->events;
            if (eventfd_read(h->count_fd, &n))
                n = 0;
        }
    } else {
        errno = h->broken ? h->broken : h->down ? h->down : EAGAIN;
    }
    pthread_mutex_unlock(&h->lock);
    return e;
}
