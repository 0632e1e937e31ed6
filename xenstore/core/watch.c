/* SPDX-License-Identifier: MIT */
/* Watches: see watch.h. */
#include "xenstore/core/watch.h"
#include "xenstore/core/conn.h"
#include "xenstore/core/state.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_START 2166136261u
#define FIRST_BITS 6
#define FIRST_SEGMENT ((size_t)1 << FIRST_BITS)

static uint32_t hash_more(uint32_t h, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

/* The hash grows by one bucket at a time, so no addition is longer than others. Buckets lie in segments that never move: the first
 * holds FIRST_SEGMENT, each later one as many as all before it. */
static struct watch **slot(const struct store *s, size_t i)
{
    int top = i < FIRST_SEGMENT ? 0 : 63 - __builtin_clzll(i);

    return top ? &s->watch_hash[top - FIRST_BITS + 1][i - ((size_t)1 << top)] : &s->watch_hash[0][i];
}

static size_t place_of(uint32_t hash, size_t mask)
{
    return (hash ^ hash >> 15) & mask;
}

static struct watch **bucket(const struct store *s, uint32_t hash)
{
    size_t half = (size_t)1 << (63 - __builtin_clzll(s->watch_buckets)), i = place_of(hash, 2 * half - 1);

    return slot(s, i < s->watch_buckets ? i : i - half); /* the upper half's bucket is not split off yet */
}

/* One more bucket, with what belongs into it of the one it is split off. */
static void split(struct store *s)
{
    size_t n = s->watch_buckets, half = (size_t)1 << (63 - __builtin_clzll(n));
    struct watch **from = slot(s, n - half), **to = slot(s, n), *w;

    *to = NULL;
    while ((w = *from))
        if (place_of(w->hash, 2 * half - 1) == n) {
            *from = w->hash_next;
            w->hash_next = *to;
            *to = w;
        } else {
            from = &w->hash_next;
        }
    s->watch_buckets++;
}

/* Keep chains short. Without memory they get longer, nothing else. */
static void grow(struct store *s)
{
    size_t n = s->watch_buckets;
    struct watch ***segment;

    if (!n && (s->watch_hash[0] = calloc(FIRST_SEGMENT, sizeof(struct watch *))))
        s->watch_buckets = FIRST_SEGMENT;
    if (!n || s->watch_count < n || n >> (WATCH_SEGMENTS + FIRST_BITS - 1))
        return;
    segment = &s->watch_hash[63 - __builtin_clzll(n) - FIRST_BITS + 1];
    if (!*segment)
        *segment = malloc(n * sizeof(struct watch *)); /* a power of two, as it is the first in there */
    if (*segment)
        split(s);
}

void watch_free(struct store *s)
{
    for (int i = 0; i < WATCH_SEGMENTS; i++)
        free(s->watch_hash[i]);
}

/* Where the bucket points to the watch, or NULL. */
static struct watch **find(struct conn *c, const char *path, const char *token)
{
    struct store *s = c->store;
    uint32_t hash = hash_more(HASH_START, path, strlen(path));
    struct watch **w = s->watch_buckets ? bucket(s, hash) : NULL;

    for (; w && *w; w = &(*w)->hash_next)
        if ((*w)->conn == c && (*w)->hash == hash && !strcmp((*w)->path, path) && !strcmp((*w)->token, token))
            return w;
    return NULL;
}

int watch_add(struct conn *c, const char *path, const char *token, bool relative, int depth)
{
    struct store *s = c->store;
    struct account *acc = account_of(s, c->actor.domid);
    size_t len = strlen(path) + 1;
    struct watch *w, **b;
    size_t size = sizeof(*w);
    int err;

    if (find(c, path, token))
        return EEXIST;
    if (acc && acc->watches >= quota_limit(s, c->actor.domid, QUOTA_WATCHES))
        return quota_refuse(s, c->actor.domid, QUOTA_WATCHES, E2BIG);
    size += len + strlen(token) + 1;
    err = quota_memory(s, c->actor.domid, 0, size);
    if (err)
        return err;
    grow(s);
    w = acc && s->watch_buckets ? malloc(size) : NULL;
    if (!w)
        return ENOMEM;
    *w = (struct watch){ .conn = c, .relative = relative, .depth = depth };
    memcpy(w->path, path, len);
    w->token = strcpy(w->path + len, token);
    w->hash = hash_more(HASH_START, path, len - 1);
    b = bucket(s, w->hash);
    w->hash_next = *b;
    *b = w;
    w->prev = &c->watches;
    w->next = c->watches;
    if (w->next)
        w->next->prev = &w->next;
    c->watches = w;
    s->watch_count++;
    acc->watches++;
    acc->work_bytes += size;
    if (c->key < SOCKET_KEY)
        journal_put(s, REC_WATCH, "uuuss", c->key, (uint32_t)depth, relative, path, token);
    return 0;
}

/* `slot` is where the bucket points to it. */
static void unlink_watch(struct store *s, struct watch **slot)
{
    struct watch *w = *slot;

    *slot = w->hash_next;
    *w->prev = w->next;
    if (w->next)
        w->next->prev = w->prev;
    s->watch_count--;
    account_of(s, w->conn->actor.domid)->watches--;
    account_work(s, w->conn->actor.domid, -(int64_t)(sizeof(*w) + strlen(w->path) + strlen(w->token) + 2));
    free(w);
}

int watch_remove(struct conn *c, const char *path, const char *token)
{
    struct watch **w = find(c, path, token);

    if (!w)
        return ENOENT;
    if (c->key < SOCKET_KEY)
        journal_put(c->store, REC_UNWATCH, "uss", c->key, path, token);
    unlink_watch(c->store, w);
    return 0;
}

void watch_remove_all(struct conn *c)
{
    while (c->watches)
        watch_remove(c, c->watches->path, c->watches->token);
}

static void send_event(const struct watch *w, const char *path)
{
    conn_event(w->conn, w->relative ? path + path_home_len(w->conn->actor.domid) : path, w->token);
}

void watch_fire_all(struct conn *c)
{
    for (const struct watch *w = c->watches; w; w = w->next)
        send_event(w, w->path);
}

/* May the watcher know? `perms` are the node's. */
static bool permitted(struct store *s, const struct watch *w, const char *path, const struct perms *perms)
{
    const struct actor *a = &w->conn->actor;
    char parent[PATH_BUF];
    struct node *n;
    size_t len;

    if (actor_privileged(a) || perms_access(perms, a) & ACCESS_READ)
        return true;
    len = path[0] == '@' ? 0 : path_parent_len(path, strlen(path));
    if (!len)
        return false;
    memcpy(parent, path, len);
    parent[len] = 0;
    n = tree_find(s->live.root, parent, NULL, NULL);
    return n && perms_access(n->perms, a) & ACCESS_READ;
}

/* Fire the watches on the first `len` bytes of `path`; `below` tells how many levels the change is below them. */
static void fire_at(struct store *s, const char *path, size_t len, uint32_t hash, int below, const struct perms *perms)
{
    for (struct watch *w = *bucket(s, hash); w; w = w->hash_next)
        if (w->hash == hash && !strncmp(w->path, path, len) && !w->path[len] &&
            (w->depth == DEPTH_ALL || below <= w->depth) && permitted(s, w, path, perms))
            send_event(w, path);
}

static void fire_exact(struct store *s, const char *path, const struct perms *perms)
{
    size_t len = strlen(path);

    fire_at(s, path, len, hash_more(HASH_START, path, len), 0, perms);
}

void watch_fire(struct store *s, const char *path, const struct perms *perms)
{
    size_t len = strlen(path);
    uint32_t h = hash_more(HASH_START, path, 1);
    int below = 0;

    if (!s->watch_count)
        return;
    for (size_t i = 0; i < len; i++)
        below += path[i] == '/' && path[i + 1];
    fire_at(s, path, 1, h, below, perms);
    for (size_t i = 1; i < len; i++) {
        h = hash_more(h, path + i, 1);
        if (i + 1 == len || path[i + 1] == '/')
            fire_at(s, path, i + 1, h, --below, perms);
    }
}

static bool fire_gone(void *arg, const char *path, const struct node *n)
{
    fire_exact(arg, path, n->perms);
    return true;
}

void watch_fire_removed(struct store *s, const char *path, const struct node *n)
{
    size_t len = strlen(path);
    char buf[PATH_BUF];

    if (!s->watch_count)
        return;
    watch_fire(s, path, n->perms);
    if (!n->kids)
        return;
    memcpy(buf, path, len + 1);
    tree_walk_kids(n, buf, len, fire_gone, s);
}

struct perms **watch_special(struct store *s, const char *name)
{
    if (!strcmp(name, "@introduceDomain"))
        return &s->special[0];
    if (!strcmp(name, "@releaseDomain"))
        return &s->special[1];
    return NULL;
}

void watch_fire_special(struct store *s, const char *name)
{
    if (s->watch_count)
        fire_exact(s, name, *watch_special(s, name));
}
