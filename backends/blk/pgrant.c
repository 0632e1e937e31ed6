/* SPDX-License-Identifier: MIT */
/* Persistent grants of one queue: see pgrant.h. */
#include "backends/blk/pgrant.h"
#include "backends/core/host.h"

#include <errno.h>
#include <string.h>

static struct pgrant **bucket(struct pgrant_cache *c, uint32_t ref)
{
    return &c->hash[(ref ^ ref >> 8) % PGRANT_HASH];
}

static void unlink_age(struct pgrant_cache *c, struct pgrant *g)
{
    *(g->newer ? &g->newer->older : &c->newest) = g->older;
    *(g->older ? &g->older->newer : &c->oldest) = g->newer;
}

static void link_newest(struct pgrant_cache *c, struct pgrant *g)
{
    g->newer = NULL;
    g->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = g;
    c->newest = g;
}

static void drop(struct pgrant_cache *c, struct pgrant *g)
{
    struct pgrant **p = bucket(c, g->ref);
    while (*p != g)
        p = &(*p)->same_hash;
    *p = g->same_hash;
    unlink_age(c, g);
    struct host_map m;
    m.addr = g->addr;
    m.n = 1;
    m.handles[0] = g->handle;
    host_unmap(&m);
    host_free(g);
    c->n--;
}

/* Room for one more: unmap the oldest page that nobody uses. */
static int make_room(struct pgrant_cache *c)
{
    if (c->n < c->max)
        return 0;
    for (struct pgrant *g = c->oldest; g; g = g->newer)
        if (!g->pins) {
            drop(c, g);
            return 0;
        }
    return -EAGAIN;
}

void pgrant_init(struct pgrant_cache *c, uint16_t dom, unsigned max)
{
    memset(c, 0, sizeof(*c));
    c->dom = dom;
    c->max = max;
}

static struct pgrant *map_new(struct pgrant_cache *c, uint32_t ref, int *err)
{
    struct host_map m;
    struct pgrant *g = host_alloc(sizeof(*g));
    *err = -ENOMEM;
    if (!g)
        return NULL;
    int rc = host_map(&m, c->dom, &ref, 1, false);
    if (rc) {
        *err = rc == -ENOSPC || rc == -ENOMEM ? rc : -EINVAL;
        host_free(g);
        return NULL;
    }
    g->ref = ref;
    g->handle = m.handles[0];
    g->addr = m.addr;
    g->same_hash = *bucket(c, ref);
    *bucket(c, ref) = g;
    link_newest(c, g);
    c->n++;
    *err = 0;
    return g;
}

struct pgrant *pgrant_get(struct pgrant_cache *c, uint32_t ref, int *err)
{
    struct pgrant *g = *bucket(c, ref);
    while (g && g->ref != ref)
        g = g->same_hash;
    if (g) {
        if (c->n == c->max) { /* before that nobody asks for the oldest */
            unlink_age(c, g);
            link_newest(c, g);
        }
    } else {
        *err = make_room(c);
        if (*err)
            return NULL;
        g = map_new(c, ref, err);
        if (!g)
            return NULL;
    }
    g->pins++;
    return g;
}

void pgrant_put(struct pgrant_cache *c, struct pgrant *g)
{
    (void)c;
    g->pins--;
}

void pgrant_drop_all(struct pgrant_cache *c)
{
    while (c->oldest)
        drop(c, c->oldest);
}
