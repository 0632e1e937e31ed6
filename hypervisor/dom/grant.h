/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1 (xen/grant_table.h). The entries are in pages shared with the guest, hostile: every entry is read
 * once and its in-use flags are changed by compare-and-exchange. The mapper's side is kept in its maptrack table.
 * A mapping holds: a reference on the frame (through the mapper's p2m), the active entry's count, and the flags in the entry.
 */
#ifndef DOM_GRANT_H
#define DOM_GRANT_H
#include <xen/grant_table.h>
#include "lib/lock.h"
#include "lib/types.h"

#define GRANT_DEFAULT_FRAMES 64
#define GRANT_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define MAPTRACK_DEFAULT 8192

/* The granter's side of one entry in use. `era` counts restarts of the granter that left a pin behind: pins of an older era are
 * no longer this entry's. */
struct grant_active { mfn_t mfn; uint64_t gfn; uint32_t pins_ro, pins_rw, era; domid_t by; };
/* The mapper's side; flags: GNTMAP_*, 0 = free. */
struct maptrack { uint32_t ref, era; domid_t dom; uint16_t flags; uint64_t gfn; mfn_t mfn; };
struct grant_table {
    struct spinlock lock;        /* LOCK_GRANT */
    unsigned nr_frames, max_frames;
    mfn_t *frame;                /* [max_frames], FRAME_XENHEAP pages */
    struct grant_active **active;/* one page-sized array per frame */
    struct maptrack *track;      /* [max_track], grown in steps */
    unsigned nr_track, max_track, free_hint; /* no free entry lies below free_hint */
    unsigned drop_next;          /* grants_drop_mappings: where it goes on */
};
struct domain;
int grants_init(struct domain *d, int max_frames, int max_track); /* -1 = default */
void grants_destroy(struct domain *d);
/* Frame `idx` of the table, which grows up to max_frames. -EINVAL, -ENOMEM; -ERESTART: it has grown by a step, call again. */
int grant_table_frame(struct domain *d, unsigned idx, mfn_t *out);
/* GNTTABOP_*: one element; the status goes into the structure. `d` = caller. The call/ layer copies arrays and preempts. */
void grant_map(struct domain *d, struct gnttab_map_grant_ref *op);
void grant_unmap(struct domain *d, struct gnttab_unmap_grant_ref *op);
/* A run of copies for one caller. What the last one found of each end, source and destination, is kept for the next: the granter, with a
 * reference, and where its pages lie, as long as nothing is taken out of its memory. */
struct grant_run { struct { struct domain *granter; struct p2m *p2m; struct p2m_run pages; } end[2]; };
void grant_run_begin(struct grant_run *run);
void grant_copy(struct domain *d, struct gnttab_copy *op, struct grant_run *run);
void grant_run_end(struct grant_run *run);
int grant_query_size(struct domain *d, struct gnttab_query_size *op);
/* Restart in place: empties the table but for the `n` first entries, which become `keep`. Pins of other entries are forgotten
 * here (their holders keep the frames). A kept entry stays pinned only while its frame is still the one at its gfn.
 * From entry *next on (0 at first), GRANT_RESTART_BUDGET of them at a time; true when done. */
#define GRANT_RESTART_BUDGET 8192u
bool grants_restart(struct domain *d, const grant_entry_v1_t *keep, unsigned n, uint32_t *next);
/* Drop the mappings that d holds of others (restart in place, destruction): p2m and IOMMU entries out, in-use flags cleared.
 * At most `budget` of them; true when none is left. d's vCPUs are stopped. */
#define GRANT_DROP_BUDGET 128u
bool grants_drop_mappings(struct domain *d, unsigned budget);
#endif
