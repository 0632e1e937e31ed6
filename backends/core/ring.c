/* SPDX-License-Identifier: MIT */
/* Back end of a Xen I/O ring: see ring.h for the rules. */
#include "backends/core/ring.h"

#include <errno.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/ring.h>

DEFINE_RING_TYPES(ring_probe, uint64_t, uint64_t);
_Static_assert(sizeof(struct ring_shared) == offsetof(struct ring_probe_sring, ring), "header of xen/io/ring.h");
_Static_assert(offsetof(struct ring_shared, rsp_event) == offsetof(struct ring_probe_sring, rsp_event), "rsp_event");

/* x86 keeps stores in order: a compiler barrier orders what a dead backend leaves behind. */
static inline void order(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline void full_barrier(void)
{
    __sync_synchronize();
}

static uint8_t *slot(const struct ring *r, uint32_t index)
{
    return r->slots + (size_t)(index & (r->count - 1)) * r->entry;
}

/* Every 16 bytes, then every 4, then every byte of the rest, are accessed once. */
static void copy_once(volatile void *to, const volatile void *from, size_t bytes)
{
    typedef uint64_t __attribute__((vector_size(16), aligned(1), may_alias)) block;
    typedef uint32_t __attribute__((aligned(1), may_alias)) word; /* a network request has 8 or 12 bytes */
    size_t i = 0;
    for (; i + 16 <= bytes; i += 16)
        *(volatile block *)((volatile uint8_t *)to + i) = *(const volatile block *)((const volatile uint8_t *)from + i);
    for (; i + 4 <= bytes; i += 4)
        *(volatile word *)((volatile uint8_t *)to + i) = *(const volatile word *)((const volatile uint8_t *)from + i);
    for (; i < bytes; i++)
        ((volatile uint8_t *)to)[i] = ((const volatile uint8_t *)from)[i];
}

static uint32_t slots_that_fit(size_t bytes, size_t entry)
{
    size_t fit = bytes > sizeof(struct ring_shared) && entry ? (bytes - sizeof(struct ring_shared)) / entry : 0;
    uint32_t count = 1;
    while ((size_t)count * 2 <= fit)
        count *= 2;
    return fit ? count : 0;
}

/* The predecessor may have died between writing a response and publishing it. */
static void finish_noted(struct ring *r)
{
    uint32_t index = r->shared->note_index;
    if (index != r->rsp_pvt || r->shared->note_check != (~index ^ RING_NOTE_MAGIC) ||
        r->shared->req_prod == r->rsp_pvt)
        return;
    size_t n = r->entry < RING_NOTE_BYTES ? r->entry : RING_NOTE_BYTES;
    copy_once(slot(r, index), r->shared->note, n);
    order();
    r->rsp_pvt++;
    r->shared->rsp_prod = r->rsp_pvt;
}

int ring_attach(struct ring *r, void *mem, size_t bytes, size_t entry, bool fresh)
{
    memset(r, 0, sizeof(*r));
    r->shared = mem;
    r->slots = (uint8_t *)mem + sizeof(struct ring_shared);
    r->entry = (uint32_t)entry;
    r->count = slots_that_fit(bytes, entry);
    if (!r->count)
        return -EINVAL;
    r->rsp_pvt = r->shared->rsp_prod;
    if (r->shared->req_prod - r->rsp_pvt > r->count)
        return -EPROTO;
    if (fresh)
        r->shared->note_check = r->shared->note_index = 0;
    else
        finish_noted(r);
    r->req_cons = r->rsp_told = r->rsp_pvt;
    return 0;
}

int ring_pending(const struct ring *r)
{
    uint32_t prod = r->shared->req_prod;
    if (prod - r->rsp_pvt > r->count || prod - r->rsp_pvt < r->req_cons - r->rsp_pvt)
        return -EPROTO;
    return (int)(prod - r->req_cons);
}

uint32_t ring_take(struct ring *r, void *copy, size_t bytes)
{
    full_barrier(); /* the slot is read after req_prod */
    copy_once(copy, slot(r, r->req_cons), bytes);
    return r->req_cons++;
}

void ring_put(struct ring *r, const void *rsp, size_t bytes)
{
    volatile struct ring_shared *s = r->shared;
    s->note_check = 0;
    order();
    copy_once(s->note, rsp, bytes);
    s->note_index = r->rsp_pvt;
    order();
    s->note_check = ~r->rsp_pvt ^ RING_NOTE_MAGIC;
    order();
    copy_once(slot(r, r->rsp_pvt), rsp, bytes);
    order();
    r->rsp_pvt++;
    s->rsp_prod = r->rsp_pvt;
}

bool ring_push(struct ring *r)
{
    uint32_t old = r->rsp_told;
    r->rsp_told = r->rsp_pvt;
    full_barrier(); /* the front sees the responses before we look at its threshold */
    return r->rsp_pvt - r->shared->rsp_event < r->rsp_pvt - old;
}

bool ring_final_check(struct ring *r)
{
    if (ring_pending(r) != 0)
        return true;
    r->shared->req_event = r->req_cons + 1;
    full_barrier(); /* the front sees the threshold before we look again */
    return ring_pending(r) != 0;
}
