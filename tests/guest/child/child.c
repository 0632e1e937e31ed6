/* SPDX-License-Identifier: MIT */
/* See child.h. Pages of a child: 1-3 page tables (first GiB 1:1), 4 code, 5 stack, 6 shared with us. */
#include "tests/guest/child/child.h"
#include <xen/arch-x86/hvm/save.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>

#define WINDOW 0x1200000000ull /* where we map a child's pages */
#define CODE 4u

long domctl(struct xen_domctl *c, unsigned cmd, uint16_t domid)
{
    c->cmd = cmd;
    c->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    c->domain = domid;
    return rt_hypercall1(__HYPERVISOR_domctl, c);
}

long simple_domctl(unsigned cmd, uint16_t domid)
{
    struct xen_domctl c = { 0 };
    return domctl(&c, cmd, domid);
}

static long create(uint16_t *domid)
{
    struct xen_domctl c = { 0 };
    c.u.createdomain = (struct xen_domctl_createdomain){ .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, .max_vcpus = 1,
        .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1,
        .arch.emulation_flags = XEN_X86_EMU_LAPIC };
    long ret = domctl(&c, XEN_DOMCTL_createdomain, 0);
    *domid = c.domain;
    return ret;
}

static long give_memory(uint16_t domid)
{
    struct xen_domctl c = { 0 };
    xen_pfn_t gfns[CHILD_PAGES];
    struct xen_memory_reservation r = { .nr_extents = CHILD_PAGES, .domid = domid };
    c.u.max_mem.max_memkb = 1024;
    long ret = domctl(&c, XEN_DOMCTL_max_mem, domid);
    for (unsigned i = 0; i < CHILD_PAGES; i++)
        gfns[i] = i;
    set_xen_guest_handle(r.extent_start, gfns);
    if (ret)
        return ret;
    ret = memory_op(XENMEM_populate_physmap, &r);
    return ret == CHILD_PAGES ? 0 : ret < 0 ? ret : -XEN_ENOMEM;
}

/* All of the child's pages in the window. */
static long map_child(uint16_t domid)
{
    xen_ulong_t idx[CHILD_PAGES];
    xen_pfn_t gpfn[CHILD_PAGES];
    int errs[CHILD_PAGES];
    struct xen_add_to_physmap_batch b = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = CHILD_PAGES,
                                          .u.foreign_domid = domid };
    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        idx[i] = i;
        gpfn[i] = WINDOW / RT_PAGE + domid % 64 * CHILD_PAGES + i;
        errs[i] = 77;
    }
    set_xen_guest_handle(b.idxs, idx);
    set_xen_guest_handle(b.gpfns, gpfn);
    set_xen_guest_handle(b.errs, errs);
    long ret = memory_op(XENMEM_add_to_physmap_batch, &b);
    for (unsigned i = 0; !ret && i < CHILD_PAGES; i++)
        ret = errs[i];
    return ret;
}

static char *window_of(uint16_t domid)
{
    return (char *)(WINDOW + domid % 64 * CHILD_PAGES * RT_PAGE);
}

static void unmap_child(uint16_t domid)
{
    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        struct xen_remove_from_physmap r = { .domid = DOMID_SELF,
                                             .gpfn = (uint64_t)window_of(domid) / RT_PAGE + i };
        memory_op(XENMEM_remove_from_physmap, &r);
    }
}

long child_map(struct child *c)
{
    unmap_child(c->domid);
    return map_child(c->domid);
}

static bool uses_vmcall(void)
{
    uint32_t r[4];
    test_cpuid(0, 0, r);
    return r[1] == 0x756e6547; /* "Genu" */
}

static void load(char *memory)
{
    uint64_t *table = (uint64_t *)memory;
    table[1 * 512] = 2 * RT_PAGE | 7;
    table[2 * 512] = 3 * RT_PAGE | 7;
    for (unsigned i = 0; i < 512; i++)
        table[3 * 512 + i] = i * 0x200000ull | 0x87;
    uint8_t *code = (uint8_t *)memory + CODE * RT_PAGE;
    size_t size = (size_t)(child_end - child_poweroff);
    memcpy(code, child_poweroff, size);
    for (size_t i = 0; uses_vmcall() && i + 2 < size; i++)
        if (code[i] == 0x0f && code[i + 1] == 0x01 && code[i + 2] == 0xd9)
            code[i + 2] = 0xc1;
}

struct context {
    struct hvm_save_descriptor head_d; struct hvm_save_header head;
    struct hvm_save_descriptor cpu_d; struct hvm_hw_cpu cpu;
    struct hvm_save_descriptor end_d;
} __attribute__((packed));

static const struct hvm_hw_cpu start_state = {
    .rsp = 6 * RT_PAGE - 16, .rflags = 0x202, /* no interrupt comes */ .cr0 = 0x80010033, .cr3 = RT_PAGE,
    .cr4 = 0x620, .msr_efer = 0x500, .dr6 = 0xffff0ff0, .dr7 = 0x400,
    .cs_sel = 8, .cs_limit = ~0u, .cs_arbytes = 0xa9b, .ds_sel = 16, .ds_limit = ~0u, .ds_arbytes = 0xc93,
    .es_sel = 16, .es_limit = ~0u, .es_arbytes = 0xc93, .ss_sel = 16, .ss_limit = ~0u, .ss_arbytes = 0xc93,
    .fs_limit = ~0u, .fs_arbytes = 0xc93, .gs_limit = ~0u, .gs_arbytes = 0xc93,
    .tr_limit = 0x67, .tr_arbytes = 0x8b, .ldtr_arbytes = 0x82,
};

static long set_context(uint16_t domid, const struct hvm_hw_cpu *cpu)
{
    static struct context x;
    static char old[16384];
    struct xen_domctl c = { 0 };
    c.u.hvmcontext.size = sizeof(old);
    set_xen_guest_handle(c.u.hvmcontext.buffer, (uint8_t *)old);
    long ret = domctl(&c, XEN_DOMCTL_gethvmcontext, domid);
    if (ret < 0)
        return ret;
    memset(&x, 0, sizeof(x));
    memcpy(&x, old, sizeof(x.head_d) + sizeof(x.head));
    x.cpu_d = (struct hvm_save_descriptor){ HVM_SAVE_CODE(CPU), 0, HVM_SAVE_LENGTH(CPU) };
    x.cpu = *cpu;
    x.end_d = (struct hvm_save_descriptor){ HVM_SAVE_CODE(END), 0, 0 };
    c.u.hvmcontext.size = sizeof(x);
    set_xen_guest_handle(c.u.hvmcontext.buffer, (uint8_t *)&x);
    return domctl(&c, XEN_DOMCTL_sethvmcontext, domid);
}

static uint64_t rip_of(const char *routine)
{
    return CODE * RT_PAGE + (uint64_t)(routine - child_poweroff);
}

long child_context(uint16_t domid, uint64_t rip)
{
    struct hvm_hw_cpu cpu = start_state;
    cpu.rip = rip;
    return set_context(domid, &cpu);
}

long child_context_pae(struct child *c, const char *routine)
{
    struct hvm_hw_cpu cpu = start_state;
    cpu.rip = rip_of(routine);
    cpu.cr3 = 7 * RT_PAGE;
    cpu.msr_efer = 0;
    cpu.cs_arbytes = 0xc9b;
    memset(window_of(c->domid) + 7 * RT_PAGE, 0, RT_PAGE);
    *(uint64_t *)(window_of(c->domid) + 7 * RT_PAGE) = 3 * RT_PAGE | 1;
    return set_context(c->domid, &cpu);
}

bool child_build(struct child *c, const char *routine)
{
    struct xen_domctl v = { 0 };
    const char *step = "createdomain";
    long ret = create(&c->domid);
    if (ret) {
        check(false, "child: createdomain: %ld", ret);
        return false;
    }
    RT_ASSERT(rt_map_ram(WINDOW, 64 * CHILD_PAGES * RT_PAGE) == 0);
    v.u.max_vcpus.max = 1;
    if ((ret = domctl(&v, XEN_DOMCTL_max_vcpus, c->domid)) != 0)
        step = "max_vcpus";
    else if ((ret = give_memory(c->domid)) != 0)
        step = "populate";
    else if ((ret = map_child(c->domid)) != 0)
        step = "foreign map";
    else {
        load(window_of(c->domid));
        c->shared = (volatile uint64_t *)(window_of(c->domid) + CHILD_SHARED * RT_PAGE);
        step = "sethvmcontext";
        ret = child_context(c->domid, rip_of(routine));
    }
    if (!ret)
        return true;
    check(false, "child: %s: %ld", step, ret);
    child_destroy(c);
    return false;
}

void child_start(struct child *c)
{
    IS(simple_domctl(XEN_DOMCTL_unpausedomain, c->domid), 0);
}

bool child_info(struct child *c, struct xen_domctl_getdomaininfo *info)
{
    struct xen_domctl d = { 0 };
    long ret = domctl(&d, XEN_DOMCTL_getdomaininfo, c->domid);
    *info = d.u.getdomaininfo;
    return ret == 0 && d.domain == c->domid;
}

#define CALL 32u /* words of the shared page: number, three arguments, result; 64: the argument's place */
#define CALL_ARG 64u

long child_call_many(struct child *c, unsigned number, unsigned long cmd, void *arg, unsigned size, unsigned count)
{
    volatile uint64_t *call = c->shared + CALL;
    char *place = (char *)(c->shared + CALL_ARG);
    uint64_t end = rt_now() + 10000000000ull;
    volatile bool never = false;
    memcpy(place, arg, size);
    call[1] = cmd;
    call[2] = CHILD_SHARED * RT_PAGE + CALL_ARG * 8;
    call[3] = count;
    __atomic_store_n(&call[0], number, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&call[0], __ATOMIC_SEQ_CST)) {
        if (rt_now() > end)
            return -XEN_ETIMEDOUT;
        wait_for(&never, 1);
    }
    memcpy(arg, place, size);
    return (long)call[4];
}

long child_call(struct child *c, unsigned number, unsigned long cmd, void *arg, unsigned size)
{
    return child_call_many(c, number, cmd, arg, size, 0);
}

int child_wait(struct child *c, unsigned ms)
{
    struct xen_domctl_getdomaininfo info;
    uint64_t end = rt_now() + ms * 1000000ull;
    volatile bool never = false;
    do {
        if (child_info(c, &info) && (info.flags & XEN_DOMINF_shutdown))
            return info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
        wait_for(&never, 5);
    } while (rt_now() < end);
    return -1;
}

bool child_destroy(struct child *c)
{
    struct xen_domctl_getdomaininfo info;
    uint64_t end = rt_now() + 20000000000ull;
    volatile bool never = false;
    long ret;
    unmap_child(c->domid);
    while ((ret = simple_domctl(XEN_DOMCTL_destroydomain, c->domid)) == -XEN_EAGAIN)
        if (rt_now() >= end)
            break;
    if (ret)
        check(false, "destroydomain: %ld", ret);
    do {
        if (!child_info(c, &info))
            return true;
        wait_for(&never, 5);
    } while (rt_now() < end);
    return false;
}

uint64_t free_pages(void)
{
    struct xen_sysctl s = { .cmd = XEN_SYSCTL_physinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION };
    long ret = rt_hypercall1(__HYPERVISOR_sysctl, &s);
    check(ret == 0, "physinfo (%ld)", ret);
    return s.u.physinfo.free_pages;
}
