/* SPDX-License-Identifier: MIT */
/*
 * fuzz: hypercalls with random commands and half-sensible random arguments, as the domain with every role, so that nothing is refused
 * at the door. Left out is what a domain may rightly do to itself: end, give its memory away, have a page of its own overwritten.
 * Passes when the hypervisor still answers, its free memory is what it was, and no domain is left.
 * "fuzz.calls=N" and "fuzz.seed=N" on the command line.
 */
#include "tests/guest/lib.h"
#include <bulkhead/ext.h>
#include <xen/domctl.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>

#define NO_GFN 0x100000ul /* gfns of ours from here on are holes */
static uint64_t seed = 1;
static uint64_t arg[512] __attribute__((aligned(4096))); /* the structure handed over; random words before each call */
static uint64_t data[4096] __attribute__((aligned(4096)));

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}
static uint64_t below(uint64_t n) { return rnd() % n; }

/* A number that means something somewhere. Never the frame number of a page of ours but the lowest few. */
static uint64_t word(void)
{
    switch (below(12)) {
    case 0: return 0;
    case 1: return below(16);
    case 2: return (uint64_t)(uintptr_t)data + below(sizeof(data));
    case 3: return ~0ul >> below(64);
    case 4: return 1ul << below(64);
    case 5: return 0x7ff0 + below(16);
    case 6: return NO_GFN + below(256);
    case 7: return (NO_GFN + below(256)) << 12;
    case 8: return below(5) | below(5) << 32;
    case 9: return (uint64_t)(uintptr_t)data | below(64) << 56;
    case 10: return 0xffff800000000000ul + below(1ul << 32);
    default: return rnd();
    }
}
static void fill(void)
{
    for (unsigned i = 0; i < 24; i++)
        arg[i] = word();
    for (unsigned i = 0; i < 32; i++)
        data[below(4096)] = below(2) ? word() : NO_GFN + below(4096);
}
static uint64_t pointer(void) { return below(16) ? (uint64_t)(uintptr_t)arg : word(); }
static uint16_t other(void) { return (uint16_t)(below(8) ? 1 + below(4) : 0x7ff1 + below(14)); } /* never ourselves */

static long domctl_any(void)
{
    struct xen_domctl *c = (void *)arg;
    c->cmd = below(32) ? (uint32_t)below(90) : (uint32_t)rnd();
    c->interface_version = below(64) ? XEN_DOMCTL_INTERFACE_VERSION : (uint32_t)rnd();
    c->domain = other();
    if (c->cmd == XEN_DOMCTL_createdomain && below(4)) {
        c->u.createdomain = (struct xen_domctl_createdomain){
            .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, .max_vcpus = 1 + (uint32_t)below(3), .max_evtchn_port = (uint32_t)word(),
            .max_grant_frames = (int32_t)word(), .max_maptrack_frames = (int32_t)word()};
        c->domain = 0;
    }
    if (c->cmd == XEN_DOMCTL_max_vcpus && below(2)) c->u.max_vcpus.max = 1 + (uint32_t)below(3);
    if (c->cmd == XEN_DOMCTL_max_mem && below(2)) c->u.max_mem.max_memkb = below(4096);
    return rt_hypercall1(__HYPERVISOR_domctl, pointer());
}

static long sysctl_any(void)
{
    struct xen_sysctl *c = (void *)arg;
    c->cmd = (uint32_t)below(32);
    c->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return rt_hypercall1(__HYPERVISOR_sysctl, pointer());
}

static long bulkhead_any(void)
{
    struct bh_op *o = (void *)arg;
    o->version = below(64) ? BH_INTERFACE_VERSION : (uint32_t)rnd();
    o->domid = other();
    o->pad = below(16) ? 0 : (uint16_t)rnd();
    if (below(2)) o->u.roles.roles &= 63, o->u.roles.pad = 0;
    return rt_hypercall2(BH_HYPERCALL, below(12), pointer());
}

static long memory_any(void)
{
    uint64_t cmd = below(30), start = below(4) ? 0 : below(1ul << 40);
    if (cmd <= XENMEM_populate_physmap && below(4)) {
        struct xen_memory_reservation *r = (void *)arg;
        set_xen_guest_handle(r->extent_start, (xen_pfn_t *)data);
        r->nr_extents = below(600);
        r->extent_order = (unsigned)below(20);
        r->domid = below(8) ? other() : DOMID_SELF; /* for us: what data[] names are holes */
    }
    return rt_hypercall2(__HYPERVISOR_memory_op, cmd | start << 6, pointer());
}

static long hvm_any(void)
{
    uint64_t cmd = below(26);
    struct xen_hvm_param *p = (void *)arg;
    if (cmd == HVMOP_set_evtchn_upcall_vector || cmd == HVMOP_set_param) {
        cmd = HVMOP_set_param; /* our own interrupt vector stays */
        p->domid = other();
        p->index = (uint32_t)below(45);
    }
    return rt_hypercall2(__HYPERVISOR_hvm_op, cmd, (uint64_t)(uintptr_t)arg);
}

static long vcpu_any(void)
{
    static const uint8_t cmds[] = {VCPUOP_is_up, VCPUOP_get_runstate_info, VCPUOP_set_periodic_timer, VCPUOP_stop_periodic_timer,
                                   VCPUOP_set_singleshot_timer, VCPUOP_stop_singleshot_timer, VCPUOP_get_physid, 14, 200};
    return rt_hypercall3(__HYPERVISOR_vcpu_op, cmds[below(sizeof(cmds))], below(4), pointer());
}

static long sched_any(void)
{
    static const uint8_t cmds[] = {0, 4, 7, 8, 100}; /* yield, remote_shutdown, pin_override, nothing */
    struct sched_remote_shutdown *r = (void *)arg;
    r->domain_id = other();
    return rt_hypercall2(__HYPERVISOR_sched_op, cmds[below(sizeof(cmds))], (uint64_t)(uintptr_t)arg);
}

static long any(void)
{
    fill();
    switch (below(16)) {
    case 0: case 1: case 2: case 3: return domctl_any();
    case 4: return sysctl_any();
    case 5: return bulkhead_any();
    case 6: case 7: return memory_any();
    case 8: return hvm_any();
    case 9: return vcpu_any();
    case 10: return sched_any();
    case 11: return rt_hypercall2(__HYPERVISOR_event_channel_op, below(16), pointer());
    case 12: return rt_hypercall3(__HYPERVISOR_grant_table_op, below(14), pointer(), below(8) ? below(4) : word());
    case 13: return rt_hypercall2(__HYPERVISOR_xen_version, below(12), pointer());
    case 14: return rt_hypercall2(__HYPERVISOR_physdev_op, below(40), pointer());
    default: return rt_hypercall1(__HYPERVISOR_platform_op, pointer());
    }
}

/* Destroys what the calls left, domain by domain; the number found. */
static unsigned destroy_all(void)
{
    unsigned n = 0;
    for (uint16_t id = 1; id < 1024; id++) {
        struct xen_domctl c = {.cmd = XEN_DOMCTL_destroydomain, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = id};
        n += rt_hypercall1(__HYPERVISOR_domctl, &c) == 0;
    }
    return n;
}
static uint64_t free_pages(void)
{
    struct xen_sysctl s = {.cmd = XEN_SYSCTL_physinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    IS(rt_hypercall1(__HYPERVISOR_sysctl, &s), 0);
    return s.u.physinfo.free_pages;
}
static unsigned domains(void)
{
    static xen_domctl_getdomaininfo_t list[64];
    struct xen_sysctl s = {.cmd = XEN_SYSCTL_getdomaininfolist, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    s.u.getdomaininfolist.max_domains = 64;
    set_xen_guest_handle(s.u.getdomaininfolist.buffer, list);
    IS(rt_hypercall1(__HYPERVISOR_sysctl, &s), 0);
    for (unsigned i = 1; i < s.u.getdomaininfolist.num_domains; i++)
        rt_log("fuzz: left: domain %u, flags %x, %lu pages", list[i].domain, list[i].flags, list[i].tot_pages);
    return s.u.getdomaininfolist.num_domains;
}

/* What the calls put into our own space, at the places that word() can name: frames of others keep those from going. */
static void unmap(uint64_t g)
{
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = g};
    if (g >= NO_GFN) memory_op(XENMEM_remove_from_physmap, &r);
}
static void unmap_all(void)
{
    for (uint64_t i = 0; i < 4096; i++) unmap(NO_GFN + i);
    for (uint64_t i = 0; i < 256; i++) unmap((NO_GFN + i) << 12);
    for (unsigned k = 0; k < 64; k++) unmap(1ul << k), unmap(~0ul >> k);
}

static uint64_t option(const char *line, const char *name, uint64_t otherwise)
{
    size_t len = strlen(name);
    const char *p = line;
    while (*p && memcmp(p, name, len < strlen(p) ? len : strlen(p))) p++;
    if (strlen(p) < len) return otherwise;
    uint64_t n = 0;
    for (p += len; *p >= '0' && *p <= '9'; p++) n = n * 10 + (uint64_t)(*p - '0');
    return n;
}

void domain_main(const char *cmdline)
{
    uint64_t calls = option(cmdline, "fuzz.calls=", 60000), ok = 0, before;
    seed = option(cmdline, "fuzz.seed=", 20261121) | 1;
    for (unsigned i = 0; i < 4096; i++)
        data[i] = NO_GFN + i;
    for (uint64_t i = 0; i < calls / 3; i++) any(); /* our own tables grow to what they will be */
    destroy_all();
    unmap_all();
    before = free_pages();
    for (uint64_t i = 0; i < calls; i++) ok += any() >= 0;
    check(ok > calls / 20, "%lu of %lu calls did something", ok, calls);
    unsigned n = destroy_all();
    check(n > 0, "%u domains were left and are destroyed", n);
    unmap_all();
    check(domains() == 1, "only we are left");
    uint64_t after = free_pages();
    check(after + 400 >= before, /* page tables for places named for the first time */
          "free pages %lu, before %lu", after, before);
    check(rt_hypercall2(__HYPERVISOR_xen_version, 0, 0) > 0, "the hypervisor answers");
    test_done();
}
