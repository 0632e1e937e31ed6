/* SPDX-License-Identifier: MIT */
/*
 * Inside blkback: blkback.c (devices: negotiation, adoption, closing), queue.c (rings: requests and answers), order.c (which
 * request is answered next).
 * A request is taken from the ring into a struct blk_req, checked, given pages, submitted to the disk; when it and
 * every earlier one is done its answer is published. At most one request a queue is `held`: taken, but it waits for
 * pages, a free slot of the disk, or (barriers) for all earlier ones; nothing is taken behind it.
 * A queue has its turn: BLK_TURN of work, then the others; a front that wastes time rests (backends/core/patience.h).
 */
#ifndef BACKENDS_BLK_H
#define BACKENDS_BLK_H
#include "backends/blk/blkback.h"
#include "backends/blk/disk.h"
#include "backends/blk/pgrant.h"
#include "backends/core/host.h"
#include "backends/core/patience.h"
#include "backends/core/progress.h"
#include "backends/core/ring.h"
#include "backends/core/xenbus.h"

#include <xen/xen.h>
#include <xen/io/blkif.h>

struct blk_queue;

struct blk_req {
    struct disk_req dr; /* what the disk sees */
    struct blk_queue *q;
    struct blk_req *next_free;
    uint32_t index;     /* its slot in the ring */
    uint64_t id;        /* the front's, echoed */
    uint8_t op;         /* echoed: of an indirect request its inner operation */
    bool flush_first;   /* a flush comes before the data */
    bool exclusive;     /* starts when all earlier are answered, nothing starts before it is done */
    bool submitted, finished;
    int16_t status;     /* BLKIF_RSP_* */
    enum disk_op data_op;
    bool fua;
    uint64_t sector, sectors;
    unsigned nsegs, npages; /* npages: have pages, 0 before */
    struct blkif_request_segment want[BLK_MAX_SEGS];
    struct disk_seg seg[BLK_MAX_SEGS];
    struct pgrant *page[BLK_MAX_SEGS]; /* persistent */
    struct host_map map;               /* otherwise */
};

struct blk_dev;
struct blk_queue {
    struct blk_dev *dev;
    struct ring ring;
    struct host_map ring_map;
    int port;           /* local event channel, -1 = none */
    bool running, again; /* queue_run() is not nested: it goes round again */
    bool dying;         /* take nothing more */
    unsigned busy;      /* requests the disk has */
    struct blk_req *held;
    struct blk_req *exclusive; /* started, not done */
    struct blk_req *window[BLK_MAX_INFLIGHT]; /* taken, not answered; by index */
    struct blk_req *free;
    bool waits_for_turn;
    unsigned turn;      /* work done in this turn: since blk_turns() last came by, however often it was run for answers and events */
    unsigned taken, wrong; /* in this run: requests taken, and of them those that nobody could carry out */
    struct pgrant_cache pages;
    struct progress progress;
};

#define BLK_ROOM_NS 1000000u /* until a request that found no memory, or no room for mappings, tries again */
#define BLK_EVENT_NS 1000u /* what an event costs before its handler runs */

/* A front whose disk is gone gets errors for this long before it sees Closing: a stock front stops its queues there, and
 * what is still in them then is never answered. */
#define BLK_ENDING_NS 3000000000ull

struct blk_dev {
    struct xb_dev *xb;
    struct disk *disk;
    bool readonly, discard, persistent;
    unsigned nqueues;
    struct blk_queue *queue[BLK_MAX_QUEUES];
    uint32_t took, idle_at;   /* requests so far, and at the last event with nothing behind it */
    struct patience patience;
    bool resting;             /* the front's patience is used up ... */
    struct host_timer rest;   /* ... until then */
    struct host_timer ending; /* the disk is gone: when the front is told to close */
};

/* Requests taken and not answered, and where the one of an index is. */
static inline uint32_t blk_inflight(const struct blk_queue *q)
{
    return q->ring.req_cons - q->ring.rsp_pvt;
}
static inline struct blk_req **blk_window(struct blk_queue *q, uint32_t index)
{
    return &q->window[index % BLK_MAX_INFLIGHT];
}

/* The finished request whose answer goes to rsp_pvt, or NULL; there are some in flight, and `ended` is the last that ended. */
struct blk_req *blk_next_answer(struct blk_queue *q, struct blk_req *ended);

/* Ring and event channel of queue number n as the front published them; 0 or -errno with the reason given. */
int queue_connect(struct blk_dev *dev, unsigned n, const uint32_t *refs, unsigned nrefs, uint32_t remote_port, bool adopt);
void queue_run(struct blk_queue *q);   /* take and start what can be */
bool queue_stop(struct blk_queue *q);  /* true: idle and freed; else blk_queue_idle() follows */
void blk_turns(void);                 /* blkback.c: queues that wait for a turn or for the disk */
void blk_wasted(struct blk_dev *dev, uint64_t ns); /* blkback.c: its front made us work for nothing */
void blk_queue_idle(struct blk_dev *dev); /* blkback.c: a stopped queue's last request is done */
void blk_ring_broken(struct blk_dev *dev, const char *why); /* blkback.c: the front broke the ring protocol */
#endif
