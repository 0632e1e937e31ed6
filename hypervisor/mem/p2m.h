/* SPDX-License-Identifier: MIT */
/*
 * A domain's physical memory: gfn -> mfn with a type. Every present entry of RAM, foreign, grant or shared type holds one
 * reference on its frame. Entries go to the nested page table, and for an owner of devices to its IOMMU table as well.
 * All functions take p->lock (LOCK_P2M) themselves. Changes that take away access flush before they return: the old
 * frame's reference is dropped only after every CPU that runs the domain and every IOMMU has forgotten the mapping.
 */
#ifndef MEM_P2M_H
#define MEM_P2M_H
#include "mem/frames.h"
#include "mem/pagetable.h"

enum p2m_type {
    P2M_HOLE,
    P2M_RAM,      /* own memory, rwx */
    P2M_MMIO,     /* a device's registers, rw uncached, no frame reference */
    P2M_FOREIGN,  /* another domain's frame, rw */
    P2M_GRANT_RW, /* a granted frame */
    P2M_GRANT_RO,
    P2M_SHARED,   /* hypervisor page: shared info, grant table */
    P2M_RO,       /* own memory, read/exec only */
};
struct iommu_domain; /* mem/iommu.h */
struct p2m {
    struct spinlock lock;       /* LOCK_P2M */
    struct pagetable npt;
    struct iommu_domain *iommu; /* NULL: owns no device */
    uint64_t mirrored;          /* gfns below this were copied to it when it was attached */
    uint64_t max_gfn;           /* highest gfn ever mapped */
    uint64_t shared;            /* pages of type P2M_SHARED there are: a guest may name the same one often */
    bool closed;                /* being drained: nothing enters any more */
    uint64_t running_on;        /* bitmap of CPUs (< 64) inside a guest on these tables; set by cpu/ at entry, cleared at exit */
    uint64_t flush_gen;         /* raised by each removal: a vCPU that last ran under an older one flushes before it runs */
};
/* What the nested table grants for a type (PT_* with the type in the software bits), and whether devices may reach it. */
unsigned p2m_type_perm(enum p2m_type t);
bool p2m_type_dma(enum p2m_type t);

int p2m_init(struct p2m *p);
/* The domain will have so many pages: bounds the memory that its nested tables may take, wherever it puts its pages. */
#define P2M_SPARE_TABLES 2048u /* 8 MiB: grants, foreign pages and devices, spread over the whole space */
void p2m_expect(struct p2m *p, uint64_t pages);
void p2m_destroy(struct p2m *p);  /* the domain runs nowhere any more */

#define P2M_MAX_SHARED 4096u /* keeps destruction and restart short */
/* Consumes the caller's reference on each of the 2^order frames (not for MMIO) on success. Replaces a hole only:
 * -EEXIST if something present is in the way, -ENOMEM, -ENOSPC too many shared pages, -ESRCH drained, -ERANGE, -EINVAL unaligned. */
int p2m_add(struct p2m *p, gfn_t g, mfn_t m, unsigned order, enum p2m_type t);
/* Takes out 2^order pages whatever they are and drops their references. -ENOENT if a page of them is a hole. */
int p2m_remove(struct p2m *p, gfn_t g, unsigned order);
/* Takes out one page only if it is `m` with type `t`; for undoing grant and foreign mappings. -ENOENT otherwise. */
int p2m_remove_exact(struct p2m *p, gfn_t g, mfn_t m, enum p2m_type t);
/* Remove every entry from gfn *next on, then the tables; true when done. `budget`: so many pages, a large one counts as 33, or PT_PRUNE
 * tables. For destruction: the domain runs nowhere any more, and has no IOMMU table. */
bool p2m_drain(struct p2m *p, uint64_t *next, unsigned budget);
mfn_t p2m_lookup(struct p2m *p, gfn_t g, enum p2m_type *t); /* no reference taken: MFN_NONE for a hole */
/* Look up with a reference on the frame (frame_put when done). MFN_NONE for a hole, MMIO, or no write right when asked; *t (or NULL) is
 * set otherwise. `run`: as below. */
struct p2m_run;
mfn_t p2m_get(struct p2m *p, gfn_t g, bool write, enum p2m_type *t, struct p2m_run *run);
/* Smallest order of uniform run at g: lets callers step over holes. */
unsigned p2m_order_at(struct p2m *p, gfn_t g);

/* Guest memory access by guest physical address; any length, crosses pages; -EFAULT with a partial copy done if a page is
 * not RAM-like (a read-only page for writes). Reads each byte once. */
int p2m_read(struct p2m *p, gpa_t a, void *dst, size_t len);
int p2m_write(struct p2m *p, gpa_t a, const void *src, size_t len);
/* For several looks at once: between hold and release nothing leaves p. NULL where the two above fail; to the end of a's page.
 * `run` (or NULL): what an earlier look at p found, guarded by p->lock; a look into the same leaf, from which nothing was
 * removed since, needs no walk. Zeroed at first. */
struct p2m_run {
    uint64_t first, bytes; /* guest physical; bytes 0: nothing yet */
    char *at;              /* of `first` */
    uint64_t flush_gen;    /* p's at that time */
    bool write;
    enum p2m_type type;
};
void p2m_hold(struct p2m *p);
void p2m_release(struct p2m *p);
void *p2m_find(struct p2m *p, gpa_t a, bool write, struct p2m_run *run); /* always walks */
static inline void *p2m_seen(const struct p2m *p, gpa_t a, bool write, const struct p2m_run *run) /* never walks: NULL */
{
    bool in = a.v - run->first < run->bytes && run->flush_gen == p->flush_gen && (!write || run->write);
    return in ? run->at + (a.v - run->first) : NULL;
}
static inline void *p2m_at(struct p2m *p, gpa_t a, bool write, struct p2m_run *run)
{
    void *at = run ? p2m_seen(p, a, write, run) : NULL;
    return at ? at : p2m_find(p, a, write, run);
}

/* mem/p2m_iommu.c. From now on changes go to both p's tables and `d`, and what is there already is copied, about 0.3 ms at a time.
 * 0: `d` holds what devices may reach of p. -ERESTART: not all of it yet, call again. -EEXIST another one is attached; -ENOMEM,
 * -ERANGE: it stays attached, incomplete; a later call goes on. */
int p2m_attach_iommu(struct p2m *p, struct iommu_domain *d);
void p2m_detach_iommu(struct p2m *p); /* no function uses d's table any more */

/* cpu/ gives this: every CPU in p->running_on leaves the guest at least once (and so meets the raised flush_gen). Waits. */
extern void (*p2m_flush_cpus)(struct p2m *p);
extern const struct pt_format *p2m_format; /* cpu/ gives this too, before the first p2m_init: the vendor's nested tables */
#endif
