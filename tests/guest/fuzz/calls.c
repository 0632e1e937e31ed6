/* SPDX-License-Identifier: MIT */
/* The families of hypercalls that every domain may make. Some fields are set so that a call gets beyond the first checks; the others are random. */
#include "tests/guest/fuzz/fuzz.h"
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/vcpu.h>
#include <xen/version.h>

long call(unsigned number, unsigned sub, uint64_t a, uint64_t b, uint64_t c)
{
    long result = rt_hypercall3(number, a, b, c);
    cover(number, sub, result);
    return result;
}
#define ARG(type) ((type *)argument())
#define SET(handle, address) ((handle).p = (void *)(uintptr_t)(address))

/* --- memory --- */

static void reservation(struct xen_memory_reservation *r)
{
    r->nr_extents = below(below(8) ? 8 : 120);
    SET(r->extent_start, list((unsigned)r->nr_extents));
    r->extent_order = (unsigned)(below(8) ? 0 : below(20));
    r->domid = below(8) ? other() : DOMID_SELF; /* for us: what data[] names are holes */
}

static void physmap(unsigned cmd)
{
    struct xen_add_to_physmap *a = (void *)arg;
    struct xen_add_to_physmap_batch *b = (void *)arg;
    struct xen_remove_from_physmap *r = (void *)arg;
    struct xen_mem_acquire_resource *q = (void *)arg;
    if (cmd == XENMEM_add_to_physmap) {
        *a = (struct xen_add_to_physmap){.domid = any_domain(), .size = (uint16_t)below(4), .space = (unsigned)below(6), .gpfn = NO_GFN + below(64)};
        a->idx = below(4) ? below(3) : NO_GFN + below(64);
    } else if (cmd == XENMEM_add_to_physmap_batch) {
        *b = (struct xen_add_to_physmap_batch){.domid = any_domain(), .space = (uint16_t)below(6), .size = (uint16_t)below(64), .u.foreign_domid = other()};
        SET(b->idxs, buffer());
        SET(b->errs, buffer());
        SET(b->gpfns, list(64));
        if (b->space == XENMAPSPACE_gmfn) b->idxs.p = (void *)b->gpfns.p; /* frames that are moved: never ours, as answers in data may be */
    } else if (cmd == XENMEM_remove_from_physmap) {
        *r = (struct xen_remove_from_physmap){.domid = any_domain(), .gpfn = NO_GFN + below(64)};
    } else {
        *q = (struct xen_mem_acquire_resource){.domid = any_domain(), .type = XENMEM_resource_grant_table, .frame = below(66),
                                               .nr_frames = (uint32_t)below(below(4) ? 4 : 66)};
        SET(q->frame_list, below(8) ? list(66) : 0);
    }
}

long memory_any(void)
{
    uint64_t cmd = below(30), start = below(8) ? 0 : below(1ul << 40);
    *(uint16_t *)argument() = other(); /* what is random is for others: in our own space it would be found nowhere */
    if (below(4) || cmd == XENMEM_add_to_physmap_batch || cmd == XENMEM_acquire_resource) {
        struct xen_foreign_memory_map *f = (void *)arg;
        struct xen_memory_map *m = (void *)arg;
        if (cmd <= XENMEM_populate_physmap) reservation((void *)arg);
        else if (cmd == XENMEM_add_to_physmap || cmd == XENMEM_add_to_physmap_batch || cmd == XENMEM_remove_from_physmap || cmd == XENMEM_acquire_resource)
            physmap((unsigned)cmd);
        else if (cmd == XENMEM_set_memory_map) {
            f->domid = any_domain();
            f->map.nr_entries = (unsigned)below(66);
            SET(f->map.buffer, buffer());
        } else {
            m->nr_entries = (unsigned)below(66);
            SET(m->buffer, buffer());
            if (cmd == XENMEM_current_reservation || cmd == XENMEM_maximum_reservation || cmd == XENMEM_maximum_gpfn) *ARG(uint16_t) = any_domain();
        }
    }
    return call(__HYPERVISOR_memory_op, (unsigned)cmd, cmd | start << 6, handed(), 0);
}

/* --- HVM parameters, vCPUs, scheduling --- */

long hvm_any(void)
{
    uint64_t cmd = below(26);
    struct xen_hvm_param *p = (void *)arg;
    if (cmd == HVMOP_set_evtchn_upcall_vector) cmd = HVMOP_set_param; /* our own interrupt vector stays */
    if (cmd == HVMOP_get_param || cmd == HVMOP_set_param) {
        p->domid = cmd == HVMOP_set_param ? other() : any_domain();
        p->index = (uint32_t)below(45);
    } else if (cmd == HVMOP_get_mem_type && below(2)) {
        ARG(struct xen_hvm_get_mem_type)->domid = any_domain();
    }
    uint64_t a = cmd == HVMOP_flush_tlbs && below(2) ? 0 : cmd == HVMOP_set_param ? (uint64_t)(uintptr_t)arg : handed();
    return call(__HYPERVISOR_hvm_op, (unsigned)cmd, cmd, a, 0);
}

long vcpu_any(void)
{
    static const uint8_t cmds[] = {VCPUOP_is_up, VCPUOP_get_runstate_info, VCPUOP_set_periodic_timer, VCPUOP_stop_periodic_timer,
                                   VCPUOP_set_singleshot_timer, VCPUOP_stop_singleshot_timer, VCPUOP_get_physid,
                                   VCPUOP_register_runstate_memory_area, VCPUOP_register_vcpu_time_memory_area, VCPUOP_up, 200};
    unsigned cmd = cmds[below(sizeof(cmds))];
    if (cmd == VCPUOP_register_runstate_memory_area || cmd == VCPUOP_register_vcpu_time_memory_area) arg[0] = below(4) ? 0 : buffer();
    if (cmd == VCPUOP_set_periodic_timer && below(2)) arg[0] = 1000000 + below(1000000000);
    return call(__HYPERVISOR_vcpu_op, cmd, cmd, below(4) ? 0 : below(4), handed());
}

long sched_any(void)
{
    static const uint8_t cmds[] = {0, 3, 4, 6, 7, 8, 100}; /* yield, poll, remote_shutdown, watchdog, pin_override, nothing */
    unsigned cmd = cmds[below(sizeof(cmds))];
    struct sched_remote_shutdown *r = (void *)arg;
    struct sched_poll *p = (void *)arg;
    struct sched_watchdog *w = (void *)arg;
    if (cmd == 3) {
        p->nr_ports = (unsigned)below(130);
        p->timeout = rt_now() + below(20000);
        SET(p->ports, buffer());
    } else if (cmd == 6) {
        w->id = (uint32_t)below(4);
        w->timeout = below(2) ? 0 : 1u << 30;
    } else {
        r->domain_id = other();
        if (below(2)) r->reason = (unsigned)below(6);
    }
    return call(__HYPERVISOR_sched_op, cmd, cmd, (uint64_t)(uintptr_t)arg, 0); /* elsewhere it could say that we wait for ever */
}

/* --- event channels and grants --- */

long event_any(void)
{
    static uint32_t unbound; /* of ours to ourselves */
    unsigned cmd = (unsigned)below(16);
    uint32_t port = 16 + (uint32_t)below(64);
    struct evtchn_alloc_unbound *u = (void *)arg;
    if (below(4)) {
        memset(arg, 0, 64);
        switch (cmd) {
        case EVTCHNOP_alloc_unbound:
            u->dom = any_domain();
            u->remote_dom = below(2) ? DOMID_SELF : other();
            break;
        case EVTCHNOP_bind_interdomain: *ARG(struct evtchn_bind_interdomain) = (struct evtchn_bind_interdomain){below(4) ? DOMID_SELF : other(), unbound, 0}; break;
        case EVTCHNOP_bind_virq: *ARG(struct evtchn_bind_virq) = (struct evtchn_bind_virq){(uint32_t)below(12), (uint32_t)below(2), 0}; break;
        case EVTCHNOP_bind_ipi: break;
        case EVTCHNOP_bind_pirq: *ARG(struct evtchn_bind_pirq) = (struct evtchn_bind_pirq){port, 0, 0}; break;
        case EVTCHNOP_status: *ARG(struct evtchn_status) = (struct evtchn_status){.dom = any_domain(), .port = port}; break;
        case EVTCHNOP_reset: break;
        default: *ARG(uint32_t) = port;
        }
    }
    if (cmd == EVTCHNOP_reset) ARG(struct evtchn_reset)->dom = other();
    if (cmd == EVTCHNOP_reset || cmd == EVTCHNOP_alloc_unbound) {
        long rc = call(__HYPERVISOR_event_channel_op, cmd, cmd, (uint64_t)(uintptr_t)arg, 0);
        if (!rc && cmd == EVTCHNOP_alloc_unbound && u->dom == DOMID_SELF) unbound = u->port;
        return rc;
    }
    return call(__HYPERVISOR_event_channel_op, cmd, cmd, handed(), 0);
}

static void grant_element(unsigned cmd, char *at, const uint32_t *mapped)
{
    if (cmd == GNTTABOP_map_grant_ref)
        *(struct gnttab_map_grant_ref *)at = (struct gnttab_map_grant_ref){.host_addr = (NO_GFN + below(64)) << 12,
            .flags = GNTMAP_host_map | (below(2) ? GNTMAP_readonly : 0), .ref = own_ref(), .dom = below(8) ? DOMID_SELF : other()};
    else if (cmd == GNTTABOP_unmap_grant_ref)
        *(struct gnttab_unmap_grant_ref *)at = (struct gnttab_unmap_grant_ref){.host_addr = (uint64_t)mapped[1] << 12, .handle = below(4) ? mapped[0] : 2 + (uint32_t)below(64)};
    else if (cmd == GNTTABOP_copy)
        *(struct gnttab_copy *)at = (struct gnttab_copy){.source = {.u.ref = own_ref(), .domid = below(8) ? DOMID_SELF : other(), .offset = (uint16_t)below(4200)},
            .dest = {.u.gmfn = (uint64_t)(uintptr_t)data >> 12, .domid = DOMID_SELF, .offset = (uint16_t)below(4200)}, .len = (uint16_t)below(300), .flags = GNTCOPY_source_gref};
    else if (cmd == GNTTABOP_query_size || cmd == GNTTABOP_get_version)
        *(uint16_t *)at = any_domain();
    else if (cmd == GNTTABOP_set_version)
        *(uint32_t *)at = (uint32_t)below(3);
}

long grant_any(void)
{
    static uint32_t mapped[2]; /* the last one's handle and frame */
    unsigned cmd = (unsigned)below(14), n = (unsigned)(below(8) ? below(3) : word());
    struct gnttab_map_grant_ref *m = (void *)arg;
    if (below(4)) grant_element(cmd, (char *)arg, mapped);
    if (cmd == GNTTABOP_setup_table && below(2)) {
        struct gnttab_setup_table *s = (void *)arg;
        *s = (struct gnttab_setup_table){.dom = any_domain(), .nr_frames = (uint32_t)below(66)};
        SET(s->frame_list, buffer());
    }
    uint64_t at = cmd == GNTTABOP_map_grant_ref ? (uint64_t)(uintptr_t)arg : handed();
    long rc = call(__HYPERVISOR_grant_table_op, cmd, cmd, at, n);
    if (!rc && n == 1 && cmd == GNTTABOP_map_grant_ref) {
        cover(__HYPERVISOR_grant_table_op, 32, m->status ? -XEN_EINVAL : 0);
        if (!m->status) mapped[0] = m->handle, mapped[1] = (uint32_t)(m->host_addr >> 12);
    }
    return rc;
}

/* --- the rest --- */

long version_any(void)
{
    unsigned cmd = (unsigned)below(12);
    if (cmd == XENVER_get_features && below(2)) arg[0] = below(3);
    return call(__HYPERVISOR_xen_version, cmd, cmd, below(4) ? handed() : 0, 0);
}

long physdev_any(void)
{
    unsigned cmd = below(2) ? (unsigned)below(40) : PHYSDEVOP_map_pirq + (unsigned)below(2);
    struct physdev_map_pirq *m = (void *)arg;
    if (cmd == PHYSDEVOP_map_pirq && below(8))
        *m = (struct physdev_map_pirq){.domid = any_domain(), .type = MAP_PIRQ_TYPE_MSI, .pirq = -1, .devfn = 0xf8 + (int)below(8)};
    else if (cmd == PHYSDEVOP_unmap_pirq && below(8))
        *ARG(struct physdev_unmap_pirq) = (struct physdev_unmap_pirq){.domid = any_domain(), .pirq = 1 + (int)below(4)};
    else if (below(2))
        *ARG(uint32_t) = 16 + (uint32_t)below(64);
    return call(__HYPERVISOR_physdev_op, cmd, cmd, handed(), 0);
}

/* Nothing is written: the line would be the only thing to be seen. */
long console_any(void)
{
    unsigned cmd = (unsigned)below(3);
    return call(__HYPERVISOR_console_io, cmd, cmd, cmd ? word() : below(2) ? 0 : 1ul << 31, cmd ? handed() : buffer());
}

static const struct { unsigned number, subs; } harmless[] = {
    {__HYPERVISOR_xen_version, 12}, {__HYPERVISOR_event_channel_op, 10}, {__HYPERVISOR_grant_table_op, 14}, {__HYPERVISOR_physdev_op, 40},
    {__HYPERVISOR_vm_assist, 8}, {__HYPERVISOR_multicall, 4}, {__HYPERVISOR_sysctl, 1}, {60, 1},
};

long multicall_any(void)
{
    static struct multicall_entry list[8] __attribute__((aligned(4096)));
    for (unsigned i = 0; i < 8; i++) {
        unsigned k = (unsigned)below(sizeof(harmless) / sizeof(harmless[0]));
        uint64_t sub = below(harmless[k].subs);
        if (harmless[k].number == __HYPERVISOR_event_channel_op && sub == EVTCHNOP_close) sub = EVTCHNOP_status;
        list[i] = (struct multicall_entry){.op = below(16) ? harmless[k].number : 64 + word() % 1000, .args = {sub, handed(), below(3)}};
    }
    return call(__HYPERVISOR_multicall, NO_SUB, below(8) ? (uint64_t)(uintptr_t)list : handed() | 1ul << 63, below(9), 0);
}

/* Numbers that nobody answers, a timer, and assists. */
long number_any(void)
{
    static const uint8_t numbers[] = {0, 1, 3, 9, 14, 22, 26, 28, 30, 31, 37, 39, 41, 47, 48, 50, 54, 56, 63, 64, 99, 127};
    unsigned number = numbers[below(sizeof(numbers))];
    if (!below(4)) return call(__HYPERVISOR_set_timer_op, NO_SUB, below(2) ? 0 : word(), 0, 0);
    return call(below(8) ? number : __HYPERVISOR_vm_assist, NO_SUB, below(16), word(), word());
}
