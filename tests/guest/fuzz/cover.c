/* SPDX-License-Identifier: MIT */
/*
 * What the calls reached: for each operation how often each answer was given. An operation that is there is to succeed now and then: then
 * the fuzzer gets beyond its first checks.
 */
#include "tests/guest/fuzz/fuzz.h"
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define NUMBERS 64u
#define SUBS 128u
enum answer { OK, PERM, NOENT, SRCH, NOMEM, FAULT, EXISTS, INVAL, NOSPC, NOSYS, OTHER, ANSWERS };
static const char *const words[ANSWERS] = {"ok", "EPERM", "ENOENT", "ESRCH", "ENOMEM", "EFAULT", "EEXIST", "EINVAL", "ENOSPC", "ENOSYS", "other"};
static uint32_t seen[NUMBERS][SUBS][ANSWERS];

static enum answer kind_of(long result)
{
    if (result >= 0 || result < -4095) return OK;
    switch (-result) {
    case XEN_EPERM: return PERM;
    case XEN_ENOENT: return NOENT;
    case XEN_ESRCH: return SRCH;
    case XEN_ENOMEM: return NOMEM;
    case XEN_EFAULT: return FAULT;
    case XEN_EEXIST: return EXISTS;
    case XEN_EINVAL: return INVAL;
    case XEN_ENOSPC: return NOSPC;
    case XEN_ENOSYS: return NOSYS;
    default: return OTHER;
    }
}

void cover(unsigned number, unsigned sub, long result)
{
    if (number < NUMBERS) seen[number][sub < SUBS ? sub : SUBS - 1][kind_of(result)]++;
}

/* Those that a domain with every role can succeed with. */
#define D(op) {__HYPERVISOR_domctl, XEN_DOMCTL_##op, "domctl " #op}
#define S(op) {__HYPERVISOR_sysctl, XEN_SYSCTL_##op, "sysctl " #op}
#define B(op) {BH_HYPERCALL, BH_OP_##op, "bulkhead_op " #op}
#define M(op) {__HYPERVISOR_memory_op, XENMEM_##op, "memory_op " #op}
#define E(op) {__HYPERVISOR_event_channel_op, EVTCHNOP_##op, "event_channel_op " #op}
#define G(op) {__HYPERVISOR_grant_table_op, GNTTABOP_##op, "grant_table_op " #op}
#define H(op) {__HYPERVISOR_hvm_op, HVMOP_##op, "hvm_op " #op}
#define V(op) {__HYPERVISOR_vcpu_op, VCPUOP_##op, "vcpu_op " #op}
#define X(op) {__HYPERVISOR_xen_version, XENVER_##op, "xen_version " #op}
#define P(op) {__HYPERVISOR_physdev_op, PHYSDEVOP_##op, "physdev_op " #op}
#define O(op) {__HYPERVISOR_sched_op, SCHEDOP_##op, "sched_op " #op}
static const struct op { unsigned number, sub; const char *name; } ops[] = {
    D(createdomain), D(destroydomain), D(pausedomain), D(unpausedomain), D(getdomaininfo), D(setvcpuaffinity), D(getvcpuaffinity), D(shadow_op),
    D(max_mem), D(getvcpucontext), D(getvcpuinfo), D(max_vcpus), D(scheduler_op), D(setdomainhandle), D(iomem_permission), D(ioport_permission),
    D(settimeoffset), D(gethvmcontext), D(sethvmcontext), D(gethvmcontext_partial), D(set_address_size), D(get_address_size), D(memory_mapping),
    D(set_target), D(gettscinfo), D(settscinfo), D(set_virq_handler), D(cacheflush), D(get_cpu_policy), D(get_paging_mempool_size),
    D(set_paging_mempool_size), D(test_assign_device), D(hypercall_init),
    S(readconsole), S(physinfo), S(sched_id), S(getdomaininfolist), S(getcpuinfo), S(availheap), S(cputopoinfo), S(numainfo), S(cpupool_op),
    B(set_roles), B(snapshot), B(restart), B(crash), B(info), B(rest), B(stalls), B(profile),
    M(populate_physmap), M(decrease_reservation), M(add_to_physmap), M(add_to_physmap_batch), M(remove_from_physmap), M(acquire_resource),
    M(current_reservation), M(maximum_reservation), M(maximum_gpfn), M(maximum_ram_page), M(memory_map), M(machine_memory_map), M(set_memory_map),
    M(claim_pages), M(reserved_device_memory_map),
    E(send), E(alloc_unbound), E(bind_interdomain), E(bind_virq), E(bind_ipi), E(close), E(status), E(bind_vcpu), E(unmask), E(reset),
    {__HYPERVISOR_grant_table_op, 32, "a grant mapped"}, G(unmap_grant_ref), G(copy), G(query_size), G(setup_table), G(get_version), G(set_version),
    H(set_param), H(get_param), H(flush_tlbs), H(get_time), H(get_mem_type),
    V(is_up), V(get_runstate_info), V(set_periodic_timer), V(stop_periodic_timer), V(set_singleshot_timer), V(stop_singleshot_timer),
    V(register_runstate_memory_area), V(register_vcpu_time_memory_area),
    X(version), X(extraversion), X(compile_info), X(capabilities), X(changeset), X(platform_parameters), X(get_features), X(pagesize),
    X(guest_handle), X(commandline),
    P(manage_pci_add), P(pci_device_add), P(pci_mmcfg_reserved),
    O(yield), O(poll), O(remote_shutdown), O(watchdog),
    {__HYPERVISOR_platform_op, XENPF_get_cpuinfo, "platform_op get_cpuinfo"}, {__HYPERVISOR_platform_op, XENPF_get_symbol, "platform_op get_symbol"},
    {__HYPERVISOR_console_io, 0, "console_io write"},
    {__HYPERVISOR_console_io, 1, "console_io read"}, {__HYPERVISOR_multicall, NO_SUB, "multicall"}, {__HYPERVISOR_set_timer_op, NO_SUB, "set_timer_op"},
};
/* Where the board has an IOMMU. What a domain does with a function of its own is not for us, who may own none: tests/guest/pirq. */
static const struct op device_ops[] = {
    D(assign_device), D(deassign_device), B(pirq_message), P(map_pirq), P(unmap_pirq),
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *name_of(unsigned number, unsigned sub)
{
    for (unsigned i = 0; i < COUNT(ops); i++)
        if (ops[i].number == number && ops[i].sub == sub) return ops[i].name;
    for (unsigned i = 0; i < COUNT(device_ops); i++)
        if (device_ops[i].number == number && device_ops[i].sub == sub) return device_ops[i].name;
    return NULL;
}

static void print(unsigned number, unsigned sub)
{
    char line[200];
    int n = 0;
    const char *name = name_of(number, sub);
    const uint32_t *s = seen[number][sub];
    if (!name && !s[OK]) return; /* not there: answered with ENOSYS, or EPERM */
    for (unsigned k = 0; k < ANSWERS; k++)
        if (s[k]) n += snprintf(line + n, sizeof(line) - (size_t)n, " %s %u", words[k], s[k]);
    if (name) rt_log("fuzz: %s:%s", name, n ? line : " never");
    else if (n) rt_log("fuzz: hypercall %u operation %u:%s", number, sub, line);
}

void cover_print(void)
{
    for (unsigned number = 0; number < NUMBERS; number++)
        for (unsigned sub = 0; sub < SUBS; sub++)
            print(number, sub);
}

static unsigned missing(const struct op *o, size_t n)
{
    unsigned found = 0;
    for (size_t i = 0; i < n; i++) {
        if (seen[o[i].number][o[i].sub][OK]) continue;
        rt_log("fuzz: %s never succeeded", o[i].name);
        found++;
    }
    return found;
}

unsigned cover_missing(void)
{
    return missing(ops, COUNT(ops)) + (seen[__HYPERVISOR_domctl][XEN_DOMCTL_assign_device][OK] ? missing(device_ops, COUNT(device_ops)) : 0);
}
