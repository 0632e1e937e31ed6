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

static void chain(struct watch **b, struct watch *w)
{
    w->hash_prev = b;
    w->hash_next = *b;
    if (*b)
        (*b)->hash_prev = &w->hash_next;
    *b = w;
}

static void unchain(struct watch *w)
{
    *w->hash_prev = w->hash_next;
    if (w->hash_next)
        w->hash_next->hash_prev = w->hash_prev;
}

/* One more bucket, with what belongs into it of the one it is split off. */
static void split(struct store *s)
{
    size_t n = s->watch_buckets, half = (size_t)1 << (63 - __builtin_clzll(n));
    struct watch **to = slot(s, n), *w, *next;

    *to = NULL;
    for (w = *slot(s, n - half); w; w = next) {
        next = w->hash_next;
        if (place_of(w->hash, 2 * half - 1) == n) {
            unchain(w);
            chain(to, w);
        }
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
    if (!n || s->watch_count < n || n >> (WATCH_SEGMENTS + FIRST_BITS - 1) || s->watch_held)
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

static bool is(const struct watch *w, const struct conn *c, uint32_t hash, const char *path, const char *token)
{
    return w->conn == c && w->hash == hash && !strcmp(w->path, path) && !strcmp(w->token, token);
}

/* Looked for in its bucket and in the connection's list at once: one of them may be long, by the doing of others or by its own. */
static struct watch *find(struct conn *c, const char *path, const char *token)
{
    struct store *s = c->store;
    uint32_t hash = hash_more(HASH_START, path, strlen(path));
    struct watch *w = s->watch_buckets ? *bucket(s, hash) : NULL, *o = c->watches;

    for (; w && o; w = w->hash_next, o = o->next) {
        if (is(w, c, hash, path, token))
            return w;
        if (is(o, c, hash, path, token))
            return o;
    }
    return NULL;
}

int watch_add(struct conn *c, const char *path, const char *token, bool relative, int depth)
{
    struct store *s = c->store;
    struct account *acc = account_of(s, c->actor.domid);
    size_t len = strlen(path) + 1;
    struct watch *w;
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
    chain(bucket(s, w->hash), w);
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

static void unlink_watch(struct watch *w)
{
    struct conn *c = w->conn;
    struct store *s = c->store;

    if (c->key < SOCKET_KEY)
        journal_put(s, REC_UNWATCH, "uss", c->key, w->path, w->token);
    if (s->watch_cursor == w)
        s->watch_cursor = w->hash_next;
    if (c->again == w)
        c->again = w->next;
    unchain(w);
    *w->prev = w->next;
    if (w->next)
        w->next->prev = w->prev;
    s->watch_count--;
    account_of(s, c->actor.domid)->watches--;
    account_work(s, c->actor.domid, -(int64_t)(sizeof(*w) + strlen(w->path) + strlen(w->token) + 2));
    free(w);
}

int watch_remove(struct conn *c, const char *path, const char *token)
{
    struct watch *w = find(c, path, token);

    if (!w)
        return ENOENT;
    unlink_watch(w);
    return 0;
}

bool watch_remove_some(struct conn *c, unsigned n)
{
    for (; n && c->watches; n--)
        unlink_watch(c->watches);
    return !c->watches;
}

static void send_event(const struct watch *w, const char *path)
{
    conn_event(w->conn, w->relative ? path + path_home_len(w->conn->actor.domid) : path, w->token);
}

void watch_fire_again(struct conn *c)
{
    const struct watch *w;

    for (int n = 0; n < WATCHES_AGAIN && (w = c->again) && conn_hears(c); n++) {
        c->again = w->next;
        send_event(w, w->path);
    }
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

void watch_begin(struct firing *f, const char *path, const struct perms *perms, bool exact)
{
    size_t len = strlen(path);

    *f = (struct firing){ .path = path, .perms = perms, .at = exact ? len : 1 };
    f->hash = hash_more(HASH_START, path, f->at);
    for (size_t i = 0; !exact && i < len; i++)
        f->below += path[i] == '/' && path[i + 1];
}

/* On to the watches on the next node of the way down to the path. False: that was the last. */
static bool next_node(struct firing *f)
{
    if (!f->path[f->at])
        return false;
    do {
        f->hash = hash_more(f->hash, f->path + f->at, 1);
        f->at++;
    } while (f->path[f->at] && f->path[f->at] != '/');
    f->below--;
    return true;
}

static bool hears(struct store *s, const struct watch *w, const struct firing *f)
{
    return w->hash == f->hash && !strncmp(w->path, f->path, f->at) && !w->path[f->at] &&
           (w->depth == DEPTH_ALL || f->below <= w->depth) && permitted(s, w, f->path, f->perms);
}

bool watch_tell(struct store *s, struct firing *f, unsigned *units)
{
    const struct watch *w;

    if (!s->watch_buckets)
        return true;
    do {
        if (!f->begun)
            s->watch_cursor = *bucket(s, f->hash);
        f->begun = true;
        while ((w = s->watch_cursor)) {
            if (!*units) {
                s->watch_held = true;
                return false;
            }
            --*units;
            s->watch_cursor = w->hash_next;
            if (hears(s, w, f))
                send_event(w, f->path);
        }
        f->begun = false;
        s->watch_held = false;
    } while (next_node(f));
    return true;
}

struct perms **watch_special(struct store *s, const char *name)
{
    if (!strcmp(name, "@introduceDomain"))
        return &s->special[0];
    if (!strcmp(name, "@releaseDomain"))
        return &s->special[1];
    return NULL;
}
