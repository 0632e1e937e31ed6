/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's heap: power-of-two classes of 16 to 2048 bytes cut from single frames, larger objects are whole blocks of
 * frames. The class (or order) is kept in the frame's `pad`: 1 + class, or LARGE + order.
 */
#include "lib/log.h"
#include "lib/string.h"
#include "mem/frames.h"

#define CLASSES 8
#define LARGE 0x100

struct object { struct object *next; };
static struct spinlock lock = SPINLOCK_INIT(LOCK_HEAP);
static struct object *free_objects[CLASSES];

static unsigned class_of(size_t bytes)
{
    unsigned c = 0;
    while ((16ull << c) < bytes)
        c++;
    return c;
}

static bool refill(unsigned c)
{
    mfn_t m = frame_alloc(0);
    if (!mfn_valid_value(m))
        return false;
    frame_of(m)->pad = (uint16_t)(1 + c);
    char *page = mfn_to_virt(m);
    for (size_t off = 0; off < PAGE_SIZE; off += 16ull << c) {
        struct object *o = (struct object *)(page + off);
        o->next = free_objects[c];
        free_objects[c] = o;
    }
    return true;
}

static void *alloc_large(size_t bytes)
{
    unsigned order = 0;
    while ((PAGE_SIZE << order) < bytes)
        order++;
    if (order > ORDER_2M)
        return NULL;
    mfn_t m = frame_alloc(order);
    if (!mfn_valid_value(m))
        return NULL;
    frame_of(m)->pad = (uint16_t)(LARGE + order);
    return memset(mfn_to_virt(m), 0, PAGE_SIZE << order);
}

void *heap_alloc(size_t bytes)
{
    if (bytes > 2048)
        return alloc_large(bytes);
    unsigned c = class_of(bytes);
    spin_lock(&lock);
    if (!free_objects[c] && !refill(c)) {
        spin_unlock(&lock);
        return NULL;
    }
    struct object *o = free_objects[c];
    free_objects[c] = o->next;
    spin_unlock(&lock);
    return memset(o, 0, 16ull << c);
}

void heap_free(void *p)
{
    if (!p)
        return;
    mfn_t m = virt_to_mfn(p);
    unsigned tag = frame_of(m)->pad;
    if (tag >= LARGE) {
        ASSERT(((uint64_t)p & (PAGE_SIZE - 1)) == 0);
        frame_put_order(m, tag - LARGE);
        return;
    }
    ASSERT(tag >= 1 && tag <= CLASSES && ((uint64_t)p & ((16ull << (tag - 1)) - 1)) == 0);
    spin_lock(&lock);
    struct object *o = p;
    o->next = free_objects[tag - 1];
    free_objects[tag - 1] = o;
    spin_unlock(&lock);
}
