/* SPDX-License-Identifier: MIT */
/*
 * Grant tables. Interface: dom/grant.h. Rules:
 * - The granter's table (frames, active entries) and the mapper's maptrack are each under their own domain's grant lock; no
 *   operation holds two of them: a mapper pins the entry first, then maps, then records.
 * - Each mapping owns one reference on its frame, held by the mapper's p2m; a copy holds its references only meanwhile.
 *   So whatever happens to the counts here, a frame in use is never reused.
 * - Entries are written by the guest at any time: read once as a whole, changed by compare-and-exchange.
 */
#include "dom/domain.h"
#include "lib/log.h"
#include "lib/string.h"

#define TRACK_STEP 256u
#define GROW_STEP 32u      /* frames of a table made in one go */
#define TRACK_BUSY 0x8000u /* being set up or taken down by another CPU */
#define CAS_TRIES 64

int grants_init(struct domain *d, int max_frames, int max_track)
{
    struct grant_table *g = &d->grant;
    *g = (struct grant_table){.max_frames = max_frames < 0 ? GRANT_DEFAULT_FRAMES : MIN((unsigned)max_frames, 1024u),
                              .max_track = max_track < 0 ? MAPTRACK_DEFAULT : MIN((unsigned)max_track, 65536u)};
    spin_init(&g->lock, LOCK_GRANT);
    if (!g->max_frames) g->max_frames = 1;
    g->frame = heap_alloc(g->max_frames * sizeof(*g->frame));
    g->active = heap_alloc(g->max_frames * sizeof(*g->active));
    if (g->frame && g->active) return 0;
    heap_free(g->frame);
    heap_free(g->active);
    g->frame = NULL;
    g->active = NULL;
    return -ENOMEM;
}

void grants_destroy(struct domain *d)
{
    struct grant_table *g = &d->grant;
    for (unsigned i = 0; i < g->nr_frames; i++) {
        heap_free(g->active[i]);
        frame_put(g->frame[i]);
    }
    heap_free(g->frame);
    heap_free(g->active);
    heap_free(g->track);
    g->nr_frames = g->nr_track = 0;
    g->frame = NULL;
    g->active = NULL;
    g->track = NULL;
}

int grant_table_frame(struct domain *d, unsigned idx, mfn_t *out)
{
    struct grant_table *g = &d->grant;
    int rc = idx < g->max_frames ? 0 : -EINVAL;
    spin_lock(&g->lock);
    for (unsigned n = 0; !rc && idx >= g->nr_frames; n++) {
        if (n == GROW_STEP) {
            rc = -ERESTART;
            break;
        }
        struct grant_active *a = heap_alloc(GRANT_PER_FRAME * sizeof(*a));
        mfn_t m = a ? frame_alloc_shared(&d->mem) : MFN_NONE;
        if (!mfn_valid_value(m)) {
            heap_free(a);
            rc = -ENOMEM;
            break;
        }
        g->active[g->nr_frames] = a;
        g->frame[g->nr_frames++] = m;
    }
    if (!rc) *out = g->frame[idx];
    spin_unlock(&g->lock);
    return rc;
}

/* ---- the granter's side ---- */

/* An entry's flags and domid travel together in its first 32 bits. */
union head { uint32_t w; struct { uint16_t flags; domid_t domid; }; };

static grant_entry_v1_t *entry(struct grant_table *g, uint32_t ref)
{
    return (grant_entry_v1_t *)mfn_to_virt(g->frame[ref / GRANT_PER_FRAME]) + ref % GRANT_PER_FRAME;
}
static struct grant_active *active(struct grant_table *g, uint32_t ref)
{
    return &g->active[ref / GRANT_PER_FRAME][ref % GRANT_PER_FRAME];
}
static bool pinned(const struct grant_active *a) { return a->pins_ro || a->pins_rw; }

/* Marks the entry in use by `by`. GNTST_*. Lock held. */
static int claim_entry(grant_entry_v1_t *e, domid_t by, bool readonly)
{
    uint32_t *word = (uint32_t *)(void *)e;
    for (int i = 0; i < CAS_TRIES; i++) {
        union head old = {.w = __atomic_load_n(word, __ATOMIC_SEQ_CST)}, new = old;
        if ((old.flags & GTF_type_mask) != GTF_permit_access || (old.flags & GTF_sub_page) || old.domid != by)
            return GNTST_general_error;
        if (!readonly && (old.flags & GTF_readonly)) return GNTST_general_error;
        new.flags |= readonly ? GTF_reading : GTF_reading | GTF_writing;
        if (__atomic_compare_exchange_n(word, &old.w, new.w, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return GNTST_okay;
    }
    return GNTST_eagain; /* the granter writes the entry in a loop */
}

/* Clears the in-use flags that no pin stands for any more. Lock held. */
static void release_flags(grant_entry_v1_t *e, const struct grant_active *a)
{
    uint16_t gone = (a->pins_rw ? 0 : GTF_writing) | (pinned(a) ? 0 : GTF_reading);
    if (gone) __atomic_fetch_and(&e->flags, (uint16_t)~gone, __ATOMIC_SEQ_CST);
}

struct pin { mfn_t mfn; uint32_t era; };

/* Pins entry `ref` of `rd` for domain `by`, with a reference on the frame; `pages`: as for p2m_get. GNTST_*. */
static int pin_grant(struct domain *rd, uint32_t ref, domid_t by, bool readonly, struct p2m_run *pages, struct pin *out)
{
    struct grant_table *g = &rd->grant;
    int st = GNTST_okay;
    spin_lock(&g->lock);
    if (ref / GRANT_PER_FRAME >= g->nr_frames || rd->dying) {
        spin_unlock(&g->lock);
        return GNTST_bad_gntref;
    }
    grant_entry_v1_t *e = entry(g, ref);
    struct grant_active *a = active(g, ref);
    if (pinned(a) && a->by != by) st = GNTST_general_error;
    if (!st) st = claim_entry(e, by, readonly);
    if (!st) {
        /* While pinned an entry stands for the frame of its first use, whatever the granter writes into it. */
        uint64_t g_frame = pinned(a) ? a->gfn : READ_ONCE(e->frame);
        enum p2m_type t;
        mfn_t m = p2m_get(&rd->p2m, gfn(g_frame), !readonly, &t, pages);
        if (mfn_valid_value(m) && ((t != P2M_RAM && t != P2M_RO) || (pinned(a) && m.v != a->mfn.v))) {
            frame_put(m);
            m = MFN_NONE;
        }
        if (!mfn_valid_value(m)) {
            release_flags(e, a);
            st = GNTST_bad_page;
        } else {
            if (!pinned(a)) {
                a->mfn = m;
                a->gfn = g_frame;
                a->by = by;
            }
            if (readonly) a->pins_ro++;
            else a->pins_rw++;
            *out = (struct pin){m, a->era};
        }
    }
    spin_unlock(&g->lock);
    return st;
}

/* Takes back a pin; the frame's reference is the caller's business. A pin of an older era is gone already. */
static void unpin_grant(struct domain *rd, uint32_t ref, uint32_t era, bool readonly)
{
    struct grant_table *g = &rd->grant;
    spin_lock(&g->lock);
    struct grant_active *a = active(g, ref);
    uint32_t *pins = readonly ? &a->pins_ro : &a->pins_rw;
    if (a->era == era && *pins) {
        --*pins;
        release_flags(entry(g, ref), a);
    }
    spin_unlock(&g->lock);
}

/* ---- the mapper's side ---- */

/* A free handle, marked busy. -1: none left. */
static int track_take(struct grant_table *g)
{
    spin_lock(&g->lock);
    int h = -1;
    for (unsigned i = g->free_hint; i < g->nr_track && h < 0; i++)
        if (!g->track[i].flags) h = (int)i;
    if (h < 0 && g->nr_track < g->max_track) {
        unsigned n = MIN(MAX(g->nr_track * 2, TRACK_STEP), g->max_track);
        struct maptrack *t = heap_alloc(n * sizeof(*t));
        if (t) {
            if (g->track) memcpy(t, g->track, g->nr_track * sizeof(*t));
            heap_free(g->track);
            h = (int)g->nr_track;
            g->track = t;
            g->nr_track = n;
        }
    }
    if (h >= 0) g->track[h].flags = TRACK_BUSY;
    g->free_hint = h >= 0 ? (unsigned)h + 1 : g->nr_track; /* full: the next one need not look again */
    spin_unlock(&g->lock);
    return h;
}
static void track_set(struct grant_table *g, unsigned h, struct maptrack t)
{
    spin_lock(&g->lock);
    g->track[h] = t;
    if (!t.flags && h < g->free_hint) g->free_hint = h;
    spin_unlock(&g->lock);
}
/* Takes a mapping out of the caller's hands; false: no such handle. The entry stays busy until track_set. */
static bool track_grab(struct grant_table *g, unsigned h, struct maptrack *out)
{
    spin_lock(&g->lock);
    bool ok = h < g->nr_track && g->track[h].flags && !(g->track[h].flags & TRACK_BUSY);
    if (ok) {
        *out = g->track[h];
        g->track[h].flags |= TRACK_BUSY;
    }
    spin_unlock(&g->lock);
    return ok;
}

static struct domain *granter(struct domain *d, domid_t id) { return domain_find(id == DOMID_SELF ? d->id : id); }

static int map(struct domain *d, struct domain *rd, struct gnttab_map_grant_ref *op)
{
    bool ro = op->flags & GNTMAP_readonly;
    int h = track_take(&d->grant);
    if (h < 0) return GNTST_no_space;
    struct pin pin;
    int st = pin_grant(rd, op->ref, d->id, ro, NULL, &pin);
    if (!st) {
        gfn_t at = gpa_to_gfn(gpa(op->host_addr));
        int rc = p2m_add(&d->p2m, at, pin.mfn, ORDER_4K, ro ? P2M_GRANT_RO : P2M_GRANT_RW);
        if (rc) {
            unpin_grant(rd, op->ref, pin.era, ro);
            frame_put(pin.mfn);
            st = rc == -ENOMEM ? GNTST_no_space : GNTST_bad_virt_addr;
        } else {
            track_set(&d->grant, (unsigned)h,
                      (struct maptrack){.ref = op->ref, .era = pin.era, .dom = rd->id, .mfn = pin.mfn, .gfn = at.v,
                                        .flags = GNTMAP_host_map | (ro ? GNTMAP_readonly : 0)});
            op->handle = (grant_handle_t)h;
            op->dev_bus_addr = op->host_addr; /* what the mapper's devices see through the IOMMU */
        }
    }
    if (st) track_set(&d->grant, (unsigned)h, (struct maptrack){.flags = 0});
    return st;
}

void grant_map(struct domain *d, struct gnttab_map_grant_ref *op)
{
    op->status = GNTST_general_error;
    op->handle = ~0u;
    if (!(op->flags & GNTMAP_host_map) || (op->flags & GNTMAP_contains_pte)) return;
    if (op->host_addr & (PAGE_SIZE - 1)) {
        op->status = GNTST_bad_virt_addr;
        return;
    }
    struct domain *rd = granter(d, op->dom);
    if (!rd) {
        op->status = GNTST_bad_domain;
        return;
    }
    op->status = (int16_t)map(d, rd, op);
    domain_put(rd);
}

/* Undoes the mapping `t`, which is handle `h` of d and grabbed. */
static void unmap(struct domain *d, unsigned h, const struct maptrack *t)
{
    bool ro = t->flags & GNTMAP_readonly;
    /* -ENOENT: the guest has removed the page from its space already, and with it the frame's reference. */
    p2m_remove_exact(&d->p2m, gfn(t->gfn), t->mfn, ro ? P2M_GRANT_RO : P2M_GRANT_RW);
    struct domain *rd = domain_find(t->dom);
    if (rd) {
        unpin_grant(rd, t->ref, t->era, ro);
        domain_put(rd);
    }
    track_set(&d->grant, h, (struct maptrack){.flags = 0});
}

void grant_unmap(struct domain *d, struct gnttab_unmap_grant_ref *op)
{
    struct maptrack t;
    op->status = GNTST_okay;
    if (!track_grab(&d->grant, op->handle, &t)) {
        op->status = GNTST_bad_handle;
    } else if (op->host_addr == t.gfn << PAGE_SHIFT) {
        unmap(d, op->handle, &t);
    } else {
        track_set(&d->grant, op->handle, t);
        if (op->host_addr) op->status = GNTST_bad_virt_addr; /* zero: nothing to undo was named */
    }
}

bool grants_drop_mappings(struct domain *d, unsigned budget)
{
    struct grant_table *g = &d->grant;
    for (; g->drop_next < g->nr_track; g->drop_next++) {
        struct maptrack t;
        if (!READ_ONCE(g->track[g->drop_next].flags) || !track_grab(g, g->drop_next, &t)) continue;
        if (!budget--) {
            track_set(g, g->drop_next, t);
            return false;
        }
        unmap(d, g->drop_next, &t);
    }
    g->drop_next = 0;
    return true;
}

/* ---- copy ---- */

struct copy_end { mfn_t mfn; struct domain *dom; uint32_t ref, era; bool readonly; };

/* The granter of that end, as found before if it is the same. NULL: no such domain. */
static struct domain *run_granter(struct grant_run *run, unsigned which, struct domain *d, domid_t id)
{
    struct domain **kept = &run->end[which].granter;
    if (id == DOMID_SELF) id = d->id;
    if (*kept && (*kept)->id == id) return *kept;
    if (*kept) domain_put(*kept);
    run->end[which].p2m = NULL; /* freed, perhaps, and another's next */
    return *kept = granter(d, id);
}
/* What is known of where the pages of `p` lie, which that end is in now. */
static struct p2m_run *run_pages(struct grant_run *run, unsigned which, struct p2m *p)
{
    if (run->end[which].p2m != p) run->end[which].pages.bytes = 0;
    run->end[which].p2m = p;
    return &run->end[which].pages;
}
void grant_run_begin(struct grant_run *run)
{
    for (unsigned i = 0; i < ARRAY_SIZE(run->end); i++) {
        run->end[i].granter = NULL;
        run->end[i].p2m = NULL;
    }
}
void grant_run_end(struct grant_run *run)
{
    for (unsigned i = 0; i < ARRAY_SIZE(run->end); i++)
        if (run->end[i].granter) domain_put(run->end[i].granter);
}

/* which: 0 the source, only to be read, 1 the destination. */
static int open_end(struct domain *d, const struct gnttab_copy_ptr *p, bool by_ref, unsigned which, struct grant_run *run, struct copy_end *e)
{
    bool readonly = !which;
    *e = (struct copy_end){.mfn = MFN_NONE};
    if (!by_ref) {
        if (p->domid != DOMID_SELF && p->domid != d->id) return GNTST_permission_denied;
        e->mfn = p2m_get(&d->p2m, gfn(p->u.gmfn), !readonly, NULL, run_pages(run, which, &d->p2m));
        return mfn_valid_value(e->mfn) ? GNTST_okay : GNTST_bad_page;
    }
    struct pin pin;
    struct domain *rd = run_granter(run, which, d, p->domid);
    if (!rd) return GNTST_bad_domain;
    int st = pin_grant(rd, p->u.ref, d->id, readonly, run_pages(run, which, &rd->p2m), &pin);
    if (!st) *e = (struct copy_end){pin.mfn, rd, p->u.ref, pin.era, readonly};
    return st;
}
static void close_end(struct copy_end *e)
{
    if (mfn_valid_value(e->mfn)) frame_put(e->mfn);
    if (e->dom) unpin_grant(e->dom, e->ref, e->era, e->readonly);
}

void grant_copy(struct domain *d, struct gnttab_copy *op, struct grant_run *run)
{
    op->status = GNTST_bad_copy_arg;
    if ((uint32_t)op->source.offset + op->len > PAGE_SIZE || (uint32_t)op->dest.offset + op->len > PAGE_SIZE) return;
    struct copy_end from, to = {.mfn = MFN_NONE};
    int st = open_end(d, &op->source, op->flags & GNTCOPY_source_gref, 0, run, &from);
    if (!st) st = open_end(d, &op->dest, op->flags & GNTCOPY_dest_gref, 1, run, &to);
    if (!st) memmove((char *)mfn_to_virt(to.mfn) + op->dest.offset, (char *)mfn_to_virt(from.mfn) + op->source.offset, op->len);
    close_end(&to);
    close_end(&from);
    op->status = (int16_t)st;
}

int grant_query_size(struct domain *d, struct gnttab_query_size *op)
{
    struct domain *t = granter(d, op->dom);
    op->status = GNTST_bad_domain;
    if (!t) return 0;
    op->status = GNTST_permission_denied;
    if (t == d || domain_has_role(d, BH_ROLE_CONTROL)) {
        op->nr_frames = t->grant.nr_frames;
        op->max_nr_frames = t->grant.max_frames;
        op->status = GNTST_okay;
    }
    domain_put(t);
    return 0;
}

/* ---- restart in place ---- */

bool grants_restart(struct domain *d, const grant_entry_v1_t *keep, unsigned n, uint32_t *next)
{
    struct grant_table *g = &d->grant;
    spin_lock(&g->lock);
    uint32_t all = (uint32_t)(g->nr_frames * GRANT_PER_FRAME), end = MIN(all, *next + GRANT_RESTART_BUDGET);
    for (uint32_t ref = *next; ref < end; ref++) {
        struct grant_active *a = active(g, ref);
        grant_entry_v1_t *e = entry(g, ref);
        grant_entry_v1_t fresh = ref < n ? keep[ref] : (grant_entry_v1_t){.flags = GTF_invalid};
        if (pinned(a)) {
            enum p2m_type t;
            bool stays = ref < n && (fresh.flags & GTF_permit_access) && fresh.frame == a->gfn && fresh.domid == a->by &&
                         p2m_lookup(&d->p2m, gfn(a->gfn), &t).v == a->mfn.v;
            if (!stays) *a = (struct grant_active){.era = a->era + 1};
        }
        fresh.flags &= (uint16_t)~(GTF_reading | GTF_writing);
        if (pinned(a)) fresh.flags |= GTF_reading | (a->pins_rw ? GTF_writing : 0);
        *e = fresh;
    }
    *next = end;
    spin_unlock(&g->lock);
    return end == all;
}
