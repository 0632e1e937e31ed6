/* SPDX-License-Identifier: MIT */
/*
 * From a front to the switch: packets are taken from the ring, copied in batches, answered in order, then switched.
 * The answer comes first: a packet that this domain dies of is not met again by its successor.
 */
#include "backends/net/net.h"

#include <string.h>

#define PAGE_BYTES 4096u

enum taken { TAKEN_NONE, TAKEN_ONE, TAKEN_BROKEN };
struct item {
    struct pkt *p; /* NULL: nothing to switch */
    struct nring_tx_note note;
    unsigned op, nops;
};
struct batch {
    unsigned n, nops;
    struct item item[NET_BATCH];
    struct host_copy op[NET_BATCH + 2 * NET_MAX_DATA_SLOTS];
};
static struct batch batch; /* one queue at a time */
static struct host_timer again;
static bool again_set;
static struct host_timer poll;
static bool poll_set;
static uint64_t moderation_ns;

/* One packet as the front describes it: our own copies of its slots. */
struct wanted {
    struct netif_tx_request slot[NET_MAX_DATA_SLOTS];
    unsigned n;
    struct netif_extra_info gso; /* type 0 = none */
    bool bad, dummy;
};

/* --- taking --- */

static void mcast(struct vif *v, const uint8_t *addr, bool add)
{
    unsigned i = 0;
    while (i < v->nmcast && memcmp(v->mcast[i], addr, 6))
        i++;
    if (!add && i < v->nmcast)
        memcpy(v->mcast[i], v->mcast[--v->nmcast], 6);
    else if (add && i == v->nmcast && i < NET_MAX_MCAST)
        memcpy(v->mcast[v->nmcast++], addr, 6);
    else if (add && i == v->nmcast)
        v->mcast_filter = false; /* more than we keep: the front gets all of them */
}

static void extra(struct vif *v, struct wanted *w, const struct netif_extra_info *x)
{
    switch (x->type) {
    case XEN_NETIF_EXTRA_TYPE_GSO:
        w->gso = *x;
        break;
    case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
    case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
        mcast(v, x->u.mcast.addr, x->type == XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
        w->dummy = true;
        break;
    case XEN_NETIF_EXTRA_TYPE_HASH:
        break;
    default:
        w->bad = true;
    }
}

/* Copy one packet's slots; the note gets their number and which are extra info. */
static enum taken take_slots(struct vif_queue *q, struct wanted *w, struct nring_tx_note *note, const char **why)
{
    int pending = ring_pending(&q->tx);
    bool more = true;
    w->n = 0; /* slots beyond it are nobody's */
    w->gso.type = 0;
    w->bad = w->dummy = false;
    memset(note, 0, sizeof(*note));
    *why = "tx: req_prod is beyond the ring";
    if (pending <= 0)
        return pending ? TAKEN_BROKEN : TAKEN_NONE;
    for (bool extras = false; more || extras; note->slots++) {
        *why = pending == 0 ? "tx: a packet is incomplete" : "tx: a packet has too many slots";
        if (pending-- == 0)
            return TAKEN_BROKEN;
        if (extras) {
            struct netif_extra_info x;
            if (note->slots > NET_MAX_EXTRAS)
                return TAKEN_BROKEN;
            note->extras |= 1u << note->slots;
            ring_take(&q->tx, &x, sizeof(x));
            extra(q->vif, w, &x);
            extras = x.flags & XEN_NETIF_EXTRA_FLAG_MORE;
        } else {
            if (w->n == NET_MAX_DATA_SLOTS)
                return TAKEN_BROKEN;
            struct netif_tx_request *r = &w->slot[w->n++];
            ring_take(&q->tx, r, sizeof(*r));
            more = r->flags & NETTXF_more_data;
            extras = w->n == 1 && (r->flags & NETTXF_extra_info);
        }
    }
    return TAKEN_ONE;
}

/* The first slot tells the size of all; make it that of its own part. False: the sizes lie. */
static bool check_sizes(struct wanted *w, uint32_t *total)
{
    uint32_t rest = 0;
    *total = w->slot[0].size;
    for (unsigned i = 1; i < w->n; i++)
        rest += w->slot[i].size;
    if (*total < PKT_ETH || rest >= *total)
        return false;
    w->slot[0].size = (uint16_t)(*total - rest);
    for (unsigned i = 0; i < w->n; i++)
        if (w->slot[i].size == 0 || (uint32_t)w->slot[i].offset + w->slot[i].size > PAGE_BYTES)
            return false;
    return true;
}

static bool check_gso(const struct wanted *w, struct pkt *p)
{
    if (!w->gso.type)
        return true;
    if (w->gso.u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 && w->gso.u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6)
        return false;
    p->gso = w->gso.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4 ? 4 : 6;
    p->mss = w->gso.u.gso.size;
    return p->mss >= PKT_MSS_MIN;
}

/* Where in its first page a large packet has to start for our pages to be the front's: what is behind the first part that ends with
 * its page then takes one copy a page, not two. */
static uint32_t shift_of(const struct wanted *w, uint32_t total)
{
    uint32_t bytes = 0;
    for (unsigned i = 0; i + 1 < w->n && total > 2 * PAGE_BYTES; i++) {
        bytes += w->slot[i].size;
        if ((uint32_t)w->slot[i].offset + w->slot[i].size == PAGE_BYTES)
            return -bytes % PAGE_BYTES;
    }
    return 0;
}

/* Grant copies of all parts; none crosses a page of ours. */
static void plan_copies(struct vif_queue *q, struct item *it, const struct wanted *w)
{
    uint32_t at = 0;
    it->op = batch.nops;
    for (unsigned i = 0; i < w->n; i++)
        for (uint32_t done = 0; done < w->slot[i].size;) {
            uint8_t *local = it->p->data + at;
            uint32_t room = PAGE_BYTES - ((uintptr_t)local & (PAGE_BYTES - 1)), left = w->slot[i].size - done;
            uint32_t bytes = left < room ? left : room;
            batch.op[batch.nops++] = (struct host_copy){
                .ref = w->slot[i].gref, .dom = q->vif->xb->domid, .offset = (uint16_t)(w->slot[i].offset + done),
                .len = (uint16_t)bytes, .local = local, .status = -1};
            done += bytes;
            at += bytes;
        }
    it->nops = batch.nops - it->op;
}

static enum taken take_one(struct vif_queue *q, const char **why)
{
    static struct wanted w;
    struct item *it = &batch.item[batch.n];
    uint32_t total;
    enum taken t = take_slots(q, &w, &it->note, why);
    if (t != TAKEN_ONE)
        return t;
    batch.n++;
    it->p = NULL;
    it->op = it->nops = 0;
    it->note.status = NETIF_RSP_ERROR;
    if (w.dummy && !w.bad) {
        it->note.status = NETIF_RSP_OKAY;
    } else if (!w.bad && check_sizes(&w, &total)) {
        it->p = pkt_new(total);
        rate_charge(&q->vif->rate, total);
        it->note.status = it->p ? NETIF_RSP_OKAY : NETIF_RSP_DROPPED;
        if (it->p && check_gso(&w, it->p)) {
            it->p->csum_blank = w.slot[0].flags & NETTXF_csum_blank;
            it->p->validated = w.slot[0].flags & (NETTXF_csum_blank | NETTXF_data_validated);
            pkt_shift(it->p, shift_of(&w, total));
            plan_copies(q, it, &w);
        } else if (it->p) {
            it->note.status = NETIF_RSP_ERROR;
            pkt_put(it->p);
            it->p = NULL;
        }
    }
    return t;
}

/* --- passing on --- */

/* What the front promised about the packet must be so, or it is no packet. */
static bool sound(struct pkt *p)
{
    bool known = pkt_parse(p);
    if (!p->gso)
        return known || !p->csum_blank;
    if (!known || p->proto != PKT_TCP || p->ip != p->gso || p->payload >= p->len)
        return false;
    if (p->len - p->payload <= p->mss)
        p->gso = 0;
    if (!p->csum_blank)
        pkt_pseudo(p, p->len - p->l4);
    p->csum_blank = p->validated = true;
    return true;
}

/* false: it was no packet. */
static bool pass_on(struct vif *v, struct item *it)
{
    struct pkt *p = it->p;
    v->took++;
    if (it->note.status == NETIF_RSP_OKAY && p && sound(p)) {
        v->stats.tx_packets++;
        v->stats.tx_bytes += p->len;
        switch_from_vif(v, p);
        return true;
    }
    bool wrong = p || it->note.status == NETIF_RSP_ERROR;
    if (p)
        pkt_put(p);
    v->stats.tx_errors += p || it->note.status != NETIF_RSP_OKAY;
    return !wrong;
}

/* Copy, answer and pass on what was taken. */
static void finish_batch(struct vif_queue *q)
{
    if (batch.nops)
        host_copy(batch.op, batch.nops);
    for (unsigned i = 0; i < batch.n; i++) {
        struct item *it = &batch.item[i];
        for (unsigned k = 0; k < it->nops; k++)
            if (batch.op[it->op + k].status)
                it->note.status = NETIF_RSP_ERROR;
        nring_tx_answer(&q->tx, &it->note);
    }
    if (ring_push(&q->tx))
        host_event_send(q->tx_port);
    for (unsigned i = 0; i < batch.n; i++)
        q->wrong += !pass_on(q->vif, &batch.item[i]);
    q->taken += batch.n;
}

/* --- running --- */

static void run_again(void *arg)
{
    (void)arg;
    tx_resume();
    switch_settle();
}

static void again_due(void *arg)
{
    again_set = false;
    run_again(arg);
}

static void later(struct vif_queue *q)
{
    q->tx_stalled = true;
    if (again_set)
        return;
    again_set = true;
    again.fn = again_due;
    host_timer_set(&again, host_now());
}

/* --- event moderation --- */

static void poll_due(void *arg)
{
    struct vif *next;
    poll_set = false;
    for (struct vif *v = vifs_up; v; v = next) {
        next = v->next;
        for (unsigned i = 0; i < v->nqueues && v->up; i++)
            if (v->queue[i]->tx_polled) {
                v->queue[i]->tx_polled = false;
                tx_run(v->queue[i]);
            }
    }
    switch_settle();
}

/* The ring is left without asking for an event: the timer looks at it. */
static void poll_soon(struct vif_queue *q)
{
    q->tx_polled = true;
    if (poll_set)
        return;
    poll_set = true;
    poll.fn = poll_due;
    host_timer_set(&poll, host_now() + moderation_ns);
}

void netback_moderate(uint64_t ns)
{
    moderation_ns = ns;
}

/* --- credit --- */

static void refilled(void *arg)
{
    ((struct vif *)arg)->refill_set = false;
    run_again(NULL);
}

/* Room for any packet and credit for one. */
static bool may_take(struct vif *v)
{
    if (!v->rate.bytes || rate_ready(&v->rate, host_now()))
        return switch_room(v);
    if (!v->refill_set) {
        v->refill_set = true;
        v->refill.fn = refilled;
        v->refill.arg = v;
        host_timer_set(&v->refill, v->rate.next_ns);
    }
    return false;
}

void tx_stop(struct vif *v)
{
    host_timer_cancel(&v->refill);
    v->refill_set = false;
}

/* true: go on. */
static bool run_batch(struct vif_queue *q)
{
    enum taken t = TAKEN_ONE;
    const char *why = "";
    batch.n = batch.nops = 0;
    while (batch.n < NET_BATCH && batch.nops < NET_BATCH && (q->tx_stalled = !may_take(q->vif)) == false &&
           (t = take_one(q, &why)) == TAKEN_ONE)
        ;
    q->tx_took |= batch.n != 0;
    finish_batch(q);
    if (t == TAKEN_BROKEN) {
        vif_broken(q->vif, why);
        return false;
    }
    if (q->tx_stalled)
        return false;
    if (t == TAKEN_ONE)
        return true;
    if (!q->tx_took || !moderation_ns)
        return ring_final_check(&q->tx);
    poll_soon(q);
    return false;
}

void tx_run(struct vif_queue *q)
{
    struct vif *v = q->vif;
    if (q->tx_running || v->resting)
        return;
    uint64_t begin = host_now();
    q->tx_running = true;
    q->tx_took = false;
    q->taken = q->wrong = 0;
    unsigned batches = 0;
    bool more = true;
    while (more && v->up && batches++ < NET_BUDGET / NET_BATCH)
        more = run_batch(q);
    if (!v->up)
        return; /* q is gone */
    q->tx_running = false;
    if (more)
        later(q);
    if (q->wrong)
        vif_wasted(v, (host_now() - begin) * q->wrong / q->taken);
}

bool tx_waits(void *arg, uint32_t *mark)
{
    struct vif_queue *q = arg;
    *mark = q->tx.rsp_pvt;
    return ring_pending(&q->tx) > 0 && !q->vif->resting && !(q->tx_stalled && (q->vif->refill_set || switch_wire_busy(q->vif)));
}

/* Another interface is the first each time: what one takes of the wire's room the others cannot. */
static void rotate(void)
{
    struct vif *first = vifs_up, **end = &vifs_up;
    if (!first)
        return;
    vifs_up = first->next;
    first->next = NULL;
    while (*end)
        end = &(*end)->next;
    *end = first;
}

void tx_resume(void)
{
    struct vif *next;
    rotate();
    for (struct vif *v = vifs_up; v; v = next) {
        next = v->next;
        for (unsigned i = 0; i < v->nqueues && v->up; i++)
            if (v->queue[i]->tx_stalled) {
                v->queue[i]->tx_stalled = false;
                tx_run(v->queue[i]);
            }
    }
}
