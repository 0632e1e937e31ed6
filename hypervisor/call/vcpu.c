/* SPDX-License-Identifier: MIT */
/* vcpu_op (xen/vcpu.h) and set_timer_op: starting and stopping vCPUs, registered areas, timers. */
#include <xen/hvm/hvm_vcpu.h>
#include "call/call.h"
#include "lib/string.h"

#define MIN_PERIOD_NS 1000000ull

/* ---- start state ---- */

static void segment(struct hv_state *s, enum hv_segname n, uint16_t attr, uint32_t limit, uint64_t base)
{
    s->seg[n] = (struct hv_segment){0, attr, limit, base};
}

static void state_32(const struct vcpu_hvm_x86_32 *r, struct regs *g, struct hv_state *s)
{
    *g = (struct regs){.rax = r->eax, .rcx = r->ecx, .rdx = r->edx, .rbx = r->ebx, .rsp = r->esp, .rbp = r->ebp, .rsi = r->esi,
                       .rdi = r->edi, .rip = r->eip, .rflags = r->eflags | 2u};
    s->cr0 = r->cr0 | CR0_ET;
    s->cr3 = r->cr3;
    s->cr4 = r->cr4;
    s->efer = r->efer;
    segment(s, SEG_CS, r->cs_ar, r->cs_limit, r->cs_base);
    segment(s, SEG_DS, r->ds_ar, r->ds_limit, r->ds_base);
    segment(s, SEG_SS, r->ss_ar, r->ss_limit, r->ss_base);
    segment(s, SEG_ES, r->es_ar, r->es_limit, r->es_base);
    segment(s, SEG_TR, r->tr_ar, r->tr_limit, r->tr_base);
}

static void state_64(const struct vcpu_hvm_x86_64 *r, struct regs *g, struct hv_state *s)
{
    *g = (struct regs){.rax = r->rax, .rcx = r->rcx, .rdx = r->rdx, .rbx = r->rbx, .rsp = r->rsp, .rbp = r->rbp, .rsi = r->rsi,
                       .rdi = r->rdi, .rip = r->rip, .rflags = r->rflags | 2u};
    s->cr0 = r->cr0 | CR0_ET;
    s->cr3 = r->cr3;
    s->cr4 = r->cr4;
    s->efer = r->efer;
    segment(s, SEG_CS, 0xa9b, 0xffffffff, 0);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (i != SEG_CS) segment(s, i, 0xc93, 0xffffffff, 0);
    segment(s, SEG_TR, 0x8b, 0x67, 0);
}

static int initialise(struct vcpu *t, struct vcpu *v, uint64_t arg)
{
    struct vcpu_hvm_context ctx;
    struct hv_state s;
    struct regs g;
    if (call_get(v, &ctx, arg)) return -EFAULT;
    if (ctx.mode > VCPU_HVM_MODE_64B) return -EINVAL;
    spin_lock(&t->dom->ctl_lock);
    int rc = t->initialised || !t->sched.down ? -EEXIST : 0;
    if (!rc) {
        cpu->get_state(&t->hv, &s); /* as after INIT: what the context does not name stays so */
        if (ctx.mode == VCPU_HVM_MODE_32B) state_32(&ctx.cpu_regs.x86_32, &g, &s);
        else state_64(&ctx.cpu_regs.x86_64, &g, &s);
        rc = cpu->set_state(&t->hv, &s);
    }
    if (!rc) {
        t->hv.regs = g;
        t->initialised = true;
    }
    spin_unlock(&t->dom->ctl_lock);
    return rc;
}

static int bring_up(struct vcpu *t)
{
    if (!t->initialised) return -EINVAL;
    t->wait_sipi = false;
    sched_set_down(&t->sched, false);
    return 0;
}

static int bring_down(struct vcpu *t)
{
    struct domain *d = t->dom;
    sched_set_down(&t->sched, true);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i] && !READ_ONCE(d->vcpu[i]->sched.down)) return 0;
    domain_shutdown(d, SHUTDOWN_poweroff, "its last vCPU went down");
    return 0;
}

/* ---- registered areas ---- */

static int register_info(struct vcpu *t, struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_vcpu_info op;
    struct domain *d = t->dom;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.offset > PAGE_SIZE - sizeof(struct vcpu_info) || op.offset % 8) return -EINVAL;
    if (t != v && !t->sched.down) return -EINVAL;
    enum p2m_type type;
    mfn_t m = p2m_get(&d->p2m, gfn(op.mfn), true, &type, NULL);
    if (!mfn_valid_value(m)) return -EINVAL;
    spin_lock(&d->event_lock);
    bool ok = type == P2M_RAM && !mfn_valid_value(t->info_mfn);
    if (ok) {
        struct vcpu_info *new = (void *)((char *)mfn_to_virt(m) + op.offset);
        if (t->info) memcpy(new, t->info, sizeof(*new));
        else memset(new, 0, sizeof(*new));
        t->info = new;
        t->info_mfn = m;
        /* Whatever was set in the old place meanwhile: let the guest look at everything once. */
        __atomic_store_n(&new->evtchn_pending_sel, ~0ul, __ATOMIC_SEQ_CST);
        __atomic_store_n(&new->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
        event_mark_pending(t);
    }
    spin_unlock(&d->event_lock);
    if (!ok) {
        frame_put(m);
        return -EINVAL;
    }
    vcpu_time_update(t);
    return 0;
}

static int register_runstate(struct vcpu *t, struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_runstate_memory_area op;
    if (call_get(v, &op, arg)) return -EFAULT;
    t->runstate_va = op.addr.p;
    if (t == v) vcpu_runstate_update(t);
    return 0;
}

static int register_time(struct vcpu *t, struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_time_memory_area op;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (t != v) return -EINVAL; /* the address is one of the vCPU's own space */
    t->time_va = op.addr.p;
    vcpu_time_update(t);
    return 0;
}

static int runstate_info(struct vcpu *t, struct vcpu *v, uint64_t arg)
{
    struct sched_unit *u = &t->sched;
    struct vcpu_runstate_info r = {.state = RUNSTATE_running};
    spin_lock(&u->lock);
    r.state = u->state;
    r.state_entry_time = u->state_since;
    memcpy(r.time, u->runstate, sizeof(r.time));
    spin_unlock(&u->lock);
    uint64_t now = now_ns();
    if (r.state >= 0 && r.state < 4 && now > r.state_entry_time) r.time[r.state] += now - r.state_entry_time;
    return call_put(v, arg, &r);
}

/* ---- timers ---- */

static int set_period(struct vcpu *t, struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_periodic_timer op;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.period_ns < MIN_PERIOD_NS || op.period_ns > ~0ull >> 2) return -EINVAL;
    t->period_ns = op.period_ns;
    timer_set(&t->periodic, now_ns() + op.period_ns);
    return 0;
}

static int stop_period(struct vcpu *t)
{
    t->period_ns = 0;
    timer_cancel(&t->periodic);
    return 0;
}

static int set_singleshot(struct vcpu *t, struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_singleshot_timer op;
    if (t != v) return -EINVAL;
    if (call_get(v, &op, arg)) return -EFAULT;
    if ((op.flags & VCPU_SSHOTTMR_future) && op.timeout_abs_ns < now_ns()) return -ETIME;
    timer_set(&t->singleshot, MAX(op.timeout_abs_ns, 1ull));
    return 0;
}

/* RDI = absolute system time in ns, 0 = off. */
long call_set_timer(struct vcpu *v, const struct call_args *args)
{
    if (args->a[0]) timer_set(&v->singleshot, args->a[0]);
    else timer_cancel(&v->singleshot);
    return 0;
}

static int send_nmi(struct vcpu *t)
{
    t->nmi_pending = true;
    sched_wake(&t->sched);
    cpu_kick(t->sched.cpu);
    return 0;
}

long call_vcpu(struct vcpu *v, const struct call_args *args)
{
    uint64_t id = args->a[1], arg = args->a[2];
    struct vcpu *t = id < v->dom->max_vcpus ? v->dom->vcpu[id] : NULL;
    if (!t) return -ENOENT;
    switch (args->a[0]) {
    case VCPUOP_initialise: return initialise(t, v, arg);
    case VCPUOP_up: return bring_up(t);
    case VCPUOP_down: return bring_down(t);
    case VCPUOP_is_up: return !t->sched.down;
    case VCPUOP_get_runstate_info: return runstate_info(t, v, arg);
    case VCPUOP_register_runstate_memory_area: return register_runstate(t, v, arg);
    case VCPUOP_register_vcpu_info: return register_info(t, v, arg);
    case VCPUOP_register_vcpu_time_memory_area: return register_time(t, v, arg);
    case VCPUOP_set_periodic_timer: return set_period(t, v, arg);
    case VCPUOP_stop_periodic_timer: return stop_period(t);
    case VCPUOP_set_singleshot_timer: return set_singleshot(t, v, arg);
    case VCPUOP_stop_singleshot_timer:
        timer_cancel(&t->singleshot);
        return 0;
    case VCPUOP_send_nmi: return send_nmi(t);
    case VCPUOP_get_physid: return -EINVAL; /* no vCPU is tied to a CPU for good */
    default: return -ENOSYS;
    }
}
