/* SPDX-License-Identifier: MIT */
/*
 * Restart in place (docs/recovery.md). Interface: dom/domain.h.
 * A snapshot is what a never-run domain consists of: its pages of RAM by gfn, with copies of those that are not all zero, the
 * state of vCPU 0, the HVM parameters and the reserved grant entries. A restart brings the domain back to that, keeping
 * what the outside world holds: the domain id, the ports of the snapshot, the store and console pages as they are, the
 * functions it owns and their MMIO. A page that somebody else still maps is left to them and replaced by a fresh one.
 * Both go through memory in steps of STEP_NS; in between the domain is stopped, and whoever asked comes again.
 */
#include "dom/domain.h"
#include "lib/log.h"
#include "lib/string.h"

#define STEP_NS 400000ull
#define FORGET_STEP 1024u /* pages of a snapshot that are given back in one go */
#define MAX_SNAPSHOT_PAGES 16384u /* 64 MiB: keeps snapshot and restart short */

struct snap_page { uint64_t gfn; void *copy; }; /* copy NULL: all zero */
struct snapshot {
    bool complete;
    int error;                   /* it cannot be completed: -errno, and is being forgotten */
    bool under_way;              /* a restart: the old incarnation is gone, memory below next_gfn is as it shall be */
    uint64_t next_gfn;           /* of the pass through memory: where to go on */
    unsigned next_page;
    uint32_t next_ref;           /* of the pass through the grant table */
    uint64_t started, stopped;   /* ns: when this restart began, when the old incarnation was gone */
    unsigned nr, room;
    struct snap_page *page;       /* ascending gfn */
    struct regs regs;
    struct hv_state state;
    uint64_t hvm_param[HVM_NR_PARAMS];
    grant_entry_v1_t grant[GNTTAB_NR_RESERVED_ENTRIES];
};

/* ---- pages ---- */

/* Most pages are untouched, so this is what a restart's time goes into: 16 bytes at a time. The registers used may hold the
 * guest's values and are given back. */
static bool page_is_zero(const void *page)
{
    char save[32];
    uint32_t equal;
    const char *p = page, *end = p + PAGE_SIZE;
    __asm__ volatile("movups %%xmm0, (%3)\n movups %%xmm1, 16(%3)\n pxor %%xmm0, %%xmm0\n"
                     "1: por (%0), %%xmm0\n por 16(%0), %%xmm0\n por 32(%0), %%xmm0\n por 48(%0), %%xmm0\n"
                     "por 64(%0), %%xmm0\n por 80(%0), %%xmm0\n por 96(%0), %%xmm0\n por 112(%0), %%xmm0\n"
                     "por 128(%0), %%xmm0\n por 144(%0), %%xmm0\n por 160(%0), %%xmm0\n por 176(%0), %%xmm0\n"
                     "por 192(%0), %%xmm0\n por 208(%0), %%xmm0\n por 224(%0), %%xmm0\n por 240(%0), %%xmm0\n"
                     "add $256, %0\n cmp %2, %0\n jb 1b\n"
                     "pxor %%xmm1, %%xmm1\n pcmpeqb %%xmm1, %%xmm0\n pmovmskb %%xmm0, %1\n"
                     "movups (%3), %%xmm0\n movups 16(%3), %%xmm1"
                     : "+r"(p), "=&r"(equal)
                     : "r"(end), "r"(save)
                     : "memory", "cc");
    return equal == 0xffff;
}

static void write_page(mfn_t m, const void *copy)
{
    void *p = mfn_to_virt(m);
    if (copy) memcpy(p, copy, PAGE_SIZE);
    else if (!page_is_zero(p)) memset(p, 0, PAGE_SIZE);
}

/* The store and console rings: their other ends carry on with what is in them. */
static bool kept_page(const struct domain *d, uint64_t g)
{
    return g && (g == d->hvm_param[HVM_PARAM_STORE_PFN] || g == d->hvm_param[HVM_PARAM_CONSOLE_PFN]);
}

/* Equal entries from gfn `first` on: what is there, for how many pages (at least 1), contiguous where it is memory. */
struct run { enum p2m_type type; mfn_t mfn; uint64_t first, n; };

/* The run that g is in; *r is that of the gfn before or empty. */
static void run_at(struct domain *d, uint64_t g, struct run *r)
{
    if (g - r->first < r->n) return;
    spin_lock(&d->p2m.lock);
    struct pt_leaf l = pt_lookup(&d->p2m.npt, g);
    spin_unlock(&d->p2m.lock);
    uint64_t size = 1ull << l.order;
    *r = (struct run){l.present ? (enum p2m_type)PT_SOFT_OF(l.perm) : P2M_HOLE, l.mfn, g, size - (g & (size - 1))};
}

/* Looks at the clock at every eighth page only. */
static bool step_over(uint64_t g, uint64_t until) { return g % 8 == 0 && now_ns() >= until; }

/* ---- snapshot ---- */

bool restart_forget(struct domain *d)
{
    struct snapshot *s = d->snapshot;
    if (!s) return true;
    s->complete = false;
    for (unsigned n = 0; s->nr; n++) {
        if (n == FORGET_STEP) return false;
        void *copy = s->page[--s->nr].copy;
        if (copy) frame_put(virt_to_mfn(copy));
    }
    heap_free(s->page);
    heap_free(s);
    d->snapshot = NULL;
    return true;
}

static int keep_page(struct snapshot *s, uint64_t g, mfn_t m)
{
    if (s->nr == MAX_SNAPSHOT_PAGES) return -E2BIG;
    struct snap_page *p = &s->page[s->nr];
    *p = (struct snap_page){g, NULL};
    if (!page_is_zero(mfn_to_virt(m))) {
        mfn_t c = frame_alloc(ORDER_4K);
        if (!mfn_valid_value(c)) return -ENOMEM;
        p->copy = mfn_to_virt(c);
        memcpy(p->copy, mfn_to_virt(m), PAGE_SIZE);
    }
    s->nr++;
    return 0;
}

static int keep_pages(struct domain *d, struct snapshot *s)
{
    uint64_t until = now_ns() + STEP_NS;
    struct run r = {.n = 0};
    while (s->next_gfn <= d->p2m.max_gfn) {
        uint64_t g = s->next_gfn;
        run_at(d, g, &r);
        if (r.type == P2M_RAM) {
            int rc = s->nr < s->room ? keep_page(s, g, mfn_add(r.mfn, g - r.first)) : -E2BIG;
            if (rc) return rc;
        }
        s->next_gfn = r.type == P2M_RAM ? g + 1 : r.first + r.n;
        if (step_over(s->next_gfn, until)) return -ERESTART;
    }
    return 0;
}

static void keep_grants(struct domain *d, struct snapshot *s)
{
    if (!d->grant.nr_frames) return;
    memcpy(s->grant, mfn_to_virt(d->grant.frame[0]), sizeof(s->grant));
}

static struct snapshot *new_snapshot(const struct domain *d)
{
    struct snapshot *s = heap_alloc(sizeof(*s));
    if (!s) return NULL;
    s->room = (unsigned)MIN(d->mem.pages, (uint64_t)MAX_SNAPSHOT_PAGES);
    s->page = heap_alloc(s->room * sizeof(*s->page));
    if (s->page) return s;
    heap_free(s);
    return NULL;
}

int restart_snapshot(struct domain *d)
{
    if (d->ever_ran || (d->snapshot && d->snapshot->complete)) return -EBUSY;
    if (!d->vcpu[0] || !d->vcpu[0]->initialised) return -EINVAL;
    if (!d->snapshot) d->snapshot = new_snapshot(d);
    struct snapshot *s = d->snapshot;
    if (!s) return -ENOMEM;
    int rc = s->error ? s->error : keep_pages(d, s);
    if (rc && rc != -ERESTART) {
        s->error = rc;
        if (!restart_forget(d)) return -ERESTART;
    }
    if (rc) return rc;
    s->regs = d->vcpu[0]->hv.regs;
    cpu->get_state(&d->vcpu[0]->hv, &s->state);
    memcpy(s->hvm_param, d->hvm_param, sizeof(s->hvm_param));
    keep_grants(d, s);
    events_mark_kept(d);
    s->complete = true;
    return 0;
}

/* ---- restart ---- */

static int fresh_page(struct domain *d, uint64_t g, const void *copy)
{
    spin_lock(&d->mem.lock);
    uint64_t limit = d->mem.max_pages;
    d->mem.max_pages = ~0ull; /* a page left to a peer counts until the peer lets go */
    spin_unlock(&d->mem.lock);
    mfn_t m = frame_alloc_owned(&d->mem, ORDER_4K);
    spin_lock(&d->mem.lock);
    d->mem.max_pages = limit;
    spin_unlock(&d->mem.lock);
    if (!mfn_valid_value(m)) return -ENOMEM;
    if (copy) memcpy(mfn_to_virt(m), copy, PAGE_SIZE);
    int rc = p2m_add(&d->p2m, gfn(g), m, ORDER_4K, P2M_RAM);
    if (rc) frame_put(m);
    return rc;
}

static int restore_page(struct domain *d, mfn_t m, const struct snap_page *p)
{
    if (kept_page(d, p->gfn)) return 0;
    if (READ_ONCE(frame_of(m)->refs) == 1) {
        write_page(m, p->copy);
        return 0;
    }
    int rc = p2m_remove(&d->p2m, gfn(p->gfn), ORDER_4K);
    return rc ? rc : fresh_page(d, p->gfn, p->copy);
}

/* The page at gfn g, of type t: as the snapshot has it, whose page `want` that is (NULL: there was none). */
static int lay_page(struct domain *d, uint64_t g, enum p2m_type t, mfn_t m, const struct snap_page *want)
{
    if (want && t == P2M_RAM) return restore_page(d, m, want);
    int rc = t == P2M_HOLE ? 0 : p2m_remove(&d->p2m, gfn(g), ORDER_4K);
    return rc || !want ? rc : fresh_page(d, g, want->copy);
}

/* Brings the p2m and its pages back to the snapshot, from where it stopped the last time; MMIO stays. -ERESTART: not done at
 * the time `until`. */
static int lay_out(struct domain *d, struct snapshot *s, uint64_t until)
{
    struct run r = {.n = 0};
    while (s->next_gfn <= d->p2m.max_gfn || s->next_page < s->nr) {
        uint64_t g = s->next_gfn, end;
        run_at(d, g, &r);
        end = r.first + r.n;
        const struct snap_page *next = s->next_page < s->nr ? &s->page[s->next_page] : NULL;
        if (r.type == P2M_MMIO) { /* pages of the snapshot may have given way to it */
            while (s->next_page < s->nr && s->page[s->next_page].gfn < end) s->next_page++;
        } else if (r.type == P2M_HOLE && (!next || next->gfn != g)) {
            end = next ? MIN(end, next->gfn) : end;
        } else {
            const struct snap_page *want = next && next->gfn == g ? next : NULL;
            int rc = lay_page(d, g, r.type, mfn_add(r.mfn, g - r.first), want);
            if (rc) return rc;
            s->next_page += want != NULL;
            end = g + 1;
        }
        s->next_gfn = end;
        if (step_over(end, until)) return -ERESTART;
    }
    return 0;
}

static void stop_old(struct domain *d, const struct snapshot *s)
{
    domain_release_infos(d);
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (!d->vcpu[i]) continue;
        vcpu_reset(d->vcpu[i]);
    }
    memcpy(d->hvm_param, s->hvm_param, sizeof(d->hvm_param));
    d->callback_vector = 0;
    d->console_len = 0;
}

static int start_new(struct domain *d, const struct snapshot *s)
{
    struct vcpu *v = d->vcpu[0];
    domain_reset_shared_info(d);
    int rc = cpu->set_state(&v->hv, &s->state);
    if (rc) return rc;
    v->hv.regs = s->regs;
    hvcpu_fpu_reset(&v->hv);
    v->initialised = true;
    sched_set_down(&v->sched, false);
    return 0;
}

/* The end of the old incarnation, unless it had ended by itself. */
static void mark_dead(struct domain *d, const char *why)
{
    if (d->is_shutdown) return;
    d->is_shutdown = true;
    d->last_reason = d->shutdown_code = SHUTDOWN_crash;
    d->died_ns = now_ns();
    strlcpy(d->why, why, sizeof(d->why));
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i]) sched_pause(&d->vcpu[i]->sched);
}
static void mark_alive(struct domain *d)
{
    d->is_shutdown = false;
    d->shutdown_code = 0xff;
    d->incarnation++;
    d->started_ns = now_ns();
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i]) sched_unpause(&d->vcpu[i]->sched);
}

/* The old incarnation's end. -ERESTART: it is stopped, but not all that it held is given back. */
static int end_old(struct domain *d, struct snapshot *s, const char *why)
{
    if (!s->started) s->started = now_ns();
    mark_dead(d, why);
    devices_block_dma(d);
    if (!events_restart(d) || !grants_drop_mappings(d, GRANT_DROP_BUDGET)) return -ERESTART;
    if (!grants_restart(d, s->grant, GNTTAB_NR_RESERVED_ENTRIES, &s->next_ref)) return -ERESTART;
    stop_old(d, s);
    s->under_way = true;
    s->stopped = now_ns();
    s->next_gfn = s->next_page = 0;
    s->next_ref = 0;
    return 0;
}

int restart_in_place(struct domain *d, const char *why)
{
    struct snapshot *s = d->snapshot;
    uint64_t until = now_ns() + STEP_NS;
    if (!s || !s->complete) return -ENODATA;
    if (d->dying) return -ESRCH;
    int rc = s->under_way ? 0 : end_old(d, s, why);
    if (!rc) rc = lay_out(d, s, until);
    if (rc == -ERESTART) return rc;
    if (!rc) rc = start_new(d, s);
    uint64_t started = s->started;
    s->under_way = false;
    s->started = 0;
    if (rc) {
        log_error("domain %u: restart in place failed, error %d; it stays down: destroy it", d->id, rc);
        return rc;
    }
    mark_alive(d);
    log_info("domain %u: restarted in place, incarnation %u, in %lu us, %lu of them for its memory (%s)", d->id, d->incarnation,
             (unsigned long)((d->started_ns - started) / 1000), (unsigned long)((d->started_ns - s->stopped) / 1000), d->why);
    return 0;
}
