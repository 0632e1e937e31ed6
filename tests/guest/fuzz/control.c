/* SPDX-License-Identifier: MIT */
/* The families of hypercalls that need roles: domctl, sysctl, platform_op and the extension hypercall. */
#include "tests/guest/fuzz/fuzz.h"
#include <xen/arch-x86/hvm/save.h>
#include <xen/hvm/save.h>
#include <xen/physdev.h>
#include <xen/platform.h>

#define SET(handle, address) ((handle).p = (void *)(uintptr_t)(address))
#define FUNCTIONS 0xf8u /* 00:1f.0-7: the board's own bridge, disks and SMBus, which nobody uses here */

/* --- domctl --- */

static void create(struct xen_domctl *c)
{
    c->u.createdomain = (struct xen_domctl_createdomain){
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, .max_vcpus = 1 + (uint32_t)below(3), .max_evtchn_port = (uint32_t)word(),
        .max_grant_frames = (int32_t)below(70) - 1, .max_maptrack_frames = (int32_t)word()};
    c->domain = below(4) ? (uint16_t)(1 + below(4)) : 0;
}

/* Records of a vCPU in 64-bit mode, with a word or two that are something else. */
static void records(struct xen_domctl *c)
{
    static struct {
        struct hvm_save_descriptor head_d; struct hvm_save_header head;
        struct hvm_save_descriptor cpu_d; struct hvm_hw_cpu cpu;
        struct hvm_save_descriptor end_d;
    } __attribute__((packed)) r;
    r.head_d = (struct hvm_save_descriptor){HVM_SAVE_CODE(HEADER), 0, HVM_SAVE_LENGTH(HEADER)};
    r.head = (struct hvm_save_header){.magic = HVM_FILE_MAGIC, .version = HVM_FILE_VERSION};
    r.cpu_d = (struct hvm_save_descriptor){HVM_SAVE_CODE(CPU), (uint16_t)below(2), HVM_SAVE_LENGTH(CPU)};
    r.cpu = (struct hvm_hw_cpu){.rip = below(1 << 20), .rsp = 24560, .rflags = 2, .cr0 = 0x80010033, .cr3 = 4096, .cr4 = 0x620, .msr_efer = 0x500,
        .dr6 = 0xffff0ff0, .dr7 = 0x400, .cs_sel = 8, .cs_limit = ~0u, .cs_arbytes = 0xa9b, .ds_sel = 16, .ds_limit = ~0u, .ds_arbytes = 0xc93,
        .es_limit = ~0u, .es_arbytes = 0xc93, .ss_sel = 16, .ss_limit = ~0u, .ss_arbytes = 0xc93, .fs_limit = ~0u, .fs_arbytes = 0xc93,
        .gs_limit = ~0u, .gs_arbytes = 0xc93, .tr_limit = 0x67, .tr_arbytes = 0x8b, .ldtr_arbytes = 0x82};
    r.end_d = (struct hvm_save_descriptor){HVM_SAVE_CODE(END), 0, 0};
    uint64_t at = below(sizeof(r) / 8), value = word();
    if (below(2)) memcpy((char *)&r + at * 8, &value, 8);
    c->u.hvmcontext.size = (uint32_t)(below(8) ? sizeof(r) : word());
    SET(c->u.hvmcontext.buffer, below(8) ? (uint64_t)(uintptr_t)&r : buffer());
}

static void vcpu_fields(struct xen_domctl *c)
{
    switch (c->cmd) {
    case XEN_DOMCTL_getvcpucontext:
        c->u.vcpucontext.vcpu = (uint32_t)below(2);
        SET(c->u.vcpucontext.ctxt, data); /* long */
        break;
    case XEN_DOMCTL_getvcpuinfo: c->u.getvcpuinfo.vcpu = (uint32_t)below(2); break;
    case XEN_DOMCTL_setvcpuaffinity:
    case XEN_DOMCTL_getvcpuaffinity:
        c->u.vcpuaffinity.vcpu = (uint32_t)below(2);
        c->u.vcpuaffinity.flags = (uint32_t)below(4);
        c->u.vcpuaffinity.cpumap_hard.nr_bits = c->u.vcpuaffinity.cpumap_soft.nr_bits = (uint32_t)below(200);
        SET(c->u.vcpuaffinity.cpumap_hard.bitmap, buffer());
        SET(c->u.vcpuaffinity.cpumap_soft.bitmap, buffer());
        break;
    case XEN_DOMCTL_gethvmcontext:
        c->u.hvmcontext.size = (uint32_t)(below(2) ? 8192 : below(2000));
        SET(c->u.hvmcontext.buffer, below(4) ? (uint64_t)(uintptr_t)data : buffer());
        break;
    case XEN_DOMCTL_sethvmcontext: records(c); break;
    case XEN_DOMCTL_gethvmcontext_partial:
        c->u.hvmcontext_partial.type = (uint32_t)below(4);
        c->u.hvmcontext_partial.instance = (uint32_t)below(2);
        c->u.hvmcontext_partial.bufsz = below(2) ? 4096 : below(1200);
        SET(c->u.hvmcontext_partial.buffer, below(4) ? (uint64_t)(uintptr_t)data : buffer());
        break;
    default: break;
    }
}

static void domain_fields(struct xen_domctl *c)
{
    switch (c->cmd) {
    case XEN_DOMCTL_createdomain: create(c); break;
    case XEN_DOMCTL_max_vcpus: c->u.max_vcpus.max = 1 + (uint32_t)below(3); break;
    case XEN_DOMCTL_max_mem: c->u.max_mem.max_memkb = below(4096); break;
    case XEN_DOMCTL_scheduler_op:
        c->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
        c->u.scheduler_op.cmd = (uint32_t)below(3);
        break;
    case XEN_DOMCTL_memory_mapping:
        c->u.memory_mapping.first_gfn = NO_GFN + 300 + below(8);
        c->u.memory_mapping.first_mfn = below(4) ? 0xc0000 + below(8) : word();
        c->u.memory_mapping.nr_mfns = below(8);
        c->u.memory_mapping.add_mapping = (uint32_t)below(3);
        break;
    case XEN_DOMCTL_iomem_permission:
        c->u.iomem_permission.first_mfn = below(4) ? 0xc0000 + below(8) : word();
        c->u.iomem_permission.nr_mfns = below(4) ? below(8) : word();
        break;
    case XEN_DOMCTL_hypercall_init: c->u.hypercall_init.gmfn = NO_GFN + below(64); break;
    case XEN_DOMCTL_set_target: c->u.set_target.target = other(); break;
    case XEN_DOMCTL_get_cpu_policy:
        c->u.cpu_policy.nr_leaves = (uint32_t)below(200);
        SET(c->u.cpu_policy.leaves, below(4) ? (uint64_t)(uintptr_t)data : buffer());
        break;
    case XEN_DOMCTL_set_virq_handler: c->u.set_virq_handler.virq = (uint32_t)below(12); break;
    case XEN_DOMCTL_shadow_op: c->u.shadow_op.op = (uint32_t)(below(2) ? 30 + below(2) : below(14)); break;
    case XEN_DOMCTL_set_address_size: c->u.address_size.size = below(2) ? 64 : (uint32_t)word(); break;
    case XEN_DOMCTL_ioport_permission: c->u.ioport_permission.allow_access = (uint8_t)below(2); break;
    case XEN_DOMCTL_assign_device:
    case XEN_DOMCTL_deassign_device:
    case XEN_DOMCTL_test_assign_device:
        c->u.assign_device.dev = 0;
        c->u.assign_device.flags = (uint32_t)below(3);
        c->u.assign_device.u.pci.machine_sbdf = FUNCTIONS + (uint32_t)below(8);
        c->domain = any_domain();
        break;
    default: vcpu_fields(c); break;
    }
}

long domctl_any(void)
{
    struct xen_domctl *c = (void *)arg;
    c->cmd = below(4) ? (uint32_t)below(90) : below(8) ? XEN_DOMCTL_createdomain : (uint32_t)rnd();
    c->interface_version = below(64) ? XEN_DOMCTL_INTERFACE_VERSION : (uint32_t)rnd();
    c->domain = other();
    if (below(8)) domain_fields(c);
    return call(__HYPERVISOR_domctl, c->cmd, handed(), 0, 0);
}

/* --- a domain that has all that one has --- */

static long step(unsigned cmd, uint16_t id)
{
    struct xen_domctl *c = argument();
    c->cmd = cmd;
    c->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    c->domain = id;
    return call(__HYPERVISOR_domctl, cmd, (uint64_t)(uintptr_t)arg, 0, 0);
}

void prepare(void)
{
    struct xen_domctl *c = argument();
    struct bh_op *o = argument();
    static uint32_t function_of[5];
    uint16_t id = (uint16_t)(1 + below(4));
    c->u.assign_device = (struct xen_domctl_assign_device){.u.pci.machine_sbdf = function_of[id]};
    if (below(2)) step(XEN_DOMCTL_deassign_device, id);
    step(XEN_DOMCTL_destroydomain, id);
    create(c);
    c->u.createdomain.max_vcpus = 1;
    if (step(XEN_DOMCTL_createdomain, id)) return;
    *o = (struct bh_op){.version = BH_INTERFACE_VERSION, .domid = id, .u.roles.roles = BH_ROLE_DEVICE};
    call(BH_HYPERCALL, BH_OP_set_roles, BH_OP_set_roles, (uint64_t)(uintptr_t)arg, 0);
    c->u.max_mem.max_memkb = 4096;
    step(XEN_DOMCTL_max_mem, id);
    c->u.max_vcpus.max = 1;
    step(XEN_DOMCTL_max_vcpus, id);
    for (unsigned i = 0; i < 80; i++)
        data[i] = i < 64 ? NO_GFN + i : i;
    struct xen_memory_reservation *r = argument();
    *r = (struct xen_memory_reservation){.nr_extents = 80, .domid = id};
    SET(r->extent_start, data);
    call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, XENMEM_populate_physmap, (uint64_t)(uintptr_t)arg, 0);
    records(c);
    step(XEN_DOMCTL_sethvmcontext, id);
    uint32_t function = function_of[id] = FUNCTIONS + (uint32_t)below(8);
    c->u.assign_device = (struct xen_domctl_assign_device){.u.pci.machine_sbdf = function};
    step(XEN_DOMCTL_assign_device, id);
    struct physdev_map_pirq *m = argument();
    *m = (struct physdev_map_pirq){.domid = id, .type = MAP_PIRQ_TYPE_MSI, .pirq = -1, .devfn = (int)function};
    call(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, PHYSDEVOP_map_pirq, (uint64_t)(uintptr_t)arg, 0);
    uint32_t pirq = (uint32_t)m->pirq;
    *o = (struct bh_op){.version = BH_INTERFACE_VERSION, .domid = id, .u.msi.port = pirq};
    call(BH_HYPERCALL, BH_OP_pirq_message, BH_OP_pirq_message, (uint64_t)(uintptr_t)arg, 0);
    *o = (struct bh_op){.version = BH_INTERFACE_VERSION, .domid = id};
    if (below(2) && !call(BH_HYPERCALL, BH_OP_snapshot, BH_OP_snapshot, (uint64_t)(uintptr_t)arg, 0) && below(2)) step(XEN_DOMCTL_unpausedomain, id);
    *o = (struct bh_op){.version = BH_INTERFACE_VERSION, .domid = DOMID_SELF, .u.rest.ms = 1};
    call(BH_HYPERCALL, BH_OP_rest, BH_OP_rest, (uint64_t)(uintptr_t)arg, 0);
}

/* --- sysctl, platform --- */

long sysctl_any(void)
{
    struct xen_sysctl *c = (void *)arg;
    c->cmd = (uint32_t)below(32);
    c->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    if (!below(8)) return call(__HYPERVISOR_sysctl, c->cmd, handed(), 0, 0);
    switch (c->cmd) {
    case XEN_SYSCTL_readconsole:
        c->u.readconsole.count = (uint32_t)below(3000);
        SET(c->u.readconsole.buffer, buffer());
        break;
    case XEN_SYSCTL_getdomaininfolist:
        c->u.getdomaininfolist.first_domain = (uint16_t)below(8);
        c->u.getdomaininfolist.max_domains = (uint32_t)below(20);
        SET(c->u.getdomaininfolist.buffer, buffer());
        break;
    case XEN_SYSCTL_getcpuinfo:
        c->u.getcpuinfo.max_cpus = (uint32_t)below(100);
        SET(c->u.getcpuinfo.info, buffer());
        break;
    case XEN_SYSCTL_cputopoinfo:
        c->u.cputopoinfo.num_cpus = (uint32_t)below(100);
        SET(c->u.cputopoinfo.cputopo, buffer());
        break;
    case XEN_SYSCTL_numainfo:
        SET(c->u.numainfo.meminfo, buffer());
        SET(c->u.numainfo.distance, buffer());
        break;
    case XEN_SYSCTL_cpupool_op:
        c->u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
        c->u.cpupool_op.cpupool_id = (uint32_t)below(2);
        c->u.cpupool_op.cpumap.nr_bits = (uint32_t)below(200);
        SET(c->u.cpupool_op.cpumap.bitmap, buffer());
        break;
    default: break;
    }
    return call(__HYPERVISOR_sysctl, c->cmd, handed(), 0, 0);
}

long platform_any(void)
{
    struct xen_platform_op *p = (void *)arg;
    p->interface_version = below(8) ? XENPF_INTERFACE_VERSION : (uint32_t)rnd();
    p->cmd = below(2) ? XENPF_get_cpuinfo : below(2) ? XENPF_get_symbol : (uint32_t)below(70);
    if (p->cmd == XENPF_get_symbol && below(8)) {
        p->u.symdata.symnum = (uint32_t)below(2000);
        p->u.symdata.namelen = (uint32_t)below(200);
        p->u.symdata.name.p = (char *)buffer();
    }
    return call(__HYPERVISOR_platform_op, p->cmd, handed(), 0, 0);
}

/* --- the extension --- */

long bulkhead_any(void)
{
    struct bh_op *o = (void *)arg;
    unsigned cmd = (unsigned)below(15);
    o->version = below(64) ? BH_INTERFACE_VERSION : (uint32_t)rnd();
    o->domid = other();
    o->pad = below(16) ? 0 : (uint16_t)rnd();
    if (cmd == BH_OP_rest && below(512)) cmd = BH_OP_info; /* it takes its time */
    if (cmd == BH_OP_info && below(4)) o->domid = any_domain();
    if (below(8)) {
        if (cmd == BH_OP_set_roles) o->u.roles.roles = below(2) ? BH_ROLE_DEVICE : (uint32_t)below(64), o->u.roles.pad = o->u.roles.target = 0;
        if (cmd == BH_OP_msi_bind || cmd == BH_OP_dma_enable) o->u.msi.sbdf = FUNCTIONS + (uint32_t)below(8), o->u.msi.vcpu = (uint32_t)below(2);
        if (cmd == BH_OP_msi_unbind || cmd == BH_OP_pirq_message) o->u.msi.port = 1 + (uint32_t)below(4);
        if (cmd >= BH_OP_msi_bind && cmd <= BH_OP_pirq_message) o->domid = any_domain();
        if (cmd == BH_OP_rest || cmd == BH_OP_stalls || cmd == BH_OP_profile || cmd == BH_OP_changed) o->domid = DOMID_SELF;
        if (cmd == BH_OP_profile) o->u.profile.period_us = below(2) ? 0 : 1000 + (uint32_t)below(5000), o->u.profile.pad = 0;
        if (cmd == BH_OP_rest) o->u.rest.ms = 1, o->u.rest.pad = 0;
        if (cmd == BH_OP_stalls) {
            o->u.stalls.rows = buffer();
            o->u.stalls.cpu = (uint32_t)below(4);
            o->u.stalls.room = (uint32_t)below(64);
            o->u.stalls.pad = 0;
        }
    }
    return call(BH_HYPERCALL, cmd, cmd, handed(), 0);
}
