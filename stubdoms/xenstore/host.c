/* SPDX-License-Identifier: MIT */
/* The core's host on rt: see host.h. Turns are rt's deferred work, one a connection, so each comes round in its order. */
#include "stubdoms/xenstore/host.h"
#include "rt/rt.h"
#include "xenstore/core/later.h"
#include "xenstore/transport/ringconn.h"
#include <stdlib.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

struct link {
    struct ring ring; /* first: ringconn.h */
    struct conn *conn;
    void *page;
    uint32_t handle;
    int port;
    struct rt_work turn;
};

static struct rt_timer alarm_timer;
static struct rt_work later; /* a part of what is put off (later.h) */

static void log_line(const char *line)
{
    rt_log("xenstore: %s", line);
}

static void wake(struct conn *c)
{
    rt_defer(&((struct link *)c->transport)->turn);
}

static void alarm_rings(void *arg)
{
    lane_expired(arg);
}

static void set_alarm(struct store *s, unsigned us)
{
    rt_timer_cancel(&alarm_timer);
    alarm_timer.fn = alarm_rings;
    alarm_timer.arg = s;
    rt_timer_set(&alarm_timer, rt_now() + us * 1000ull);
}

void ring_notify(struct ring *r)
{
    rt_event_send((uint32_t)((struct link *)r)->port);
}

static void run_later(void *store)
{
    if (later_run(store, LATER_PART))
        rt_defer(&later);
}

static void turn(void *arg)
{
    struct link *l = arg;
    enum turn t;

    if (!l->conn) { /* closed while it waited */
        free(l);
        return;
    }
    t = conn_turn(l->conn);
    later.fn = run_later;
    later.arg = l->conn->store;
    rt_defer(&later);
    if (t == TURN_MORE)
        rt_defer(&l->turn);
    else if (t != TURN_IDLE)
        l->conn->ops->over(l->conn, t);
}

static void kicked(void *arg)
{
    rt_defer(&((struct link *)arg)->turn);
}

static void link_close(struct link *l)
{
    if (l->conn)
        conn_close(l->conn);
    l->conn = NULL;
    if (l->port > 0)
        rt_event_close((uint32_t)l->port);
    rt_gnt_unmap(l->page, &l->handle, 1);
    if (!l->turn.queued) /* else its turn does it */
        free(l);
}

static void ring_close(struct domain *d)
{
    if (d->ring)
        link_close(d->ring);
    d->ring = NULL;
    d->conn = NULL;
}

static int ring_open(struct store *s, struct domain *d, uint64_t gfn, uint32_t port)
{
    const uint32_t ref = GNTTAB_RESERVED_XENSTORE;
    struct link *l;
    int err;

    ring_close(d);
    l = calloc(1, sizeof(*l));
    if (!l)
        return ENOMEM;
    l->turn = (struct rt_work){ .fn = turn, .arg = l };
    if (rt_gnt_map(d->domid, &ref, 1, false, &l->page, &l->handle, NULL)) {
        free(l);
        return EINVAL;
    }
    l->port = rt_event_bind(d->domid, port, kicked, l);
    if (l->port > 0) {
        ring_start(&l->ring, l->page, WIRE_FEATURES);
        l->conn = conn_open(s, &ring_ops, l, (struct actor){ d->domid, NO_TARGET }, d->domid);
    }
    if (!l->conn) {
        err = l->port > 0 ? ENOMEM : EINVAL;
        link_close(l);
        return err;
    }
    d->ring = l;
    d->conn = l->conn;
    rt_event_send((uint32_t)l->port);
    kicked(l);
    return 0;
}

/* Who is gone is told by the toolstack, by RELEASE: a domain without privilege cannot ask the hypervisor. */
static int domains(uint16_t first, struct domain_info *out, unsigned max)
{
    return -1;
}

static struct conn *adopt(struct store *s, uint32_t key)
{
    return NULL;
}

static int update(struct store *s, const char *path)
{
    return EINVAL;
}

const struct host_ops rt_host = { log_line, wake, set_alarm, ring_open, ring_close, domains, adopt, update };
