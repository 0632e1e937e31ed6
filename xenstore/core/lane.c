/* SPDX-License-Identifier: MIT */
/* The lane of the losers: see lane.h. */
#include "xenstore/core/conn.h"
#include "xenstore/core/txn.h"

void lane_init(struct store *s)
{
    s->lane.last = &s->lane.first;
}

static void grant(struct store *s, struct conn *c)
{
    s->lane.owner = c;
    s->lane.txn = NULL;
    if (c)
        s->ops->alarm(s, LANE_US << c->lane_late);
}

/* The lane is free: the next one's turn. */
static void pass(struct store *s)
{
    struct conn *c = s->lane.first;

    if (c) {
        s->lane.first = c->next_waiting;
        if (!s->lane.first)
            s->lane.last = &s->lane.first;
        c->waiting = false;
        s->ops->wake(c);
    }
    grant(s, c);
}

bool lane_enter(struct conn *c)
{
    struct store *s = c->store;

    if (!c->lane_tries || s->lane.owner == c)
        return true;
    if (!s->lane.owner) {
        grant(s, c);
        return true;
    }
    c->waiting = true;
    c->next_waiting = NULL;
    *s->lane.last = c;
    s->lane.last = &c->next_waiting;
    return false;
}

void lane_started(struct txn *t)
{
    struct store *s = t->conn->store;

    if (s->lane.owner == t->conn && !s->lane.txn)
        s->lane.txn = t;
}

void lane_ended(struct txn *t, bool lost)
{
    struct conn *c = t->conn;

    if (lost && t->late && c->lane_late < LANE_LATE)
        c->lane_late++;
    if (!lost)
        c->lane_late = 0;
    if (lost)
        c->lane_tries = LANE_TRIES;
    else if (c->lane_tries)
        c->lane_tries--;
}

void lane_drop(struct store *s, struct txn *t)
{
    if (s->lane.txn == t)
        pass(s);
}

void lane_leave(struct conn *c)
{
    struct store *s = c->store;
    struct conn **link = &s->lane.first;

    if (c->waiting) {
        while (*link != c)
            link = &(*link)->next_waiting;
        *link = c->next_waiting;
        if (!*link)
            s->lane.last = link;
        c->waiting = false;
    }
    c->lane_tries = 0;
    if (s->lane.owner == c)
        pass(s);
}

struct txn *lane_other(struct store *s, const struct txn *t)
{
    return s->lane.txn != t ? s->lane.txn : NULL;
}

void lane_expired(struct store *s)
{
    if (!s->lane.owner)
        return;
    if (s->lane.txn)
        s->lane.txn->late = true;
    pass(s);
}
