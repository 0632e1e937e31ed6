/* SPDX-License-Identifier: MIT */
/*
 * The page allocator: a bitmap over RAM below 4 GiB, next-fit, contiguous runs. The bitmap itself takes the first
 * pages above the image. A set bit is a page in use (or one that does not exist).
 */
#include "rt/internal.h"

static uint64_t *map;     /* bit per page */
static uint64_t pages;    /* bits in map */
static uint64_t next;     /* where the search starts */
static unsigned free_pages, all_pages, least_free; /* least_free: so far, since pages are given out */

static bool used(uint64_t pfn)
{
    return map[pfn / 64] >> (pfn % 64) & 1;
}

static void mark(uint64_t pfn, uint64_t n, bool use)
{
    for (uint64_t i = pfn; i < pfn + n; i++) {
        if (use)
            map[i / 64] |= 1ull << (i % 64);
        else
            map[i / 64] &= ~(1ull << (i % 64));
    }
}

/* Pages [from, to) minus [low, high) become free. */
static void release_outside(uint64_t from, uint64_t to, uint64_t low, uint64_t high)
{
    for (uint64_t p = from; p < to; p++)
        if (p < low || p >= high) {
            mark(p, 1, false);
            free_pages++;
        }
}

void rt_pages_init(const struct rt_range *ram, unsigned n)
{
    uint64_t top = 0;
    for (unsigned i = 0; i < n; i++)
        if (ram[i].end <= 1ull << 32 && ram[i].end > top)
            top = ram[i].end;
    pages = top / RT_PAGE;
    map = (uint64_t *)(((uintptr_t)_image_end + RT_PAGE - 1) & ~(uintptr_t)(RT_PAGE - 1));
    size_t bytes = (pages + 63) / 64 * 8;
    uint64_t first_free = ((uintptr_t)map + bytes + RT_PAGE - 1) / RT_PAGE;
    RT_ASSERT(first_free < pages);
    memset(map, 0xff, bytes);
    for (unsigned i = 0; i < n; i++) {
        uint64_t from = (ram[i].start + RT_PAGE - 1) / RT_PAGE, to = ram[i].end / RT_PAGE;
        all_pages += to > from ? (unsigned)(to - from) : 0;
        if (from < RT_LOW_RESERVED / RT_PAGE)
            from = RT_LOW_RESERVED / RT_PAGE;
        if (ram[i].end <= 1ull << 32)
            release_outside(from, to, (uintptr_t)_image_start / RT_PAGE, first_free);
    }
    next = first_free;
    least_free = free_pages;
}

/* First free run of n in [from, to), or `to`. */
static uint64_t find(uint64_t from, uint64_t to, uint64_t n)
{
    uint64_t run = 0;
    for (uint64_t p = from; p < to; p++) {
        if (p % 64 == 0 && run == 0 && map[p / 64] == ~0ull) {
            p += 63;
            continue;
        }
        run = used(p) ? 0 : run + 1;
        if (run == n)
            return p + 1 - n;
    }
    return to;
}

void *rt_alloc_pages(unsigned n)
{
    if (!n || n > free_pages)
        return NULL;
    uint64_t p = find(next, pages, n);
    if (p == pages)
        p = find(0, pages, n);
    if (p == pages)
        return NULL;
    mark(p, n, true);
    free_pages -= n;
    if (free_pages < least_free)
        least_free = free_pages;
    next = p + n;
    void *page = (void *)(p * RT_PAGE);
    memset(page, 0, (size_t)n * RT_PAGE);
    return page;
}

void rt_free_pages(void *p, unsigned n)
{
    if (!p)
        return;
    uint64_t pfn = (uintptr_t)p / RT_PAGE;
    RT_ASSERT((uintptr_t)p % RT_PAGE == 0 && pfn < pages && n <= pages - pfn);
    for (uint64_t i = pfn; i < pfn + n; i++)
        RT_ASSERT(used(i));
    mark(pfn, n, false);
    free_pages += n;
    if (pfn < next)
        next = pfn;
}

void rt_memory(unsigned *used_kib, unsigned *most_kib, unsigned *all_kib)
{
    *used_kib = (all_pages - free_pages) * (RT_PAGE / 1024);
    *most_kib = (all_pages - least_free) * (RT_PAGE / 1024);
    *all_kib = all_pages * (RT_PAGE / 1024);
}

unsigned rt_pages_free(void)
{
    return free_pages;
}
