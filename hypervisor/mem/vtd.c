/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-d (architecture specification 3.x): DMA and interrupt remapping in legacy mode with queued invalidation.
 * From vtd_init on no function reaches memory: root tables start empty, and a function gets a context entry only by
 * attach. One interrupt table serves all units; compatibility-format interrupts are blocked.
 * A unit that stops answering while the machine runs leaves isolation unknown: that is a panic. One that does not come up
 * at boot leaves the machine without an IOMMU, and assignment is refused.
 * Locks: u->lock (LOCK_IOMMU) guards a unit's tables, queue and fault registers; vtd_lock the hardware domain ids.
 */
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/string.h"
#include "lib/x86.h"
#include "mem/dmar.h"
#include "mem/frames.h"
#include "mem/iommu.h"
#include "mem/vtd_regs.h"

#define PATIENCE_TICKS 4000000000ull /* time stamp ticks to wait for a unit: about a second */
#define MAX_DIDS 1024u
#define QUEUE_ENTRIES 256u           /* one page */
#define IRT_ORDER 4u                 /* 64 KiB of interrupt entries */
#define NR_IRTE 4096u
#define APIC_BASE_X2APIC BIT(10)

struct unit {
    struct spinlock lock;
    volatile uint8_t *regs;
    uint64_t cap, ecap;
    uint16_t segment;
    struct vtd_pair *root;             /* 256 entries */
    struct vtd_pair *context[256];     /* by bus; NULL until first needed, then kept */
    uint8_t attached[MAX_DIDS];        /* functions per hardware domain id */
    struct vtd_pair *queue;
    unsigned tail;
    uint32_t sequence;                 /* of the last wait descriptor */
    volatile uint32_t completed;       /* written by the unit */
};
static struct unit units[8];
static unsigned nr_units;
static struct dmar dmar;
static struct spinlock vtd_lock = SPINLOCK_INIT(LOCK_IOMMU);
static uint64_t did_used[MAX_DIDS / 64];
static unsigned nr_dids, levels;
static bool coherent, x2apic;
static struct vtd_pair *irt;

/* --- registers and memory --- */

static uint32_t rd32(const struct unit *u, unsigned off) { return *(volatile uint32_t *)(u->regs + off); }
static uint64_t rd64(const struct unit *u, unsigned off) { return *(volatile uint64_t *)(u->regs + off); }
static void wr32(struct unit *u, unsigned off, uint32_t v) { *(volatile uint32_t *)(u->regs + off) = v; }
static void wr64(struct unit *u, unsigned off, uint64_t v) { *(volatile uint64_t *)(u->regs + off) = v; }

static unsigned long where(const struct unit *u) { return (unsigned long)virt_to_mpa((const void *)u->regs).v; }

/* Make what was written visible to units that do not snoop the caches. */
static void written(const void *p, size_t n)
{
    for (const char *c = p; !coherent && c < (const char *)p + n; c += 64)
        __asm__ volatile("clflush %0" ::"m"(*c) : "memory");
    __asm__ volatile("mfence" ::: "memory");
}

/* The unit reads entries as two halves: the low half, which holds Present, goes last when set and first when cleared. */
static void set_pair(struct vtd_pair *slot, struct vtd_pair v)
{
    if (!(v.lo & 1))
        WRITE_ONCE(slot->lo, v.lo);
    __asm__ volatile("mfence" ::: "memory");
    WRITE_ONCE(slot->hi, v.hi);
    __asm__ volatile("mfence" ::: "memory");
    WRITE_ONCE(slot->lo, v.lo);
    written(slot, sizeof(*slot));
}

static void *zeroed_frames(unsigned order)
{
    mfn_t m = frame_alloc(order);
    if (!mfn_valid_value(m))
        return NULL;
    memset(mfn_to_virt(m), 0, PAGE_SIZE << order);
    written(mfn_to_virt(m), PAGE_SIZE << order);
    return mfn_to_virt(m);
}

static bool wait_register(const struct unit *u, unsigned off, uint32_t bits, uint32_t value)
{
    for (uint64_t end = rdtsc() + PATIENCE_TICKS; (rd32(u, off) & bits) != value; cpu_pause())
        if (rdtsc() > end)
            return false;
    return true;
}

/* Give one command of the global command register and wait until the status shows it (11.4.4). */
static bool command(struct unit *u, uint64_t bit, bool on)
{
    uint64_t now = rd32(u, VTD_GSTS) & ~VTD_G_ONE_SHOT;
    wr32(u, VTD_GCMD, (uint32_t)(on ? now | bit : now & ~bit));
    return wait_register(u, VTD_GSTS, (uint32_t)bit, on ? (uint32_t)bit : 0);
}

/* --- invalidation queue (6.5.2) --- */

static void enqueue(struct unit *u, struct vtd_pair d)
{
    u->queue[u->tail] = d;
    u->tail = (u->tail + 1) % QUEUE_ENTRIES;
}

/* Submit `n` invalidations and a wait; false if the unit refuses or stays silent. u->lock held. */
static bool try_invalidate(struct unit *u, const struct vtd_pair *d, unsigned n)
{
    ASSERT(n + 1 < QUEUE_ENTRIES);
    for (unsigned i = 0; i < n; i++)
        enqueue(u, d[i]);
    uint32_t seq = ++u->sequence;
    enqueue(u, vtd_inv_wait(seq, virt_to_mpa((const void *)&u->completed).v));
    __asm__ volatile("mfence" ::: "memory");
    wr64(u, VTD_IQT, (uint64_t)u->tail << 4);
    uint64_t end = rdtsc() + PATIENCE_TICKS;
    for (unsigned spins = 0; u->completed != seq; spins++) {
        if (spins % 1024 == 1023 && ((rd32(u, VTD_FSTS) & VTD_FSTS_IQE) || rdtsc() > end))
            return false;
        cpu_pause();
    }
    return true;
}

static void invalidate(struct unit *u, const struct vtd_pair *d, unsigned n)
{
    if (!try_invalidate(u, d, n))
        panic("VT-d unit at %#lx does not complete invalidations (FSTS %#x, head %#lx, tail %#lx): DMA isolation is unknown",
              where(u), rd32(u, VTD_FSTS), (unsigned long)rd64(u, VTD_IQH), (unsigned long)rd64(u, VTD_IQT));
}

static struct vtd_pair flush_domain(const struct unit *u, uint16_t did)
{
    return vtd_inv_tlb_domain(did, vtd_cap_drain_read(u->cap), vtd_cap_drain_write(u->cap));
}

/* --- DMA remapping --- */

static struct unit *unit_of(uint32_t sbdf)
{
    int i = dmar_unit_of(&dmar, sbdf);
    return i < 0 ? NULL : &units[i];
}

/* The function's context entry; NULL where its bus has no table (and `make` is not asked or there is no memory). */
static struct vtd_pair *context_of(struct unit *u, uint32_t sbdf, bool make)
{
    unsigned bus = sbdf >> 8 & 0xff;
    if (!u->context[bus] && make) {
        u->context[bus] = zeroed_frames(0);
        if (u->context[bus])
            set_pair(&u->root[bus], vtd_root_entry(virt_to_mfn(u->context[bus])));
    }
    return u->context[bus] ? &u->context[bus][sbdf & 0xff] : NULL;
}

static int check(uint32_t sbdf)
{
    return !unit_of(sbdf) ? -ENODEV : dmar_reserved(&dmar, sbdf) ? -EPERM : 0;
}

static int domain_init(struct iommu_domain *d, domid_t owner)
{
    spin_lock(&vtd_lock);
    unsigned did = bit_find_clear(did_used, nr_dids);
    if (did < nr_dids)
        bit_set(did_used, did);
    spin_unlock(&vtd_lock);
    if (did >= nr_dids)
        return -ENOSPC;
    int rc = pt_init(&d->pt, &pt_vtd, levels);
    if (rc) {
        bit_clear(did_used, did);
        return rc;
    }
    written(mfn_to_virt(d->pt.root), PAGE_SIZE);
    d->did = (uint16_t)did;
    d->owner = owner;
    return 0;
}

static void domain_destroy(struct iommu_domain *d)
{
    for (unsigned i = 0; i < nr_units; i++)
        ASSERT(!units[i].attached[d->did]);
    pt_destroy(&d->pt);
    bit_clear(did_used, d->did);
    d->did = 0;
}

static struct vtd_pair *fault_record(const struct unit *u, unsigned i)
{
    return (struct vtd_pair *)(uintptr_t)(u->regs + vtd_cap_fault_offset(u->cap)) + i;
}

static struct vtd_pair read_fault(const struct unit *u, unsigned i)
{
    struct vtd_pair *r = fault_record(u, i);
    uint64_t hi = READ_ONCE(r->hi);
    return (struct vtd_pair){hi >> 63 ? READ_ONCE(r->lo) : 0, hi};
}

static void clear_fault(struct unit *u, unsigned i)
{
    *((volatile uint32_t *)fault_record(u, i) + 3) = (uint32_t)BIT(31); /* F: write 1 to clear */
}

static void forget_faults(struct unit *u, uint16_t source)
{
    for (unsigned i = 0; i < vtd_cap_nr_faults(u->cap); i++) {
        struct vtd_pair f = read_fault(u, i);
        if (vtd_fault_valid(f) && vtd_fault_source(f) == source)
            clear_fault(u, i);
    }
}

static int attach(struct iommu_domain *d, uint32_t sbdf)
{
    struct unit *u = unit_of(sbdf);
    if (!u)
        return -ENODEV;
    int rc = -ENOMEM;
    spin_lock(&u->lock);
    struct vtd_pair *e = context_of(u, sbdf, true);
    if (e && (e->lo & 1)) {
        rc = -EBUSY;
    } else if (e) {
        forget_faults(u, (uint16_t)sbdf);
        u->attached[d->did]++;
        set_pair(e, vtd_context_entry(d->pt.root, levels, d->did));
        struct vtd_pair q[] = {vtd_inv_context(d->did, (uint16_t)sbdf), flush_domain(u, d->did)};
        invalidate(u, q, ARRAY_SIZE(q));
        rc = 0;
    }
    spin_unlock(&u->lock);
    return rc;
}

static void detach(uint32_t sbdf)
{
    struct unit *u = unit_of(sbdf);
    if (!u)
        return;
    spin_lock(&u->lock);
    struct vtd_pair *e = context_of(u, sbdf, false);
    if (e && (e->lo & 1)) {
        uint16_t did = vtd_context_did(*e);
        set_pair(e, (struct vtd_pair){0, 0});
        struct vtd_pair q[] = {vtd_inv_context(did, (uint16_t)sbdf), flush_domain(u, did)};
        invalidate(u, q, ARRAY_SIZE(q));
        u->attached[did]--;
    }
    spin_unlock(&u->lock);
}

static void flush(struct iommu_domain *d, uint64_t page, uint64_t count)
{
    for (unsigned i = 0; i < nr_units; i++) {
        struct unit *u = &units[i];
        unsigned mask = count ? vtd_cover(page, count) : 64;
        bool dr = vtd_cap_drain_read(u->cap), dw = vtd_cap_drain_write(u->cap);
        spin_lock(&u->lock);
        if (u->attached[d->did]) { /* a detached domain has nothing cached */
            struct vtd_pair q = flush_domain(u, d->did);
            if (vtd_cap_page_selective(u->cap) && mask <= vtd_cap_max_mask(u->cap))
                q = vtd_inv_tlb_pages(d->did, dr, dw, page >> mask << mask, mask);
            invalidate(u, &q, 1);
        }
        spin_unlock(&u->lock);
    }
}

/* --- interrupt remapping --- */

static void forget_irte(unsigned index)
{
    for (unsigned i = 0; i < nr_units; i++) {
        struct vtd_pair q = vtd_inv_irte((uint16_t)index);
        spin_lock(&units[i].lock);
        invalidate(&units[i], &q, 1);
        spin_unlock(&units[i].lock);
    }
}

static int irte_set(unsigned index, uint8_t vector, uint32_t apic_id, uint32_t sbdf, bool level)
{
    if (!irt || index >= NR_IRTE || vector < 16)
        return -EINVAL;
    if (apic_id > 0xff && !x2apic)
        return -ERANGE;
    set_pair(&irt[index], (struct vtd_pair){0, 0});
    set_pair(&irt[index], vtd_irte(vector, apic_id, x2apic, level, sbdf != ~0u, (uint16_t)sbdf));
    forget_irte(index);
    return 0;
}

static void irte_clear(unsigned index)
{
    if (!irt || index >= NR_IRTE)
        return;
    set_pair(&irt[index], (struct vtd_pair){0, 0});
    forget_irte(index);
}

/* --- faults (7) --- */

/* Take the first fault recorded at or after register `i`. */
static bool next_fault(struct unit *u, unsigned *i, struct iommu_fault *out)
{
    bool found = false;
    spin_lock(&u->lock);
    for (; !found && *i < vtd_cap_nr_faults(u->cap); ++*i) {
        struct vtd_pair f = read_fault(u, *i);
        if (!vtd_fault_valid(f))
            continue;
        clear_fault(u, *i);
        *out = (struct iommu_fault){
            .sbdf = (uint32_t)u->segment << 16 | vtd_fault_source(f), .addr = vtd_fault_address(f),
            .reason = vtd_fault_reason(f), .write = !vtd_fault_read(f), .interrupt = vtd_fault_interrupt(f),
        };
        found = true;
    }
    spin_unlock(&u->lock);
    return found;
}

static bool poll_faults(void (*report)(const struct iommu_fault *f))
{
    bool any = false;
    for (unsigned n = 0; n < nr_units; n++) {
        struct unit *u = &units[n];
        struct iommu_fault f;
        for (unsigned i = 0; next_fault(u, &i, &f); any = true)
            report(&f);
        spin_lock(&u->lock);
        wr32(u, VTD_FSTS, VTD_FSTS_CLEAR & ~VTD_FSTS_IQE); /* a queue error is not ours to hide */
        spin_unlock(&u->lock);
    }
    for (unsigned n = 0; n < nr_units; n++) {
        spin_lock(&units[n].lock);
        wr32(&units[n], VTD_FECTL, any ? (uint32_t)VTD_FECTL_MASK : 0);
        spin_unlock(&units[n].lock);
    }
    return any;
}

/* Fault and invalidation registers may lie behind the first page. */
static bool among(mfn_t first, uint64_t count)
{
    for (unsigned i = 0; i < nr_units; i++) {
        uint64_t own = where(&units[i]) >> PAGE_SHIFT;
        uint64_t end = MAX(vtd_cap_fault_offset(units[i].cap) + 16 * vtd_cap_nr_faults(units[i].cap), vtd_ecap_tlb_offset(units[i].ecap) + 16);
        if (first.v <= own + ((end - 1) >> PAGE_SHIFT) && own < first.v + count)
            return true;
    }
    return false;
}

static const struct iommu_ops vtd_ops = {
    .name = "VT-d", .check = check, .domain_init = domain_init, .domain_destroy = domain_destroy, .attach = attach,
    .detach = detach, .flush = flush, .irte_set = irte_set, .irte_clear = irte_clear, .nr_irte = NR_IRTE,
    .poll_faults = poll_faults, .among = among,
};

/* --- boot --- */

/* Find the unit's registers and see that it can do what this file needs. */
static int probe(struct unit *u, const struct dmar_unit *d)
{
    if (d->base + 0x10000 > BIT(32) || frame_is_ram(mpa_to_mfn(mpa(d->base)))) {
        log_error("VT-d: DMAR: register base %#lx is not device memory below 4 GiB", (unsigned long)d->base);
        return -EINVAL;
    }
    spin_init(&u->lock, LOCK_IOMMU);
    u->regs = mpa_to_virt(mpa(d->base));
    u->segment = d->segment;
    u->cap = rd64(u, VTD_CAP);
    u->ecap = rd64(u, VTD_ECAP);
    uint32_t version = rd32(u, VTD_VER);
    log_info("VT-d: unit at %#lx, version %u.%u, CAP %#lx, ECAP %#lx", where(u), version >> 4 & 15, version & 15,
             (unsigned long)u->cap, (unsigned long)u->ecap);
    const char *lacks = version == ~0u || !version         ? "registers"
                        : !vtd_ecap_queue(u->ecap)         ? "queued invalidation"
                        : vtd_cap_caching_mode(u->cap)     ? "a mode without caching of absent entries"
                        : vtd_cap_write_buffer(u->cap)     ? "coherent writes (RWBF)"
                        : (u->cap & 7) == 7                ? "a known number of domains"
                                                           : NULL;
    if (lacks) {
        log_error("VT-d: unit at %#lx lacks %s: not used", where(u), lacks);
        return -ENODEV;
    }
    return 0;
}

/* What all units can do together: table depth, page sizes, domain ids, snooping. */
static int common_abilities(void)
{
    bool three = true, four = true;
    unsigned large = 15;
    nr_dids = MAX_DIDS;
    coherent = true;
    for (unsigned i = 0; i < nr_units; i++) {
        three &= vtd_cap_levels(units[i].cap, 3);
        four &= vtd_cap_levels(units[i].cap, 4);
        large &= vtd_cap_large(units[i].cap);
        coherent &= vtd_ecap_coherent(units[i].ecap);
        nr_dids = MIN(nr_dids, vtd_cap_domains(units[i].cap));
    }
    levels = four ? 4 : three ? 3 : 0;
    if (!levels) {
        log_error("VT-d: units share neither 39-bit nor 48-bit tables");
        return -ENODEV;
    }
    pt_vtd.max_order = (large & 3) == 3 ? ORDER_1G : large & 1 ? ORDER_2M : ORDER_4K;
    pt_vtd.coherent = coherent;
    return 0;
}

/* Whatever firmware left on goes off first: its tables are not ours to trust. */
static bool quiesce(struct unit *u)
{
    static const uint64_t bits[] = {VTD_G_TE, VTD_G_IRE, VTD_G_QIE};
    for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
        if ((rd32(u, VTD_GSTS) & bits[i]) && !command(u, bits[i], false))
            return false;
    wr32(u, VTD_FECTL, (uint32_t)VTD_FECTL_MASK);
    wr32(u, VTD_FSTS, VTD_FSTS_CLEAR);
    for (unsigned i = 0; i < vtd_cap_nr_faults(u->cap); i++)
        clear_fault(u, i);
    return true;
}

/* Translation on, with nothing mapped for anyone. */
static bool block_dma(struct unit *u)
{
    wr64(u, VTD_RTADDR, virt_to_mpa(u->root).v);
    if (!command(u, VTD_G_SRTP, true))
        return false;
    u->tail = 0;
    wr64(u, VTD_IQT, 0);
    wr64(u, VTD_IQA, virt_to_mpa(u->queue).v);
    struct vtd_pair q[] = {vtd_inv_context_all(), vtd_inv_tlb_all(vtd_cap_drain_read(u->cap), vtd_cap_drain_write(u->cap))};
    if (!command(u, VTD_G_QIE, true) || !try_invalidate(u, q, ARRAY_SIZE(q)) || !command(u, VTD_G_TE, true))
        return false;
    if (vtd_cap_protected_mem(u->cap) && (rd32(u, VTD_PMEN) & VTD_PMEN_EPM)) {
        wr32(u, VTD_PMEN, 0);
        return wait_register(u, VTD_PMEN, (uint32_t)VTD_PMEN_PRS, 0);
    }
    return true;
}

static bool remap_interrupts(struct unit *u)
{
    unsigned size = 31u - (unsigned)__builtin_clz(NR_IRTE) - 1; /* 2^(size + 1) entries */
    wr64(u, VTD_IRTA, virt_to_mpa(irt).v | (x2apic ? BIT(11) : 0) | size);
    struct vtd_pair q = vtd_inv_irte_all();
    if (!command(u, VTD_G_SIRTP, true) || !try_invalidate(u, &q, 1))
        return false;
    return (!(rd32(u, VTD_GSTS) & VTD_G_CFI) || command(u, VTD_G_CFI, false)) && command(u, VTD_G_IRE, true);
}

/* All units or none: a function behind a unit without it could forge any interrupt. */
static bool remap_all_interrupts(void)
{
    bool able = dmar.interrupts, eim = true;
    for (unsigned i = 0; i < nr_units; i++) {
        able &= vtd_ecap_interrupts(units[i].ecap);
        eim &= vtd_ecap_x2apic(units[i].ecap);
    }
    x2apic = eim && (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC);
    if (!able || !(irt = zeroed_frames(IRT_ORDER))) {
        log_warn("VT-d: no interrupt remapping: device assignment is refused unless unsafe");
        return false;
    }
    for (unsigned i = 0; i < nr_units; i++)
        if (!remap_interrupts(&units[i])) {
            log_error("VT-d: unit at %#lx does not turn interrupt remapping on", where(&units[i]));
            for (unsigned k = 0; k <= i; k++)
                command(&units[k], VTD_G_IRE, false);
            irt = NULL;
            return false;
        }
    return true;
}

static void fault_events(struct unit *u, uint8_t vector, uint32_t apic_id)
{
    wr32(u, VTD_FEDATA, vector);
    wr32(u, VTD_FEADDR, 0xfee00000u | (apic_id & 0xff) << 12);
    wr32(u, VTD_FEUADDR, apic_id & ~0xffu);
    wr32(u, VTD_FECTL, 0);
}

/* The I/O APICs' source ids, and which functions firmware keeps for itself. */
static void report_scopes(void)
{
    for (unsigned i = 0; i < dmar.nr_units; i++)
        for (unsigned k = 0; k < dmar.unit[i].scopes.count; k++) {
            const struct dmar_scope *s = &dmar.scope[dmar.unit[i].scopes.first + k];
            if (s->type == SCOPE_IOAPIC)
                iommu_add_ioapic(s->id, (uint16_t)(s->bus << 8 | s->devfn));
        }
    for (unsigned i = 0; i < dmar.nr_regions; i++)
        for (unsigned k = 0; k < dmar.region[i].scopes.count; k++) {
            const struct dmar_scope *s = &dmar.scope[dmar.region[i].scopes.first + k];
            log_warn("VT-d: firmware reserves %#lx-%#lx for %04x:%02x:%02x.%u: that function's DMA is blocked and it cannot be assigned",
                     (unsigned long)dmar.region[i].first, (unsigned long)dmar.region[i].last, dmar.region[i].segment, s->bus,
                     s->devfn >> 3, s->devfn & 7u);
        }
}

int vtd_init(const void *table, uint8_t fault_vector, uint32_t apic_id)
{
    if (!table)
        return -ENODEV;
    int rc = dmar_parse(table, &dmar);
    for (unsigned i = 0; !rc && i < dmar.nr_units; i++)
        rc = probe(&units[i], &dmar.unit[i]);
    nr_units = dmar.nr_units;
    if (!rc)
        rc = common_abilities();
    if (rc) {
        log_error("VT-d: not used (error %d)", rc);
        return rc;
    }
    did_used[0] = 1; /* id 0 is kept free: some units give it a meaning */
    for (unsigned i = 0; i < nr_units; i++) {
        struct unit *u = &units[i];
        if (!(u->root = zeroed_frames(0)) || !(u->queue = zeroed_frames(0)))
            return -ENOMEM;
        if (!quiesce(u) || !block_dma(u)) {
            log_error("VT-d: unit at %#lx does not obey (GSTS %#x, FSTS %#x): not used", where(u), rd32(u, VTD_GSTS), rd32(u, VTD_FSTS));
            return -EIO;
        }
    }
    bool interrupts = remap_all_interrupts();
    for (unsigned i = 0; i < nr_units; i++)
        fault_events(&units[i], fault_vector, apic_id);
    report_scopes();
    iommu_enable(&vtd_ops, interrupts);
    log_info("VT-d: %u unit(s), %u-bit tables, all DMA blocked; interrupt remapping %s%s", nr_units, 12 + 9 * levels,
             interrupts ? "on" : "off", x2apic && interrupts ? " (x2APIC)" : "");
    return 0;
}
