/* SPDX-License-Identifier: MIT */
/*
 * Machine frames: a buddy allocator, and for each frame its owner and a count of references.
 * A frame is freed (scrubbed first, if it was a guest's) when its last reference goes; so whoever holds a reference - the
 * owner's p2m, a foreign or grant mapping, a shared page in use - can never see it reused.
 */
#ifndef MEM_FRAMES_H
#define MEM_FRAMES_H
#include <xen/xen.h>
#include "lib/list.h"
#include "lib/lock.h"

/* Whose memory it is; part of struct domain. NULL owner = the hypervisor. */
struct memowner {
    struct spinlock lock;   /* LOCK_OWNER: guards the fields below */
    domid_t id;
    uint64_t pages;         /* frames owned now, until their last reference goes */
    uint64_t max_pages;     /* limit for frame_alloc_owned */
};
void memowner_init(struct memowner *o, domid_t id);

struct frame {
    uint32_t refs;          /* atomic; 0 = free or never RAM */
    uint8_t order;          /* of a free block's head */
    uint8_t flags;          /* FRAME_* */
    uint16_t pad;
    struct memowner *owner; /* fixed while refs > 0 */
    struct list link;       /* free list; or the user's own while allocated */
};
#define FRAME_FREE 1u     /* head of a free block */
#define FRAME_RAM 2u      /* exists as RAM at all */
#define FRAME_XENHEAP 4u  /* shared page of the hypervisor (shared info, grant table): may be mapped into its domain */

/* Boot: describe RAM, then free what the boot protocol left. Addresses in bytes. */
struct mem_range { uint64_t start, end; };
void frames_init(const struct mem_range *all, unsigned n, uint64_t boot_alloc_start); /* `all` is used from then on */
void frames_give(uint64_t start, uint64_t end); /* boot: bytes [start, end) are free from now on */
bool frame_is_ram(mfn_t m);
bool frame_any_ram(mfn_t first, uint64_t count); /* one of these pages is RAM */
struct frame *frame_of(mfn_t m);  /* m must be RAM */
mfn_t frame_mfn(const struct frame *f);

/* 2^order contiguous, aligned frames, refs = 1 each, contents undefined for the hypervisor (owner NULL). MFN_NONE if none. */
mfn_t frame_alloc(unsigned order);
/* The same for a domain, zeroed; MFN_NONE when out of memory or over o->max_pages. */
mfn_t frame_alloc_owned(struct memowner *o, unsigned order);
/* A hypervisor page that belongs to a domain without counting against its limit (FRAME_XENHEAP), zeroed. */
mfn_t frame_alloc_shared(struct memowner *o);
void frame_get(mfn_t m);                               /* caller already holds a reference */
bool frame_get_owned(mfn_t m, const struct memowner *o); /* false if not RAM, free, or another's */
void frame_put(mfn_t m);                               /* frees at zero */
void frame_put_order(mfn_t m, unsigned order);         /* the reference of frame_alloc(order) on each frame */
uint64_t frames_free(void), frames_total(void);        /* pages */

/* Heap for the hypervisor's own objects: zeroed, 16-byte aligned; NULL when out of memory. Sizes up to 2 MiB. */
void *heap_alloc(size_t bytes);
void heap_free(void *p);
#endif
