/* SPDX-License-Identifier: MIT */
/* The one page-table walker; see mem/pagetable.h. Levels count from 0 (4 KiB) up; a table has 512 entries of 8 bytes. */
#include "mem/pagetable.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mem/frames.h"

#define ADDR_MASK 0x000ffffffffff000ull
#define P BIT(0)
#define W BIT(1)
#define US BIT(2)
#define PCD BIT(4)
#define PWT BIT(3)
#define A BIT(5)
#define D BIT(6)
#define PS BIT(7)
#define NX BIT(63)

const struct pt_format pt_host = {
    .name = "host", .present = P, .table = P | W | A, .large = PS, .read = P, .write = W, .no_exec = NX,
    .uncached = PCD | PWT, .leaf = A | D, .soft_shift = 52, .max_order = ORDER_1G, .coherent = true,
};
/* AMD APM vol. 2, 15.25.5: nested tables are walked as user accesses, so U/S is set everywhere. */
const struct pt_format pt_npt = {
    .name = "npt", .present = P, .table = P | W | US | A, .large = PS, .read = P, .write = W, .no_exec = NX,
    .uncached = PCD | PWT, .leaf = US | A | D, .soft_shift = 52, .max_order = ORDER_1G, .coherent = true,
};
/* VT-d 9.8: bit 0 read, bit 1 write; execute is not told apart in legacy mode. */
struct pt_format pt_vtd = {
    .name = "vtd", .present = BIT(0) | BIT(1), .table = BIT(0) | BIT(1), .large = PS, .read = BIT(0), .write = BIT(1),
    .soft_shift = 52, .max_order = ORDER_2M, .coherent = true,
};

/* SDM tables 29-1 to 29-7: bits 0-2 read, write, execute; 3-5 the memory type of a leaf (6 write-back, 0 uncached). */
struct pt_format pt_ept = {
    .name = "ept", .present = 7, .table = 7, .large = PS, .read = BIT(0), .write = BIT(1), .exec = BIT(2), .cached = 6 << 3,
    .soft_shift = 52, .max_order = ORDER_4K, .coherent = true,
};

static unsigned shift_of(unsigned level) { return 9 * level; }
static unsigned index_of(uint64_t page, unsigned level) { return (unsigned)(page >> shift_of(level)) & 511; }
static uint64_t *table_at(uint64_t entry) { return mpa_to_virt(mpa(entry & ADDR_MASK)); }
static bool is_present(const struct pt_format *f, uint64_t e) { return e & f->present; }
static bool is_leaf(const struct pt_format *f, uint64_t e, unsigned level) { return level == 0 || (e & f->large); }

static void set(const struct pt_format *f, uint64_t *slot, uint64_t e)
{
    __atomic_store_n(slot, e, __ATOMIC_RELEASE);
    if (!f->coherent)
        __asm__ volatile("clflush %0; sfence" ::"m"(*slot) : "memory");
}

static uint64_t make_leaf(const struct pt_format *f, mfn_t m, unsigned level, unsigned perm)
{
    uint64_t e = m.v << PAGE_SHIFT | f->leaf | (uint64_t)PT_SOFT_OF(perm) << f->soft_shift;
    if (perm & PT_READ)
        e |= f->read;
    if (perm & PT_WRITE)
        e |= f->write;
    e |= perm & PT_EXEC ? f->exec : f->no_exec;
    e |= perm & PT_UNCACHED ? f->uncached : f->cached;
    return level ? e | f->large : e;
}

static unsigned leaf_perm(const struct pt_format *f, uint64_t e)
{
    unsigned p = PT_SOFT(e >> f->soft_shift & 7);
    if (e & f->read)
        p |= PT_READ;
    if (e & f->write)
        p |= PT_WRITE;
    if (f->no_exec ? !(e & f->no_exec) : (e & f->exec) == f->exec)
        p |= PT_EXEC;
    if (f->uncached != f->cached && (e & (f->uncached | f->cached)) == f->uncached)
        p |= PT_UNCACHED;
    return p;
}

int pt_init(struct pagetable *pt, const struct pt_format *fmt, unsigned levels)
{
    mfn_t m = frame_alloc(0);
    if (!mfn_valid_value(m))
        return -ENOMEM;
    memset(mfn_to_virt(m), 0, PAGE_SIZE);
    *pt = (struct pagetable){.fmt = fmt, .root = m, .levels = levels};
    return 0;
}

static void free_table(const struct pt_format *f, mfn_t m, unsigned level)
{
    uint64_t *t = mfn_to_virt(m);
    for (unsigned i = 0; level && i < 512; i++)
        if (is_present(f, t[i]) && !is_leaf(f, t[i], level))
            free_table(f, mpa_to_mfn(mpa(t[i] & ADDR_MASK)), level - 1);
    frame_put(m);
}

/* Takes out one table below `t`, of `level`, that leads to no other one; false: there is none below it. */
static bool drop_one(const struct pt_format *f, uint64_t *t, unsigned level)
{
    for (unsigned i = 0; level && i < 512; i++) {
        uint64_t e = t[i];
        if (!is_present(f, e) || is_leaf(f, e, level))
            continue;
        if (!drop_one(f, table_at(e), level - 1)) {
            set(f, &t[i], 0);
            frame_put(mpa_to_mfn(mpa(e & ADDR_MASK)));
        }
        return true;
    }
    return false;
}

bool pt_prune(struct pagetable *pt, unsigned tables)
{
    for (unsigned n = 0; n < tables; n++)
        if (!drop_one(pt->fmt, mfn_to_virt(pt->root), pt->levels - 1))
            return n == 0;
    return false;
}

void pt_destroy(struct pagetable *pt)
{
    if (pt->fmt)
        free_table(pt->fmt, pt->root, pt->levels - 1);
    pt->fmt = NULL;
}

/* A new table below `slot` of `level`: empty, or holding the same mapping as the leaf that stood there. NULL: no memory, or no more allowed. */
static uint64_t *make_table(struct pagetable *pt, uint64_t *slot, unsigned level)
{
    const struct pt_format *f = pt->fmt;
    mfn_t m = !pt->max_tables || pt->tables < pt->max_tables ? frame_alloc(0) : MFN_NONE;
    if (!mfn_valid_value(m))
        return NULL;
    pt->tables++;
    uint64_t *t = mfn_to_virt(m), old = *slot;
    if (is_present(f, old)) {
        uint64_t step = PAGE_SIZE << shift_of(level - 1), e = level - 1 ? old : old & ~f->large;
        for (unsigned i = 0; i < 512; i++)
            t[i] = e + i * step;
    } else
        memset(t, 0, PAGE_SIZE);
    if (!f->coherent)
        for (unsigned i = 0; i < PAGE_SIZE; i += 64)
            __asm__ volatile("clflush %0" ::"m"(((char *)t)[i]) : "memory");
    set(f, slot, (m.v << PAGE_SHIFT) | f->table);
    return t;
}

/* The slot for `page` at `level`, making tables on the way. NULL: no memory; what was mapped still is. */
static uint64_t *slot_at(struct pagetable *pt, uint64_t page, unsigned level)
{
    uint64_t *t = mfn_to_virt(pt->root);
    for (unsigned l = pt->levels - 1; l > level; l--) {
        uint64_t *slot = &t[index_of(page, l)];
        if (is_present(pt->fmt, *slot) && !is_leaf(pt->fmt, *slot, l))
            t = table_at(*slot);
        else if (!(t = make_table(pt, slot, l)))
            return NULL;
    }
    return &t[index_of(page, level)];
}

/*
 * One leaf; where a table stands already, its entries are filled instead. A table is never replaced by a leaf, since
 * CPUs and IOMMUs may still know the way to it: tables are freed with the whole structure only.
 */
static int map_leaf(struct pagetable *pt, uint64_t page, mfn_t m, unsigned level, unsigned perm)
{
    uint64_t *slot = slot_at(pt, page, level);
    if (!slot)
        return -ENOMEM;
    if (!is_present(pt->fmt, *slot) || is_leaf(pt->fmt, *slot, level)) {
        set(pt->fmt, slot, make_leaf(pt->fmt, m, level, perm));
        return 0;
    }
    int r = 0;
    for (uint64_t i = 0; i < 512 && r == 0; i++) {
        uint64_t n = i << shift_of(level - 1);
        r = map_leaf(pt, page + n, mfn_add(m, n), level - 1, perm);
    }
    return r;
}

static bool in_reach(const struct pagetable *pt, uint64_t page, unsigned order)
{
    uint64_t pages = 1ull << 9 * pt->levels;
    return page < pages && (1ull << order) <= pages - page && !(page & ((1ull << order) - 1));
}

int pt_map(struct pagetable *pt, uint64_t page, mfn_t m, unsigned order, unsigned perm)
{
    if (!in_reach(pt, page, order))
        return -ERANGE;
    unsigned level = MIN(order, pt->fmt->max_order) / 9;
    if (m.v & ((1ull << 9 * level) - 1))
        level = m.v & 511 ? 0 : 1;
    int r = 0;
    for (uint64_t done = 0; done < 1ull << order && r == 0; done += 1ull << 9 * level)
        r = map_leaf(pt, page + done, mfn_add(m, done), level, perm);
    return r;
}

int pt_unmap(struct pagetable *pt, uint64_t page, unsigned order)
{
    if (!in_reach(pt, page, order))
        return -ERANGE;
    for (uint64_t done = 0; done < 1ull << order;) {
        struct pt_leaf leaf = pt_lookup(pt, page + done);
        unsigned o = MIN(order, leaf.order);
        if (leaf.present) {
            uint64_t *slot = slot_at(pt, page + done, o / 9);
            if (!slot)
                return -ENOMEM;
            set(pt->fmt, slot, 0); /* a leaf: pt_lookup says how large */
        }
        done += 1ull << o;
    }
    return 0;
}

struct pt_leaf pt_lookup(const struct pagetable *pt, uint64_t page)
{
    const uint64_t present = pt->fmt->present, large = pt->fmt->large, *t = mfn_to_virt(pt->root);
    unsigned order = 9 * (pt->levels - 1); /* of an entry of the table `t` */
    if (page >> order >> 9)
        return (struct pt_leaf){.mfn = MFN_NONE, .order = 0};
    for (;; order -= 9) {
        uint64_t e = t[page >> order & 511];
        if (!(e & present))
            return (struct pt_leaf){.mfn = MFN_NONE, .order = order};
        if (!order || (e & large)) {
            uint64_t within = (1ull << order) - 1, m = (e & ADDR_MASK) >> PAGE_SHIFT;
            return (struct pt_leaf){mfn((m & ~within) | (page & within)), order, leaf_perm(pt->fmt, e), true};
        }
        t = table_at(e);
    }
}
