/* SPDX-License-Identifier: MIT */
/* Transactions: see txn.h. */
#include "xenstore/core/txn.h"
#include "xenstore/core/state.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_COPIES 8 /* nodes that a change is taken to have copied */

/* A path that a transaction used. */
struct touch {
    struct touch *next;
    uint64_t gen, kgen; /* at the start; 0: was not there */
    uint32_t hash;
    unsigned read;  /* READ_* */
    bool written;   /* given a value here */
    bool told;      /* while firing: its watches have heard */
    char path[];
};

int change_make(struct store *s, struct view *v, const struct actor *a, struct change *ch)
{
    int err = EINVAL;

    s->work++;
    ch->changed = true;
    switch (ch->type) {
    case CHANGE_WRITE:
        err = view_write(s, v, a, ch->path, ch->value);
        break;
    case CHANGE_MKDIR:
        err = view_mkdir(s, v, a, ch->path, &ch->changed);
        break;
    case CHANGE_RM:
        node_put(ch->removed);
        err = view_rm(s, v, a, ch->path, &ch->removed, &ch->uncounted);
        ch->changed = ch->removed != NULL;
        break;
    case CHANGE_PERMS:
        err = view_set_perms(s, v, a, ch->path, ch->perms);
        break;
    case CHANGE_SPECIAL:
        break;
    }
    return err;
}

void change_clear(struct change *ch)
{
    blob_put(ch->value);
    perms_put(ch->perms);
    node_put(ch->removed);
}

/* A transaction that counts in the account; `id` 0: the next. */
static struct txn *open_txn(struct conn *c, struct account *acc, uint32_t id)
{
    struct store *s = c->store;
    struct txn *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->bytes = sizeof(*t);
    acc->work_bytes += t->bytes;
    t->id = id;
    while (!t->id || txn_find(c, t->id))
        t->id = ++c->last_tx;
    t->conn = c;
    t->version = s->version;
    t->base = node_get(s->live.root);
    t->view.root = node_get(s->live.root);
    t->last = &t->changes;
    t->next = c->txns;
    c->txns = t;
    acc->transactions++;
    if (c->key < SOCKET_KEY)
        journal_put(s, REC_TXN, "uuu", c->key, t->id, 1);
    return t;
}

struct txn *txn_reopen(struct conn *c, uint32_t id, bool lost)
{
    struct account *acc = account_of(c->store, c->actor.domid);
    struct txn *t = acc ? open_txn(c, acc, id) : NULL;

    if (t) {
        c->last_tx = t->id;
        t->lost = lost;
    }
    return t;
}

int txn_start(struct conn *c, struct txn **out)
{
    struct store *s = c->store;
    struct account *acc = account_of(s, c->actor.domid);
    struct txn *t;

    if (acc && acc->transactions >= quota_limit(s, c->actor.domid, QUOTA_TRANSACTIONS))
        return quota_refuse(s, c->actor.domid, QUOTA_TRANSACTIONS, ENOSPC);
    t = acc ? open_txn(c, acc, 0) : NULL;
    if (!t)
        return ENOMEM;
    *out = t;
    return 0;
}

struct txn *txn_find(struct conn *c, uint32_t id)
{
    struct txn *t = c->txns;

    while (t && t->id != id)
        t = t->next;
    return t;
}

/* May the transaction use that much more? */
static int charge(struct txn *t, size_t bytes)
{
    struct store *s = t->conn->store;
    int err = quota_memory(s, t->conn->actor.domid, 0, bytes);

    if (err)
        return err;
    t->bytes += bytes;
    account_work(s, t->conn->actor.domid, (int64_t)bytes);
    return 0;
}

static void grow(struct txn *t)
{
    unsigned n = t->buckets ? t->buckets * 4 : 16;
    struct touch **to, *e;

    if (t->touches < t->buckets || !(to = calloc(n, sizeof(*to))))
        return;
    for (unsigned i = 0; i < t->buckets; i++)
        while ((e = t->touched[i])) {
            t->touched[i] = e->next;
            e->next = to[e->hash & (n - 1)];
            to[e->hash & (n - 1)] = e;
        }
    free(t->touched);
    t->touched = to;
    t->buckets = n;
}

static uint32_t hash_path(const char *p)
{
    uint32_t h = 2166136261u;

    for (; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return h ^ h >> 15;
}

static struct touch *find_touch(const struct txn *t, const char *path, uint32_t hash)
{
    struct touch *e = t->buckets ? t->touched[hash & (t->buckets - 1)] : NULL;

    while (e && (e->hash != hash || strcmp(e->path, path)))
        e = e->next;
    return e;
}

/* The record of a path, made on first use. */
static int touch(struct txn *t, const char *path, struct touch **out)
{
    struct store *s = t->conn->store;
    uint32_t hash = hash_path(path);
    size_t len = strlen(path) + 1;
    struct node *n;
    struct touch *e = find_touch(t, path, hash);
    int err;

    *out = e;
    if (e)
        return 0;
    if (t->touches >= quota_limit(s, t->conn->actor.domid, QUOTA_TX_NODES))
        return quota_refuse(s, t->conn->actor.domid, QUOTA_TX_NODES, ENOSPC);
    err = charge(t, sizeof(*e) + len);
    if (err)
        return err;
    grow(t);
    e = t->buckets ? malloc(sizeof(*e) + len) : NULL;
    if (!e)
        return ENOMEM;
    n = tree_find(t->base, path, NULL, NULL);
    *e = (struct touch){ .next = t->touched[hash & (t->buckets - 1)], .hash = hash,
                         .gen = n ? n->gen : 0, .kgen = n ? n->kgen : 0 };
    memcpy(e->path, path, len);
    t->touched[hash & (t->buckets - 1)] = e;
    t->touches++;
    *out = e;
    return 0;
}

int txn_read(struct txn *t, const char *path, unsigned what)
{
    struct touch *e;
    struct node *n;
    int err = touch(t, path, &e);

    if (err)
        return err;
    n = tree_find(t->view.root, path, NULL, NULL);
    if ((n ? n->gen : 0) != e->gen && (!n || e->written))
        what &= ~READ_NODE; /* gone or of this value by our own doing: that tells nothing of others */
    e->read |= what;
    return 0;
}

int txn_note(struct txn *t, const char *path, unsigned what)
{
    struct touch *e;
    int err = touch(t, path, &e);

    if (!err)
        e->read |= what;
    return err;
}

/* A change was refused, and that told the client something: that the node, or for a removal its parent, is not there. */
static void note_refusal(struct txn *t, const struct change *ch, int *err)
{
    size_t len = path_parent_len(ch->path, strlen(ch->path));
    unsigned what = *err == ENOENT ? READ_NODE : READ_PERMS;
    char parent[PATH_BUF];
    int noted = txn_read(t, ch->path, what);

    if (!noted && ch->type == CHANGE_RM && len) {
        memcpy(parent, ch->path, len);
        parent[len] = 0;
        noted = txn_read(t, parent, what);
    }
    if (noted)
        *err = noted;
}

int txn_change(struct txn *t, struct change *ch)
{
    struct change *copy = malloc(sizeof(*copy));
    struct touch *e = NULL;
    int err = copy ? touch(t, ch->path, &e) : ENOMEM;

    if (!err) /* the way to the node is copied, and what is at its end */
        err = charge(t, sizeof(*copy) + PATH_COPIES * sizeof(struct node) + (ch->value ? ch->value->len : 0));
    if (!err)
        err = change_make(t->conn->store, &t->view, &t->conn->actor, ch);
    if (err) {
        if (err == EACCES || err == ENOENT || err == EPERM)
            note_refusal(t, ch, &err);
        change_clear(ch);
        free(copy);
        return err;
    }
    e->written = e->written || ch->type == CHANGE_WRITE;
    *copy = *ch;
    copy->path = e->path;
    copy->next = NULL;
    *t->last = copy;
    t->last = &copy->next;
    return 0;
}

/* Is what the client read still so? */
static bool reads_hold(const struct txn *t)
{
    for (unsigned i = 0; i < t->buckets; i++)
        for (const struct touch *e = t->touched[i]; e; e = e->next, t->conn->store->work++) {
            struct node *n = e->read ? tree_find(t->conn->store->live.root, e->path, NULL, NULL) : NULL;

            if ((e->read & (READ_NODE | READ_PERMS) && e->gen != (n ? n->gen : 0)) ||
                (e->read & READ_KIDS && e->kgen != (n ? n->kgen : 0)))
                return false;
        }
    return true;
}

/* Make t's changes again on a view of the live tree. Returns 0 or an errno, then v holds nothing. */
static int replay(struct txn *t, struct view *v)
{
    struct store *s = t->conn->store;
    int err = 0;

    *v = (struct view){ .root = node_get(s->live.root) };
    for (struct change *ch = t->changes; ch && !err; ch = ch->next)
        err = change_make(s, v, &t->conn->actor, ch);
    if (err) {
        node_put(v->root);
        ledger_free(&v->ledger);
    }
    return err;
}

void txn_forward(struct txn *t)
{
    struct store *s = t->conn->store;
    struct view v;

    if (t->version == s->version || (t->touches && (s->lane.txn != t || !reads_hold(t))) || replay(t, &v))
        return;
    node_put(t->base);
    node_put(t->view.root);
    ledger_free(&t->view.ledger);
    t->base = node_get(s->live.root);
    t->view = v;
    t->version = s->version;
    for (unsigned i = 0; i < t->buckets; i++)
        for (struct touch *e = t->touched[i]; e; e = e->next) {
            struct node *n = tree_find(t->base, e->path, NULL, NULL);

            e->gen = n ? n->gen : 0;
            e->kgen = n ? n->kgen : 0;
        }
}

/* Would t's changes spoil what `other` has read? Looked at: the changed nodes and the directories they are in. */
static bool spoils(const struct txn *t, const struct txn *other)
{
    char parent[PATH_BUF];

    for (const struct change *ch = t->changes; ch; ch = ch->next) {
        size_t len = path_parent_len(ch->path, strlen(ch->path));
        struct touch *e = find_touch(other, ch->path, hash_path(ch->path));

        if (e && e->read)
            return true;
        memcpy(parent, ch->path, len);
        parent[len] = 0;
        e = find_touch(other, parent, hash_path(parent));
        if (e && e->read & READ_KIDS && ch->type != CHANGE_PERMS)
            return true;
    }
    return false;
}

/* Bring t into a live tree that is not its base any more. */
static int merge(struct txn *t)
{
    struct store *s = t->conn->store;
    struct view v;
    int err = replay(t, &v);

    if (!err && view_settle(s, &v)) {
        node_put(s->live.root);
        s->live.root = v.root;
        ledger_free(&v.ledger);
    } else if (!err) {
        node_put(v.root);
        ledger_free(&v.ledger);
        err = ENOMEM;
    }
    return err == ENOMEM || err == ENOSPC || !err ? err : EAGAIN;
}

int txn_commit(struct txn *t)
{
    struct store *s = t->conn->store;
    struct node *old = s->live.root;
    struct txn *other = lane_other(s, t);
    int err = 0;

    if (t->lost)
        return EAGAIN;
    if (!t->changes)
        return 0;
    if (other && spoils(t, other))
        return EAGAIN;
    if (t->version != s->version) {
        err = reads_hold(t) ? merge(t) : EAGAIN;
    } else if (view_settle(s, &t->view)) {
        s->live.root = node_get(t->view.root);
        node_put(old);
    } else {
        err = ENOMEM;
    }
    if (!err)
        s->version++;
    for (struct change *ch = t->changes; ch && !err; ch = ch->next)
        journal_change(s, &t->conn->actor, ch);
    return err;
}

bool txn_news(struct txn *t, const struct change *ch)
{
    struct touch *e = find_touch(t, ch->path, hash_path(ch->path));
    bool due = ch->type == CHANGE_RM || !e->told;

    e->told = ch->type != CHANGE_RM && (e->told || ch->changed);
    return due;
}

void txn_close(struct txn *t)
{
    struct store *s = t->conn->store;
    struct txn **link = &t->conn->txns;

    lane_drop(s, t);
    if (t->conn->key < SOCKET_KEY)
        journal_put(s, REC_TXN_END, "uu", t->conn->key, t->id);
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    account_of(s, t->conn->actor.domid)->transactions--;
    account_work(s, t->conn->actor.domid, -(int64_t)t->bytes);
    t->conn = NULL;
}

bool txn_free_part(struct txn *t, unsigned *units)
{
    struct change *ch;
    struct touch *e;

    for (; *units && (ch = t->changes); --*units) {
        t->changes = ch->next;
        change_clear(ch);
        free(ch);
    }
    for (; *units && t->buckets; t->buckets--)
        for (; (e = t->touched[t->buckets - 1]); *units -= *units > 0) {
            t->touched[t->buckets - 1] = e->next;
            free(e);
        }
    if (t->changes || t->buckets)
        return false;
    free(t->touched);
    node_put(t->base);
    node_put(t->view.root);
    ledger_free(&t->view.ledger);
    free(t);
    return true;
}

void txn_dump(const struct txn *t, struct sbuf *b, bool live)
{
    bool whole = live && !t->lost && (t->version == t->conn->store->version || reads_hold(t));
    uint32_t key = t->conn->key;

    state_put(b, REC_TXN, "uuu", key, t->id, !whole);
    for (const struct change *ch = t->changes; ch && whole; ch = ch->next)
        state_put(b, REC_TXN_CHANGE, "uuuspb", key, t->id, ch->type, ch->path, ch->perms,
                  ch->value ? ch->value->data : NULL, ch->value ? (size_t)ch->value->len : 0);
    for (unsigned i = 0; i < t->buckets && whole; i++)
        for (const struct touch *e = t->touched[i]; e; e = e->next)
            if (e->read)
                state_put(b, REC_TXN_READ, "uuus", key, t->id, e->read, e->path);
}
