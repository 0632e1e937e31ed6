/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator: binary buddies up to 1 GiB over one array of struct frame that covers all RAM.
 * A frame freed by a domain is scrubbed when it is given out again to anyone but the hypervisor, before it is visible.
 */
#include "mem/frames.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/string.h"

static struct spinlock lock = SPINLOCK_INIT(LOCK_FRAMES);
static struct list free_list[ORDER_1G + 1];
static struct frame *frames;
static const struct mem_range *ram;     /* all there is */
static unsigned nr_ram;
static uint64_t frames_end;             /* mfns below this have a struct frame */
static uint64_t free_pages, total_pages;

bool frame_any_ram(mfn_t first, uint64_t count)
{
    for (unsigned i = 0; i < nr_ram; i++)
        if (first.v < ram[i].end >> PAGE_SHIFT && ram[i].start >> PAGE_SHIFT < first.v + count)
            return true;
    return false;
}

bool frame_is_ram(mfn_t m) { return m.v < frames_end && (frames[m.v].flags & FRAME_RAM); }

struct frame *frame_of(mfn_t m)
{
    ASSERT(m.v < frames_end);
    return &frames[m.v];
}

mfn_t frame_mfn(const struct frame *f) { return mfn((uint64_t)(f - frames)); }
uint64_t frames_free(void) { return free_pages; }
uint64_t frames_total(void) { return total_pages; }

void memowner_init(struct memowner *o, domid_t id)
{
    spin_init(&o->lock, LOCK_OWNER);
    o->id = id;
    o->pages = 0;
    o->max_pages = 0;
}

/* lock held: give back a block and merge it with its free buddies. */
static void free_block(uint64_t m, unsigned order)
{
    free_pages += 1ull << order;
    for (; order < ORDER_1G; order++) {
        uint64_t b = m ^ 1ull << order;
        if (b >= frames_end || !(frames[b].flags & FRAME_FREE) || frames[b].order != order)
            break;
        list_del(&frames[b].link);
        frames[b].flags &= (uint8_t)~FRAME_FREE;
        m &= ~(1ull << order);
    }
    frames[m].flags |= FRAME_FREE;
    frames[m].order = (uint8_t)order;
    list_add_head(&free_list[order], &frames[m].link);
}

/* lock held: a block of exactly `order`, split off the smallest that is large enough. */
static mfn_t take_block(unsigned order)
{
    unsigned o = order;
    while (o <= ORDER_1G && list_empty(&free_list[o]))
        o++;
    if (o > ORDER_1G)
        return MFN_NONE;
    struct frame *f = list_first(&free_list[o], struct frame, link);
    list_del(&f->link);
    f->flags &= (uint8_t)~FRAME_FREE;
    uint64_t m = frame_mfn(f).v;
    free_pages -= 1ull << order;
    while (o-- > order) {
        struct frame *half = &frames[m + (1ull << o)];
        half->flags |= FRAME_FREE;
        half->order = (uint8_t)o;
        list_add_head(&free_list[o], &half->link);
    }
    return mfn(m);
}

static void add_range(uint64_t start, uint64_t end)
{
    while (start < end) {
        unsigned o = start ? (unsigned)__builtin_ctzll(start) : ORDER_1G;
        o = MIN(o, (unsigned)ORDER_1G);
        while (start + (1ull << o) > end)
            o--;
        free_block(start, o);
        start += 1ull << o;
    }
}

/* The array lies at the first address >= boot_alloc_start with room for it, below 4 GiB; all RAM behind it that the
 * first 4 GiB hold is given out at once, the rest by frames_add_high() when the direct map reaches it. */
void frames_init(const struct mem_range *all, unsigned n, uint64_t boot_alloc_start)
{
    ram = all;
    nr_ram = n;
    for (unsigned o = 0; o <= ORDER_1G; o++)
        list_init(&free_list[o]);
    for (unsigned i = 0; i < n; i++)
        frames_end = MAX(frames_end, ram[i].end >> PAGE_SHIFT);
    uint64_t bytes = (frames_end * sizeof(struct frame) + PAGE_SIZE - 1) & PAGE_MASK, place = 0;
    for (unsigned i = 0; i < n && !place; i++) {
        uint64_t s = MAX(ram[i].start, boot_alloc_start);
        if (s + bytes <= MIN(ram[i].end, 1ull << 32))
            place = s;
    }
    if (!place)
        panic("no room below 4 GiB for the frame table of %lu KiB", bytes >> 10);
    frames = mpa_to_virt(mpa(place));
    memset(frames, 0, bytes);
    for (unsigned i = 0; i < n; i++)
        for (uint64_t m = ram[i].start >> PAGE_SHIFT; m < ram[i].end >> PAGE_SHIFT; m++) {
            frames[m].flags = FRAME_RAM;
            frames[m].refs = 1; /* the boot's, until it is given out */
            total_pages++;
        }
    for (unsigned i = 0; i < n; i++)
        frames_give(MAX(ram[i].start, place + bytes), MIN(ram[i].end, 1ull << 32));
}

void frames_give(uint64_t start, uint64_t end)
{
    start = (start + PAGE_SIZE - 1) & PAGE_MASK;
    end &= PAGE_MASK;
    if (start >= end)
        return;
    for (uint64_t m = start >> PAGE_SHIFT; m < end >> PAGE_SHIFT; m++)
        frames[m].refs = 0;
    spin_lock(&lock);
    add_range(start >> PAGE_SHIFT, end >> PAGE_SHIFT);
    spin_unlock(&lock);
}

static mfn_t alloc_as(struct memowner *o, unsigned order, uint8_t flags)
{
    if (order > ORDER_1G)
        return MFN_NONE;
    spin_lock(&lock);
    mfn_t m = take_block(order);
    spin_unlock(&lock);
    if (!mfn_valid_value(m))
        return m;
    for (uint64_t i = 0; i < 1ull << order; i++) {
        struct frame *f = &frames[m.v + i];
        f->owner = o;
        f->flags = (uint8_t)(FRAME_RAM | flags);
        f->pad = 0;
        __atomic_store_n(&f->refs, 1, __ATOMIC_RELEASE);
    }
    return m;
}

mfn_t frame_alloc(unsigned order) { return alloc_as(NULL, order, 0); }

static bool owner_charge(struct memowner *o, uint64_t pages, bool limited)
{
    spin_lock(&o->lock);
    bool ok = !limited || o->pages + pages <= o->max_pages;
    if (ok)
        o->pages += pages;
    spin_unlock(&o->lock);
    return ok;
}

static void owner_release(struct memowner *o, uint64_t pages)
{
    spin_lock(&o->lock);
    o->pages -= pages;
    spin_unlock(&o->lock);
}

mfn_t frame_alloc_owned(struct memowner *o, unsigned order)
{
    if (order > ORDER_1G || !owner_charge(o, 1ull << order, true))
        return MFN_NONE;
    mfn_t m = alloc_as(o, order, 0);
    if (mfn_valid_value(m))
        memset(mfn_to_virt(m), 0, PAGE_SIZE << order);
    else
        owner_release(o, 1ull << order);
    return m;
}

mfn_t frame_alloc_shared(struct memowner *o)
{
    mfn_t m = alloc_as(o, 0, FRAME_XENHEAP);
    if (mfn_valid_value(m))
        memset(mfn_to_virt(m), 0, PAGE_SIZE);
    return m;
}

void frame_get(mfn_t m)
{
    uint32_t old = __atomic_fetch_add(&frame_of(m)->refs, 1, __ATOMIC_SEQ_CST);
    ASSERT(old > 0 && old < UINT32_MAX / 2);
}

bool frame_get_owned(mfn_t m, const struct memowner *o)
{
    if (!frame_is_ram(m))
        return false;
    struct frame *f = &frames[m.v];
    uint32_t refs = __atomic_load_n(&f->refs, __ATOMIC_SEQ_CST);
    do {
        if (refs == 0 || refs >= UINT32_MAX / 2)
            return false;
    } while (!__atomic_compare_exchange_n(&f->refs, &refs, refs + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    if (f->owner == o)
        return true;
    frame_put(m);
    return false;
}

/* Frames [start, end) that nobody holds any more: off their owner's account (NULL: they are on none), free. */
static void give_back(uint64_t start, uint64_t end, struct memowner *o)
{
    if (start == end)
        return;
    spin_lock(&lock);
    add_range(start, end);
    spin_unlock(&lock);
    if (o)
        owner_release(o, end - start);
}

void frame_put(mfn_t m)
{
    struct frame *f = frame_of(m);
    uint32_t refs = __atomic_load_n(&f->refs, __ATOMIC_SEQ_CST);
    while (refs > 1)
        if (__atomic_compare_exchange_n(&f->refs, &refs, refs - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return;
    frame_put_order(m, 0); /* the last one */
}

/* Those whose last reference this was go back in runs: a large page mostly as a whole. */
void frame_put_order(mfn_t m, unsigned order)
{
    uint64_t run = m.v, end = m.v + (1ull << order);
    struct memowner *owner = NULL; /* of the run */
    for (uint64_t i = m.v; i < end; i++) {
        struct frame *f = frame_of(mfn(i));
        uint32_t old = __atomic_fetch_sub(&f->refs, 1, __ATOMIC_SEQ_CST);
        ASSERT(old > 0);
        struct memowner *o = old == 1 && !(f->flags & FRAME_XENHEAP) ? f->owner : NULL;
        if (old > 1 || o != owner) {
            give_back(run, i, owner);
            run = i + (old > 1);
        }
        owner = o;
        if (old > 1)
            continue;
        f->owner = NULL;
        f->flags = FRAME_RAM;
    }
    give_back(run, end, owner);
}
