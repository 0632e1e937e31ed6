/* SPDX-License-Identifier: MIT */
/* See clone.h. */
#include "tests/guest/child/clone.h"
#include <bulkhead/ext.h>
#include <xen/memory.h>

#define WINDOW 0x1300000000ull /* where we map a clone's pages; one clone at a time */
#define LOW_PAGES 16u
#define MAX_PAGES 512u
#define IMAGE_GFN ((uint64_t)_image_start / RT_PAGE)

static unsigned image_pages(void) { return (unsigned)((_image_end - _image_start + RT_PAGE - 1) / RT_PAGE); }
static unsigned pages(void) { return LOW_PAGES + image_pages(); }
static uint64_t gfn_of(unsigned i) { return i < LOW_PAGES ? i : IMAGE_GFN + i - LOW_PAGES; }
static char *page_of(unsigned i) { return (char *)WINDOW + i * RT_PAGE; }

static long create(uint16_t *domid, unsigned vcpus)
{
    struct xen_domctl c = { 0 };
    c.u.createdomain = (struct xen_domctl_createdomain){ .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, .max_vcpus = vcpus,
        .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1,
        .arch.emulation_flags = XEN_X86_EMU_LAPIC };
    long ret = domctl(&c, XEN_DOMCTL_createdomain, 0);
    *domid = c.domain;
    return ret;
}

static long give_memory(uint16_t domid)
{
    static xen_pfn_t gfns[MAX_PAGES];
    struct xen_memory_reservation r = { .nr_extents = pages(), .domid = domid };
    struct xen_domctl c = { 0 };
    c.u.max_mem.max_memkb = 4096;
    long ret = domctl(&c, XEN_DOMCTL_max_mem, domid);
    for (unsigned i = 0; i < pages(); i++)
        gfns[i] = gfn_of(i);
    set_xen_guest_handle(r.extent_start, gfns);
    if (ret)
        return ret;
    ret = memory_op(XENMEM_populate_physmap, &r);
    return ret == (long)pages() ? 0 : -XEN_ENOMEM;
}

static void unmap(void)
{
    for (unsigned i = 0; i < pages(); i++) {
        struct xen_remove_from_physmap r = { .domid = DOMID_SELF, .gpfn = (uint64_t)page_of(i) / RT_PAGE };
        memory_op(XENMEM_remove_from_physmap, &r);
    }
}

static long map(uint16_t domid)
{
    static xen_ulong_t idx[MAX_PAGES];
    static xen_pfn_t gpfn[MAX_PAGES];
    static int errs[MAX_PAGES];
    struct xen_add_to_physmap_batch b = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = (uint16_t)pages(),
                                          .u.foreign_domid = domid };
    unmap();
    for (unsigned i = 0; i < pages(); i++) {
        idx[i] = gfn_of(i);
        gpfn[i] = (uint64_t)page_of(i) / RT_PAGE;
        errs[i] = -1;
    }
    set_xen_guest_handle(b.idxs, idx);
    set_xen_guest_handle(b.gpfns, gpfn);
    set_xen_guest_handle(b.errs, errs);
    long ret = memory_op(XENMEM_add_to_physmap_batch, &b);
    return ret ? ret : errs[CLONE_SHARED / RT_PAGE]; /* one that runs already may have given others away */
}

static void load(void)
{
    uint64_t *table = (uint64_t *)page_of(0);
    table[1 * 512] = 2 * RT_PAGE | 7;
    table[2 * 512] = 3 * RT_PAGE | 7;
    for (unsigned i = 0; i < 512; i++)
        table[3 * 512 + i] = i * 0x200000ull | 0x87;
    memcpy(page_of(LOW_PAGES), _image_start, (size_t)(_stack_guard - _image_start)); /* our stack stays ours */
}

bool clone_build(struct clone *c, void (*entry)(void), uint32_t roles, unsigned vcpus)
{
    struct xen_domctl v = { 0 };
    struct bh_op op = { .version = BH_INTERFACE_VERSION, .u.roles.roles = roles };
    const char *step = "createdomain";
    long ret = pages() <= MAX_PAGES ? create(&c->child.domid, vcpus) : -XEN_E2BIG;
    if (ret) {
        check(false, "clone: createdomain: %ld", ret);
        return false;
    }
    RT_ASSERT(rt_map_ram(WINDOW, MAX_PAGES * RT_PAGE) == 0);
    v.u.max_vcpus.max = vcpus;
    op.domid = c->child.domid;
    if ((ret = domctl(&v, XEN_DOMCTL_max_vcpus, c->child.domid)) != 0)
        step = "max_vcpus";
    else if ((ret = rt_hypercall2(BH_HYPERCALL, BH_OP_set_roles, &op)) != 0)
        step = "set_roles";
    else if ((ret = give_memory(c->child.domid)) != 0)
        step = "populate";
    else if ((ret = map(c->child.domid)) != 0)
        step = "foreign map";
    else {
        load();
        c->shared = (volatile struct clone_shared *)page_of(CLONE_SHARED / RT_PAGE);
        step = "sethvmcontext";
        ret = child_context(c->child.domid, (uint64_t)entry);
    }
    if (!ret)
        return true;
    check(false, "clone: %s: %ld", step, ret);
    clone_destroy(c);
    return false;
}

static long bh(struct clone *c, unsigned cmd)
{
    struct bh_op op = { .version = BH_INTERFACE_VERSION, .domid = c->child.domid };
    return rt_hypercall2(BH_HYPERCALL, cmd, &op);
}

long clone_snapshot(struct clone *c) { return bh(c, BH_OP_snapshot); }

long clone_restart(struct clone *c)
{
    unmap(); /* a page that we hold would be left to us, and the clone get another */
    long ret = bh(c, BH_OP_restart), mapped = map(c->child.domid);
    return ret ? ret : mapped;
}

bool clone_destroy(struct clone *c)
{
    unmap();
    return child_destroy(&c->child);
}

/* --- inside --- */

struct pointer { uint16_t limit; uint64_t base; } __attribute__((packed));

static uint64_t idt[512] __attribute__((aligned(16)));

static void load_tables(void)
{
    struct pointer g = { 5 * 8 - 1, CLONE_TABLES }, i = { sizeof(idt) - 1, (uint64_t)idt };
    __asm__ volatile("lgdt %0; lidt %1" ::"m"(g), "m"(i) : "memory");
}

void clone_tables_again(void)
{
    __asm__ volatile("movq %0, 0x24" ::"r"(CLONE_FAULT_STACK + RT_PAGE) : "memory"); /* its TSS is at address 0 */
    load_tables();
    __asm__ volatile("pushq $8; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" ::: "rax", "memory"); /* its selectors are null */
}

void clone_tables(void (*handler)(void))
{
    uint64_t h = (uint64_t)handler, tss = CLONE_TABLES - 0x100; /* the TSS lies at the end of the shared page */
    uint64_t *gdt = (uint64_t *)CLONE_TABLES;
    for (unsigned n = 0; n < 256; n++) { /* interrupt gate, IST 1 */
        idt[2 * n] = (h & 0xffff) | 8 << 16 | 1ull << 32 | 0x8eull << 40 | (h >> 16 & 0xffff) << 48;
        idt[2 * n + 1] = h >> 32;
    }
    gdt[0] = 0;
    gdt[1] = 0x00af9b000000ffff;
    gdt[2] = 0x00cf93000000ffff;
    gdt[3] = 0x67 | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
    gdt[4] = tss >> 32;
    memset((void *)tss, 0, 0x68);
    *(uint64_t *)(tss + 0x24) = CLONE_FAULT_STACK;
    load_tables();
    __asm__ volatile("ltr %w0" ::"r"(0x18) : "memory");
}
