/* SPDX-License-Identifier: MIT */
/* Rings of blkback: take requests, check them, run them on the disk, answer in order. See blk.h. */
#include "backends/blk/blk.h"

#include <errno.h>
#include <string.h>

#define SECTORS_PER_PAGE 8u
#define PAGE_BYTES 4096u

/* --- request records --- */

static struct blk_req *get_req(struct blk_queue *q)
{
    struct blk_req *r = q->free;
    if (r)
        q->free = r->next_free;
    else
        r = host_alloc(sizeof(*r));
    if (r)
        memset(r, 0, offsetof(struct blk_req, want));
    return r;
}

static void put_req(struct blk_queue *q, struct blk_req *r)
{
    r->next_free = q->free;
    q->free = r;
}

/* --- the front's pages --- */

static void release_pages(struct blk_req *r)
{
    if (!r->npages)
        return;
    if (r->q->dev->persistent)
        for (unsigned i = 0; i < r->npages; i++)
            pgrant_put(&r->q->pages, r->page[i]);
    else
        host_unmap(&r->map);
    r->npages = 0;
}

/* What of this page a segment is. */
static struct disk_seg part_of(void *page, const struct blkif_request_segment *want)
{
    return (struct disk_seg){(uint8_t *)page + want->first_sect * DISK_SECTOR, (want->last_sect - want->first_sect + 1u) * DISK_SECTOR};
}

static int get_persistent(struct blk_req *r)
{
    int err = 0;
    struct pgrant_cache *pages = &r->q->pages;
    for (unsigned i = 0, n = r->nsegs; i < n; i++) {
        struct pgrant *g = pgrant_get(pages, r->want[i].gref, &err);
        if (!g)
            break;
        r->page[i] = g;
        r->seg[i] = part_of(g->addr, &r->want[i]);
        r->npages = i + 1;
    }
    if (err)
        release_pages(r);
    return err;
}

static int get_mapped(struct blk_req *r)
{
    uint32_t refs[BLK_MAX_SEGS];
    for (unsigned i = 0; i < r->nsegs; i++)
        refs[i] = r->want[i].gref;
    int rc = host_map(&r->map, r->q->dev->xb->domid, refs, r->nsegs, r->data_op == DISK_WRITE);
    if (rc)
        return rc;
    r->npages = r->nsegs;
    for (unsigned i = 0; i < r->nsegs; i++)
        r->seg[i] = part_of((uint8_t *)r->map.addr + i * PAGE_BYTES, &r->want[i]);
    return 0;
}

/* Pages for all segments. 0; -EAGAIN when its queue's others hold too many, -ENOMEM or -ENOSPC when other fronts do; other: the front's grants are no good. */
static int get_pages(struct blk_req *r)
{
    if (!r->nsegs || r->npages)
        return 0;
    return r->q->dev->persistent ? get_persistent(r) : get_mapped(r);
}

/* --- answers --- */

/* Publish what is done, as far as it goes; `ended` is new. */
static void publish(struct blk_queue *q, struct blk_req *ended)
{
    struct blk_req *r;
    while (blk_inflight(q) && (r = blk_next_answer(q, ended))) {
        struct blkif_response rsp;
        memset(&rsp, 0, sizeof(rsp));
        rsp.id = r->id;
        rsp.operation = r->op;
        rsp.status = r->status;
        *blk_window(q, r->index) = NULL;
        ring_put(&q->ring, &rsp, sizeof(rsp));
        put_req(q, r);
    }
    if (ring_push(&q->ring))
        host_event_send(q->port);
}

static int16_t status_of(int error)
{
    return error == 0 ? BLKIF_RSP_OKAY : error == -EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;
}

static void finish(struct blk_req *r, int error)
{
    struct blk_queue *q = r->q;
    release_pages(r);
    if (q->exclusive == r)
        q->exclusive = NULL;
    r->status = status_of(error);
    r->finished = true;
    publish(q, r);
}

/* --- turns --- */

static struct host_timer next_turn;
static uint64_t next_turn_at; /* 0 = not set */

static void turns_due(void *arg)
{
    next_turn_at = 0;
    blk_turns();
}

/* The queue goes on at this time, once the others had their turn. */
static void turn_over(struct blk_queue *q, uint64_t when)
{
    q->waits_for_turn = true;
    if (next_turn_at && next_turn_at <= when)
        return;
    next_turn_at = when;
    next_turn.fn = turns_due;
    host_timer_set(&next_turn, when);
}

/* --- running --- */

static void done(struct disk_req *dr, int error)
{
    struct blk_req *r = (struct blk_req *)dr;
    struct blk_queue *q = r->q;
    r->submitted = false;
    q->busy--;
    if (r->flush_first && !error && !q->dying) {
        r->flush_first = false;
        q->held = r; /* free: an exclusive request has nobody behind it; queue_run() starts it again */
    } else {
        finish(r, error);
    }
    if (q->dying) {
        if (!q->busy)
            blk_queue_idle(q->dev);
    } else {
        queue_run(q);
    }
}

/* Hand the request, or the flush before it, to the disk. 0 or -EBUSY. done() may come before this returns. */
static int submit(struct blk_req *r)
{
    struct blk_queue *q = r->q;
    struct disk *disk = q->dev->disk;
    memset(&r->dr, 0, sizeof(r->dr));
    r->dr.op = r->flush_first ? DISK_FLUSH : r->data_op;
    r->dr.done = done;
    if (!r->flush_first) {
        r->dr.fua = r->fua;
        r->dr.sector = r->sector;
        r->dr.sectors = r->sectors;
        r->dr.seg = r->seg;
        r->dr.nsegs = r->nsegs;
    }
    q->busy++;
    r->submitted = true;
    int rc = disk->ops->submit(disk, &r->dr);
    if (rc) {
        q->busy--;
        r->submitted = false;
    }
    return rc;
}

/* 0: on its way or already answered. -EBUSY: hold it. */
static int start(struct blk_req *r)
{
    struct blk_queue *q = r->q;
    if (r->exclusive && r->index != q->ring.rsp_pvt)
        return -EBUSY;
    int rc = get_pages(r);
    if (rc == -EAGAIN && q->busy)
        return -EBUSY;
    if (rc == -ENOMEM || rc == -ENOSPC) { /* others have what there is: no fault of this front's */
        turn_over(q, host_now() + BLK_ROOM_NS);
        return -EBUSY;
    }
    if (rc) {
        q->wrong++;
        finish(r, -EIO);
        return 0;
    }
    if (r->exclusive)
        q->exclusive = r;
    return submit(r);
}

/* --- checks --- */

/* The segments of an indirect request, by persistent page or grant copy. */
static int read_indirect(struct blk_req *r, uint32_t ref)
{
    unsigned bytes = r->nsegs * sizeof(r->want[0]);
    int err = 0;
    if (r->q->dev->persistent) {
        struct pgrant *g = pgrant_get(&r->q->pages, ref, &err);
        const volatile uint64_t *from = g ? g->addr : NULL;
        for (unsigned i = 0; g && i < r->nsegs; i++) {
            uint64_t word = from[i];
            memcpy(&r->want[i], &word, sizeof(word));
        }
        if (g)
            pgrant_put(&r->q->pages, g);
        if (g || err == -EINVAL)
            return err;
    }
    struct host_copy op = {.ref = ref, .dom = r->q->dev->xb->domid, .len = (uint16_t)bytes, .local = r->want};
    return host_copy(&op, 1) ? -EIO : 0;
}

static int check_segments(struct blk_req *r)
{
    r->sectors = 0;
    for (unsigned i = 0; i < r->nsegs; i++) {
        if (r->want[i].first_sect > r->want[i].last_sect || r->want[i].last_sect >= SECTORS_PER_PAGE)
            return -EINVAL;
        r->sectors += r->want[i].last_sect - r->want[i].first_sect + 1u;
    }
    return 0;
}

static int check_range(const struct blk_req *r)
{
    const struct disk *disk = r->q->dev->disk;
    unsigned unit = disk->logical > DISK_SECTOR ? disk->logical / DISK_SECTOR : 1;
    if (r->sectors == 0 || r->sector > disk->sectors || r->sectors > disk->sectors - r->sector)
        return -EINVAL;
    return r->sector % unit || r->sectors % unit ? -EINVAL : 0;
}

static int check_data(struct blk_req *r, uint8_t op)
{
    r->data_op = op == BLKIF_OP_READ ? DISK_READ : DISK_WRITE;
    if (r->data_op == DISK_WRITE && r->q->dev->readonly)
        return -EROFS;
    int rc = check_segments(r);
    return rc ? rc : check_range(r);
}

static int check_direct(struct blk_req *r, const struct blkif_request *req)
{
    if (req->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
        return -EINVAL;
    r->nsegs = req->nr_segments;
    r->sector = req->sector_number;
    memcpy(r->want, req->seg, r->nsegs * sizeof(r->want[0]));
    if (req->operation == BLKIF_OP_FLUSH_DISKCACHE || req->operation == BLKIF_OP_WRITE_BARRIER) {
        r->fua = req->operation == BLKIF_OP_WRITE_BARRIER;
        r->exclusive = r->fua || r->nsegs;
        r->data_op = DISK_FLUSH;
        if (r->nsegs == 0)
            return 0;
        r->flush_first = true;
    }
    return check_data(r, req->operation);
}

static int check_indirect(struct blk_req *r, const struct blkif_request *raw)
{
    struct blkif_request_indirect req;
    memcpy(&req, raw, sizeof(req));
    r->op = req.indirect_op;
    r->id = req.id;
    if (req.indirect_op != BLKIF_OP_READ && req.indirect_op != BLKIF_OP_WRITE)
        return -EINVAL;
    if (req.nr_segments == 0 || req.nr_segments > BLK_MAX_SEGS)
        return -EINVAL;
    r->nsegs = req.nr_segments;
    r->sector = req.sector_number;
    int rc = read_indirect(r, req.indirect_grefs[0]);
    if (rc == 0)
        rc = check_data(r, req.indirect_op);
    return rc;
}

static int check_discard(struct blk_req *r, const struct blkif_request *raw)
{
    struct blkif_request_discard req;
    memcpy(&req, raw, sizeof(req));
    r->data_op = DISK_DISCARD;
    r->sector = req.sector_number;
    r->sectors = req.nr_sectors;
    if (!r->q->dev->discard)
        return -EOPNOTSUPP;
    return r->q->dev->readonly ? -EROFS : check_range(r);
}

/* Decode and check a request that is already our own copy. 0 or the error to answer. */
static int check(struct blk_req *r, const struct blkif_request *req)
{
    _Static_assert(BLK_MAX_SEGS * sizeof(struct blkif_request_segment) <= PAGE_BYTES, "one indirect page");
    int rc = -EINVAL;
    r->op = req->operation;
    r->id = req->id;
    switch (req->operation) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
    case BLKIF_OP_WRITE_BARRIER:
    case BLKIF_OP_FLUSH_DISKCACHE:
        rc = check_direct(r, req);
        break;
    case BLKIF_OP_DISCARD:
        rc = check_discard(r, req);
        break;
    case BLKIF_OP_INDIRECT:
        rc = check_indirect(r, req);
        break;
    default:
        rc = -EOPNOTSUPP;
    }
    return rc;
}

/* --- the loop --- */

/* Take the next request, if there is one and room for it. true: go on. */
static bool take_one(struct blk_queue *q)
{
    struct blkif_request req;
    int n = ring_pending(&q->ring);
    if (n < 0) {
        blk_ring_broken(q->dev, "req_prod is beyond the ring");
        return false;
    }
    if (n == 0) {
        q->turn++; /* a front may move req_prod to and fro */
        return ring_final_check(&q->ring);
    }
    if (blk_inflight(q) >= (q->dev->nqueues > 1 ? BLK_MAX_INFLIGHT / 2 : BLK_MAX_INFLIGHT))
        return false; /* done() comes back here */
    struct blk_req *r = get_req(q);
    if (!r)
        return false; /* a queue owns one from the start: others are in flight */
    r->q = q;
    r->index = ring_take(&q->ring, &req, sizeof(req));
    *blk_window(q, r->index) = r;
    int rc = check(r, &req);
    q->dev->took++;
    q->taken++;
    q->wrong += rc != 0;
    q->turn += 1 + r->nsegs / 8;
    if (rc)
        finish(r, rc);
    else if (start(r) == -EBUSY)
        q->held = r;
    return true;
}


void queue_run(struct blk_queue *q)
{
    q->again = true;
    if (q->running)
        return;
    uint64_t begin = host_now();
    q->running = true;
    q->taken = q->wrong = 0;
    while (q->again && !q->dying && q->turn < BLK_TURN) {
        q->again = false;
        struct blk_req *r = q->held;
        q->held = NULL;
        if (r && start(r) == -EBUSY)
            q->held = r;
        while (!q->held && !q->exclusive && !q->dying && !q->dev->resting && q->turn < BLK_TURN && take_one(q))
            ;
    }
    if (q->turn >= BLK_TURN)
        turn_over(q, host_now());
    if (q->wrong)
        blk_wasted(q->dev, (host_now() - begin) * q->wrong / (q->taken > q->wrong ? q->taken : q->wrong));
    q->running = false;
    if (q->dying && !q->busy)
        blk_queue_idle(q->dev);
}

/* For progress.h: the oldest request that is not answered, unless the disk's driver has it and its timeout. */
static bool waits(void *arg, uint32_t *mark)
{
    struct blk_queue *q = arg;
    const struct disk *disk = q->dev->disk;
    struct blk_req *oldest = blk_inflight(q) ? *blk_window(q, q->ring.rsp_pvt) : NULL;
    *mark = q->ring.rsp_pvt;
    if (q->dev->resting)
        return false;
    if (!oldest)
        return ring_pending(&q->ring) > 0;
    return !(oldest->submitted && disk->ops->holds && disk->ops->holds(disk, &oldest->dr));
}

/* --- life --- */

static void queue_free(struct blk_queue *q)
{
    progress_remove(&q->progress);
    if (q->port >= 0)
        host_event_close(q->port);
    for (unsigned i = 0; i < BLK_MAX_INFLIGHT; i++)
        if (q->window[i]) {
            release_pages(q->window[i]);
            put_req(q, q->window[i]);
        }
    pgrant_drop_all(&q->pages);
    while (q->free) {
        struct blk_req *r = q->free;
        q->free = r->next_free;
        host_free(r);
    }
    if (q->ring_map.n)
        host_unmap(&q->ring_map);
    host_free(q);
}

bool queue_stop(struct blk_queue *q)
{
    q->dying = true;
    progress_remove(&q->progress);
    if (q->busy || q->running)
        return false;
    queue_free(q);
    return true;
}

static void event(void *arg)
{
    struct blk_queue *q = arg;
    struct blk_dev *dev = q->dev;
    uint64_t begin = host_now();
    uint32_t took = dev->took;
    if (q->dying || dev->resting)
        return;
    queue_run(q); /* q may be gone */
    if (dev->took != took)
        return;
    if (dev->idle_at == took) /* not the first event with nothing behind it since the last request */
        blk_wasted(dev, host_now() - begin + BLK_EVENT_NS);
    dev->idle_at = took;
}

int queue_connect(struct blk_dev *dev, unsigned n, const uint32_t *refs, unsigned nrefs, uint32_t remote_port, bool adopt)
{
    struct blk_queue *q = host_alloc(sizeof(*q));
    struct blk_req *r = q ? host_alloc(sizeof(*r)) : NULL;
    if (!r) {
        xb_error(dev->xb, "queue-%u: out of memory", n);
        host_free(q);
        return -ENOMEM;
    }
    q->dev = dev;
    q->port = -1;
    put_req(q, r);
    pgrant_init(&q->pages, dev->xb->domid, BLK_MAX_PERSISTENT);
    int rc = host_map(&q->ring_map, dev->xb->domid, refs, nrefs, false);
    if (rc) {
        q->ring_map.n = 0;
        xb_error(dev->xb, "queue-%u: ring-ref cannot be mapped (%d)", n, rc);
        goto fail;
    }
    rc = ring_attach(&q->ring, q->ring_map.addr, nrefs * PAGE_BYTES, sizeof(union blkif_sring_entry), !adopt);
    if (rc) {
        xb_error(dev->xb, "queue-%u: the ring's indices are broken", n);
        goto fail;
    }
    rc = q->port = host_event_bind(dev->xb->domid, remote_port, event, q);
    if (rc < 0) {
        xb_error(dev->xb, "queue-%u: event-channel %u cannot be bound (%d)", n, remote_port, rc);
        goto fail;
    }
    dev->queue[n] = q;
    q->progress = (struct progress){.waits = waits, .arg = q, .what = dev->xb->back};
    progress_add(&q->progress);
    return 0;
fail:
    queue_free(q);
    return rc;
}
