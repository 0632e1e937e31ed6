/* SPDX-License-Identifier: MIT */
/*
 * fuzz: hypercalls with random commands and half-sensible random arguments, as the domain with every role, so that nothing is refused
 * at the door; arguments and buffers lie in pages of every kind (places.c). Left out is what a domain may rightly do to itself: end, wait
 * for ever, give its memory away, have a page of its own overwritten.
 * Passes when every operation has succeeded now and then, the hypervisor still answers, its free memory is what it was, and no domain is
 * left. Prints how often each answer was given, and the longest stretches of the hypervisor.
 * "fuzz.calls=N" and "fuzz.seed=N" on the command line.
 */
#include "tests/guest/fuzz/fuzz.h"
#include <xen/memory.h>

#define ENOUGH 50000u /* calls, for every operation to have succeeded */

static long any(void)
{
    if (!below(500)) prepare();
    fill();
    switch (below(18)) {
    case 0: case 1: case 2: case 3: return domctl_any();
    case 4: return sysctl_any();
    case 5: return bulkhead_any();
    case 6: case 7: return memory_any();
    case 8: return hvm_any();
    case 9: return vcpu_any();
    case 10: return sched_any();
    case 11: return event_any();
    case 12: return grant_any();
    case 13: return version_any();
    case 14: return physdev_any();
    case 15: return below(2) ? console_any() : platform_any();
    case 16: return multicall_any();
    default: return number_any();
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

/* The longest stretches since the start, or since the calls read them. */
static void stalls(void)
{
    static struct bh_stall rows[BH_STALL_ROWS];
    struct bh_op op = {.version = BH_INTERFACE_VERSION, .domid = DOMID_SELF, .u.stalls.rows = (uint64_t)(uintptr_t)rows};
    for (unsigned cpus = 1; op.u.stalls.cpu < cpus; op.u.stalls.cpu++) {
        op.u.stalls.room = BH_STALL_ROWS;
        if (rt_hypercall2(BH_HYPERCALL, BH_OP_stalls, &op)) return;
        cpus = op.u.stalls.cpus;
        for (unsigned i = 0; i < op.u.stalls.room; i++)
            rt_log("fuzz: stretch of %lu us, %lu of them for %s %u operation %u", rows[i].stretch_ns / 1000, rows[i].answer_ns / 1000,
                   rows[i].cause == BH_STALL_hypercall ? "hypercall" : rows[i].cause == BH_STALL_exit ? "exit" : "idle", rows[i].number, rows[i].sub);
    }
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
    places_init();
    for (uint64_t i = 0; i < calls / 3; i++) any(); /* our own tables grow to what they will be */
    destroy_all();
    unmap_all();
    before = free_pages();
    uint64_t start = rt_now();
    for (uint64_t i = 0; i < calls; i++) ok += any() >= 0;
    rt_log("fuzz: %lu ns a call", (rt_now() - start) / calls);
    check(ok > calls / 20, "%lu of %lu calls did something", ok, calls);
    unsigned n = destroy_all();
    check(n > 0, "%u domains were left and are destroyed", n);
    unmap_all();
    if (calls >= ENOUGH) { /* a short run says little, and is one where printing takes long */
        cover_print();
        stalls();
        n = cover_missing();
        check(!n, "%u operations never succeeded", n);
    }
    places_done();
    check(domains() == 1, "only we are left");
    uint64_t after = free_pages();
    check(after + 400 >= before, /* page tables for places named for the first time */
          "free pages %lu, before %lu", after, before);
    check(rt_hypercall2(__HYPERVISOR_xen_version, 0, 0) > 0, "the hypervisor answers");
    test_done();
}
