/* SPDX-License-Identifier: MIT */
/*
 * Inside netback: netback.c (devices: negotiation, adoption, closing), tx.c (from the front), rx.c (to the front) and
 * switch.c (between them and the wire). Packets are handed on with their reference.
 */
#ifndef BACKENDS_NET_H
#define BACKENDS_NET_H
#include "backends/core/host.h"
#include "backends/core/patience.h"
#include "backends/core/progress.h"
#include "backends/core/xenbus.h"
#include "backends/net/guard.h"
#include "backends/net/netback.h"
#include "backends/net/nic.h"
#include "backends/net/nring.h"
#include "backends/net/rate.h"

struct vif;
struct vif_queue {
    struct vif *vif;
    struct ring tx, rx;
    struct host_map tx_map, rx_map;
    int tx_port, rx_port;          /* the same one without split event channels; -1 = none */
    bool tx_running, tx_stalled;   /* stalled: no room in the pool or on the wire, or no credit */
    bool tx_took, tx_polled;       /* this run found packets; looked at again by the timer, without an event */
    unsigned taken, wrong;         /* packets of this run, and what was none */
    bool rx_dirty;                 /* packets were queued since the last drain */
    struct pkt *wait[NET_WAIT_MAX]; /* for the front's buffers */
    unsigned wait_first, wait_n, wait_big;
    struct progress tx_progress, rx_progress;
};

/* As the guest sees it: tx is what it sends. Dropped: by the switch, for a rule or for want of room; errors: no packets at all. */
struct vif_stats { uint64_t tx_packets, tx_bytes, tx_errors, tx_dropped, rx_packets, rx_bytes, rx_errors, rx_dropped; };

struct vif {
    struct xb_dev *xb;
    char name[16];                 /* vif3.0 */
    uint8_t mac[6];
    unsigned wire;                 /* number of its card */
    bool sg, gso4, gso6, csum4, csum6; /* what the front takes */
    bool isolated;                 /* from others that are */
    uint16_t vlan;                 /* its network of the segment; 0 = the untagged one */
    struct guard guard;            /* whose addresses it may send from */
    struct rate rate;              /* how much it may send */
    struct host_timer refill;      /* for queues that wait for credit */
    bool refill_set;
    uint32_t took, idle_at;        /* packets so far, and at the last event with nothing behind it */
    struct patience patience;      /* with a front that only makes work ... */
    bool resting;                  /* ... it is used up ... */
    struct host_timer rest;        /* ... until then */
    bool mcast_filter;
    unsigned nmcast;
    uint8_t mcast[NET_MAX_MCAST][6];
    unsigned nqueues;
    struct vif_queue *queue[NET_MAX_QUEUES];
    bool up;
    struct vif_stats stats;
    struct vif *next;              /* those that are up */
};

/* netback.c */
void vif_broken(struct vif *v, const char *why);
void vif_wasted(struct vif *v, uint64_t ns); /* its front made us work for nothing */
extern struct vif *vifs_up;

/* tx.c */
void tx_run(struct vif_queue *q);
void tx_stop(struct vif *v);       /* no timer of it runs any more */
bool tx_waits(void *q, uint32_t *mark); /* for progress.h */
void tx_resume(void);              /* queues that stalled */

/* rx.c */
void rx_queue(struct vif *v, struct pkt *p); /* for the front; takes p */
void rx_run(struct vif_queue *q);            /* copy what waits into the front's buffers */
bool rx_waits(void *q, uint32_t *mark);      /* for progress.h */
void rx_forget(struct vif_queue *q);         /* drop what waits */

/* switch.c */
void switch_from_vif(struct vif *v, struct pkt *p); /* takes p */
bool switch_room(const struct vif *v);              /* the wire and the pool can take a packet of any size */
bool switch_wire_busy(const struct vif *v);         /* no room, and the card works on what it has */
void switch_addresses(unsigned wire);               /* an interface came up or went: the wire's card is told */
void switch_settle(void);                           /* after a batch */
#endif
