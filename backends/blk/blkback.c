/* SPDX-License-Identifier: MIT */
/* Devices of blkback: what is offered, negotiation, adoption, closing. See blkback.h and blk.h. */
#include "backends/blk/blk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

static const struct xb_ops ops;

/* --- the backend's own nodes --- */

static void dev_turns(struct blk_dev *dev)
{
    for (unsigned i = 0; i < dev->nqueues; i++) {
        struct blk_queue *q = dev->queue[i];
        if (q && !q->dying && (q->held || q->waits_for_turn)) {
            q->waits_for_turn = false;
            q->turn = 0;
            queue_run(q);
        }
    }
}

/* Another device is the first each time: what one takes (slots of the disk) the others cannot. */
void blk_turns(void)
{
    static unsigned first;
    unsigned n = 0, at = 0;
    for (struct xb_dev *d = xb_first(&ops); d; d = d->next)
        n++;
    first = n ? (first + 1) % n : 0;
    for (unsigned pass = 0; pass < 2; pass++, at = 0)
        for (struct xb_dev *d = xb_first(&ops); d; d = d->next)
            if (d->ops == &ops && d->priv && (at++ >= first) == (pass == 0))
                dev_turns(d->priv);
}

static void disk_ready(struct disk *disk, void *arg)
{
    (void)disk;
    (void)arg;
    blk_turns();
}

static void mute(struct blk_dev *dev, bool on)
{
    for (unsigned i = 0; i < BLK_MAX_QUEUES; i++)
        if (dev->queue[i])
            host_event_mute(dev->queue[i]->port, on);
}

static void rested(void *arg)
{
    struct blk_dev *dev = arg;
    if (patience_lost(&dev->patience, host_now())) {
        host_timer_set(&dev->rest, patience_when(&dev->patience));
        return;
    }
    dev->resting = false;
    mute(dev, false);
    for (unsigned i = 0; i < dev->nqueues; i++)
        if (dev->queue[i] && !dev->queue[i]->dying)
            queue_run(dev->queue[i]);
}

void blk_wasted(struct blk_dev *dev, uint64_t ns)
{
    uint64_t now = host_now();
    patience_spend(&dev->patience, now, ns);
    if (dev->resting || !patience_lost(&dev->patience, now))
        return;
    dev->resting = true;
    mute(dev, true);
    dev->rest.fn = rested;
    dev->rest.arg = dev;
    host_timer_set(&dev->rest, patience_when(&dev->patience));
}

/* Which disk, and what the front may do with it. */
static int open_disk(struct xb_dev *d)
{
    struct blk_dev *dev = d->priv;
    char target[sizeof(((struct disk *)0)->name)], mode[4] = "r";
    uint64_t discard;
    int rc = xb_read_str(d->back, "params", target, sizeof(target));
    if (rc) {
        xb_error(d, rc == -ENOENT ? "params is missing" : "params is longer than any disk's name");
        return -EINVAL;
    }
    dev->disk = disk_find(target);
    if (!dev->disk) {
        if (d->state == XenbusStateConnected) /* adopting: the driver may still be on its way */
            host_log("vbd %u/%u: waiting for disk %s", d->domid, d->devid, target);
        else
            xb_error(d, "params: there is no disk %s (yet)", target);
        return -EAGAIN;
    }
    if (dev->disk->gone) {
        xb_error(d, "params: disk %s is gone", target);
        return -ENXIO;
    }
    xb_read_str(d->back, "mode", mode, sizeof(mode));
    dev->readonly = mode[0] != 'w' || dev->disk->readonly;
    dev->discard = dev->disk->has_discard && !dev->readonly &&
                   (xb_read_uint(d->back, "discard-enable", 1, &discard) != 0 || discard);
    for (struct disk *p = dev->disk; p; p = p->parent)
        p->ready = disk_ready;
    return 0;
}

static struct blk_dev *dev_of(struct xb_dev *d)
{
    struct blk_dev *dev = d->priv;
    if (!dev && (dev = host_alloc(sizeof(*dev)))) {
        dev->xb = d;
        dev->idle_at = UINT32_MAX;
        d->priv = dev;
    }
    return dev;
}

static void publish_features(struct xb_dev *d, const struct blk_dev *dev)
{
    const struct disk *disk = dev->disk;
    unsigned logical = disk->logical < DISK_SECTOR ? DISK_SECTOR : disk->logical;
    xb_printf(d->back, "max-ring-page-order", "%u", BLK_MAX_ORDER);
    xb_printf(d->back, "max-ring-pages", "%u", 1u << BLK_MAX_ORDER);
    xb_printf(d->back, "multi-queue-max-queues", "%u", BLK_MAX_QUEUES);
    xb_printf(d->back, "feature-max-indirect-segments", "%u", BLK_MAX_SEGS);
    xb_printf(d->back, "feature-persistent", "1");
    xb_printf(d->back, "feature-flush-cache", "%u", disk->has_flush);
    xb_printf(d->back, "feature-barrier", "%u", disk->has_flush);
    xb_printf(d->back, "feature-discard", "%u", dev->discard);
    if (dev->discard) {
        xb_printf(d->back, "discard-granularity", "%u", disk->discard_granularity);
        xb_printf(d->back, "discard-alignment", "0");
        xb_printf(d->back, "discard-secure", "0");
    }
    xb_printf(d->back, "sectors", "%llu", (unsigned long long)disk->sectors);
    xb_printf(d->back, "sector-size", "%u", logical);
    xb_printf(d->back, "physical-sector-size", "%u", disk->physical < logical ? logical : disk->physical);
    xb_printf(d->back, "info", "%u", dev->readonly ? VDISK_READONLY : 0);
}

static int probe(struct xb_dev *d)
{
    struct blk_dev *dev = dev_of(d);
    if (!dev) {
        xb_error(d, "out of memory");
        return -ENOMEM;
    }
    int rc = open_disk(d);
    if (rc)
        return rc;
    publish_features(d, dev);
    return 0;
}

/* --- the front's nodes --- */

struct wire {
    unsigned queues, pages;
    struct { uint32_t refs[1 << BLK_MAX_ORDER], port; } queue[BLK_MAX_QUEUES];
};

/* A number the front may leave out. */
static int optional(struct xb_dev *d, const char *node, uint64_t min, uint64_t max, uint64_t def, uint64_t *v)
{
    int rc = xb_read_uint(d->front, node, max, v);
    if (rc == -ENOENT) {
        *v = def;
        return 0;
    }
    if (rc || *v < min) {
        xb_error(d, "front's %s is not a number from %llu to %llu", node, (unsigned long long)min,
                 (unsigned long long)max);
        return -EINVAL;
    }
    return 0;
}

static int needed(struct xb_dev *d, const char *node, uint32_t *v)
{
    uint64_t n;
    int rc = xb_read_uint(d->front, node, UINT32_MAX, &n);
    if (rc) {
        xb_error(d, "front's %s is %s", node, rc == -ENOENT ? "missing" : "not a 32-bit number");
        return -EINVAL;
    }
    *v = (uint32_t)n;
    return 0;
}

static int read_queue(struct xb_dev *d, struct wire *w, unsigned n)
{
    char prefix[24] = "", node[48];
    int rc = 0;
    if (w->queues > 1)
        snprintf(prefix, sizeof(prefix), "queue-%u/", n);
    for (unsigned i = 0; i < w->pages && !rc; i++) {
        if (w->pages == 1)
            snprintf(node, sizeof(node), "%sring-ref", prefix);
        else
            snprintf(node, sizeof(node), "%sring-ref%u", prefix, i);
        rc = needed(d, node, &w->queue[n].refs[i]);
    }
    snprintf(node, sizeof(node), "%sevent-channel", prefix);
    return rc ? rc : needed(d, node, &w->queue[n].port);
}

static int read_front(struct xb_dev *d, struct blk_dev *dev, struct wire *w)
{
    char protocol[24];
    uint64_t queues, order, persistent;
    int rc = xb_read_str(d->front, "protocol", protocol, sizeof(protocol));
    if (rc == -ERANGE || (rc == 0 && strcmp(protocol, XEN_IO_PROTO_ABI_X86_64))) {
        xb_error(d, "front's protocol is not " XEN_IO_PROTO_ABI_X86_64 ", and no other is served");
        return -EOPNOTSUPP;
    }
    if (optional(d, "multi-queue-num-queues", 1, BLK_MAX_QUEUES, 1, &queues) ||
        optional(d, "ring-page-order", 0, BLK_MAX_ORDER, 0, &order) ||
        optional(d, "feature-persistent", 0, 1, 0, &persistent))
        return -EINVAL;
    w->queues = (unsigned)queues;
    w->pages = 1u << order;
    dev->persistent = persistent;
    for (unsigned i = 0; i < w->queues; i++)
        if (read_queue(d, w, i))
            return -EINVAL;
    return 0;
}

/* --- connecting and letting go --- */

static bool stop_queues(struct blk_dev *dev)
{
    bool idle = true;
    for (unsigned i = 0; i < BLK_MAX_QUEUES; i++)
        if (dev->queue[i]) {
            if (queue_stop(dev->queue[i]))
                dev->queue[i] = NULL;
            else
                idle = false;
        }
    if (idle)
        dev->nqueues = 0;
    return idle;
}

static int connect(struct xb_dev *d, bool adopt)
{
    struct wire w;
    struct blk_dev *dev = dev_of(d);
    if (!dev)
        return -ENOMEM;
    int rc = adopt || !dev->disk ? open_disk(d) : 0;
    if (rc == 0)
        rc = read_front(d, dev, &w);
    if (rc)
        return rc;
    for (unsigned i = 0; i < w.queues; i++) {
        rc = queue_connect(dev, i, w.queue[i].refs, w.pages, w.queue[i].port, adopt);
        if (rc) {
            stop_queues(dev);
            return rc;
        }
        dev->nqueues = i + 1;
    }
    host_log("vbd %u/%u: %s %s%s, %u queue(s) of %u page(s)%s", d->domid, d->devid, adopt ? "adopted" : "connected",
             dev->disk->name, dev->readonly ? " read-only" : "", w.queues, w.pages,
             dev->persistent ? ", persistent grants" : "");
    return 0;
}

static void run(struct xb_dev *d)
{
    struct blk_dev *dev = d->priv;
    for (unsigned i = 0; i < dev->nqueues; i++) {
        if (!dev->queue[i])
            continue;
        host_event_send(dev->queue[i]->port); /* a predecessor may have answered and died before telling */
        queue_run(dev->queue[i]);
    }
}

static bool disconnect(struct xb_dev *d)
{
    return stop_queues(d->priv);
}

void blk_queue_idle(struct blk_dev *dev)
{
    if (stop_queues(dev))
        xb_let_go(dev->xb);
}

void blk_ring_broken(struct blk_dev *dev, const char *why)
{
    xb_error(dev->xb, "front broke the ring protocol: %s", why);
    xb_break(dev->xb);
}

static void forget(struct xb_dev *d)
{
    struct blk_dev *dev = d->priv;
    if (dev) {
        host_timer_cancel(&dev->ending);
        host_timer_cancel(&dev->rest);
    }
    host_free(dev);
    d->priv = NULL;
}

static const struct xb_ops ops = {
    .type = "vbd", .probe = probe, .connect = connect, .run = run, .disconnect = disconnect, .forget = forget,
};

/* --- disks that come and go --- */

static void end(void *arg)
{
    struct xb_dev *d = arg;
    if (d->connected)
        xb_break(d);
}

/* Disks have come: whoever waits for one may go on. */
static void look_for_disks(void *arg)
{
    struct xb_dev *next;
    for (struct xb_dev *d = xb_first(&ops); d; d = next) {
        next = d->next;
        if (d->ops == &ops)
            xb_again(d);
    }
}

static void disk_changed(struct disk *disk, const char *why)
{
    static struct host_work look = {.fn = look_for_disks};
    if (!why)
        host_defer(&look);
    for (struct xb_dev *d = xb_first(&ops); why && d; d = d->next) {
        struct blk_dev *dev = d->priv;
        if (d->ops == &ops && dev && dev->disk == disk) {
            xb_error(d, "disk %s is gone: %s", disk->name, why);
            dev->ending.fn = end;
            dev->ending.arg = d;
            host_timer_set(&dev->ending, host_now() + BLK_ENDING_NS);
        }
    }
}

static int no_disk(struct disk *d, struct disk_req *r)
{
    r->done(r, -ENXIO);
    return 0;
}

static const struct disk_ops no_disk_ops = {.submit = no_disk};

/* The front's ring is adopted once more, on a disk that fails everything, so that nobody waits for ever. */
static bool lose(struct xb_dev *d, const char *why)
{
    struct disk *none = host_alloc(sizeof(*none));
    if (!none || xb_read_str(d->back, "params", none->name, sizeof(none->name))) {
        host_free(none);
        return false;
    }
    none->ops = &no_disk_ops;
    none->has_flush = none->has_discard = true;
    disk_register(none);
    xb_again(d); /* blkback connects */
    disk_gone(none, why); /* and lets go */
    return true;
}

static void lose_all(void *arg)
{
    const char *why = arg;
    struct xb_dev *d = xb_first(&ops);
    while (d) {
        if (d->ops == &ops && d->state == XenbusStateConnected && !d->connected && !d->letting_go && lose(d, why))
            d = xb_first(&ops); /* the list may have changed */
        else
            d = d->next;
    }
}

void blkback_lost(const char *why)
{
    static struct host_work lost = {.fn = lose_all};
    static char reason[96];
    snprintf(reason, sizeof(reason), "%s", why);
    lost.arg = reason;
    host_defer(&lost);
}

int blkback_start(void)
{
    disk_listen(disk_changed);
    return xb_start(&ops);
}
