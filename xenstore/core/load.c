/* SPDX-License-Identifier: MIT */
/* Reading the state of an earlier daemon: see state.h. */
#include "xenstore/core/record.h"
#include "xenstore/core/state.h"
#include "xenstore/core/later.h"
#include "xenstore/core/watch.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the records say of a connection, until all are read. */
struct resumed {
    struct resumed *next;
    struct conn *conn;
    bool has_in, has_done;
    uint32_t in_end;     /* position behind what is in the connection's buffer */
    uint32_t done;       /* position behind the last request executed */
    uint32_t out, out_end; /* positions of the queue's first byte and behind its last */
};

struct load {
    struct store *s;
    struct resumed *conns;
    struct perms *perms; /* of the last node: the next one's are often the same */
    bool untold;         /* events were to come */
};

static struct resumed *find(struct load *l, uint32_t key)
{
    struct resumed **link = &l->conns, *r;

    for (; (r = *link); link = &r->next)
        if (r->conn->key == key) {
            *link = r->next; /* to the front: the next record is often of the same */
            r->next = l->conns;
            l->conns = r;
            return r;
        }
    return NULL;
}

static bool resume(struct load *l, struct conn *c)
{
    struct resumed *r;

    if (!c || find(l, c->key))
        return true;
    r = calloc(1, sizeof(*r));
    if (!r)
        return false;
    r->conn = c;
    r->next = l->conns;
    l->conns = r;
    return true;
}

static void unresume(struct load *l, const struct conn *c)
{
    struct resumed *r = c ? find(l, c->key) : NULL;

    if (!r)
        return;
    l->conns = r->next;
    free(r);
}

static struct perms *perms_of(struct load *l, struct bytes b, struct perms *parents)
{
    struct perms *p[] = { l->perms, parents };
    struct perms *new;

    for (int i = 0; i < 2; i++)
        if (p[i] && p[i]->n * sizeof(struct perm) == b.len && !memcmp(p[i]->p, b.p, b.len))
            return perms_get(p[i]);
    new = perms_new((uint32_t)(b.len / sizeof(struct perm)));
    if (new)
        memcpy(new->p, b.p, b.len);
    return new;
}

static bool do_store(struct load *l, struct reader *r)
{
    uint64_t gen;

    if (!record_fields(r, "U", &gen))
        return false;
    l->s->gen = (gen | UINT32_MAX) + 1; /* above all that the journal's changes made of it */
    return true;
}

static bool do_limit(struct load *l, struct reader *r)
{
    uint32_t domid, value;
    const char *name;
    struct account *a;
    enum quota q;

    if (!record_fields(r, "uus", &domid, &value, &name) || (domid != UINT32_MAX && domid >= DOMID_LIMIT))
        return false;
    if (!quota_find(name, &q))
        return true; /* a quota that this daemon does not have */
    if (domid == UINT32_MAX) {
        l->s->limits[q] = value;
        return true;
    }
    a = account_of(l->s, (uint16_t)domid);
    if (a) {
        a->own_limits |= 1u << q;
        a->limits[q] = value;
    }
    return a;
}

static bool do_features(struct load *l, struct reader *r)
{
    uint32_t domid, off;
    struct account *a;

    if (!record_fields(r, "uu", &domid, &off) || domid >= DOMID_LIMIT)
        return false;
    a = account_of(l->s, (uint16_t)domid);
    if (a)
        a->features_off = off;
    return a;
}

static bool do_special(struct load *l, struct reader *r)
{
    struct perms *p;
    struct bytes b;
    uint32_t i;

    if (!record_fields(r, "up", &i, &b) || i >= SPECIAL_COUNT || !b.len)
        return false;
    p = perms_of(l, b, NULL);
    if (!p)
        return false;
    perms_put(l->s->special[i]);
    l->s->special[i] = p;
    return true;
}

static bool valid(const char *path)
{
    char out[PATH_BUF];

    return path[0] == '/' && !path_canonical(0, path, out, NULL);
}

/* Put a node where its parent, which is there, wants it; or give the root what it had. */
static bool place(struct load *l, const char *path, struct perms *perms, struct blob *value)
{
    size_t len = strlen(path), dir_len = path_parent_len(path, len);
    struct node *root = l->s->live.root, *n, *dir;
    const char *name = path + dir_len + (dir_len > 1);
    struct account *acc = account_of(l->s, perms->p[0].domid);

    if (!acc)
        return false;
    if (len == 1) {
        perms_put(root->perms);
        blob_put(root->value);
        root->perms = perms;
        root->value = value;
        acc->nodes++;
        acc->node_bytes += node_bytes(root);
        return true;
    }
    dir = tree_own(&l->s->live.root, path, dir_len);
    n = dir ? node_new((struct comp){ name, len - (size_t)(name - path) }, perms, value, l->s->gen) : NULL;
    if (!n)
        return false;
    tree_insert(dir, n, l->s->gen); /* nobody else looks at the tree yet: nothing is copied, nothing fails */
    acc->nodes++;
    acc->node_bytes += node_bytes(n);
    return true;
}

static bool do_node(struct load *l, struct reader *r)
{
    struct node *nearest = NULL;
    struct bytes perms, data;
    struct blob *value;
    struct perms *p;
    const char *path, *rest;
    bool there, ok;

    if (!record_fields(r, "spb", &path, &perms, &data) || !valid(path) || !perms.len)
        return false;
    there = tree_find(l->s->live.root, path, &nearest, &rest);
    if (there ? path[1] != 0 : strchr(rest, '/') != NULL)
        return false; /* twice, or without its parent */
    p = perms_of(l, perms, nearest ? nearest->perms : NULL);
    value = data.len ? blob_new(data.p, data.len) : NULL;
    ok = p && (value || !data.len) && place(l, path, p, value);
    if (!ok) {
        perms_put(p);
        blob_put(value);
        return false;
    }
    perms_put(l->perms);
    l->perms = perms_get(p);
    return true;
}

/* The change that a record describes; false without memory. */
static bool take_change(struct load *l, struct change *ch, uint32_t type, const char *path, struct bytes perms, struct bytes value)
{
    *ch = (struct change){ .type = (enum change_type)type, .path = path };
    if (!valid(path) || type > CHANGE_PERMS || (type == CHANGE_PERMS && !perms.len))
        return false;
    if (perms.len)
        ch->perms = perms_of(l, perms, NULL);
    if (value.len)
        ch->value = blob_new(value.p, value.len);
    if ((perms.len && !ch->perms) || (value.len && !ch->value)) {
        change_clear(ch);
        return false;
    }
    return true;
}

static bool do_change(struct load *l, struct reader *r)
{
    uint32_t domid, target, type;
    struct bytes perms, value;
    struct change ch;
    struct actor a;
    const char *path;
    int err;

    if (!record_fields(r, "uuuspb", &domid, &target, &type, &path, &perms, &value) || !take_change(l, &ch, type, path, perms, value))
        return false;
    a = (struct actor){ (uint16_t)domid, (uint16_t)target };
    err = change_make(l->s, &l->s->live, &a, &ch);
    change_clear(&ch);
    return !err && view_settle(l->s, &l->s->live);
}

static bool do_domain(struct load *l, struct reader *r)
{
    uint32_t domid, target, shutdown, port;
    struct domain *d;
    uint64_t gfn;

    if (!record_fields(r, "uuuUu", &domid, &target, &shutdown, &gfn, &port) || !domid || domid >= DOMID_LIMIT)
        return false;
    d = domain_find(l->s, (uint16_t)domid);
    if (!d || d->gfn != gfn || d->port != port) {
        unresume(l, d ? d->conn : NULL);
        if (domain_introduce(l->s, (uint16_t)domid, gfn, port))
            return true; /* it is gone, and that was logged */
        d = domain_find(l->s, (uint16_t)domid);
    }
    d->shutdown = shutdown;
    d->target = (uint16_t)target;
    if (d->conn)
        d->conn->actor.target = d->target;
    return resume(l, d->conn);
}

static bool do_gone(struct load *l, struct reader *r)
{
    struct domain *d;
    uint32_t domid;

    if (!record_fields(r, "u", &domid))
        return false;
    d = domid < DOMID_LIMIT ? domain_find(l->s, (uint16_t)domid) : NULL;
    if (d) {
        unresume(l, d->conn);
        return !domain_release(l->s, d->domid);
    }
    if (domid < DOMID_LIMIT)
        later_purge(l->s, (uint16_t)domid); /* it went before the snapshot */
    return true;
}

static bool do_conn(struct load *l, struct reader *r)
{
    uint32_t key, last, overflow;
    struct resumed *c;

    if (!record_fields(r, "uuu", &key, &last, &overflow))
        return false;
    if (key >= SOCKET_KEY && !find(l, key) && !resume(l, l->s->ops->adopt(l->s, key)))
        return false;
    c = find(l, key);
    if (c) {
        c->conn->last_tx = last;
        c->conn->overflow = overflow;
    }
    return true;
}

static bool do_watch(struct load *l, struct reader *r)
{
    uint32_t key, depth, relative;
    const char *path, *token;
    struct resumed *c;
    int err;

    if (!record_fields(r, "uuuss", &key, &depth, &relative, &path, &token))
        return false;
    c = find(l, key);
    err = c ? watch_add(c->conn, path, token, relative, (int)depth) : 0;
    return !err || err == EEXIST;
}

static bool do_unwatch(struct load *l, struct reader *r)
{
    const char *path, *token;
    struct resumed *c;
    uint32_t key;

    if (!record_fields(r, "uss", &key, &path, &token))
        return false;
    c = find(l, key);
    if (c)
        watch_remove(c->conn, path, token);
    return true;
}

static bool do_txn(struct load *l, struct reader *r)
{
    uint32_t key, id, lost;
    struct resumed *c;

    if (!record_fields(r, "uuu", &key, &id, &lost) || !id)
        return false;
    c = find(l, key);
    return !c || txn_reopen(c->conn, id, lost);
}

static struct txn *txn_of(struct load *l, uint32_t key, uint32_t id)
{
    struct resumed *c = find(l, key);

    return c ? txn_find(c->conn, id) : NULL;
}

static bool do_txn_read(struct load *l, struct reader *r)
{
    uint32_t key, id, bits;
    const char *path;
    struct txn *t;

    if (!record_fields(r, "uuus", &key, &id, &bits, &path) || !valid(path))
        return false;
    t = txn_of(l, key, id);
    return !t || t->lost || !txn_note(t, path, bits);
}

static bool do_txn_change(struct load *l, struct reader *r)
{
    uint32_t key, id, type;
    struct bytes perms, value;
    struct change ch;
    const char *path;
    struct txn *t;

    if (!record_fields(r, "uuuspb", &key, &id, &type, &path, &perms, &value))
        return false;
    t = txn_of(l, key, id);
    if (!t || t->lost)
        return true;
    if (!take_change(l, &ch, type, path, perms, value))
        return false;
    t->lost = txn_change(t, &ch);
    return true;
}

static bool do_txn_end(struct load *l, struct reader *r)
{
    uint32_t key, id;
    struct txn *t;

    if (!record_fields(r, "uu", &key, &id))
        return false;
    t = txn_of(l, key, id);
    if (t) {
        txn_close(t);
        later_txn(l->s, t, false);
    }
    return true;
}

static bool do_out(struct load *l, struct reader *r)
{
    uint32_t key, at, event;
    struct resumed *c;
    struct bytes b;

    if (!record_fields(r, "uuub", &key, &at, &event, &b))
        return false;
    c = find(l, key);
    if (!c)
        return true;
    if (c->conn->out && at != c->out_end)
        conn_skip(c->conn, (uint32_t)c->conn->unsent); /* the page was zeroed meanwhile: what was before is over */
    if (!c->conn->out)
        c->out = at;
    c->out_end = at + (uint32_t)b.len;
    return conn_requeue(c->conn, b.p, b.len, event);
}

static bool do_in(struct load *l, struct reader *r)
{
    struct resumed *c;
    struct bytes b;
    uint32_t key, at;

    if (!record_fields(r, "uub", &key, &at, &b) || b.len > MESSAGE_MAX)
        return false;
    c = find(l, key);
    if (!c)
        return true;
    memcpy(c->conn->in, b.p, b.len);
    c->conn->in_start = 0;
    c->conn->in_end = b.len;
    c->in_end = at;
    c->has_in = true;
    c->has_done = false;
    return true;
}

static bool do_done(struct load *l, struct reader *r)
{
    struct resumed *c;
    uint32_t key, at;

    if (!record_fields(r, "uu", &key, &at))
        return false;
    c = find(l, key);
    if (c) {
        c->done = at;
        c->has_done = true;
    }
    return true;
}

static bool do_reset(struct load *l, struct reader *r)
{
    struct resumed *c;
    uint32_t key;

    if (!record_fields(r, "u", &key))
        return false;
    c = find(l, key);
    if (c) {
        conn_reset(c->conn);
        c->has_in = c->has_done = false;
    }
    return true;
}

static bool do_later(struct load *l, struct reader *r)
{
    uint32_t untold;

    if (!record_fields(r, "u", &untold))
        return false;
    l->untold = untold;
    return true;
}

static bool (*const handlers[REC_COUNT])(struct load *l, struct reader *r) = {
    [REC_STORE] = do_store,     [REC_LIMIT] = do_limit,       [REC_FEATURES] = do_features, [REC_SPECIAL] = do_special,
    [REC_NODE] = do_node,       [REC_CHANGE] = do_change,     [REC_DOMAIN] = do_domain,     [REC_GONE] = do_gone,
    [REC_CONN] = do_conn,       [REC_WATCH] = do_watch,       [REC_UNWATCH] = do_unwatch,   [REC_TXN] = do_txn,
    [REC_TXN_READ] = do_txn_read, [REC_TXN_CHANGE] = do_txn_change, [REC_TXN_END] = do_txn_end, [REC_OUT] = do_out,
    [REC_IN] = do_in,           [REC_DONE] = do_done,         [REC_RESET] = do_reset,
    [REC_LATER] = do_later,
};

/* All records are read: the connection goes on where it was. */
static void settle(struct resumed *r, uint32_t running, bool untold)
{
    struct conn *c = r->conn;
    uint32_t in, out, behind;

    c->overflow = c->overflow || untold;
    c->ops->position(c, &in, &out);
    if (c->out && !conn_skip(c, out - r->out)) {
        store_log(c->store, "domain %u: its ring is not where it was, it begins anew", c->actor.domid);
        conn_reset(c);
        return;
    }
    if (r->has_done) { /* executed after the last look at what was left */
        behind = r->in_end - r->done;
        if (!r->has_in || behind > c->in_end) {
            r->in_end = r->done;
            behind = 0;
        }
        c->in_start = c->in_end - behind;
    }
    if (r->has_in || r->has_done)
        c->ops->resume(c, r->in_end);
    c->poisoned = running == c->key + 1;
    c->store->ops->wake(c);
}

/* A store as it is at its beginning has nodes that the records will bring. */
static bool clear_tree(struct load *l)
{
    struct node *root = l->s->live.root;

    node_put(root->kids);
    root->kids = NULL;
    account_of(l->s, 0)->nodes = 0;
    account_of(l->s, 0)->node_bytes = 0;
    for (struct conn *c = l->s->conns; c; c = c->next)
        if (!resume(l, c))
            return false;
    return true;
}

static const char *load_all(struct load *l, const char *bytes, size_t len)
{
    struct reader all = { bytes, bytes + len }, r;
    uint32_t size, kind;

    if (!clear_tree(l))
        return "no memory";
    while (all.p != all.end) {
        r = all;
        if (!record_take(&r, &size, sizeof(size)) || !record_take(&r, &kind, sizeof(kind)) || size < 8 || size > (size_t)(all.end - all.p) ||
            !kind || kind >= REC_COUNT)
            return "a record is cut or unknown";
        r.end = all.p + size;
        if (!handlers[kind](l, &r))
            return "a record does not fit those before it, or there is no memory";
        all.p += size;
    }
    return NULL;
}

const char *state_load(struct store *s, const char *bytes, size_t len, uint32_t running)
{
    struct load l = { .s = s };
    const char *wrong;
    struct resumed *r;

    s->loading = true;
    wrong = load_all(&l, bytes, len);
    s->loading = false;
    s->version++;
    while ((r = l.conns)) {
        l.conns = r->next;
        if (!wrong)
            settle(r, running, l.untold);
        free(r);
    }
    perms_put(l.perms);
    return wrong;
}
