/* SPDX-License-Identifier: MIT */
/* NVMe queue pairs: slots, submission, completion. See nvme.h. */
#include "driverdoms/blk/nvme.h"
#include "driverdoms/blk/nvme_hw.h"

#include <errno.h>
#include <string.h>

int nvme_queue_init(struct nvme_queue *q, struct nvme_ctrl *c, uint16_t id, uint16_t depth, bool lists)
{
    unsigned sq_pages = (depth * 64u + NVME_PAGE - 1) / NVME_PAGE, cq_pages = (depth * 16u + NVME_PAGE - 1) / NVME_PAGE;
    q->c = c;
    q->id = id;
    q->depth = depth;
    q->sq = nvme_hw_pages(sq_pages);
    q->cq = nvme_hw_pages(cq_pages);
    q->slot = nvme_hw_alloc(depth * sizeof(*q->slot));
    uint8_t *list = lists ? nvme_hw_pages(depth) : NULL;
    if (!q->sq || !q->cq || !q->slot || (lists && !list))
        return -ENOMEM;
    for (unsigned i = depth - 1; i-- > 0;) { /* one less than the depth: a full queue looks empty */
        q->slot[i].cid = (uint16_t)i;
        q->slot[i].list = lists ? (uint64_t *)(list + i * NVME_PAGE) : NULL;
        q->slot[i].next_free = q->free;
        q->free = &q->slot[i];
    }
    q->phase = 1;
    return 0;
}

void nvme_queue_reset(struct nvme_queue *q)
{
    memset((void *)q->cq, 0, q->depth * sizeof(*q->cq));
    q->sq_tail = q->sq_rung = q->cq_head = 0;
    q->phase = 1;
}

struct nvme_slot *nvme_slot_get(struct nvme_queue *q)
{
    struct nvme_slot *s = q->free;
    if (!s)
        return NULL;
    q->free = s->next_free;
    q->used++;
    s->busy = true;
    s->aborted = false;
    s->retries = 0;
    s->req = NULL;
    s->ns = NULL;
    s->done = NULL;
    s->status = NULL;
    memset(&s->sqe, 0, sizeof(s->sqe));
    return s;
}

void nvme_slot_put(struct nvme_queue *q, struct nvme_slot *s)
{
    s->busy = false;
    s->next_free = q->free;
    q->free = s;
    q->used--;
}

void nvme_slot_send(struct nvme_queue *q, struct nvme_slot *s)
{
    s->sqe.cid = s->cid;
    s->deadline = nvme_hw_now() + q->c->timeout_ns;
    q->sq[q->sq_tail] = s->sqe;
    q->sq_tail = (uint16_t)((q->sq_tail + 1) % q->depth);
}

static unsigned doorbell(const struct nvme_queue *q, unsigned is_cq)
{
    return NVME_DOORBELL + (2u * q->id + is_cq) * q->c->stride;
}

void nvme_queue_ring(struct nvme_queue *q)
{
    if (q->sq_rung == q->sq_tail)
        return;
    q->sq_rung = q->sq_tail;
    __sync_synchronize(); /* the entries are in memory before the doorbell */
    nvme_hw_write(q->c->hw, doorbell(q, 0), q->sq_tail);
}

int nvme_queue_drain(struct nvme_queue *q)
{
    int rc = 0;
    unsigned n = 0;
    for (; n < q->depth; n++) {
        volatile struct nvme_cqe *e = &q->cq[q->cq_head];
        uint16_t status = e->status;
        if ((status & 1) != q->phase)
            break;
        __asm__ volatile("" ::: "memory"); /* the rest is read after the phase */
        uint16_t cid = e->cid;
        if (++q->cq_head == q->depth) {
            q->cq_head = 0;
            q->phase ^= 1;
        }
        if (cid >= q->depth - 1 || !q->slot[cid].busy) {
            rc = -EPROTO;
            continue;
        }
        q->ended(q, &q->slot[cid], status >> 1);
    }
    if (n)
        nvme_hw_write(q->c->hw, doorbell(q, 1), q->cq_head);
    return rc;
}
