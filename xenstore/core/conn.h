/* SPDX-License-Identifier: MIT */
/*
 * A connection: a client's requests in, its replies and events out, whatever carries them.
 *
 * The transport calls conn_turn when there may be something to do; the core reads, acts and writes through the transport's
 * operations, which never block. A turn is bounded (TURN_REQUESTS, and TURN_WORK, whatever comes first). Bounded, too, is what waits for a client that does not
 * read: with too many replies unread its further requests stay where they are; with too many bytes of events unread new
 * events are dropped, and when it has read what is queued every watch of it fires once, so that it looks again.
 */
#ifndef XENSTORE_CORE_CONN_H
#define XENSTORE_CORE_CONN_H
#include "xenstore/core/store.h"
#include "xenstore/core/wire.h"

#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define TURN_REQUESTS 16
#define TURN_WORK 1000u /* store.work after which a turn ends */

enum turn {
    TURN_IDLE, /* nothing more can be done now */
    TURN_MORE, /* there is more: another turn, after the others had theirs */
    TURN_OVER, /* the other side is gone */
    TURN_BAD,  /* the other side broke the protocol: a message longer than XENSTORE_PAYLOAD_MAX */
};

struct transport_ops {
    const char *name; /* for the log */
    /* Move up to n bytes; returns how many, 0 for "not now", negative when the connection is over. After a read of less than n
     * the connection gets a turn again when there is more. */
    long (*read)(struct conn *c, void *buf, size_t n);
    long (*write)(struct conn *c, const void *buf, size_t n);
    /* Around a turn: look whether the client wants to start anew; tell the other side of what was moved, and return whether it has
     * sent more meanwhile, of which it may not tell us. */
    void (*begin)(struct conn *c);
    bool (*flush)(struct conn *c);
    /* Where reading and writing are in their streams of bytes, counted from anywhere, modulo 2^32; and a connection of an earlier
     * daemon goes on: what was read of it ends at `in`. */
    void (*position)(const struct conn *c, uint32_t *in, uint32_t *out);
    void (*resume)(struct conn *c, uint32_t in);
    /* After a turn that ended TURN_OVER or TURN_BAD: stop it, may close it. */
    void (*over)(struct conn *c, enum turn why);
};

struct msg {
    struct msg *next;
    uint32_t len, sent; /* bytes in all, bytes gone */
    bool event, spare;
    char bytes[];
};

struct conn {
    struct conn *next, **prev; /* all of the store */
    struct conn *next_busy;    /* the transport's queue of turns */
    bool busy;
    struct store *store;
    const struct transport_ops *ops;
    void *transport;
    struct actor actor;
    uint32_t key;              /* its name in the state (state.h) */
    uint32_t snapshot;         /* the last that it is in (state_rings) */
    bool poisoned;             /* its next request killed the daemon before this one: refused */
    bool waiting;              /* for the lane; no request is taken meanwhile */
    unsigned lane_tries;       /* so many of its next transactions go by the lane */
    unsigned lane_late;        /* its stay there is doubled so often */
    struct conn *next_waiting;
    struct txn *txns;
    uint32_t last_tx;
    struct watch *watches;
    struct msg *out, **out_tail;
    struct msg *spare; /* kept for an ENOMEM reply; without it no request is taken */
    uint32_t replies;  /* in the queue */
    size_t unsent;     /* bytes in the queue */
    size_t event_bytes; /* of events in the queue */
    bool overflow;      /* events were dropped: when the queue is empty all watches fire */
    struct watch *again; /* they are firing: the next */
    size_t in_start, in_end;
    char in[MESSAGE_MAX];
};

/* NULL: no memory. */
struct conn *conn_open(struct store *s, const struct transport_ops *ops, void *transport, struct actor actor, uint32_t key);
/* Forget all of it: what is half in, half out, open transactions, watches. */
void conn_reset(struct conn *c);
void conn_close(struct conn *c);
/* Before the reset or close of one that is over, or for XS_RESET_WATCHES: forget a part of its watches. False: there is more, after the
 * others had their turns. */
bool conn_wind_down(struct conn *c);
/* Put a whole message of an earlier daemon into the queue; false: no memory, or it is none. */
bool conn_requeue(struct conn *c, const char *bytes, size_t len, bool event);
/* The queue's first bytes are gone already; false if that many are not there. */
bool conn_skip(struct conn *c, uint32_t bytes);
enum turn conn_turn(struct conn *c);
/* Would it take another request? Not while too many replies are unread, or while it waits for its turn in the lane. */
bool conn_takes(const struct conn *c);
/* Queue a reply to the request `hdr`, of type `type`. */
void conn_reply(struct conn *c, const struct xsd_sockmsg *hdr, uint32_t type, const void *data, size_t len);
void conn_error(struct conn *c, const struct xsd_sockmsg *hdr, int err);
void conn_event(struct conn *c, const char *path, const char *token);
/* Would an event be queued, not dropped? */
bool conn_hears(const struct conn *c);
/* Act on one request (request.c). False: not now, it is to be run again when the connection no longer waits. */
bool request_run(struct conn *c, const struct xsd_sockmsg *hdr, char *data);
#endif
