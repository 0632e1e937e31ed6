/* SPDX-License-Identifier: MIT */
/*
 * The hypercall table and what goes around every hypercall: who may call, continuation, multicall, the hypercall page.
 * ABI (xen/arch-x86/xen-x86_64.h): number in RAX, arguments in RDI, RSI, RDX, R10, R8, R9, result in RAX; ring 0 of 64-bit mode only.
 */
#include "call/call.h"
#include "lib/log.h"
#include "lib/softirq.h"
#include "lib/stall.h"
#include "lib/string.h"
#include "trace/trace.h"

#define BUDGET_US 500u /* a hypercall gives way when so much time has gone by since the guest's exit */
#define TRAP_BYTES 3        /* VMMCALL and VMCALL */

static long call_vm_assist(struct vcpu *v, const struct call_args *args)
{
    return -ENOSYS; /* all assists are for ring-deprivileged guests, but runstate_update_flag, which guests do without */
}

const struct call_row call_table[64] = {
    [__HYPERVISOR_platform_op] = {call_platform, "platform_op", BH_ROLE_CONTROL},
    [__HYPERVISOR_memory_op] = {call_memory, "memory_op", 0},
    [__HYPERVISOR_multicall] = {call_multicall, "multicall", 0},
    [__HYPERVISOR_set_timer_op] = {call_set_timer, "set_timer_op", 0},
    [__HYPERVISOR_xen_version] = {call_version, "xen_version", 0},
    [__HYPERVISOR_console_io] = {call_console, "console_io", 0},
    [__HYPERVISOR_grant_table_op] = {call_grant_table, "grant_table_op", 0},
    [__HYPERVISOR_vm_assist] = {call_vm_assist, "vm_assist", 0},
    [__HYPERVISOR_vcpu_op] = {call_vcpu, "vcpu_op", 0},
    [__HYPERVISOR_sched_op] = {call_sched, "sched_op", 0},
    [__HYPERVISOR_event_channel_op] = {call_event_channel, "event_channel_op", 0},
    [__HYPERVISOR_physdev_op] = {call_physdev, "physdev_op", 0},
    [__HYPERVISOR_hvm_op] = {call_hvm, "hvm_op", 0},
    [__HYPERVISOR_sysctl] = {call_sysctl, "sysctl", BH_ROLE_CONTROL},
    [__HYPERVISOR_domctl] = {call_domctl, "domctl", BH_ROLE_CONTROL},
    [BH_HYPERCALL] = {call_bulkhead, "bulkhead_op", 0},
};

static PERCPU(struct call_args *, multicall_args); /* of the multicall entry being run, NULL outside */

bool call_preempt(void)
{
    return READ_ONCE(this_cpu(softirq_pending)) || stall_ticks() > tsc_khz() * BUDGET_US / 1000;
}

long call_restart(struct vcpu *v, uint64_t a0, uint64_t a1, uint64_t a2)
{
    struct call_args *m = this_cpu(multicall_args);
    if (m) {
        m->a[0] = a0;
        m->a[1] = a1;
        m->a[2] = a2;
    } else {
        struct regs *r = &v->hv.regs;
        r->rdi = a0;
        r->rsi = a1;
        r->rdx = a2;
        r->rip -= TRAP_BYTES;
    }
    return CALL_RESTARTED;
}

int call_domain(struct vcpu *v, domid_t id, struct domain **out)
{
    struct domain *c = v->dom;
    if (id == DOMID_SELF) id = c->id;
    struct domain *d = domain_find(id); /* first: a target's id is its own as long as we hold it */
    bool may = id == c->id || domain_has_role(c, BH_ROLE_CONTROL) || (domain_has_role(c, BH_ROLE_TARGET) && c->target == id);
    if (may && d) {
        *out = d;
        return 0;
    }
    if (d) domain_put(d);
    return may ? -ESRCH : -EPERM;
}

bool call_may_stop(const struct vcpu *v, const struct domain *d)
{
    return d != v->dom && (!domain_has_role(d, BH_ROLE_CONTROL) || d->is_shutdown || !d->ever_ran);
}

/* What a hypercall is asked for: its first argument, or the first word of what that points to. */
static COLD void trace_call(struct vcpu *v, uint64_t number, const struct call_args *args)
{
    uint32_t cmd = (uint32_t)args->a[0];
    bool pointer = number == __HYPERVISOR_domctl || number == __HYPERVISOR_sysctl || number == __HYPERVISOR_platform_op;
    if (pointer && call_get(v, &cmd, args->a[0])) cmd = ~0u;
    TRACE(TRC_HVM_VMMCALL, (uint32_t)number, cmd);
}

static long run_one(struct vcpu *v, uint64_t number, const struct call_args *args)
{
    const struct call_row *row = number < ARRAY_SIZE(call_table) ? &call_table[number] : NULL;
    if (trace_wants(TRACE_CLASS(TRC_HVM))) trace_call(v, number, args);
    if (!row || !row->fn) {
        log_debug("domain %u: hypercall %lu is not there", v->dom->id, number);
        return -ENOSYS;
    }
    stall_about(BH_STALL_hypercall, (uint32_t)number, (uint32_t)args->a[0]);
    if (row->roles && !domain_has_role(v->dom, row->roles)) return -EPERM;
    return row->fn(v, args);
}

void call_hypercall(struct vcpu *v)
{
    struct regs *r = &v->hv.regs;
    if (!hvcpu_64bit(&v->hv) || cpu->cpl(&v->hv) != 0) {
        r->rax = (uint64_t)(cpu->cpl(&v->hv) ? -EPERM : -ENOSYS);
        return;
    }
    struct call_args args = {{r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9}};
    hvcpu_keep_walks(&v->hv, true);
    long result = run_one(v, r->rax, &args);
    hvcpu_keep_walks(&v->hv, false);
    if (result != CALL_RESTARTED) r->rax = (uint64_t)result;
}

/* A list of hypercalls; each entry's result goes into the list. A continued entry leaves its new arguments there. */
long call_multicall(struct vcpu *v, const struct call_args *args)
{
    uint64_t list = args->a[0], n = (uint32_t)args->a[1];
    for (uint64_t i = 0; i < n; i++) {
        struct multicall_entry e;
        uint64_t at = list + i * sizeof(e);
        if (i && call_preempt()) return call_restart(v, at, n - i, 0);
        if (call_get(v, &e, at)) return -EFAULT;
        if (e.op == __HYPERVISOR_multicall) return -EINVAL;
        struct call_args a;
        memcpy(&a, e.args, sizeof(a));
        this_cpu(multicall_args) = &a;
        long result = run_one(v, e.op, &a);
        this_cpu(multicall_args) = NULL;
        if (result == CALL_RESTARTED) memcpy(e.args, &a, sizeof(a));
        else e.result = (xen_ulong_t)result;
        if (call_put(v, at, &e)) return -EFAULT;
        if (result == CALL_RESTARTED) return call_restart(v, at, n - i, 0);
    }
    return 0;
}

/* 32 bytes for each number: mov $number, %eax; vmmcall or vmcall; ret. */
void call_hypercall_page(void *page)
{
    uint8_t *p = page;
    const uint8_t *h = cpu->hypercall;
    memset(p, 0xcc, PAGE_SIZE);
    for (unsigned i = 0; i < PAGE_SIZE / 32; i++, p += 32) {
        const uint8_t stub[] = {0xb8, (uint8_t)i, 0, 0, 0, h[0], h[1], h[2], 0xc3};
        memcpy(p, stub, sizeof(stub));
    }
}
