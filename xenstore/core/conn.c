/* SPDX-License-Identifier: MIT */
/* Connections: see conn.h. */
#include "xenstore/core/conn.h"
#include "xenstore/core/later.h"
#include "xenstore/core/state.h"
#include "xenstore/core/watch.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define TURN_WATCHES 500 /* removed in a turn */
#define SPARE_BYTES (sizeof(struct xsd_sockmsg) + 16)

static struct msg *msg_new(size_t len)
{
    struct msg *m = malloc(sizeof(*m) + len);

    if (m)
        *m = (struct msg){ .len = (uint32_t)len };
    return m;
}

struct conn *conn_open(struct store *s, const struct transport_ops *ops, void *transport, struct actor actor, uint32_t key)
{
    struct conn *c = calloc(1, sizeof(*c));
    struct msg *spare = msg_new(SPARE_BYTES);

    if (!c || !spare || !account_of(s, actor.domid)) {
        free(c);
        free(spare);
        return NULL;
    }
    spare->spare = true;
    c->spare = spare;
    c->store = s;
    c->ops = ops;
    c->transport = transport;
    c->actor = actor;
    c->key = key;
    c->out_tail = &c->out;
    c->prev = &s->conns;
    c->next = s->conns;
    if (c->next)
        c->next->prev = &c->next;
    s->conns = c;
    return c;
}

/* The first message of the queue is gone, or given up. */
static void drop_first(struct conn *c)
{
    struct msg *m = c->out;

    c->unsent -= m->len - m->sent;
    account_work(c->store, c->actor.domid, -(int64_t)(sizeof(*m) + m->len));
    c->out = m->next;
    if (!c->out)
        c->out_tail = &c->out;
    if (m->event)
        c->event_bytes -= m->len;
    else
        c->replies--;
    if (m->spare)
        c->spare = m;
    else
        free(m);
}

void conn_reset(struct conn *c)
{
    struct txn *t;

    lane_leave(c);
    while ((t = c->txns)) {
        txn_close(t);
        later_txn(c->store, t, false);
    }
    watch_remove_some(c, UINT_MAX);
    while (c->out)
        drop_first(c);
    c->overflow = false;
    c->in_start = c->in_end = 0;
    c->poisoned = false;
    if (c->key < SOCKET_KEY)
        journal_put(c->store, REC_RESET, "u", c->key);
}

bool conn_wind_down(struct conn *c)
{
    return watch_remove_some(c, TURN_WATCHES);
}

void conn_close(struct conn *c)
{
    conn_reset(c);
    *c->prev = c->next;
    if (c->next)
        c->next->prev = c->prev;
    free(c->spare);
    free(c);
}

static void append(struct conn *c, struct msg *m, bool event)
{
    m->sent = 0;
    m->event = event;
    m->next = NULL;
    *c->out_tail = m;
    c->out_tail = &m->next;
    c->unsent += m->len;
    account_work(c->store, c->actor.domid, (int64_t)(sizeof(*m) + m->len));
    if (event)
        c->event_bytes += m->len;
    else
        c->replies++;
}

static void enqueue(struct conn *c, struct msg *m, struct xsd_sockmsg hdr, bool event)
{
    memcpy(m->bytes, &hdr, sizeof(hdr));
    m->len = (uint32_t)(sizeof(hdr) + hdr.len);
    append(c, m, event);
    journal_out(c, m);
}

bool conn_requeue(struct conn *c, const char *bytes, size_t len, bool event)
{
    struct msg *m = len >= sizeof(struct xsd_sockmsg) && len <= MESSAGE_MAX ? msg_new(len) : NULL;

    if (!m)
        return false;
    memcpy(m->bytes, bytes, len);
    append(c, m, event);
    return true;
}

bool conn_skip(struct conn *c, uint32_t bytes)
{
    if (bytes > c->unsent)
        return false;
    while (c->out && bytes >= c->out->len) {
        bytes -= c->out->len;
        drop_first(c);
    }
    if (c->out)
        c->out->sent = bytes;
    c->unsent -= bytes;
    return true;
}

void conn_reply(struct conn *c, const struct xsd_sockmsg *hdr, uint32_t type, const void *data, size_t len)
{
    struct xsd_sockmsg out = { .type = type, .req_id = hdr->req_id, .tx_id = hdr->tx_id, .len = (uint32_t)len };
    struct msg *m = msg_new(sizeof(out) + len);

    if (!m) {
        m = c->spare;
        c->spare = NULL;
        data = "ENOMEM";
        len = sizeof("ENOMEM");
        out.type = XS_ERROR;
        out.len = (uint32_t)len;
    }
    memcpy(m->bytes + sizeof(out), data, len);
    enqueue(c, m, out, false);
}

void conn_error(struct conn *c, const struct xsd_sockmsg *hdr, int err)
{
    const char *name = "EINVAL";

    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
        if (xsd_errors[i].errnum == err)
            name = xsd_errors[i].errstring;
    conn_reply(c, hdr, XS_ERROR, name, strlen(name) + 1);
}

static void note_overflow(const struct conn *c)
{
    if (c->key < SOCKET_KEY)
        journal_put(c->store, REC_CONN, "uuu", c->key, c->last_tx, c->overflow || c->again);
}

bool conn_hears(const struct conn *c)
{
    return !c->overflow && c->event_bytes < quota_limit(c->store, c->actor.domid, QUOTA_EVENTS);
}

void conn_event(struct conn *c, const char *path, const char *token)
{
    size_t path_len = strlen(path) + 1, token_len = strlen(token) + 1;
    struct xsd_sockmsg hdr = { .type = XS_WATCH_EVENT, .len = (uint32_t)(path_len + token_len) };
    struct msg *m = NULL;

    c->store->work++;
    if (c->overflow)
        return;
    if (conn_hears(c))
        m = msg_new(sizeof(hdr) + hdr.len);
    if (!m || hdr.len > XENSTORE_PAYLOAD_MAX) {
        free(m);
        quota_refuse(c->store, c->actor.domid, QUOTA_EVENTS, 0);
        c->overflow = hdr.len <= XENSTORE_PAYLOAD_MAX;
        note_overflow(c);
        return;
    }
    memcpy(m->bytes + sizeof(hdr), path, path_len);
    memcpy(m->bytes + sizeof(hdr) + path_len, token, token_len);
    enqueue(c, m, hdr, true);
    c->store->ops->wake(c);
}

/* Send what the other side takes. False: it is gone. */
static bool send_queue(struct conn *c)
{
    while (c->out) {
        struct msg *m = c->out;
        long n = c->ops->write(c, m->bytes + m->sent, m->len - m->sent);

        if (n < 0)
            return false;
        m->sent += (uint32_t)n;
        c->unsent -= (size_t)n;
        if (m->sent < m->len && !n)
            return true;
        if (m->sent < m->len)
            continue; /* until there is no room: only then are we told of more */
        drop_first(c);
    }
    return true;
}

/* All that was queued has gone: those watches fire whose events were dropped, some at a time. */
static bool look_again(struct conn *c)
{
    if (c->out || (!c->overflow && !c->again))
        return true;
    if (c->overflow)
        c->again = c->watches;
    c->overflow = false;
    watch_fire_again(c);
    note_overflow(c);
    journal_keep(c->store);
    return send_queue(c);
}

bool conn_takes(const struct conn *c)
{
    return c->spare && !c->waiting && c->replies < quota_limit(c->store, c->actor.domid, QUOTA_OUTSTANDING);
}

/* Is a whole request in the buffer? Its header goes to *hdr. */
static bool whole(const struct conn *c, struct xsd_sockmsg *hdr)
{
    size_t have = c->in_end - c->in_start;

    if (have < sizeof(*hdr))
        return false;
    memcpy(hdr, c->in + c->in_start, sizeof(*hdr));
    return hdr->len > XENSTORE_PAYLOAD_MAX || have - sizeof(*hdr) >= hdr->len;
}

/* Read what there is room for. Less than that means that there is no more now: the transport will give a turn when there is. */
static long fill(struct conn *c, bool *drained)
{
    size_t room;
    long n;

    memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
    c->in_end -= c->in_start;
    c->in_start = 0;
    room = sizeof(c->in) - c->in_end;
    n = c->ops->read(c, c->in + c->in_end, room);
    *drained = n < (long)room;
    if (n > 0)
        c->in_end += (size_t)n;
    return n;
}

static enum turn take_requests(struct conn *c)
{
    struct xsd_sockmsg hdr;
    bool drained = false;
    long n;

    for (int budget = TURN_REQUESTS; budget; budget--) {
        if (!conn_takes(c))
            return TURN_IDLE;
        while (!whole(c, &hdr)) {
            if (drained)
                return TURN_IDLE;
            n = fill(c, &drained);
            if (n <= 0)
                return n < 0 ? TURN_OVER : TURN_IDLE;
        }
        if (hdr.len > XENSTORE_PAYLOAD_MAX)
            return TURN_BAD;
        if (c->store->work > TURN_WORK)
            return TURN_MORE;
        journal_begin(c);
        if (request_run(c, &hdr, c->in + c->in_start + sizeof(hdr)))
            c->in_start += sizeof(hdr) + hdr.len;
        journal_commit(c);
        if (c->waiting)
            return TURN_IDLE;
    }
    return TURN_MORE;
}

enum turn conn_turn(struct conn *c)
{
    enum turn t;
    bool full;

    c->store->work = 0;
    c->ops->begin(c);
    if (!send_queue(c) || !look_again(c))
        return TURN_OVER;
    t = take_requests(c);
    journal_in(c);
    full = !conn_takes(c);
    if (t <= TURN_MORE && (!send_queue(c) || !look_again(c)))
        t = TURN_OVER;
    if (t <= TURN_MORE && full)
        t = conn_takes(c) ? TURN_MORE : TURN_IDLE;
    if (c->ops->flush(c) && t == TURN_IDLE && conn_takes(c))
        t = TURN_MORE;
    return t;
}
