/* SPDX-License-Identifier: MIT */
/*
 * A client's connection: one request at a time, watch events set aside as they come.
 *
 * Threads may share a handle. Whoever waits, for a reply or for an event, reads one message with the lock open if nobody else
 * does, hands it to whom it is for, and wakes the others; so no thread of our own is needed. xs_fileno's descriptor is an
 * epoll set of the connection and of a counter that says "events are set aside": it is readable in both cases.
 */
#ifndef XENSTORE_CLIENT_HANDLE_H
#define XENSTORE_CLIENT_HANDLE_H
#include <errno.h>
#include <pthread.h>
#include <xenstore.h>

struct event {
    struct event *next;
    size_t len;
    char text[]; /* path NUL token NUL */
};

struct xs_handle {
    int fd, poll_fd, count_fd;
    bool filter;              /* XS_UNWATCH_FILTER */
    pthread_mutex_t one_request; /* held over a whole exchange; taken before `lock` */
    pthread_mutex_t lock;     /* everything below */
    pthread_cond_t moved;     /* a message came, or reading ended */
    bool reading;             /* some thread reads, without the lock */
    int broken;               /* errno once the connection is of no use, else 0 */
    uint32_t id;              /* of the request out */
    struct xsd_sockmsg reply; /* its reply, when reply_body is there */
    char *reply_body;
    struct event *events, **last_event;
};

/* Connect: to the daemon's socket, else through the kernel. NULL with errno. */
struct xs_handle *handle_open(bool filter);
/* Close and free. The daemon's side lives on if a parent process has the same connection. */
void handle_close(struct xs_handle *h);

struct piece {
    const void *data;
    size_t len;
};
/* Ask. Returns the reply's body (malloced, a NUL behind its *len bytes; len may be NULL), or NULL with errno. */
char *handle_ask(struct xs_handle *h, uint32_t type, uint32_t tx, const struct piece *pieces, unsigned n, unsigned *len);
/* The next watch event, to be freed: waits for it, or fails with EAGAIN. */
struct event *handle_event(struct xs_handle *h, bool wait);
/* Forget events set aside for a watch that was removed. */
void handle_forget(struct xs_handle *h, const char *path, const char *token);
#endif
