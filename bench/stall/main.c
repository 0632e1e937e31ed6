/* SPDX-License-Identifier: MIT */
/*
 * For how long the hypervisor keeps a CPU at a time: one PVH kernel in the control domain's place makes the hypercalls that can be long, with
 * the largest arguments that are legal, and reads behind each what the longest stretch was (BH_OP_stalls). A line an operation:
 * `stall NAME STRETCH_NS ANSWER_NS CALLS_MS`: the longest stretch from an exit to the next entry, the part of it that dealt with the exit, and
 * how long the operation took as a whole. One that did not work says `stall NAME failed RESULT`. bench/run stall prints the longest.
 */
#include "tests/guest/child/child.h"
#include <bulkhead/ext.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/version.h>

#define AT (RT_WINDOW + 0x8000000ull)   /* a free corner of the grant window */
#define FAR_GFN 0x2000000ull            /* 128 GiB */
#define LIST 65536u
#define MANY_GRANTS 1024u
#define FUNCTION 0x20u                  /* the NVMe controller at 00:04.0 */

static uint16_t dom;                    /* that is operated on */
static xen_pfn_t list[LIST];
static struct bh_stall rows[BH_STALL_ROWS];
static unsigned large_mib = 1024;       /* of the large domains, large=MIB on the command line: in pages of 2 MiB ... */
static unsigned small_mib = 256;        /* ... and, small=MIB, of 4 KiB */

/* The longest stretch since the last time, whatever it was about. */
static void longest(uint64_t *stretch, uint64_t *answer)
{
    struct bh_op op = {.version = BH_INTERFACE_VERSION, .domid = DOMID_SELF};
    *stretch = *answer = 0;
    for (unsigned cpu = 0, n = 1; cpu < n; cpu++) {
        op.u.stalls.rows = (uint64_t)rows;
        op.u.stalls.cpu = cpu;
        op.u.stalls.room = BH_STALL_ROWS;
        long rc = rt_hypercall2(BH_HYPERCALL, BH_OP_stalls, &op);
        if (rc) {
            rt_log("stall read failed %ld", rc);
            return;
        }
        n = op.u.stalls.cpus;
        for (unsigned i = 0; i < op.u.stalls.room; i++)
            if (rows[i].stretch_ns > *stretch) {
                *stretch = rows[i].stretch_ns;
                *answer = rows[i].answer_ns;
            }
    }
}

static void measure(const char *name, long (*op)(void))
{
    uint64_t stretch, answer, start;
    longest(&stretch, &answer);
    start = rt_now();
    long rc = op();
    uint64_t took = rt_now() - start;
    longest(&stretch, &answer);
    if (rc)
        rt_log("stall %s failed %ld", name, rc);
    else
        rt_log("stall %s %lu %lu %lu", name, stretch, answer, took / 1000000);
}

/* --- domains --- */

static long create(unsigned vcpus, unsigned grant_frames)
{
    struct xen_domctl c = {0};
    c.u.createdomain = (struct xen_domctl_createdomain){.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, .max_vcpus = vcpus,
        .max_evtchn_port = 4095, .max_grant_frames = (int)grant_frames, .max_maptrack_frames = 256, .grant_opts = 1,
        .arch.emulation_flags = XEN_X86_EMU_LAPIC};
    long rc = domctl(&c, XEN_DOMCTL_createdomain, 0);
    dom = c.domain;
    memset(&c, 0, sizeof(c));
    c.u.max_mem.max_memkb = 16ull << 20;
    return rc ? rc : domctl(&c, XEN_DOMCTL_max_mem, dom);
}
static long destroy(void) { return simple_domctl(XEN_DOMCTL_destroydomain, dom); }

static long reservation(unsigned cmd, uint64_t first, uint64_t mib, unsigned order)
{
    uint64_t extents = (mib << 8) >> order;
    for (uint64_t done = 0; done < extents;) {
        uint64_t n = extents - done < LIST ? extents - done : LIST;
        for (uint64_t i = 0; i < n; i++)
            list[i] = first + ((done + i) << order);
        struct xen_memory_reservation r = {.nr_extents = n, .extent_order = order, .domid = dom};
        set_xen_guest_handle(r.extent_start, list);
        long rc = memory_op(cmd, &r);
        if (rc != (long)n)
            return rc < 0 ? rc : -XEN_ENOMEM;
        done += n;
    }
    return 0;
}
static long populate_2m(void) { return reservation(XENMEM_populate_physmap, 0, large_mib, 9); }
static long populate_4k(void) { return reservation(XENMEM_populate_physmap, 0, small_mib, 0); }
static long decrease_2m(void) { return reservation(XENMEM_decrease_reservation, 0, large_mib / 4, 9); }
static long decrease_4k(void) { return reservation(XENMEM_decrease_reservation, 0, small_mib / 4, 0); }

/* A page in each of 2,048 regions of 2 MiB: as many page tables as it may have. */
static long spread(void)
{
    for (unsigned i = 0; i < 2048; i++)
        list[i] = i * 512ull + 7;
    struct xen_memory_reservation r = {.nr_extents = 2048, .domid = dom};
    set_xen_guest_handle(r.extent_start, list);
    long rc = memory_op(XENMEM_populate_physmap, &r);
    return rc == 2048 ? 0 : -XEN_ENOMEM;
}

static long create_small(void) { return create(1, 64); }
static long create_largest(void) { return create(128, 1024); }
static long all_vcpus(void)
{
    struct xen_domctl c = {0};
    c.u.max_vcpus.max = 128;
    return domctl(&c, XEN_DOMCTL_max_vcpus, dom);
}
static long pause(void) { return simple_domctl(XEN_DOMCTL_pausedomain, dom) ?: simple_domctl(XEN_DOMCTL_unpausedomain, dom); }

/* --- what a domain has beside memory --- */

static long grow_grants(void)
{
    xen_pfn_t at = FAR_GFN;
    struct xen_mem_acquire_resource a = {.domid = dom, .type = XENMEM_resource_grant_table, .id = XENMEM_resource_grant_table_id_shared,
                                         .nr_frames = 1, .frame = 1023};
    set_xen_guest_handle(a.frame_list, &at);
    long rc = memory_op(XENMEM_acquire_resource, &a);
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = at};
    return rc ? rc : memory_op(XENMEM_remove_from_physmap, &r);
}

static long ports(void)
{
    struct evtchn_alloc_unbound a = {.dom = dom, .remote_dom = rt_domid};
    while (evtchn_op(EVTCHNOP_alloc_unbound, &a) == 0)
        if (a.port == 4095)
            return 0;
    return -XEN_ENOSPC;
}
static long bind_ports(void)
{
    for (uint32_t p = 1; p < 4000; p++) {
        struct evtchn_bind_interdomain b = {.remote_dom = dom, .remote_port = p};
        long rc = evtchn_op(EVTCHNOP_bind_interdomain, &b);
        if (rc)
            return rc;
        port_mask(b.local_port, true);
    }
    return 0;
}
static long reset_ports(void)
{
    struct evtchn_reset r = {.dom = dom};
    return evtchn_op(EVTCHNOP_reset, &r);
}

/* --- grants --- */

static uint32_t refs[16];
static struct gnttab_map_grant_ref maps[MANY_GRANTS];
static struct gnttab_unmap_grant_ref unmaps[MANY_GRANTS];
static struct gnttab_copy copies[4096];
static char *pages;

static long map_grants(void)
{
    for (unsigned i = 0; i < MANY_GRANTS; i++)
        maps[i] = (struct gnttab_map_grant_ref){.host_addr = AT + i * RT_PAGE, .flags = GNTMAP_host_map, .ref = refs[i % 16], .dom = rt_domid};
    return grant_op(GNTTABOP_map_grant_ref, maps, MANY_GRANTS) ?: maps[MANY_GRANTS - 1].status;
}
static long unmap_grants(void)
{
    for (unsigned i = 0; i < MANY_GRANTS; i++)
        unmaps[i] = (struct gnttab_unmap_grant_ref){.host_addr = maps[i].host_addr, .handle = maps[i].handle};
    return grant_op(GNTTABOP_unmap_grant_ref, unmaps, MANY_GRANTS) ?: unmaps[MANY_GRANTS - 1].status;
}
static long copy_grants(void)
{
    for (unsigned i = 0; i < 4096; i++)
        copies[i] = (struct gnttab_copy){.source = {.u.ref = refs[i % 16], .domid = rt_domid}, .len = RT_PAGE, .flags = GNTCOPY_source_gref,
            .dest = {.u.gmfn = (uint64_t)(pages + (16 + i % 16) * RT_PAGE) / RT_PAGE, .domid = DOMID_SELF}};
    return grant_op(GNTTABOP_copy, copies, 4096) ?: copies[4095].status;
}

/* Our grants in many places of a child, which maps as many in a call as its shared page has room for. */
#define A_CALL 64u
static struct child peer;
static long peer_maps(void)
{
    struct gnttab_map_grant_ref m[A_CALL];
    for (unsigned i = 0; i < MANY_GRANTS; i += A_CALL) {
        for (unsigned k = 0; k < A_CALL; k++)
            m[k] = (struct gnttab_map_grant_ref){.host_addr = (FAR_GFN + i + k) * RT_PAGE, .flags = GNTMAP_host_map, .ref = refs[k % 16],
                                                 .dom = rt_domid};
        long rc = child_call_many(&peer, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, m, sizeof(m), A_CALL);
        if (rc || m[A_CALL - 1].status)
            return rc ? rc : m[A_CALL - 1].status;
    }
    return 0;
}

/* --- foreign memory --- */

static xen_ulong_t idx[4096];
static int errs[4096];
static long map_foreign(void)
{
    for (unsigned i = 0; i < 4096; i++) {
        idx[i] = i;
        list[i] = FAR_GFN + i;
    }
    struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = 4096, .u.foreign_domid = dom};
    set_xen_guest_handle(b.idxs, idx);
    set_xen_guest_handle(b.gpfns, list);
    set_xen_guest_handle(b.errs, errs);
    return memory_op(XENMEM_add_to_physmap_batch, &b) ?: errs[4095];
}
static long unmap_foreign(void)
{
    static struct multicall_entry calls[4096];
    static struct xen_remove_from_physmap r[4096];
    for (unsigned i = 0; i < 4096; i++) {
        r[i] = (struct xen_remove_from_physmap){.domid = DOMID_SELF, .gpfn = FAR_GFN + i};
        calls[i] = (struct multicall_entry){.op = __HYPERVISOR_memory_op, .args = {XENMEM_remove_from_physmap, (uint64_t)&r[i]}};
    }
    return rt_hypercall2(__HYPERVISOR_multicall, calls, 4096) ?: (long)calls[4095].result;
}

/* --- restart in place --- */

static long bh(unsigned cmd)
{
    struct bh_op op = {.version = BH_INTERFACE_VERSION, .domid = dom};
    return rt_hypercall2(BH_HYPERCALL, cmd, &op);
}
/* 64 MiB, no page of which is zero. */
static long fill(void)
{
    long rc = reservation(XENMEM_populate_physmap, 0, 60, 0);
    for (unsigned at = 0; !rc && at < 60 * 256; at += 3840) {
        for (unsigned i = 0; i < 3840; i++) {
            idx[i] = at + i;
            list[i] = FAR_GFN + i;
        }
        struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = 3840, .u.foreign_domid = dom};
        set_xen_guest_handle(b.idxs, idx);
        set_xen_guest_handle(b.gpfns, list);
        set_xen_guest_handle(b.errs, errs);
        rc = memory_op(XENMEM_add_to_physmap_batch, &b);
        for (unsigned i = 0; !rc && i < 3840; i++)
            *(uint64_t *)((FAR_GFN + i) * RT_PAGE) = 1 + at + i;
    }
    for (unsigned i = 0; i < 4096; i++) {
        struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = FAR_GFN + i};
        memory_op(XENMEM_remove_from_physmap, &r);
    }
    return rc ? rc : child_context(dom, 4 * RT_PAGE);
}
static long snapshot(void) { return bh(BH_OP_snapshot); }
static long restart(void) { return bh(BH_OP_restart); }

/* --- information, devices, text --- */

static long domain_list(void)
{
    static struct xen_domctl_getdomaininfo info[300];
    struct xen_sysctl s = {.cmd = XEN_SYSCTL_getdomaininfolist, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    s.u.getdomaininfolist.max_domains = 300;
    set_xen_guest_handle(s.u.getdomaininfolist.buffer, info);
    return rt_hypercall1(__HYPERVISOR_sysctl, &s);
}
static long context(void)
{
    static char space[128 * 2048];
    struct xen_domctl c = {0};
    c.u.hvmcontext.size = sizeof(space);
    set_xen_guest_handle(c.u.hvmcontext.buffer, (uint8_t *)space);
    return domctl(&c, XEN_DOMCTL_gethvmcontext, dom);
}
static long read_log(void)
{
    static char text[65536];
    struct xen_sysctl s = {.cmd = XEN_SYSCTL_readconsole, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    s.u.readconsole.count = sizeof(text);
    set_xen_guest_handle(s.u.readconsole.buffer, text);
    return rt_hypercall1(__HYPERVISOR_sysctl, &s);
}
static long mapping(bool add)
{
    struct xen_domctl c = {0};
    c.u.memory_mapping.first_gfn = FAR_GFN;
    c.u.memory_mapping.first_mfn = 0xe0000;
    c.u.memory_mapping.nr_mfns = 512;
    c.u.memory_mapping.add_mapping = add;
    return domctl(&c, XEN_DOMCTL_memory_mapping, dom);
}
static long map_device(void) { return mapping(true); }
static long unmap_device(void) { return mapping(false); }
static long permit(void)
{
    struct xen_domctl c = {0};
    c.u.iomem_permission.first_mfn = 0x4000000;
    c.u.iomem_permission.nr_mfns = 1ul << 26;
    c.u.iomem_permission.allow_access = 1;
    domctl(&c, XEN_DOMCTL_iomem_permission, dom); /* so much may be refused */
    return 0;
}
static long device(unsigned cmd)
{
    struct xen_domctl c = {0};
    c.u.assign_device.dev = XEN_DOMCTL_DEV_PCI;
    c.u.assign_device.u.pci.machine_sbdf = FUNCTION;
    return domctl(&c, cmd, dom);
}
static long assign(void) { return device(XEN_DOMCTL_assign_device); }
static long deassign(void) { return device(XEN_DOMCTL_deassign_device); }
static long roles(void) /* before its first run */
{
    struct bh_op op = {.version = BH_INTERFACE_VERSION, .domid = dom, .u.roles.roles = BH_ROLE_DEVICE};
    return rt_hypercall2(BH_HYPERCALL, BH_OP_set_roles, &op);
}
static long say(void)
{
    static char text[16384];
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = i % 100 == 99 ? '\n' : '.';
    return rt_hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, sizeof(text), text);
}
static long sleep_a_while(void)
{
    volatile bool never = false;
    wait_for(&never, 100);
    return 0;
}
static long version(void)
{
    for (unsigned i = 0; i < 1000; i++)
        rt_hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0);
    return 0;
}

/* --- the list --- */

static void option(const char *cmdline, const char *name, unsigned *value)
{
    size_t n = strlen(name);
    for (const char *at = cmdline; *at; at++)
        if (!strncmp(at, name, n))
            *value = (unsigned)strtoul(at + n, NULL, 10);
}

static void memory(void)
{
    measure("create_domain", create_small);
    measure("populate_2MiB_pages", populate_2m);
    measure("map_4096_foreign_pages", map_foreign);
    measure("unmap_4096_foreign_pages_by_multicall", unmap_foreign);
    measure("decrease_reservation_2MiB_pages", decrease_2m);
    measure("destroy_large_domain_of_2MiB_pages", destroy);
    create_small();
    measure("populate_4KiB_pages", populate_4k);
    measure("decrease_reservation_4KiB_pages", decrease_4k);
    roles();
    measure("assign_device_to_large_domain", assign);
    measure("deassign_device", deassign);
    measure("destroy_domain_with_IOMMU_table", destroy);
    create_small();
    measure("populate_spread_pages", spread);
    measure("destroy_domain_of_spread_pages", destroy);
}

static void largest(void)
{
    measure("create_domain_of_128_vcpus", create_largest);
    measure("128_vcpus", all_vcpus);
    measure("pause_128_vcpus", pause);
    measure("grow_grant_table_to_1024_frames", grow_grants);
    measure("4095_event_channels", ports);
    measure("bind_4000_event_channels", bind_ports);
    measure("fill_60_MiB", fill);
    measure("save_context_of_128_vcpus", context);
    measure("snapshot_60_MiB", snapshot);
    measure("restart_in_place", restart);
    measure("restart_in_place_again", restart);
    measure("4095_event_channels_again", ports);
    measure("reset_event_channels", reset_ports);
    measure("4095_event_channels_anew", ports);
    measure("destroy_largest_domain", destroy);
}

static void grants(void)
{
    pages = rt_alloc_pages(32);
    for (unsigned i = 0; i < 16; i++)
        refs[i] = (uint32_t)rt_grant(rt_domid, pages + i * RT_PAGE, false);
    measure("map_1024_grants", map_grants);
    measure("unmap_1024_grants", unmap_grants);
    measure("copy_4096_pages", copy_grants);
    if (!child_build(&peer, child_calls))
        return;
    for (unsigned i = 0; i < 16; i++)
        refs[i] = (uint32_t)rt_grant(peer.domid, pages + i * RT_PAGE, false);
    child_start(&peer);
    measure("domain_maps_1024_grants", peer_maps);
    dom = peer.domid;
    measure("destroy_domain_of_1024_mappings", destroy);
}

static void others(void)
{
    static uint16_t many[300];
    for (unsigned i = 0; i < 300; i++) {
        struct xen_domctl c = {.u.max_vcpus.max = 1};
        create_small();
        many[i] = dom;
        domctl(&c, XEN_DOMCTL_max_vcpus, dom);
    }
    measure("list_of_300_domains", domain_list);
    measure("map_512_device_pages", map_device);
    measure("unmap_512_device_pages", unmap_device);
    measure("permit_256_GiB_of_device_memory", permit);
    for (unsigned i = 0; i < 300; i++)
        simple_domctl(XEN_DOMCTL_destroydomain, many[i]);
    measure("read_log_of_64_KiB", read_log);
    measure("console_write_of_16_KiB", say);
    measure("nothing_but_small_hypercalls", version);
    measure("sleep", sleep_a_while);
}

void domain_main(const char *cmdline)
{
    option(cmdline, "large=", &large_mib);
    option(cmdline, "small=", &small_mib);
    rt_map_ram(FAR_GFN * RT_PAGE, 4096 * RT_PAGE);
    grants();
    largest();
    memory();
    others();
    rt_log("stall done");
    rt_shutdown(SHUTDOWN_poweroff);
}
