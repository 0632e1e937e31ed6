/* SPDX-License-Identifier: MIT */
/*
 * The connection to xenstore: requests into the ring, answers and watch events out of it (xen/io/xs_wire.h).
 * The server is not trusted: its indices, lengths and strings are checked, an answer to another request is dropped,
 * and one that breaks the protocol is not spoken to again. A restarted domain asks for a fresh connection first.
 */
#include "rt/internal.h"
#include <xen/errno.h>
#include <xen/hvm/params.h>
#include "rt/hypercall.h"
#include "rt/xserrno.h"
#include <xen/io/xs_wire.h>

#define REPLY_NS 30000000000ull    /* a server slower than this has failed the request */
#define RECONNECT_NS 5000000000ull

static struct xenstore_domain_interface *ring; /* NULL = no store */
static uint32_t port;
static bool broken, got_reply;
static bool busy, wanted;                       /* a request is under way; somebody outside the task wants to make one */
static uint32_t next_id;                        /* id of the request under way, or of the last one */
static struct { struct xsd_sockmsg head; char body[XENSTORE_PAYLOAD_MAX + 1]; unsigned have; } in;
static uint32_t reply_type;
static unsigned reply_len;
static char reply_body[XENSTORE_PAYLOAD_MAX + 1];

static void fail(const char *why)
{
    if (!broken)
        rt_log("xenstore: server %s; not used any more", why);
    broken = true;
}

static void notify(void)
{
    rt_event_send(port);
}

/* Copy what there is of `want` bytes out of the ring. */
static unsigned ring_get(char *to, unsigned want)
{
    uint32_t cons = ring->rsp_cons, prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE);
    uint32_t avail = prod - cons;
    if (avail > XENSTORE_RING_SIZE) {
        fail("wrote a response index out of range");
        return 0;
    }
    if (want > avail)
        want = avail;
    for (unsigned i = 0; i < want; i++)
        to[i] = ring->rsp[MASK_XENSTORE_IDX(cons + i)];
    __atomic_store_n(&ring->rsp_cons, cons + want, __ATOMIC_SEQ_CST);
    return want;
}

static unsigned ring_put(const char *from, unsigned n)
{
    uint32_t prod = ring->req_prod, cons = __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);
    uint32_t used = prod - cons;
    if (used > XENSTORE_RING_SIZE) {
        fail("wrote a request index out of range");
        return 0;
    }
    if (n > XENSTORE_RING_SIZE - used)
        n = XENSTORE_RING_SIZE - used;
    for (unsigned i = 0; i < n; i++)
        ring->req[MASK_XENSTORE_IDX(prod + i)] = from[i];
    __atomic_store_n(&ring->req_prod, prod + n, __ATOMIC_SEQ_CST);
    return n;
}

static void watch_event(void)
{
    const char *path = in.body, *end = in.body + in.head.len;
    const char *token = path + strlen(path) + 1;
    if (token >= end || token + strlen(token) + 1 != end)
        fail("sent a malformed watch event");
    else
        rt_xs_event(path, token);
}

static void message(void)
{
    in.body[in.head.len] = 0;
    if (in.head.type == XS_WATCH_EVENT) {
        watch_event();
    } else if (in.head.req_id == next_id && !got_reply) {
        got_reply = true;
        reply_type = in.head.type;
        reply_len = in.head.len;
        memcpy(reply_body, in.body, in.head.len + 1);
    }
}

/* Read messages until the ring is empty or the answer waited for is here. */
static void receive(bool until_reply)
{
    const unsigned head = sizeof(in.head);
    bool moved = false;
    while (!broken && !(until_reply && got_reply)) {
        unsigned n;
        if (in.have < head)
            n = ring_get((char *)&in.head + in.have, head - in.have);
        else
            n = ring_get(in.body + in.have - head, in.head.len - (in.have - head));
        in.have += n;
        moved |= n > 0;
        if (in.have >= head && in.head.len > XENSTORE_PAYLOAD_MAX) {
            fail("sent a message that is too long");
        } else if (in.have >= head && in.have == head + in.head.len) {
            in.have = 0;
            message();
        } else if (!n) {
            break;
        }
    }
    if (moved)
        notify();
}

static void on_event(void *arg)
{
    receive(false);
    rt_task_poke();
}

/* Until the store's event comes or it is too late: the task gives way to the loop, all else sleeps. */
static void await(uint64_t deadline)
{
    if (rt_on_task())
        rt_task_wait(deadline);
    else
        rt_sleep_until(deadline);
}

static void look_again(void)
{
    if (!rt_on_task())
        rt_look_again(port);
}

/* One request at a time. Who asks outside the task comes first: the task ends the request it is at and then waits. */
static void take_turn(void)
{
    if (rt_on_task()) {
        while (wanted)
            rt_task_wait(UINT64_MAX);
    } else {
        wanted = true;
        while (busy) {
            rt_look_again(port);
            rt_task_poke();
            rt_task_run();
            if (busy)
                rt_sleep_until(rt_task_next());
        }
    }
    busy = true;
}

static void end_turn(void)
{
    busy = false;
    if (rt_on_task())
        return;
    wanted = false;
    rt_task_poke();
}

/* All of the bytes into the ring; false when the server does not take them in time. */
static bool send(const char *from, unsigned n, uint64_t deadline)
{
    while (n && !broken) {
        look_again();
        unsigned put = ring_put(from, n);
        from += put;
        n -= put;
        if (put)
            notify();
        else if (rt_now() >= deadline)
            fail("takes no requests");
        else
            await(deadline);
    }
    return !broken;
}

/* The port's event is consumed here, but what came behind the answer is still in the ring: the loop reads it, or nobody ever would. */
static bool await_reply(uint64_t deadline)
{
    static struct rt_work rest = {.fn = on_event};
    for (;;) {
        look_again();
        receive(true);
        if (got_reply && __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) != ring->rsp_cons)
            rt_defer(&rest);
        if (got_reply || broken)
            return got_reply;
        if (rt_now() >= deadline)
            return false;
        await(deadline);
    }
}

static int error_number(const char *text)
{
    for (unsigned i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
        if (strcmp(text, xsd_errors[i].errstring) == 0)
            return xsd_errors[i].errnum;
    return EIO;
}

static int request(uint32_t type, uint32_t tx, const struct rt_xs_part *parts, unsigned n, char **reply, unsigned *len)
{
    struct xsd_sockmsg head = { .type = type, .tx_id = tx };
    uint64_t deadline = rt_now() + REPLY_NS;

    if (broken)
        return EIO;
    for (unsigned i = 0; i < n; i++)
        head.len += parts[i].len;
    if (head.len > XENSTORE_PAYLOAD_MAX)
        return E2BIG;
    head.req_id = ++next_id;
    got_reply = false;
    if (!send((const char *)&head, sizeof(head), deadline))
        return EIO;
    for (unsigned i = 0; i < n; i++)
        if (!send(parts[i].data, parts[i].len, deadline))
            return EIO;
    if (!await_reply(deadline))
        return broken ? EIO : ETIMEDOUT;
    if (reply_type == XS_ERROR)
        return error_number(reply_body);
    if (reply_type != type) {
        fail("answered a request with another kind of answer");
        return EIO;
    }
    if (reply)
        *reply = reply_body;
    if (len)
        *len = reply_len;
    return 0;
}

int rt_xs_request(uint32_t type, uint32_t tx, const struct rt_xs_part *parts, unsigned n, char **reply, unsigned *len)
{
    if (!ring)
        return EIO;
    take_turn();
    int err = request(type, tx, parts, n, reply, len);
    end_turn();
    return err;
}

/* What the predecessor left in the ring means nothing to us: have the server begin anew. */
static void reconnect(void)
{
    uint64_t deadline = rt_now() + RECONNECT_NS;
    if (!(ring->server_features & XENSTORE_SERVER_FEATURE_RECONNECTION)) {
        rt_log("xenstore: server cannot reconnect; carrying on with the ring as it is");
        ring->rsp_cons = ring->rsp_prod;
        return;
    }
    __atomic_store_n(&ring->connection, XENSTORE_RECONNECT, __ATOMIC_SEQ_CST);
    notify();
    for (;;) {
        rt_look_again(port);
        if (__atomic_load_n(&ring->connection, __ATOMIC_ACQUIRE) == XENSTORE_CONNECTED)
            return;
        if (rt_now() >= deadline) {
            fail("does not reconnect");
            return;
        }
        rt_sleep_until(deadline);
    }
}

void rt_xs_init(void)
{
    uint64_t pfn = (uint64_t)rt_hvm_param(HVM_PARAM_STORE_PFN);
    struct rt_xs_part nothing = { "", 1 };

    port = (uint32_t)rt_hvm_param(HVM_PARAM_STORE_EVTCHN);
    if (!pfn || pfn == ~0ull || !port || rt_map_ram(pfn * RT_PAGE, RT_PAGE) != 0)
        return;
    ring = (struct xenstore_domain_interface *)(pfn * RT_PAGE);
    rt_event_attach(port, on_event, NULL);
    if (rt_incarnation <= 1)
        return;
    reconnect();
    int err = rt_xs_request(XS_RESET_WATCHES, 0, &nothing, 1, NULL, NULL);
    if (err)
        rt_log("xenstore: watches of the predecessor not reset: error %d", err);
}
