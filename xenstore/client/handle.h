/* SPDX-License-Identifier: MIT */
/*
 * A client's connection: one request at a time, watch events set aside as they come.
 *
 * Threads may share a handle. Whoever waits, for a reply or for an event, reads one message with the lock open if nobody else
 * does, hands it to whom it is for, and wakes the others; so no thread of our own is needed. xs_fileno's descriptor is an
 * epoll set of the connection and of a counter that says "events are set aside": it is readable in both cases.
 *
 * A daemon that dies closes its sockets, and another takes its place at the same path. Whoever reads finds out, connects again under the
 * lock, in the place of the old descriptor, and sets the watches anew; each fires once. What was asked and not answered is asked
 * again, once, if it may be executed twice; else the caller gets ECONNRESET: done or not, nobody knows. Transactions of the old connection
 * are over: EAGAIN. Their numbers are not used again: the daemon's number and tx_base are the caller's number.
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

struct watch {
    struct watch *next;
    const char *path, *token;
    char text[];
};

#define LIVES 3 /* daemons that may die while a handle connects */

struct xs_handle {
    int fd, poll_fd, count_fd;
    char *path;               /* of the daemon's socket; NULL: a device, whose kernel keeps the connection */
    bool filter;              /* XS_UNWATCH_FILTER */
    pthread_mutex_t one_request; /* held over a whole exchange; taken before `lock` */
    pthread_mutex_t lock;     /* everything below */
    pthread_cond_t moved;     /* a message came, or reading ended */
    bool reading;             /* some thread reads, without the lock */
    int broken;               /* errno once the connection is of no use, else 0 */
    int down;                 /* errno while no daemon is there to connect to, else 0 */
    unsigned lives;           /* connections made anew */
    uint32_t tx_base, tx_last; /* added to the daemon's numbers of transactions; the highest of those */
    struct watch *watches;    /* to be set on the next connection */
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
/* Ask; XS_WATCH and XS_UNWATCH with their two strings. Returns the reply's body (malloced, a NUL behind its *len bytes; len may be NULL), or NULL with errno. */
char *handle_ask(struct xs_handle *h, uint32_t type, uint32_t tx, const struct piece *pieces, unsigned n, unsigned *len);
/* The next watch event, to be freed: waits for it, or fails with EAGAIN. */
struct event *handle_event(struct xs_handle *h, bool wait);
#endif
