/* SPDX-License-Identifier: MIT */
/*
 * The trace's rings; see trace.h. A ring is a run of frames: struct t_buf, then the records. Indices count to twice the size of the
 * records' part, so that full and empty differ. What the reader writes (`cons`) is checked at each use: nonsense there means that the
 * ring is full. Records that find no room are counted, and the next that finds some comes behind a TRC_LOST_RECORDS.
 */
#include "trace/trace.h"
#include "lib/softirq.h"
#include "lib/string.h"
#include "lib/x86.h"
#include "mem/frames.h"

#define STAMPED 3u /* words of a record's header and time */

struct ring {
    struct t_buf *shared;
    uint32_t size, prod; /* bytes of the records' part; our own copy of shared->prod */
    uint32_t lost;
    uint64_t lost_since; /* TSC */
};
static PERCPU(struct ring, ring);

uint32_t trace_events;
static uint32_t mask = TRC_ALL;
static uint64_t cpus = ~0ull;
static struct t_info *table;
static unsigned table_pages, ring_pages, ready; /* ready: CPUs that have their ring */

/* --- records --- */

static uint32_t used(const struct ring *r)
{
    uint32_t cons = READ_ONCE(r->shared->cons);
    uint32_t n = r->prod >= cons ? r->prod - cons : r->prod + 2 * r->size - cons;
    return cons < 2 * r->size && n <= r->size ? n : r->size;
}

static uint32_t *position(const struct ring *r)
{
    return (uint32_t *)((char *)(r->shared + 1) + (r->prod >= r->size ? r->prod - r->size : r->prod));
}

static void advance(struct ring *r, uint32_t bytes)
{
    r->prod += bytes;
    if (r->prod >= 2 * r->size)
        r->prod -= 2 * r->size;
}

static uint32_t header(uint32_t event, unsigned words, bool stamped)
{
    return event | words << TRACE_EXTRA_SHIFT | (stamped ? (uint32_t)TRC_HD_CYCLE_FLAG : 0);
}

/* Room for so many bytes in one piece: what is left behind the last record that fits is filled with records that say so. */
static bool make_room(struct ring *r, uint32_t bytes)
{
    uint32_t end = r->size - (r->prod >= r->size ? r->prod - r->size : r->prod), pad = bytes > end ? end : 0;
    if (used(r) + pad + bytes > r->size)
        return false;
    while (pad) {
        unsigned words = MIN(pad / 4, TRACE_EXTRA_MAX + 1u);
        memset(position(r), 0, words * 4);
        *position(r) = header(TRC_TRACE_WRAP_BUFFER, words - 1, false);
        advance(r, words * 4);
        pad -= words * 4;
    }
    return true;
}

static bool put(struct ring *r, uint64_t tsc, uint32_t event, const uint32_t *word, unsigned n)
{
    uint32_t bytes = (STAMPED + n) * 4, *at;
    if (!make_room(r, bytes))
        return false;
    at = position(r);
    at[0] = header(event, n, true);
    at[1] = (uint32_t)tsc;
    at[2] = (uint32_t)(tsc >> 32);
    memcpy(at + STAMPED, word, n * 4);
    advance(r, bytes);
    return true;
}

static bool put_lost(struct ring *r, uint64_t tsc)
{
    const uint32_t word[] = {r->lost, this_cpu_id() | BH_TRC_IDLE_DOMAIN << 16, TRACE_LONG(r->lost_since)};
    if (r->lost && !put(r, tsc, TRC_LOST_RECORDS, word, ARRAY_SIZE(word)))
        return false;
    r->lost = 0;
    return true;
}

void trace_record(uint32_t event, const uint32_t *word, unsigned n)
{
    struct ring *r = &this_cpu(ring);
    uint64_t tsc = rdtsc();
    if (!(trace_events & event & 0xfu << TRC_SUBCLS_SHIFT) || !(READ_ONCE(cpus) >> this_cpu_id() & 1) || !r->shared)
        return;
    bool below = used(r) < r->size / 2;
    if (!put_lost(r, tsc) || !put(r, tsc, event, word, n)) {
        if (!r->lost++)
            r->lost_since = tsc;
    }
    __asm__ volatile("" ::: "memory"); /* the record before the index: x86 keeps the order of stores */
    WRITE_ONCE(r->shared->prod, r->prod);
    if (below && used(r) >= r->size / 2)
        softirq_raise(SOFTIRQ_TRACE);
}

/* --- what the control domain asks for --- */

/* 2^order frames or fewer in one run, zeroed. */
static void *run_of(unsigned pages)
{
    unsigned order = 0;
    while (1u << order < pages)
        order++;
    mfn_t m = frame_alloc(order);
    if (!mfn_valid_value(m))
        return NULL;
    for (unsigned i = pages; i < 1u << order; i++)
        frame_put(mfn_add(m, i));
    memset(mfn_to_virt(m), 0, pages * PAGE_SIZE);
    return mfn_to_virt(m);
}

static void free_run(void *p, unsigned pages)
{
    for (unsigned i = 0; p && i < pages; i++)
        frame_put(mfn_add(virt_to_mfn(p), i));
}

static unsigned table_words(unsigned pages)
{
    return DIV_ROUND_UP(sizeof(*table) + nr_cpus * sizeof(table->mfn_offset[0]), 4) + nr_cpus * pages;
}

/* For each CPU the list of its ring's frames, as words behind the table's head. */
static struct t_info *make_table(void)
{
    unsigned at = table_words(0);
    struct t_info *t = run_of(table_pages);
    for (unsigned cpu = 0; t && cpu < nr_cpus; cpu++) {
        t->mfn_offset[cpu] = (uint16_t)at;
        for (unsigned i = 0; i < ring_pages; i++)
            ((uint32_t *)t)[at++] = (uint32_t)(virt_to_mfn(per_cpu(ring, cpu).shared).v + i);
        t->tbuf_size = (uint16_t)ring_pages;
    }
    return t;
}

static int no_memory(void)
{
    while (ready--) {
        free_run(per_cpu(ring, ready).shared, ring_pages);
        per_cpu(ring, ready).shared = NULL;
    }
    ready = ring_pages = 0;
    return -ENOMEM;
}

int trace_set_size(unsigned pages)
{
    struct ring *r = &per_cpu(ring, MIN(ready, nr_cpus - 1));
    if (ring_pages && (table || pages != ring_pages))
        return pages == ring_pages ? 0 : -EEXIST;
    if (!pages || pages > TRACE_MAX_PAGES || table_words(pages) > UINT16_MAX) /* the table's offsets have 16 bits */
        return -EINVAL;
    ring_pages = pages;
    table_pages = (unsigned)DIV_ROUND_UP(table_words(pages) * 4, PAGE_SIZE);
    if (ready < nr_cpus) {
        *r = (struct ring){.shared = run_of(pages), .size = (uint32_t)(pages * PAGE_SIZE - sizeof(*r->shared))};
        if (!r->shared)
            return no_memory();
        ready++;
        return -ERESTART;
    }
    table = make_table();
    return table ? 0 : no_memory();
}

int trace_enable(bool on)
{
    if (!table)
        return -ENODEV;
    for (unsigned cpu = 0; !trace_events && cpu < nr_cpus; cpu++)
        per_cpu(ring, cpu).lost = 0;
    WRITE_ONCE(trace_events, on ? mask : 0);
    return 0;
}

void trace_set_mask(uint32_t events)
{
    mask = events;
    if (trace_events)
        WRITE_ONCE(trace_events, mask);
}

void trace_set_cpus(uint64_t which)
{
    WRITE_ONCE(cpus, which);
}

uint32_t trace_mask(void)
{
    return mask;
}

unsigned trace_table(uint64_t *first_frame)
{
    *first_frame = table ? virt_to_mfn(table).v : 0;
    return table ? table_pages * (unsigned)PAGE_SIZE : 0;
}

static bool within(mfn_t m, const void *p, unsigned pages)
{
    return p && m.v >= virt_to_mfn(p).v && m.v < virt_to_mfn(p).v + pages;
}

bool trace_frame(mfn_t m, bool *writable)
{
    *writable = false;
    if (within(m, table, table_pages))
        return true;
    for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
        const struct t_buf *shared = per_cpu(ring, cpu).shared;
        if (table && within(m, shared, ring_pages)) {
            *writable = virt_to_mfn(shared).v == m.v;
            return true;
        }
    }
    return false;
}
