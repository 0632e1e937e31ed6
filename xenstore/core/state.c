/* SPDX-License-Identifier: MIT */
/* Writing the state: see state.h. */
#include "xenstore/core/state.h"
#include "xenstore/core/later.h"
#include "xenstore/core/watch.h"
#include <stdarg.h>
#include <string.h>

static void put(struct sbuf *b, const void *data, size_t len)
{
    if (!b->failed && len > b->room - b->used)
        b->failed = !b->grow || !b->grow(b, b->used + len);
    if (b->failed || !len)
        return;
    memcpy(b->bytes + b->used, data, len);
    b->used += len;
}

static void put_u32(struct sbuf *b, uint32_t v)
{
    put(b, &v, sizeof(v));
}

static void put_perms(struct sbuf *b, const struct perms *p)
{
    put_u32(b, p ? p->n : 0);
    if (p)
        put(b, p->p, p->n * sizeof(p->p[0]));
}

static void put_fields(struct sbuf *b, const char *fields, va_list ap)
{
    const char *text;
    uint64_t wide;
    size_t len;

    for (; *fields; fields++)
        switch (*fields) {
        case 'u':
            put_u32(b, va_arg(ap, uint32_t));
            break;
        case 'U':
            wide = va_arg(ap, uint64_t);
            put(b, &wide, sizeof(wide));
            break;
        case 's':
            text = va_arg(ap, const char *);
            put(b, text, strlen(text) + 1);
            break;
        case 'p':
            put_perms(b, va_arg(ap, const struct perms *));
            break;
        case 'b':
            text = va_arg(ap, const char *);
            len = va_arg(ap, size_t);
            put_u32(b, (uint32_t)len);
            put(b, text, len);
            break;
        }
}

void state_put(struct sbuf *b, enum record kind, const char *fields, ...)
{
    size_t at = b->used;
    uint32_t len;
    va_list ap;

    put_u32(b, 0);
    put_u32(b, kind);
    va_start(ap, fields);
    put_fields(b, fields, ap);
    va_end(ap);
    if (b->failed)
        return;
    len = (uint32_t)(b->used - at);
    memcpy(b->bytes + at, &len, sizeof(len));
}

static const char *value_of(const struct blob *b, size_t *len)
{
    *len = b ? b->len : 0;
    return b ? b->data : NULL;
}

static bool dump_node(void *arg, const char *path, const struct node *n)
{
    size_t len;
    const char *value = value_of(n->value, &len);

    state_put(arg, REC_NODE, "spb", path, n->perms, value, len);
    return true;
}

static void dump_account(struct sbuf *b, uint32_t domid, const struct account *a)
{
    if (a->features_off)
        state_put(b, REC_FEATURES, "uu", domid, a->features_off);
    for (int q = 0; q < QUOTA_COUNT; q++)
        if (a->own_limits & 1u << q)
            state_put(b, REC_LIMIT, "uus", domid, a->limits[q], quota_name(q));
}

static void dump_domain(struct sbuf *b, const struct domain *d)
{
    state_put(b, REC_DOMAIN, "uuuUu", d->domid, d->target, d->shutdown, d->gfn, d->port);
}

static void dump_out(struct sbuf *b, const struct conn *c, const struct msg *m, uint32_t at)
{
    state_put(b, REC_OUT, "uuub", c->key, at, m->event, m->bytes, m->len);
}

static void dump_in(struct sbuf *b, const struct conn *c)
{
    uint32_t in, out;

    c->ops->position(c, &in, &out);
    state_put(b, REC_IN, "uub", c->key, in, c->in + c->in_start, c->in_end - c->in_start);
}

static void dump_conn(struct sbuf *b, struct conn *c, bool live)
{
    uint32_t in, at; /* where in the stream of bytes to the other side the queue begins */

    state_put(b, REC_CONN, "uuu", c->key, c->last_tx, c->overflow || c->again);
    for (const struct watch *w = c->watches; w; w = w->next)
        state_put(b, REC_WATCH, "uuuss", c->key, (uint32_t)w->depth, w->relative, w->path, w->token);
    for (struct txn *t = c->txns; t; t = t->next)
        txn_dump(t, b, live);
    c->ops->position(c, &in, &at);
    if (c->out)
        at -= c->out->sent;
    for (const struct msg *m = c->out; m; at += m->len, m = m->next)
        dump_out(b, c, m, at);
    dump_in(b, c);
}

/* What there is besides the tree and those who use it. */
static void dump_rules(struct store *s, struct sbuf *b)
{
    state_put(b, REC_STORE, "U", s->gen);
    for (int q = 0; q < QUOTA_COUNT; q++)
        state_put(b, REC_LIMIT, "uus", UINT32_MAX, s->limits[q], quota_name(q));
    for (uint32_t i = 0; i < ACCOUNT_PAGES; i++)
        for (uint32_t k = 0; s->accounts[i] && k < ACCOUNTS_PER_PAGE; k++)
            dump_account(b, i * ACCOUNTS_PER_PAGE + k, &s->accounts[i][k]);
    for (uint32_t i = 0; i < SPECIAL_COUNT; i++)
        state_put(b, REC_SPECIAL, "up", i, s->special[i]);
    for (int d = -1; (d = later_purged(s, (unsigned)(d + 1))) >= 0;)
        state_put(b, REC_GONE, "u", (uint32_t)d);
    state_put(b, REC_LATER, "u", (uint32_t)later_untold(s));
}

static void dump_domains(struct store *s, struct sbuf *b)
{
    for (const struct domain *d = s->domains; d; d = d->next)
        dump_domain(b, d);
}

void state_dump(struct store *s, struct sbuf *b, bool live)
{
    char path[PATH_BUF] = "/";

    later_finish(s);
    dump_rules(s, b);
    tree_walk(s->live.root, path, 1, dump_node, b);
    dump_domains(s, b);
    for (struct conn *c = s->conns; c; c = c->next) /* behind the nodes that transactions have changed */
        if (live || c->key < SOCKET_KEY)
            dump_conn(b, c, live);
}

void state_begin(struct store *s, struct sbuf *b, struct snapshot *part)
{
    dump_rules(s, b);
    dump_domains(s, b);
    part->number = ++s->snapshots;
    part->root = node_get(s->live.root);
    steps_begin(&part->steps, part->root);
}

bool state_more(struct snapshot *part, struct sbuf *b, unsigned nodes)
{
    const struct node *n;

    while (nodes--) {
        n = steps_next(&part->steps);
        b->failed = b->failed || part->steps.failed;
        if (!n || b->failed)
            return true;
        dump_node(b, part->steps.path, n);
    }
    return false;
}

bool state_rings(struct store *s, struct snapshot *part, struct sbuf *b, unsigned records)
{
    const struct account *a;

    for (struct conn *c = s->conns; c; c = c->next) {
        if (c->key >= SOCKET_KEY || c->snapshot == part->number)
            continue;
        if (!records)
            return false;
        state_put(b, REC_RESET, "u", c->key);
        dump_conn(b, c, false);
        c->snapshot = part->number;
        a = account_of(s, c->actor.domid);
        records -= a->watches + 1 < records ? a->watches + 1 : records;
    }
    return true;
}

void state_end(struct snapshot *part)
{
    steps_end(&part->steps);
    node_put(part->root);
    part->root = NULL;
}

void state_append(struct sbuf *b, const char *bytes, size_t len)
{
    put(b, bytes, len);
}

void journal_change(struct store *s, const struct actor *a, const struct change *ch)
{
    size_t len;
    const char *value = value_of(ch->value, &len);

    if (ch->changed)
        journal_put(s, REC_CHANGE, "uuuspb", a->domid, a->target, ch->type, ch->path, ch->perms, value, len);
}

void journal_domain(struct store *s, const struct domain *d)
{
    if (s->journal)
        dump_domain(&s->journal->buf, d);
}

void journal_out(struct conn *c, const struct msg *m)
{
    uint32_t in, out;

    if (!c->store->journal || c->key >= SOCKET_KEY)
        return;
    c->ops->position(c, &in, &out);
    dump_out(&c->store->journal->buf, c, m, out + (uint32_t)c->unsent - m->len);
}

void journal_in(struct conn *c)
{
    if (!c->store->journal || c->key >= SOCKET_KEY)
        return;
    dump_in(&c->store->journal->buf, c);
    journal_commit(c);
}

void journal_begin(struct conn *c)
{
    if (c->store->journal)
        __atomic_store_n(c->store->journal->running, c->key + 1, __ATOMIC_RELAXED);
}

void journal_keep(struct store *s)
{
    struct journal *j = s->journal;

    if (j && !j->buf.failed)
        __atomic_store_n(j->committed, j->buf.used, __ATOMIC_RELEASE);
}

void journal_commit(struct conn *c)
{
    struct journal *j = c->store->journal;
    uint32_t in, out;

    if (!j)
        return;
    if (c->key < SOCKET_KEY) {
        c->ops->position(c, &in, &out);
        state_put(&j->buf, REC_DONE, "uu", c->key, in - (uint32_t)(c->in_end - c->in_start));
    }
    journal_keep(c->store);
    __atomic_store_n(j->running, 0, __ATOMIC_RELEASE);
}
