/* SPDX-License-Identifier: MIT */
/* Disk requests to NVMe commands: pieces, PRPs, endings. See nvme.h. */
#include "driverdoms/blk/nvme.h"
#include "driverdoms/blk/nvme_hw.h"

#include <errno.h>
#include <string.h>

/* The driver's words in a request (disk_req.driver). */
struct track {
    struct disk_req *next;   /* waiting requests of a namespace */
    uint64_t sent;           /* sectors handed to the controller so far */
    uint32_t seg_at;         /* bytes of segment seg sent */
    int32_t error;           /* first one */
    uint16_t seg, pieces;    /* pieces: commands not ended */
    bool all_sent;
};
_Static_assert(sizeof(struct track) <= sizeof(((struct disk_req *)0)->driver), "disk_req.driver");

static struct track *track_of(struct disk_req *r)
{
    return (struct track *)r->driver;
}

static void maybe_done(struct disk_req *r)
{
    struct track *t = track_of(r);
    if (t->all_sent && t->pieces == 0)
        r->done(r, t->error);
}

/* --- pieces --- */

/* Steps over so much of the segments. */
static void advance(struct disk_req *r, uint32_t bytes)
{
    struct track *t = track_of(r);
    while (bytes) {
        uint32_t n = r->seg[t->seg].bytes - t->seg_at;
        if (n > bytes)
            n = bytes;
        bytes -= n;
        t->seg_at += n;
        if (t->seg_at == r->seg[t->seg].bytes) {
            t->seg++;
            t->seg_at = 0;
        }
    }
}

/* Gather as much as PRPs can describe (only the first may start inside a page, only the last may end in one) into the
 * slot's list, and step over it. Returns its bytes, a multiple of the block size; 0 when even the first block cannot be described. */
static uint32_t gather(const struct nvme_slot *s, struct disk_req *r)
{
    struct track *t = track_of(r);
    const struct disk_seg *seg = r->seg + t->seg, *last = r->seg + r->nsegs;
    uint32_t bytes = 0, max = s->ns->c->piece_max, at = t->seg_at, block = 1u << s->ns->shift;
    uint64_t end = 0, *list = s->list;
    unsigned n = 0;
    while (seg < last && bytes < max) {
        uint64_t addr = (uint64_t)(uintptr_t)seg->addr + at;
        uint32_t len = NVME_PAGE - (uint32_t)(addr & (NVME_PAGE - 1)), left = seg->bytes - at;
        if (len > left)
            len = left;
        if (len > max - bytes)
            len = max - bytes;
        if (addr == end && (addr & (NVME_PAGE - 1))) {
            /* goes on inside the same page */
        } else if (n && ((addr | end) & (NVME_PAGE - 1))) {
            break;
        } else {
            list[n++] = addr;
        }
        end = addr + len;
        bytes += len;
        at = len < left ? at + len : 0;
        seg += !at;
    }
    if (bytes % block) {
        bytes -= bytes % block;
        advance(r, bytes);
    } else {
        t->seg = (uint16_t)(seg - r->seg);
        t->seg_at = at;
    }
    return bytes;
}

static void set_prps(struct nvme_slot *s, uint32_t bytes)
{
    uint32_t offset = (uint32_t)(s->list[0] & (NVME_PAGE - 1));
    uint32_t pages = (offset + bytes + NVME_PAGE - 1) / NVME_PAGE;
    s->sqe.prp1 = s->list[0];
    s->sqe.prp2 = pages == 1 ? 0 : pages == 2 ? s->list[1] : (uint64_t)(uintptr_t)&s->list[1];
}

static int fill_data(struct nvme_slot *s, struct disk_req *r)
{
    struct track *t = track_of(r);
    unsigned to_block = s->ns->shift - 9;
    uint32_t bytes = gather(s, r);
    uint64_t lba = (r->sector + t->sent) >> to_block;
    if (!bytes)
        return -EINVAL;
    set_prps(s, bytes);
    s->sqe.opcode = r->op == DISK_READ ? NVME_CMD_READ : NVME_CMD_WRITE;
    s->sqe.cdw10 = (uint32_t)lba;
    s->sqe.cdw11 = (uint32_t)(lba >> 32);
    s->sqe.cdw12 = ((bytes >> s->ns->shift) - 1) | (r->fua && r->op == DISK_WRITE ? NVME_FUA : 0);
    t->sent += bytes / DISK_SECTOR;
    t->all_sent = t->sent == r->sectors;
    return 0;
}

/* One range of at most 2^32 - 1 blocks; blocks only partly in the request are left alone. */
static int fill_discard(struct nvme_slot *s, struct disk_req *r)
{
    struct track *t = track_of(r);
    unsigned to_block = s->ns->shift - 9;
    uint64_t unit = 1ull << to_block;
    uint64_t first = (r->sector + t->sent + unit - 1) >> to_block, end = (r->sector + r->sectors) >> to_block;
    uint64_t blocks = end > first ? end - first : 0;
    if (blocks > UINT32_MAX)
        blocks = UINT32_MAX;
    s->list[0] = blocks << 32; /* attributes 0, length */
    s->list[1] = first;
    s->sqe.opcode = NVME_CMD_DSM;
    s->sqe.prp1 = (uint64_t)(uintptr_t)s->list;
    s->sqe.cdw10 = 0;          /* one range */
    s->sqe.cdw11 = 1u << 2;    /* deallocate */
    t->all_sent = first + blocks >= end;
    t->sent = ((first + blocks) << to_block) - r->sector;
    return blocks ? 0 : -EALREADY;
}

/* Make the next piece of r the slot's command. 0; else this piece cannot be sent (-EALREADY: nothing to do). */
static int fill(struct nvme_slot *s, struct disk_req *r)
{
    s->sqe.nsid = s->ns->nsid;
    if (r->op == DISK_READ || r->op == DISK_WRITE)
        return fill_data(s, r);
    if (r->op == DISK_DISCARD)
        return fill_discard(s, r);
    s->sqe.opcode = NVME_CMD_FLUSH;
    track_of(r)->all_sent = true;
    return 0;
}

static void send_piece(struct nvme_ns *ns)
{
    struct nvme_queue *q = &ns->c->io;
    struct disk_req *r = ns->head;
    struct track *t = track_of(r);
    struct nvme_slot *s = nvme_slot_get(q);
    s->req = r;
    s->ns = ns;
    int rc = fill(s, r);
    if (rc) {
        nvme_slot_put(q, s);
        t->all_sent = true;
        if (rc != -EALREADY && !t->error)
            t->error = rc;
    } else {
        t->pieces++;
        nvme_slot_send(q, s);
    }
    if (!t->all_sent)
        return;
    ns->head = t->next;
    if (!ns->head)
        ns->tail = NULL;
    maybe_done(r);
}

void nvme_io_pump(struct nvme_ctrl *c)
{
    unsigned idle = 0;
    while (c->state == NVME_LIVE && c->n_ns && idle < c->n_ns && c->io.free) {
        struct nvme_ns *ns = &c->ns[c->next_ns];
        c->next_ns = (c->next_ns + 1) % c->n_ns;
        idle = ns->head ? 0 : idle + 1;
        if (ns->head)
            send_piece(ns);
    }
    if (c->io.sq_rung != c->io.sq_tail && !c->bell_due) {
        c->bell_due = true;
        nvme_hw_defer(c->hw);
    }
    if (c->io.used && !c->timer_on) {
        c->timer_on = true;
        nvme_hw_timer(c->hw, nvme_hw_now() + NVME_CHECK_NS);
    }
}

/* --- endings --- */

/* Status code and type (section 4.6.1) of an error that may go away by itself. */
static bool passing(uint16_t status)
{
    unsigned code = status & 0xff, type = status >> 8 & 7;
    if (status & 0x4000) /* do not retry */
        return false;
    if (type == 3) /* path related */
        return true;
    return type == 0 && (code == 0x06 || code == 0x07 || code == 0x08 || code == 0x82);
}

static int error_of(uint16_t status)
{
    unsigned code = status & 0xff, type = status >> 8 & 7;
    if (type == 0 && code == 0)
        return 0;
    return type == 0 && code == 0x01 ? -EOPNOTSUPP : -EIO;
}

void nvme_io_ended(struct nvme_queue *q, struct nvme_slot *s, uint16_t status)
{
    struct disk_req *r = s->req;
    struct track *t = track_of(r);
    int error = error_of(status);
    if (error && passing(status) && s->retries < NVME_RETRIES_MAX) {
        s->retries++;
        s->aborted = false;
        nvme_slot_send(q, s);
        return;
    }
    if (error)
        nvme_hw_log("%s: command %02xh at sector %llu ends with status %03xh", s->ns->disk.name, s->sqe.opcode,
                    (unsigned long long)r->sector, status & 0x7ff);
    else
        q->c->resets = 0;
    nvme_slot_put(q, s);
    if (error && !t->error)
        t->error = error;
    t->pieces--;
    maybe_done(r);
}

void nvme_io_fail_all(struct nvme_ctrl *c)
{
    for (unsigned i = 0; i + 1 < c->io.depth; i++) {
        struct nvme_slot *s = &c->io.slot[i];
        if (!s->busy)
            continue;
        struct disk_req *r = s->req;
        struct track *t = track_of(r);
        nvme_slot_put(&c->io, s);
        t->error = -ENXIO;
        t->pieces--;
        maybe_done(r); /* not yet, if it still waits below with pieces to send */
    }
    for (unsigned i = 0; i < c->n_ns; i++)
        while (c->ns[i].head) {
            struct disk_req *r = c->ns[i].head;
            c->ns[i].head = track_of(r)->next;
            if (!c->ns[i].head)
                c->ns[i].tail = NULL;
            track_of(r)->all_sent = true;
            track_of(r)->error = -ENXIO;
            maybe_done(r);
        }
}

/* --- the disk --- */

static int submit(struct disk *d, struct disk_req *r)
{
    struct nvme_ns *ns = (struct nvme_ns *)d;
    struct nvme_ctrl *c = ns->c;
    if (c->state == NVME_GONE) {
        r->done(r, -ENXIO);
        return 0;
    }
    if (!c->io.free) {
        c->starved = true;
        return -EBUSY;
    }
    memset(r->driver, 0, sizeof(r->driver));
    if (ns->tail)
        track_of(ns->tail)->next = r;
    else
        ns->head = r;
    ns->tail = r;
    nvme_io_pump(c);
    return 0;
}

/* Every command has its deadline, and what waits here waits for commands. */
static bool holds(const struct disk *d, const struct disk_req *r)
{
    const struct nvme_ns *ns = (const struct nvme_ns *)d;
    for (const struct disk_req *w = ns->head; w; w = ((const struct track *)w->driver)->next)
        if (w == r)
            return true;
    for (unsigned i = 0; i + 1 < ns->c->io.depth; i++)
        if (ns->c->io.slot[i].busy && ns->c->io.slot[i].req == r)
            return true;
    return false;
}

static const struct disk_ops ops = {.submit = submit, .holds = holds};

void nvme_ns_init(struct nvme_ns *ns, struct nvme_ctrl *c, uint32_t nsid, unsigned shift, uint64_t blocks, bool readonly)
{
    ns->c = c;
    ns->nsid = nsid;
    ns->shift = shift;
    ns->disk.ops = &ops;
    ns->disk.sectors = blocks << (shift - 9);
    ns->disk.logical = ns->disk.physical = 1u << shift;
    ns->disk.readonly = readonly;
    ns->disk.has_flush = true;
    ns->disk.has_discard = c->has_dsm && !readonly;
    ns->disk.discard_granularity = 1u << shift;
}
