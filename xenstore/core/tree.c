/* SPDX-License-Identifier: MIT */
/* The tree: see tree.h. */
#include "xenstore/core/tree.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define REAP_AT_ONCE 32 /* more than any change replaces */

static uint32_t prio_key = 0x9e3779b9u;
static struct node *doomed; /* nobody has a reference to them any more; what they refer to is still counted */

void tree_seed(uint32_t key)
{
    prio_key = key;
}

static uint32_t prio_of(const struct node *n)
{
    uint32_t h = prio_key ^ 2166136261u;

    for (size_t i = 0; i < n->name_len; i++)
        h = (h ^ (unsigned char)n->name[i]) * 16777619u;
    h ^= h >> 16;
    h *= 0x85ebca6bu ^ (prio_key | 1);
    return h ^ h >> 13;
}

struct blob *blob_new(const void *data, size_t len)
{
    struct blob *b = malloc(sizeof(*b) + len);

    if (b) {
        b->ref = 1;
        b->len = (uint32_t)len;
        memcpy(b->data, data, len);
    }
    return b;
}

struct blob *blob_get(struct blob *b)
{
    if (b)
        b->ref++;
    return b;
}

void blob_put(struct blob *b)
{
    if (b && --b->ref == 0)
        free(b);
}

static uint64_t lead_of(struct comp name)
{
    uint64_t lead = 0;

    memcpy(&lead, name.s, name.len < sizeof(lead) ? name.len : sizeof(lead));
    return __builtin_bswap64(lead);
}

/* The name begins in the padding. */
static size_t node_size(size_t name_len)
{
    return offsetof(struct node, name) + name_len + 1;
}

struct node *node_new(struct comp name, struct perms *perms, struct blob *value, uint64_t gen)
{
    struct node *n = malloc(node_size(name.len));

    if (!n)
        return NULL;
    memset(n, 0, offsetof(struct node, name));
    n->ref = 1;
    n->gen = n->kgen = gen;
    n->perms = perms;
    n->value = value;
    n->span = (uint32_t)name.len + 1;
    n->lead = lead_of(name);
    n->name_len = (uint16_t)name.len;
    memcpy(n->name, name.s, name.len);
    n->name[name.len] = 0;
    return n;
}

size_t node_bytes(const struct node *n)
{
    return node_size(n->name_len) + (n->value ? sizeof(*n->value) + n->value->len : 0) +
           sizeof(*n->perms) + n->perms->n * sizeof(n->perms->p[0]);
}

struct node *node_get(struct node *n)
{
    if (n)
        n->ref++;
    return n;
}

static void doom(struct node *n)
{
    if (n && --n->ref == 0) {
        n->doomed = doomed;
        doomed = n;
    }
}

bool tree_reap(unsigned nodes)
{
    struct node *n;

    while (nodes-- && (n = doomed)) {
        doomed = n->doomed;
        doom(n->left);
        doom(n->right);
        doom(n->kids);
        perms_put(n->perms);
        blob_put(n->value);
        free(n);
    }
    return doomed;
}

void node_put(struct node *n)
{
    doom(n);
    tree_reap(REAP_AT_ONCE);
}

/* Make *link, which hangs on something that is ours alone, ours alone too. */
static struct node *own(struct node **link)
{
    struct node *n = *link, *c;
    size_t size = node_size(n->name_len);

    if (n->ref == 1)
        return n;
    c = malloc(size);
    if (!c)
        return NULL;
    memcpy(c, n, size);
    c->ref = 1;
    node_get(c->left);
    node_get(c->right);
    node_get(c->kids);
    perms_get(c->perms);
    blob_get(c->value);
    n->ref--;
    *link = c;
    return c;
}

/* A name that is looked for. */
struct key {
    struct comp name;
    uint64_t lead;
};

static struct key key_of(struct comp name)
{
    return (struct key){ name, lead_of(name) };
}

/* The order of names: that of their bytes. */
static int compare(const struct key *k, const struct node *n)
{
    size_t len = k->name.len < n->name_len ? k->name.len : n->name_len;
    int d;

    if (k->lead != n->lead)
        return k->lead < n->lead ? -1 : 1;
    d = len > sizeof(k->lead) ? memcmp(k->name.s, n->name, len) : 0;
    return d ? d : (int)k->name.len - (int)n->name_len;
}

static struct node *find_kid(const struct node *dir, struct comp name)
{
    const struct key k = key_of(name);
    struct node *n = dir->kids;
    int d;

    while (n && (d = compare(&k, n)))
        n = d < 0 ? n->left : n->right;
    return n;
}

struct node *tree_find(struct node *root, const char *path, struct node **nearest, const char **rest)
{
    const char *pos = path, *end = path + strlen(path);
    struct node *n = root, *kid;
    struct comp c;

    while (path_next(&pos, end, &c)) {
        kid = find_kid(n, c);
        if (!kid) {
            if (nearest)
                *nearest = n;
            if (rest)
                *rest = c.s;
            return NULL;
        }
        n = kid;
    }
    return n;
}

/* Own the way to `name` in dir's treap. Returns its node, or NULL; *ok tells "not there" (true) from "no memory". */
static struct node *own_kid(struct node *dir, struct comp name, bool *ok)
{
    const struct key k = key_of(name);
    struct node **link = &dir->kids, *n;
    int d;

    *ok = true;
    while (*link) {
        n = own(link);
        if (!n) {
            *ok = false;
            return NULL;
        }
        d = compare(&k, n);
        if (!d)
            return n;
        link = d < 0 ? &n->left : &n->right;
    }
    return NULL;
}

struct node *tree_own(struct node **root, const char *path, size_t len)
{
    const char *pos = path;
    struct node *n = own(root);
    struct comp c;
    bool ok;

    while (n && path_next(&pos, path + len, &c))
        n = own_kid(n, c, &ok);
    return n;
}

static void respan(struct node *n)
{
    n->span = n->name_len + 1u + (n->left ? n->left->span : 0) + (n->right ? n->right->span : 0);
}

/* Cut treap t into names below and above `name`. */
static void split(struct node *t, const struct key *name, struct node **lo, struct node **hi)
{
    if (!t) {
        *lo = *hi = NULL;
        return;
    }
    if (compare(name, t) < 0) {
        split(t->left, name, lo, &t->left);
        *hi = t;
    } else {
        split(t->right, name, &t->right, hi);
        *lo = t;
    }
    respan(t);
}

bool tree_insert(struct node *dir, struct node *kid, uint64_t gen)
{
    const struct key name = key_of((struct comp){ kid->name, kid->name_len });
    struct node **link = &dir->kids;
    uint32_t prio = prio_of(kid);
    bool ok;

    own_kid(dir, name.name, &ok);
    if (!ok)
        return false;
    while (*link && prio_of(*link) >= prio) {
        (*link)->span += kid->name_len + 1u;
        link = compare(&name, *link) < 0 ? &(*link)->left : &(*link)->right;
    }
    split(*link, &name, &kid->left, &kid->right);
    respan(kid);
    *link = kid;
    dir->kgen = gen;
    return true;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node *top = a;

    if (!a || !b)
        return a ? a : b;
    if (prio_of(a) >= prio_of(b)) {
        a->right = merge(a->right, b);
    } else {
        b->left = merge(a, b->left);
        top = b;
    }
    respan(top);
    return top;
}

/* Own what merge() of n's two sides will touch. */
static bool own_spines(struct node *n)
{
    for (struct node **l = &n->left; *l; l = &(*l)->right)
        if (!own(l))
            return false;
    for (struct node **l = &n->right; *l; l = &(*l)->left)
        if (!own(l))
            return false;
    return true;
}

struct node *tree_remove(struct node *dir, struct comp name, uint64_t gen)
{
    const struct key k = key_of(name);
    struct node **link = &dir->kids, *n;
    bool ok;

    n = own_kid(dir, name, &ok);
    if (!n || !own_spines(n))
        return NULL;
    while (*link != n) {
        (*link)->span -= n->name_len + 1u;
        link = compare(&k, *link) < 0 ? &(*link)->left : &(*link)->right;
    }
    *link = merge(n->left, n->right);
    n->left = n->right = NULL;
    respan(n);
    dir->kgen = gen;
    return n;
}

size_t tree_kids_bytes(const struct node *dir)
{
    return dir->kids ? dir->kids->span : 0;
}

struct list_out {
    char *buf;
    size_t room, used;
    bool full;
};

static void list_kids(const struct node *t, size_t from, struct list_out *o)
{
    size_t left, mine;

    if (!t || o->full || from >= t->span)
        return;
    left = t->left ? t->left->span : 0;
    mine = t->name_len + 1u;
    if (from < left)
        list_kids(t->left, from, o);
    from = from > left ? from - left : 0;
    if (from < mine && !o->full) {
        if (mine - from > o->room - o->used) {
            o->full = true;
            return;
        }
        memcpy(o->buf + o->used, t->name + from, mine - from);
        o->used += mine - from;
    }
    list_kids(t->right, from > mine ? from - mine : 0, o);
}

size_t tree_kids_list(const struct node *dir, size_t from, char *buf, size_t room)
{
    struct list_out o = { buf, room, 0, false };

    list_kids(dir->kids, from, &o);
    return o.used;
}

static void walk_treap(const struct node *t, char *path, size_t len, tree_fn fn, void *arg)
{
    size_t at = len == 1 ? 0 : len; /* below "/" no second slash */

    if (!t)
        return;
    walk_treap(t->left, path, len, fn, arg);
    if (at + 1 + t->name_len < PATH_BUF) {
        path[at] = '/';
        memcpy(path + at + 1, t->name, t->name_len + 1u);
        tree_walk(t, path, at + 1 + t->name_len, fn, arg);
        path[len] = 0;
    }
    walk_treap(t->right, path, len, fn, arg);
}

void tree_walk(const struct node *n, char *path, size_t len, tree_fn fn, void *arg)
{
    if (fn(arg, path, n))
        walk_treap(n->kids, path, len, fn, arg);
}

/* Have room for three more, which is what a step adds at most. */
static bool steps_room(struct steps *w)
{
    size_t room = w->room ? 2 * w->room : 64;
    struct steps_entry *p;

    if (w->depth + 3 <= w->room)
        return true;
    p = realloc(w->stack, room * sizeof(*p));
    if (!p)
        return false;
    w->stack = p;
    w->room = room;
    return true;
}

static void steps_push(struct steps *w, const struct node *n, size_t len, bool alone)
{
    if (n)
        w->stack[w->depth++] = (struct steps_entry){ n, (uint32_t)len, alone };
}

static void steps_set(struct steps *w, const struct node *top, size_t len)
{
    w->stack = NULL;
    w->depth = w->room = 0;
    w->failed = false;
    w->top = top;
    w->top_len = len;
}

void steps_begin(struct steps *w, const struct node *root)
{
    steps_set(w, root, 0);
}

void steps_below(struct steps *w, const struct node *dir, const char *path)
{
    size_t len = path[1] ? strlen(path) : 0;

    memcpy(w->path, path, len);
    steps_set(w, dir->kids, len);
}

const struct node *steps_next(struct steps *w)
{
    struct steps_entry e;
    size_t len;

    while (w->depth || w->top) {
        w->failed = !steps_room(w);
        if (w->failed)
            return NULL;
        steps_push(w, w->top, w->top_len, false);
        w->top = NULL;
        e = w->stack[--w->depth];
        if (!e.alone) { /* a treap: smaller names, this one, greater names */
            steps_push(w, e.n->right, e.len, false);
            steps_push(w, e.n, e.len, true);
            steps_push(w, e.n->left, e.len, false);
            continue;
        }
        len = e.len + 1u + e.n->name_len; /* always fits: nobody can write a longer path */
        w->path[e.len] = '/';
        memcpy(w->path + e.len + 1, e.n->name, e.n->name_len + 1u);
        steps_push(w, e.n->kids, len == 1 ? 0 : len, false);
        return e.n;
    }
    return NULL;
}

void steps_end(struct steps *w)
{
    free(w->stack);
    steps_set(w, NULL, 0);
}
