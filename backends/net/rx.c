/* SPDX-License-Identifier: MIT */
/* From the switch to a front: packets wait for the front's buffers, are copied there in batches, answered in order. */
#include "backends/net/net.h"

#include <string.h>

#define PAGE_BYTES 4096u
#define JOIN_LOOK 8u /* packets back from the last that are looked at for one that another continues */

/* --- waiting --- */

/* What others leave free limits each: nobody can hold the whole pool. */
static bool no_big(const struct vif_queue *q)
{
    return q->wait_big >= NET_WAIT_BIG || q->wait_big > pkt_free_big();
}

/* Onto the segment that it follows, if that waits too. Packets of a flow stay in order: the last one that may be of its decides. */
static bool join(struct vif_queue *q, struct pkt *p)
{
    for (unsigned back = 1; back <= q->wait_n && back <= JOIN_LOOK; back++) {
        struct pkt **w = &q->wait[(q->wait_first + q->wait_n - back) % NET_WAIT_MAX];
        if ((*w)->ip && !pkt_same_flow(*w, p))
            continue;
        bool big = (*w)->big;
        if (!(*w)->ip || (!big && no_big(q)) || !pkt_join(w, p))
            return false;
        q->wait_big += !big;
        return true;
    }
    return false;
}

/* Whether the front takes large TCP packets of this family. */
static bool takes_gso(const struct vif *v, unsigned ip)
{
    return v->sg && (ip == 6 ? v->csum6 && v->gso6 : v->csum4 && v->gso4);
}

static void enqueue(struct pkt *p, void *arg)
{
    struct vif *v = arg;
    struct vif_queue *q = v->queue[v->nqueues > 1 ? pkt_flow(p) % v->nqueues : 0];
    if (p->validated && !p->gso && (p->ip || pkt_parse(p)) && p->proto == PKT_TCP && takes_gso(v, p->ip) && join(q, p))
        return;
    if ((p->big ? no_big(q) : q->wait_n > pkt_free_small()) || q->wait_n == NET_WAIT_MAX) {
        v->stats.rx_dropped++;
        pkt_put(p);
        return;
    }
    q->wait[(q->wait_first + q->wait_n++) % NET_WAIT_MAX] = p;
    q->wait_big += p->big;
    q->rx_dirty = true;
}

static struct pkt *dequeue(struct vif_queue *q)
{
    struct pkt *p = q->wait[q->wait_first];
    q->wait_first = (q->wait_first + 1) % NET_WAIT_MAX;
    q->wait_n--;
    q->wait_big -= p->big;
    return p;
}

void rx_forget(struct vif_queue *q)
{
    while (q->wait_n)
        pkt_put(dequeue(q));
}

static void enqueue_segment(struct pkt *s, void *arg)
{
    struct vif *v = arg;
    if (!(s->ip == 6 ? v->csum6 : v->csum4))
        pkt_checksum(s);
    enqueue(s, v);
}

/* As the front takes it: checksums and segments that it cannot handle are done here, before anybody else has p. */
void rx_queue(struct vif *v, struct pkt *p)
{
    bool csum = p->ip == 6 ? v->csum6 : v->csum4;
    if (p->gso && !takes_gso(v, p->gso)) {
        pkt_segment(p, enqueue_segment, v);
        pkt_put(p);
        return;
    }
    if (p->csum_blank && !csum)
        pkt_checksum(p);
    if (p->len > PAGE_BYTES && !v->sg) {
        v->stats.rx_dropped++;
        pkt_put(p);
        return;
    }
    enqueue(p, v);
}

/* --- copying --- */

struct batch {
    unsigned n, nops;
    struct { struct pkt *p; struct nring_rx_note note; unsigned op, nops; } item[NET_BATCH];
    struct host_copy op[NET_BATCH + NET_MAX_DATA_SLOTS];
};
static struct batch batch; /* one queue at a time */

/* Of its first page a large packet may fill the end only (pkt_shift). */
static uint32_t first_bytes(const struct pkt *p)
{
    uint32_t room = PAGE_BYTES - ((uintptr_t)p->data & (PAGE_BYTES - 1));
    return p->len < room ? p->len : room;
}

static unsigned slots_of(const struct pkt *p)
{
    return 1 + (p->len - first_bytes(p) + PAGE_BYTES - 1) / PAGE_BYTES + (p->gso != 0);
}

/* Enough buffers for n slots? Otherwise the front shall say when. */
static int have_slots(struct vif_queue *q, unsigned n)
{
    int pending = ring_pending(&q->rx);
    if (pending >= 0 && (unsigned)pending < n) {
        q->rx.shared->req_event = q->rx.req_cons + n;
        __sync_synchronize(); /* the front sees the threshold before we look again */
        pending = ring_pending(&q->rx);
    }
    return pending < 0 ? pending : (unsigned)pending >= n;
}

bool rx_waits(void *arg, uint32_t *mark)
{
    struct vif_queue *q = arg;
    *mark = q->rx.rsp_pvt;
    return q->wait_n && ring_pending(&q->rx) >= (int)slots_of(q->wait[q->wait_first]);
}

static void take(struct vif_queue *q, struct pkt *p)
{
    unsigned i = batch.n++, slots = slots_of(p), at = 0;
    if (p->joined)
        pkt_seal(p);
    struct nring_rx_note *n = &batch.item[i].note;
    memset(n, 0, sizeof(*n));
    n->slots = (uint16_t)slots;
    n->len = p->len;
    n->first = (uint16_t)first_bytes(p);
    n->mss = p->mss;
    n->gso = p->gso == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : p->gso ? XEN_NETIF_GSO_TYPE_TCPV6 : 0;
    n->flags = p->csum_blank ? NETRXF_csum_blank | NETRXF_data_validated : p->validated ? NETRXF_data_validated : 0;
    batch.item[i].p = p;
    batch.item[i].op = batch.nops;
    for (unsigned s = 0; s < slots; s++) {
        struct netif_rx_request req;
        ring_take(&q->rx, &req, sizeof(req));
        if (p->gso && s == 1)
            continue; /* its slot carries the extra info, its buffer nothing */
        uint32_t room = s ? PAGE_BYTES : n->first, bytes = p->len - at < room ? p->len - at : room;
        batch.op[batch.nops++] = (struct host_copy){.ref = req.gref, .dom = q->vif->xb->domid, .len = (uint16_t)bytes,
                                                    .to_guest = true, .local = p->data + at, .status = -1};
        at += bytes;
    }
    batch.item[i].nops = batch.nops - batch.item[i].op;
}

static void answer(struct vif_queue *q, unsigned i)
{
    struct pkt *p = batch.item[i].p;
    struct vif_stats *stats = &q->vif->stats;
    for (unsigned k = 0; k < batch.item[i].nops; k++)
        if (batch.op[batch.item[i].op + k].status)
            batch.item[i].note.error = 1;
    if (batch.item[i].note.error) {
        stats->rx_errors++;
    } else {
        stats->rx_packets++;
        stats->rx_bytes += p->len;
    }
    nring_rx_answer(&q->rx, &batch.item[i].note);
    q->vif->took++;
    pkt_put(p);
}

void rx_run(struct vif_queue *q)
{
    int rc = 1;
    q->rx_dirty = false;
    while (q->wait_n && rc > 0) {
        batch.n = batch.nops = 0;
        while (q->wait_n && batch.n < NET_BATCH && batch.nops < NET_BATCH &&
               (rc = have_slots(q, slots_of(q->wait[q->wait_first]))) > 0)
            take(q, dequeue(q));
        if (batch.nops)
            host_copy(batch.op, batch.nops);
        for (unsigned i = 0; i < batch.n; i++)
            answer(q, i);
    }
    if (ring_push(&q->rx))
        host_event_send(q->rx_port);
    if (rc < 0)
        vif_broken(q->vif, "rx: req_prod is beyond the ring");
}
