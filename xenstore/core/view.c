/* SPDX-License-Identifier: MIT */
/* Checked operations on a tree: see view.h. */
#include "xenstore/core/view.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define RM_COUNTED 1000u /* nodes that a removal takes off the accounts at once */

int view_get(const struct view *v, const struct actor *a, const char *path, unsigned need, struct node **out)
{
    struct node *nearest = NULL;

    *out = tree_find(v->root, path, &nearest, NULL);
    if ((perms_access((*out ? *out : nearest)->perms, a) & need) != need)
        return EACCES;
    return *out ? 0 : ENOENT;
}

static int check_size(struct store *s, const struct actor *a, const struct blob *value)
{
    if (value && value->len > quota_limit(s, a->domid, QUOTA_NODE_SIZE))
        return quota_refuse(s, a->domid, QUOTA_NODE_SIZE, ENOSPC);
    return 0;
}

/* May `a` get `more` nodes of `bytes` in this view? */
static int check_nodes(struct store *s, const struct view *v, const struct actor *a, uint32_t more, size_t bytes)
{
    struct ledger_entry pending = ledger_get(&v->ledger, a->domid);
    const struct account *acc;

    if (actor_privileged(a))
        return 0;
    acc = account_of(s, a->domid);
    if (!acc)
        return ENOMEM;
    if ((int64_t)acc->nodes + pending.nodes + more > quota_limit(s, a->domid, QUOTA_NODES))
        return quota_refuse(s, a->domid, QUOTA_NODES, ENOSPC);
    return quota_memory(s, a->domid, pending.bytes, bytes);
}

/* May `a` have a node of `owner` grow? What it takes is the owner's, whoever writes; only domain 0 is not asked. */
static int check_growth(struct store *s, const struct view *v, const struct actor *a, uint16_t owner, size_t old, size_t new)
{
    if (actor_privileged(a) || new <= old)
        return 0;
    return quota_memory(s, owner, ledger_get(&v->ledger, owner).bytes, new - old);
}

/* Nodes for the components of `rest`, each the child of the one before, the last with `value`. NULL: no memory. */
static struct node *make_chain(const char *rest, struct perms *perms, struct blob *value, uint64_t gen)
{
    const char *pos = rest, *end = rest + strlen(rest);
    struct node *top = NULL, **link = &top, *n;
    struct comp c;

    while (path_next(&pos, end, &c)) {
        n = node_new(c, perms, pos == end ? value : NULL, gen);
        if (!n) {
            node_put(top);
            return NULL;
        }
        perms_get(perms);
        if (pos == end)
            blob_get(value);
        *link = n;
        link = &n->kids;
    }
    return top;
}

/* What these nodes are counted for. */
static size_t chain_bytes(const struct node *top)
{
    size_t bytes = 0;

    for (; top; top = top->kids)
        bytes += node_bytes(top);
    return bytes;
}

static uint32_t count_comps(const char *rest)
{
    const char *pos = rest, *end = rest + strlen(rest);
    struct comp c;
    uint32_t n = 0;

    while (path_next(&pos, end, &c))
        n++;
    return n;
}

/* Make the node at `path`, which is not there, and its missing ancestors. The right to was checked. */
static int create(struct store *s, struct view *v, const struct actor *a, const char *path, struct blob *value)
{
    struct node *dir, *chain;
    struct perms *perms;
    const char *rest;
    int64_t bytes;
    uint32_t n;
    int err;

    tree_find(v->root, path, &dir, &rest);
    n = count_comps(rest);
    perms = perms_inherit(dir->perms, a);
    if (!perms)
        return ENOMEM;
    chain = make_chain(rest, perms, value, s->gen + 1);
    bytes = (int64_t)chain_bytes(chain);
    err = check_nodes(s, v, a, n, (size_t)bytes);
    dir = err ? NULL : tree_own(&v->root, path, (size_t)(rest - path));
    if (err) {
        /* refused */
    } else if (!chain || !dir || !ledger_add(&v->ledger, perms->p[0].domid, (int32_t)n, bytes)) {
        err = ENOMEM;
    } else if (!tree_insert(dir, chain, s->gen + 1)) {
        ledger_add(&v->ledger, perms->p[0].domid, -(int32_t)n, -bytes);
        err = ENOMEM;
    } else {
        s->gen++;
        chain = NULL;
    }
    node_put(chain);
    perms_put(perms);
    return err;
}

int view_write(struct store *s, struct view *v, const struct actor *a, const char *path, struct blob *value)
{
    struct node *n;
    size_t old, new;
    uint16_t owner;
    int err = view_get(v, a, path, ACCESS_WRITE, &n);

    if (!err || err == ENOENT)
        err = check_size(s, a, value);
    if (err)
        return err;
    if (!n)
        return create(s, v, a, path, value);
    owner = n->perms->p[0].domid;
    old = n->value ? sizeof(*value) + n->value->len : 0;
    new = value ? sizeof(*value) + value->len : 0;
    err = check_growth(s, v, a, owner, old, new);
    if (err)
        return err;
    n = tree_own(&v->root, path, strlen(path));
    if (!n || !ledger_add(&v->ledger, owner, 0, (int64_t)new - (int64_t)old))
        return ENOMEM;
    blob_put(n->value);
    n->value = blob_get(value);
    n->gen = ++s->gen;
    return 0;
}

int view_mkdir(struct store *s, struct view *v, const struct actor *a, const char *path, bool *made)
{
    struct node *n;
    int err = view_get(v, a, path, ACCESS_WRITE, &n);

    *made = false;
    if (err != ENOENT)
        return err;
    err = create(s, v, a, path, NULL);
    *made = !err;
    return err;
}

/* Put what n and the nodes below it count for into the ledger, negative; *uncounted: they are too many, and the ledger is as it was. */
static bool count_off(struct store *s, const struct node *n, struct ledger *l, bool *uncounted)
{
    unsigned most = s->loading ? UINT_MAX : RM_COUNTED;
    struct steps w;
    bool ok = true;

    *uncounted = false;
    steps_below(&w, n, "/");
    for (; ok && n && !*uncounted; n = steps_next(&w)) {
        ok = ledger_add(l, n->perms->p[0].domid, -1, -(int64_t)node_bytes(n));
        *uncounted = !most--;
        s->work++;
    }
    ok = ok && !w.failed;
    steps_end(&w);
    if (!ok || *uncounted)
        ledger_free(l);
    return ok;
}

/* Was the node's parent there, so that removing nothing is right? */
static int absent(const struct view *v, const char *path)
{
    const char *rest;

    tree_find(v->root, path, NULL, &rest);
    return strchr(rest, '/') ? ENOENT : 0;
}

int view_rm(struct store *s, struct view *v, const struct actor *a, const char *path, struct node **removed, bool *uncounted)
{
    struct ledger count = { 0 };
    struct node *n, *dir;
    size_t len = strlen(path), dir_len = path_parent_len(path, len);
    int err = view_get(v, a, path, ACCESS_WRITE, &n);

    *removed = NULL;
    if (err)
        return err == ENOENT ? absent(v, path) : err;
    if (len == 1)
        return EINVAL;
    dir = count_off(s, n, &count, uncounted) ? tree_own(&v->root, path, dir_len) : NULL;
    err = ENOMEM;
    if (dir && ledger_merge(&v->ledger, &count)) {
        *removed = tree_remove(dir, (struct comp){ n->name, n->name_len }, s->gen + 1);
        if (*removed) {
            s->gen++;
            err = 0;
        } else {
            for (unsigned i = 0; i < count.n; i++)
                ledger_add(&v->ledger, count.e[i].domid, -count.e[i].nodes, -count.e[i].bytes);
        }
    }
    ledger_free(&count);
    return err;
}

int view_set_perms(struct store *s, struct view *v, const struct actor *a, const char *path, struct perms *perms)
{
    struct node *n;
    uint16_t old, new = perms->p[0].domid;
    size_t was, is;
    int err = view_get(v, a, path, ACCESS_WRITE | ACCESS_OWNER, &n);

    if (err)
        return err;
    old = n->perms->p[0].domid;
    if (!actor_privileged(a) && new != old)
        return EPERM;
    if (perms->n > quota_limit(s, a->domid, QUOTA_PERMISSIONS))
        return quota_refuse(s, a->domid, QUOTA_PERMISSIONS, ENOSPC);
    was = node_bytes(n);
    is = was + perms->n * sizeof(perms->p[0]) - n->perms->n * sizeof(perms->p[0]);
    err = check_growth(s, v, a, old, was, is);
    if (err)
        return err;
    n = tree_own(&v->root, path, strlen(path));
    if (!n || !ledger_add(&v->ledger, old, 0, 0) || !ledger_add(&v->ledger, new, 0, 0))
        return ENOMEM;
    ledger_add(&v->ledger, old, -1, -(int64_t)was);
    ledger_add(&v->ledger, new, 1, (int64_t)is);
    perms_put(n->perms);
    n->perms = perms_get(perms);
    n->gen = ++s->gen;
    return 0;
}

bool view_settle(struct store *s, struct view *v)
{
    for (unsigned i = 0; i < v->ledger.n; i++)
        if (!account_of(s, v->ledger.e[i].domid))
            return false;
    for (unsigned i = 0; i < v->ledger.n; i++) {
        struct account *acc = account_of(s, v->ledger.e[i].domid);

        acc->nodes += (uint32_t)v->ledger.e[i].nodes;
        acc->node_bytes += (uint64_t)v->ledger.e[i].bytes;
    }
    v->ledger.n = 0;
    return true;
}
