/* SPDX-License-Identifier: MIT */
/*
 * The heap: blocks of 32, 64, ... 2048 bytes cut from single pages, larger ones from whole pages. Each block begins
 * with a 16-byte header whose magic tells its state; freeing twice, freeing what was never allocated and writing over
 * a header end the domain. Pages cut into blocks stay with their size class.
 */
#include "rt/rt.h"

#define HEADER 16u
#define LIVE 0x6c697665u
#define DEAD 0x64656164u
#define MIN_SHIFT 5
#define CLASSES 7 /* 32 << 0 ... 32 << 6 */
#define LARGE 0xffu

struct block {
    uint32_t magic;
    uint32_t class;          /* 0..CLASSES-1 or LARGE */
    union {
        struct block *next;  /* while free */
        uint64_t pages;      /* live and LARGE */
    } u;
};
_Static_assert(sizeof(struct block) == HEADER, "payload must stay 16-byte aligned");

static struct block *free_list[CLASSES];

static bool refill(unsigned class)
{
    char *page = rt_alloc_pages(1);
    if (!page)
        return false;
    size_t size = 1u << (MIN_SHIFT + class);
    for (size_t at = 0; at + size <= RT_PAGE; at += size) {
        struct block *b = (struct block *)(page + at);
        b->magic = DEAD;
        b->class = class;
        b->u.next = free_list[class];
        free_list[class] = b;
    }
    return true;
}

static void *alloc_large(size_t bytes)
{
    uint64_t pages = (bytes + HEADER + RT_PAGE - 1) / RT_PAGE;
    struct block *b = pages <= UINT32_MAX ? rt_alloc_pages((unsigned)pages) : NULL;
    if (!b)
        return NULL;
    b->magic = LIVE;
    b->class = LARGE;
    b->u.pages = pages;
    return b + 1;
}

void *rt_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX - 2 * RT_PAGE)
        return NULL;
    unsigned class = 0;
    while (class < CLASSES && bytes + HEADER > 1u << (MIN_SHIFT + class))
        class++;
    if (class == CLASSES)
        return alloc_large(bytes);
    if (!free_list[class] && !refill(class))
        return NULL;
    struct block *b = free_list[class];
    RT_ASSERT(b->magic == DEAD && b->class == class);
    free_list[class] = b->u.next;
    b->magic = LIVE;
    memset(b + 1, 0, (1u << (MIN_SHIFT + class)) - HEADER);
    return b + 1;
}

void rt_free(void *p)
{
    if (!p)
        return;
    struct block *b = (struct block *)p - 1;
    RT_ASSERT((uintptr_t)p % HEADER == 0 && b->magic == LIVE);
    b->magic = DEAD;
    if (b->class == LARGE) {
        RT_ASSERT((uintptr_t)b % RT_PAGE == 0);
        rt_free_pages(b, (unsigned)b->u.pages);
        return;
    }
    RT_ASSERT(b->class < CLASSES);
    b->u.next = free_list[b->class];
    free_list[b->class] = b;
}
