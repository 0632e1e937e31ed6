/* SPDX-License-Identifier: MIT */
/*
 * Persistent grants: a front's pages that stay mapped between requests, found again by grant reference.
 * A page in use is pinned; when the cache is full the page unused for longest since it got full is unmapped.
 */
#ifndef BACKENDS_PGRANT_H
#define BACKENDS_PGRANT_H
#include <stdint.h>

#define PGRANT_HASH 256

struct pgrant {
    uint32_t ref, handle;
    unsigned pins;
    void *addr;
    struct pgrant *same_hash, *newer, *older;
};
struct pgrant_cache {
    uint16_t dom;
    unsigned n, max;
    struct pgrant *hash[PGRANT_HASH];
    struct pgrant *newest, *oldest;
};

void pgrant_init(struct pgrant_cache *c, uint16_t dom, unsigned max);
/* The page of `ref`, mapped writable and pinned. NULL with *err: -EAGAIN all pages pinned, -ENOMEM, -ENOSPC no room, -EINVAL bad grant. */
struct pgrant *pgrant_get(struct pgrant_cache *c, uint32_t ref, int *err);
void pgrant_put(struct pgrant_cache *c, struct pgrant *g);
void pgrant_drop_all(struct pgrant_cache *c); /* nothing may be pinned */
#endif
