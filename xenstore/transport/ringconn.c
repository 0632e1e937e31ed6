/* SPDX-License-Identifier: MIT */
/* Connections over ring pages: see ringconn.h. */
#include "xenstore/transport/ringconn.h"

static long link_read(struct conn *c, void *buf, size_t n)
{
    return ring_read(c->transport, buf, n);
}

static long link_write(struct conn *c, const void *buf, size_t n)
{
    return ring_write(c->transport, buf, n);
}

static void link_begin(struct conn *c)
{
    ring_begin(c->transport);
    if (!ring_wants_reset(c->transport))
        return;
    conn_reset(c);
    ring_reset(c->transport);
    store_log(c->store, "domain %u: ring reconnected", c->actor.domid);
}

static bool link_flush(struct conn *c)
{
    struct ring *r = c->transport;
    bool more = ring_end(r);

    if (r->moved)
        ring_notify(r);
    r->moved = false;
    return more;
}

static void link_position(const struct conn *c, uint32_t *in, uint32_t *out)
{
    ring_position(c->transport, in, out);
}

static void link_resume(struct conn *c, uint32_t in)
{
    ring_resume(c->transport, in);
}

static void link_over(struct conn *c, enum turn why)
{
    bool long_msg = why == TURN_BAD;

    store_log(c->store, "domain %u: ring stopped, %s", c->actor.domid,
              long_msg ? "a message is longer than allowed" : "an index is impossible");
    conn_reset(c);
    ring_stop(c->transport, long_msg ? XENSTORE_ERROR_PROTO : XENSTORE_ERROR_RINGIDX);
    link_flush(c);
}

const struct transport_ops ring_ops = { "ring", link_read, link_write, link_begin, link_flush, link_position, link_resume,
                                        link_over };
