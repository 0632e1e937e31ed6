/* SPDX-License-Identifier: MIT */
/* Ring pages: see ring.h. */
#include "xenstore/transport/ring.h"

static uint32_t load(const volatile uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(volatile uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

void ring_start(struct ring *r, void *page, uint32_t features)
{
    *r = (struct ring){ .page = page, .features = features };
    store(&r->page->error, XENSTORE_ERROR_NONE);
    store(&r->page->server_features, r->features);
}

void ring_begin(struct ring *r)
{
    r->cons = load(&r->page->req_cons);
    r->turn = true;
}

bool ring_end(struct ring *r)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (load(&r->page->req_cons) != r->cons)
        store(&r->page->req_cons, r->cons);
    r->turn = false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the client looks at req_cons after it moved req_prod, we the other way round */
    return !r->broken && load(&r->page->req_prod) != r->cons;
}

void ring_position(const struct ring *r, uint32_t *in, uint32_t *out)
{
    *in = r->turn ? r->cons : load(&r->page->req_cons);
    *out = load(&r->page->rsp_prod);
}

void ring_resume(struct ring *r, uint32_t in)
{
    store(&r->page->req_cons, in);
}

long ring_read(struct ring *r, void *buf, size_t n)
{
    uint32_t prod = load(&r->page->req_prod), have = prod - r->cons;
    char *to = buf;

    if (r->broken)
        return 0;
    if (have > XENSTORE_RING_SIZE)
        return -1;
    if (n > have)
        n = have;
    for (size_t i = 0; i < n; i++)
        to[i] = r->page->req[MASK_XENSTORE_IDX(r->cons + (uint32_t)i)];
    r->cons += (uint32_t)n;
    r->moved = r->moved || n;
    return (long)n;
}

long ring_write(struct ring *r, const void *buf, size_t n)
{
    uint32_t prod = load(&r->page->rsp_prod), cons = load(&r->page->rsp_cons), used = prod - cons;
    const char *from = buf;

    if (r->broken)
        return 0;
    if (used > XENSTORE_RING_SIZE)
        return -1;
    if (n > XENSTORE_RING_SIZE - used)
        n = XENSTORE_RING_SIZE - used;
    for (size_t i = 0; i < n; i++)
        r->page->rsp[MASK_XENSTORE_IDX(prod + (uint32_t)i)] = from[i];
    if (n) {
        store(&r->page->rsp_prod, prod + (uint32_t)n);
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the next look at rsp_cons */
        r->moved = true;
    }
    return (long)n;
}

bool ring_wants_reset(const struct ring *r)
{
    return load(&r->page->connection) == XENSTORE_RECONNECT;
}

void ring_reset(struct ring *r)
{
    r->broken = false;
    r->cons = 0;
    store(&r->page->req_cons, 0);
    store(&r->page->req_prod, 0);
    store(&r->page->rsp_cons, 0);
    store(&r->page->rsp_prod, 0);
    store(&r->page->error, XENSTORE_ERROR_NONE);
    store(&r->page->server_features, r->features);
    store(&r->page->connection, XENSTORE_CONNECTED);
    r->moved = true;
}

void ring_stop(struct ring *r, uint32_t error)
{
    r->broken = true;
    store(&r->page->error, error);
    r->moved = true;
}
