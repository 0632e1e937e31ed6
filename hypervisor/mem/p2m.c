/* SPDX-License-Identifier: MIT */
/* A domain's physical memory; see mem/p2m.h. Taking away is always: unmap, flush CPUs and IOMMU, then drop the references. */
#include "mem/p2m.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mem/iommu.h"

#define BATCH 128

void (*p2m_flush_cpus)(struct p2m *p);
const struct pt_format *p2m_format = &pt_npt;

static bool holds_reference(enum p2m_type t) { return t != P2M_HOLE && t != P2M_MMIO; }

unsigned p2m_type_perm(enum p2m_type t)
{
    switch (t) {
    case P2M_MMIO: return PT_READ | PT_WRITE | PT_UNCACHED | PT_SOFT(t);
    case P2M_GRANT_RO: return PT_READ | PT_SOFT(t);
    case P2M_RO: return PT_READ | PT_EXEC | PT_SOFT(t);
    case P2M_GRANT_RW: case P2M_SHARED: return PT_READ | PT_WRITE | PT_SOFT(t);
    default: return PT_READ | PT_WRITE | PT_EXEC | PT_SOFT(t);
    }
}

bool p2m_type_dma(enum p2m_type t) { return t == P2M_RAM || t == P2M_GRANT_RW || t == P2M_GRANT_RO; }

int p2m_init(struct p2m *p)
{
    memset(p, 0, sizeof(*p));
    spin_init(&p->lock, LOCK_P2M);
    int r = pt_init(&p->npt, p2m_format, 4);
    p->npt.max_tables = P2M_SPARE_TABLES;
    return r;
}

void p2m_expect(struct p2m *p, uint64_t pages)
{
    spin_lock(&p->lock);
    p->npt.max_tables = P2M_SPARE_TABLES + (unsigned)MIN(pages / 128, 1ull << 24);
    spin_unlock(&p->lock);
}

void p2m_destroy(struct p2m *p) { pt_destroy(&p->npt); }

/* lock held */
static bool all_holes(struct p2m *p, uint64_t g, unsigned order)
{
    for (uint64_t i = 0; i < 1ull << order;) {
        struct pt_leaf l = pt_lookup(&p->npt, g + i);
        if (l.present)
            return false;
        i += 1ull << l.order;
    }
    return true;
}

/* lock held: after entries of [g, g+n) are gone nobody uses them any more. */
static void flush(struct p2m *p, uint64_t g, uint64_t n)
{
    __atomic_fetch_add(&p->flush_gen, 1, __ATOMIC_SEQ_CST);
    if (p2m_flush_cpus)
        p2m_flush_cpus(p);
    if (p->iommu && iommu)
        iommu->flush(p->iommu, g, n);
}

/* lock held */
static int map_both(struct p2m *p, uint64_t g, mfn_t m, unsigned order, enum p2m_type t)
{
    int r = pt_map(&p->npt, g, m, order, p2m_type_perm(t));
    if (r == 0 && p->iommu && p2m_type_dma(t))
        r = pt_map(&p->iommu->pt, g, m, order, p2m_type_perm(t) & (PT_READ | PT_WRITE));
    if (r) {
        pt_unmap(&p->npt, g, order);
        if (p->iommu)
            pt_unmap(&p->iommu->pt, g, order);
        flush(p, g, 1ull << order); /* it was there for a moment: a vCPU may have looked */
    }
    return r;
}

/* lock held */
static int may_enter(struct p2m *p, uint64_t g, unsigned order, enum p2m_type t)
{
    if (p->closed)
        return -ESRCH;
    if (t == P2M_SHARED && p->shared >= P2M_MAX_SHARED)
        return -ENOSPC;
    return all_holes(p, g, order) ? 0 : -EEXIST;
}

int p2m_add(struct p2m *p, gfn_t g, mfn_t m, unsigned order, enum p2m_type t)
{
    if (order > ORDER_1G || (g.v & ((1ull << order) - 1)) || (t == P2M_SHARED && order))
        return -EINVAL;
    spin_lock(&p->lock);
    int r = may_enter(p, g.v, order, t);
    if (r == 0)
        r = map_both(p, g.v, m, order, t);
    if (r == 0 && t == P2M_SHARED)
        p->shared++;
    if (r == 0)
        p->max_gfn = MAX(p->max_gfn, g.v + (1ull << order) - 1);
    spin_unlock(&p->lock);
    return r;
}

struct removed { mfn_t mfn; unsigned order; };

/* lock held: take one run of at most 2^max pages at g out of the tables. */
static int unmap_run(struct p2m *p, uint64_t g, unsigned max, struct removed *out)
{
    struct pt_leaf l = pt_lookup(&p->npt, g);
    unsigned order = MIN(l.order, max);
    while (g & ((1ull << order) - 1))
        order -= 9;
    if (!l.present)
        return -ENOENT;
    int r = p->iommu ? pt_unmap(&p->iommu->pt, g, order) : 0; /* first: what the p2m still shows can be taken out again */
    if (r == 0)
        r = pt_unmap(&p->npt, g, order);
    if (r == 0 && PT_SOFT_OF(l.perm) == P2M_SHARED)
        p->shared--;
    *out = (struct removed){holds_reference(PT_SOFT_OF(l.perm)) ? l.mfn : MFN_NONE, order};
    return r;
}

static void drop(const struct removed *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (mfn_valid_value(r[i].mfn))
            frame_put_order(r[i].mfn, r[i].order);
}

int p2m_remove(struct p2m *p, gfn_t g, unsigned order)
{
    if (order > ORDER_1G || (g.v & ((1ull << order) - 1)))
        return -EINVAL;
    struct removed batch[BATCH];
    uint64_t end = g.v + (1ull << order), pos = g.v;
    int r = 0;
    while (pos < end && r == 0) {
        unsigned n = 0;
        uint64_t first = pos;
        spin_lock(&p->lock);
        while (pos < end && n < BATCH && (r = unmap_run(p, pos, order, &batch[n])) == 0)
            pos += 1ull << batch[n++].order;
        if (n)
            flush(p, first, pos - first);
        spin_unlock(&p->lock);
        drop(batch, n);
    }
    return r;
}

int p2m_remove_exact(struct p2m *p, gfn_t g, mfn_t m, enum p2m_type t)
{
    struct removed one = {MFN_NONE, 0};
    spin_lock(&p->lock);
    struct pt_leaf l = pt_lookup(&p->npt, g.v);
    int r = -ENOENT;
    if (l.present && l.mfn.v == m.v && PT_SOFT_OF(l.perm) == (unsigned)t) {
        r = unmap_run(p, g.v, 0, &one);
        if (r == 0)
            flush(p, g.v, 1);
    }
    spin_unlock(&p->lock);
    if (r == 0)
        drop(&one, 1);
    return r;
}

/* lock held: what giving this back costs, in single pages. A large page goes back as a whole, its frames cost little. */
static unsigned cost_of(unsigned order) { return 1 + (unsigned)((1ull << order) / 16); }

bool p2m_drain(struct p2m *p, uint64_t *next, unsigned budget)
{
    struct removed batch[BATCH];
    unsigned left = budget;
    spin_lock(&p->lock);
    p->closed = true;
    spin_unlock(&p->lock);
    while (*next <= p->max_gfn && left) {
        unsigned n = 0;
        uint64_t first = *next;
        spin_lock(&p->lock);
        while (*next <= p->max_gfn && n < BATCH && left) {
            struct pt_leaf l = pt_lookup(&p->npt, *next);
            unsigned order = MIN(l.order, (unsigned)ORDER_2M);
            left -= MIN(left, l.present ? cost_of(order) : 1);
            if (!l.present)
                *next = (*next | ((1ull << l.order) - 1)) + 1;
            else if (unmap_run(p, *next, ORDER_2M, &batch[n]) == 0)
                *next += 1ull << batch[n++].order;
            else
                break;
        }
        if (n)
            flush(p, first, *next - first);
        spin_unlock(&p->lock);
        drop(batch, n);
        if (!n && left && *next <= p->max_gfn && pt_lookup(&p->npt, *next).present)
            return false; /* no memory to split a large page: a later call tries again */
    }
    if (!left)
        return false;
    spin_lock(&p->lock);
    bool done = pt_prune(&p->npt, PT_PRUNE);
    spin_unlock(&p->lock);
    return done;
}

mfn_t p2m_lookup(struct p2m *p, gfn_t g, enum p2m_type *t)
{
    spin_lock(&p->lock);
    struct pt_leaf l = pt_lookup(&p->npt, g.v);
    spin_unlock(&p->lock);
    if (t)
        *t = l.present ? (enum p2m_type)PT_SOFT_OF(l.perm) : P2M_HOLE;
    return l.present ? l.mfn : MFN_NONE;
}

mfn_t p2m_get(struct p2m *p, gfn_t g, bool write, enum p2m_type *type, struct p2m_run *run)
{
    struct p2m_run own;
    mfn_t m = MFN_NONE;
    if (!run) {
        run = &own;
        run->bytes = 0;
    }
    spin_lock(&p->lock);
    void *at = g.v <= p->max_gfn ? p2m_at(p, gfn_to_gpa(g), write, run) : NULL; /* a gfn may have 64 bits, an address has no more */
    if (at) {
        m = mpa_to_mfn(virt_to_mpa(at));
        frame_get(m);
    }
    spin_unlock(&p->lock);
    if (at && type)
        *type = run->type;
    return m;
}

unsigned p2m_order_at(struct p2m *p, gfn_t g)
{
    spin_lock(&p->lock);
    struct pt_leaf l = pt_lookup(&p->npt, g.v);
    spin_unlock(&p->lock);
    return l.order;
}

void p2m_hold(struct p2m *p) { spin_lock(&p->lock); }
void p2m_release(struct p2m *p) { spin_unlock(&p->lock); }

void *p2m_find(struct p2m *p, gpa_t a, bool write, struct p2m_run *run)
{
    struct pt_leaf l = pt_lookup(&p->npt, a.v >> PAGE_SHIFT);
    if (!l.present || !holds_reference((enum p2m_type)PT_SOFT_OF(l.perm)) || (write && !(l.perm & PT_WRITE)))
        return NULL;
    char *at = (char *)mfn_to_virt(l.mfn) + (a.v & (PAGE_SIZE - 1));
    if (run) {
        uint64_t bytes = PAGE_SIZE << l.order, within = a.v & (bytes - 1);
        run->first = a.v - within; /* field by field: the compiler would make a whole one and move it */
        run->bytes = bytes;
        run->at = at - within;
        run->flush_gen = p->flush_gen;
        run->write = l.perm & PT_WRITE;
        run->type = (enum p2m_type)PT_SOFT_OF(l.perm);
    }
    return at;
}

/* One page's worth under the lock: nothing can take the page away meanwhile, so no reference is needed. */
static int access_page(struct p2m *p, gpa_t a, void *buf, size_t n, bool write)
{
    spin_lock(&p->lock);
    void *at = p2m_at(p, a, write, NULL);
    if (at)
        memcpy(write ? at : buf, write ? buf : at, n);
    spin_unlock(&p->lock);
    return at ? 0 : -EFAULT;
}

static int access(struct p2m *p, gpa_t a, void *buf, size_t len, bool write)
{
    char *b = buf;
    while (len) {
        size_t n = MIN(len, PAGE_SIZE - (a.v & (PAGE_SIZE - 1)));
        if (access_page(p, a, b, n, write))
            return -EFAULT;
        a.v += n;
        b += n;
        len -= n;
    }
    return 0;
}

int p2m_read(struct p2m *p, gpa_t a, void *dst, size_t len) { return access(p, a, dst, len, false); }
int p2m_write(struct p2m *p, gpa_t a, const void *src, size_t len) { return access(p, a, (void *)(uintptr_t)src, len, true); }
