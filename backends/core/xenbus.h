/* SPDX-License-Identifier: MIT */
/*
 * The xenbus state machine of a backend, for any device type (xen/io/xenbus.h, states XenbusState*).
 *
 * Purpose: find the devices below /local/domain/SELF/backend/TYPE, follow both ends' states, and call the backend at
 * the right moment. Interface: a backend fills in struct xb_ops and calls xb_start(); the rest are its tools.
 * Rules:
 *  - a device that a predecessor left Connected (host_incarnation() > 1) is adopted: connect(adopt = true) and not one
 *    node is written; from any other state the ordinary machine goes on;
 *  - the front's directory is hostile text: numbers are parsed strictly and bounded by the caller;
 *  - letting go may take time (requests are in flight): disconnect() returns false and xb_let_go() follows;
 *  - xenstore is asked from the callbacks of watches and from deferred work only (host.h). xb_error(), xb_break() and xb_let_go() may be called
 *    from anywhere: what they have to tell xenstore is told soon after;
 *  - a front whose state moves all the time is looked at XB_MOVES times at once, then every XB_MOVE_NS: it finds its last state.
 */
#ifndef BACKENDS_XENBUS_H
#define BACKENDS_XENBUS_H
#include <stdbool.h>
#include <stdint.h>

#define XB_MOVES 40u
#define XB_MOVE_NS 50000000ull
#define XB_ERROR_BYTES 160

struct xb_dev;
struct xb_ops {
    const char *type; /* "vbd" */
    /* Look at the backend's own nodes and publish what the device offers. 0; -EAGAIN: not possible yet, call
     * xb_again() later; other: the reason was given by xb_error(). */
    int (*probe)(struct xb_dev *d);
    /* The front has published its rings: map them and start. adopt: carry on where a predecessor stopped.
     * 0, -EAGAIN as above, or -errno with the reason given by xb_error(): the device is then closed. */
    int (*connect)(struct xb_dev *d, bool adopt);
    /* Runs right after Connected is visible to the front. */
    void (*run)(struct xb_dev *d);
    /* Stop and give everything back. false: xb_let_go() comes when the last request is done. */
    bool (*disconnect)(struct xb_dev *d);
    void (*forget)(struct xb_dev *d); /* free d->priv; nothing is connected any more */
    /* A node of the backend's directory was written, by whomever, and it is not one of this machine's. May be NULL. */
    void (*written)(struct xb_dev *d, const char *node);
};

struct xb_dev {
    const struct xb_ops *ops;
    uint16_t domid;    /* the front's domain */
    uint32_t devid;
    char back[80];     /* /local/domain/SELF/backend/TYPE/DOM/DEV */
    char front[80];    /* its `frontend` node */
    int state;         /* ours: XenbusState*, as last written or read */
    int front_state;   /* 0 where there is none */
    bool online;       /* `online`: stay after a close, the front may come back */
    bool probed, connected, letting_go, broken, watching, gone;
    bool state_due, let_go_due, moved; /* to be written; to be told the machine; the front's state is to be read */
    char error[XB_ERROR_BYTES];        /* to be written, if not empty */
    unsigned moves;                    /* looks at the front's state that it has left ... */
    uint64_t moves_at;                 /* ... at this time */
    void *priv;
    struct xb_dev *next;
};

int xb_start(const struct xb_ops *ops); /* finds what is there and watches; 0 or -errno */
struct xb_dev *xb_first(const struct xb_ops *ops);
void xb_again(struct xb_dev *d);        /* what probe() or connect() waited for has come; from deferred work */
void xb_let_go(struct xb_dev *d);       /* what disconnect() left open is closed now */
/* Say in the log and in the node BACK/error what is wrong; the state stays. At most XB_ERROR_BYTES. */
void xb_error(struct xb_dev *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The device cannot go on: disconnect, state Closing. Give the reason with xb_error() first. */
void xb_break(struct xb_dev *d);

/* Nodes. `dir` is d->back or d->front, `node` relative to it. */
int xb_read_uint(const char *dir, const char *node, uint64_t max, uint64_t *v); /* 0, -ENOENT, -EINVAL, -ERANGE */
int xb_read_str(const char *dir, const char *node, char *buf, unsigned size);   /* 0, -ENOENT, -ERANGE */
int xb_printf(const char *dir, const char *node, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#endif
