/* SPDX-License-Identifier: MIT */
/*
 * The one page-table walker. A format is data: the host's own tables, nested paging (AMD: the same layout with U/S set;
 * Intel: EPT), VT-d second level. Callers serialise (p2m lock) and flush; the walker only edits tables.
 * Specifications: AMD APM vol. 2 ch. 5 and 15.25, Intel VT-d 3.x section 9.8 (second-stage entries),
 * Intel SDM vol. 3, 29.3.2 (EPT).
 */
#ifndef MEM_PAGETABLE_H
#define MEM_PAGETABLE_H
#include "lib/types.h"

#define PT_READ 1u
#define PT_WRITE 2u
#define PT_EXEC 4u
#define PT_UNCACHED 8u
/* Software bits kept in a leaf: PT_SOFT(n), n 0..7 (the p2m type). */
#define PT_SOFT(n) ((unsigned)(n) << 8)
#define PT_SOFT_OF(perm) ((perm) >> 8 & 7)

struct pt_format {
    const char *name;
    uint64_t present;        /* any of these = present */
    uint64_t table;          /* bits of an entry that points to a table */
    uint64_t large;          /* bit that makes a leaf above level 0 */
    uint64_t read, write, exec, no_exec; /* permission bits: set when granted, no_exec when not */
    uint64_t uncached, cached; /* memory type bits of a leaf: with PT_UNCACHED, and without */
    uint64_t leaf;           /* always set in a leaf (e.g. U/S, A/D) */
    unsigned soft_shift;     /* where 3 software bits live */
    unsigned max_order;      /* ORDER_4K, ORDER_2M or ORDER_1G */
    bool coherent;           /* false: entries are flushed with CLFLUSH after a write (VT-d without ECAP.C) */
};
extern const struct pt_format pt_host, pt_npt;
extern struct pt_format pt_vtd, pt_ept; /* max_order and coherent set from the hardware at boot */

struct pagetable {
    const struct pt_format *fmt;
    mfn_t root;
    unsigned levels; /* 3, 4 */
    unsigned tables, max_tables; /* made so far and the most that may be made; 0: no limit. None is given back before the end */
};
struct pt_leaf { mfn_t mfn; unsigned order; unsigned perm; bool present; }; /* mfn: of the very page asked for */

int pt_init(struct pagetable *pt, const struct pt_format *fmt, unsigned levels); /* -ENOMEM */
void pt_destroy(struct pagetable *pt); /* frees the tables, not what they map */
/* The same in steps of so many tables, all but the root; true when there was none left to do. Nobody walks them any more, and nothing is mapped any more.
 * PT_PRUNE tables take about 0.2 ms. */
#define PT_PRUNE 64u
bool pt_prune(struct pagetable *pt, unsigned tables);
/* Map 2^order frames at page number `page` (aligned to the order); replaces what is there (a larger leaf is split).
 * -ENOMEM leaves the old mapping whole; -ERANGE when page is beyond the table's reach. */
int pt_map(struct pagetable *pt, uint64_t page, mfn_t m, unsigned order, unsigned perm);
int pt_unmap(struct pagetable *pt, uint64_t page, unsigned order); /* -ENOMEM if a split fails; absent is fine */
struct pt_leaf pt_lookup(const struct pagetable *pt, uint64_t page); /* order of the hole or leaf in .order */
#endif
