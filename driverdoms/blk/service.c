/* SPDX-License-Identifier: MIT */
/*
 * A disk that takes time, for measurements (options.h): a layer over each disk's submit that ends no request before a device
 * with this latency and transfer rate would. Data are moved by the real disk below. Not there unless asked for.
 */
#include "driverdoms/blk/options.h"
#include "backends/blk/disk.h"
#include "rt/rt.h"

#define LATE_MAX 128      /* requests that can be held back; one more ends when the real disk says so */
#define TICK_NS 5000ull   /* an emulator's clock may jump to the next timer while its disk works: let it be a near one */

struct late {
    struct disk_req own;    /* first: what the real disk sees */
    struct disk_req *outer;
    struct rt_timer timer;
    uint64_t due;
    int error;
    bool ended;             /* the real disk is done with it */
    struct late *next_free;
};

static const struct options *options;
static const struct disk_ops *real; /* all whole disks have the same */
static struct late pool[LATE_MAX], *unused;
static uint64_t link_free;          /* when the last transfer is over */
static uint64_t requests;

static void look(void *arg)
{
    struct late *l = arg;
    uint64_t now = rt_now();
    if (!l->ended || now < l->due) {
        rt_timer_set(&l->timer, now < l->due ? l->due : now + TICK_NS);
        return;
    }
    rt_timer_cancel(&l->timer);
    struct disk_req *r = l->outer;
    int error = l->error;
    l->next_free = unused;
    unused = l;
    r->done(r, error);
}

static void ended(struct disk_req *own, int error)
{
    struct late *l = (struct late *)own;
    l->ended = true;
    l->error = error;
    if (rt_now() >= l->due)
        look(l);
}

static uint64_t due_time(uint64_t bytes)
{
    uint64_t now = rt_now();
    if (link_free < now)
        link_free = now;
    if (options->rate)
        link_free += bytes * 1000 / options->rate;
    uint64_t us = options->service;
    if (options->late_every && ++requests % options->late_every == 0)
        us += options->late;
    return link_free + us * 1000;
}

static int submit(struct disk *d, struct disk_req *r)
{
    struct late *l = unused;
    if (!l)
        return real->submit(d, r);
    unused = l->next_free;
    *l = (struct late){.own = *r, .outer = r, .due = due_time(r->op == DISK_DISCARD ? 0 : r->sectors * DISK_SECTOR)};
    l->own.done = ended;
    l->timer.fn = look;
    l->timer.arg = l;
    rt_timer_set(&l->timer, l->due);
    int rc = real->submit(d, &l->own);
    if (rc) {
        rt_timer_cancel(&l->timer);
        l->next_free = unused;
        unused = l;
    }
    return rc;
}

static const struct disk_ops slow = {.submit = submit};

static void disk_changed(struct disk *d, const char *why)
{
    if (why || d->parent || d->ops == &slow)
        return;
    real = d->ops;
    d->ops = &slow;
}

void service_install(const struct options *o)
{
    if (!o->service && !o->rate && !o->late)
        return;
    options = o;
    for (unsigned i = 0; i < LATE_MAX; i++) {
        pool[i].next_free = unused;
        unused = &pool[i];
    }
    disk_listen(disk_changed);
}
