/* SPDX-License-Identifier: MIT */
/*
 * vCPUs: creation, INIT and SIPI, what is injected at the next entry, the PV clock and runstate pages.
 * An event-channel upcall is delivered as the domain-wide callback vector (no EOI) or, where the vCPU asked for it
 * (HVMOP_set_evtchn_upcall_vector), through its virtual local APIC.
 */
#include "dom/domain.h"
#include "irq/apic.h"
#include "lib/log.h"
#include "lib/string.h"
#include "trace/trace.h"

/* An interrupt cannot be taken right after STI or MOV SS. The guest is asked to come out again this much later. */
#define SHADOW_NUDGE_NS 20000

static PERCPU(struct vcpu *, fpu_owner); /* whose FPU and per-vCPU MSRs are loaded on this CPU */

static void nothing(void *arg) { (void)arg; }

static void singleshot_expired(void *arg) { event_set_pending_virq(arg, VIRQ_TIMER); }

static void period_over(void *arg)
{
    struct vcpu *v = arg;
    uint64_t period = READ_ONCE(v->period_ns);
    event_set_pending_virq(v, VIRQ_TIMER);
    if (period)
        timer_set(&v->periodic, now_ns() + period);
}

static void lapic_timer_expired(void *arg)
{
    struct vcpu *v = arg;
    vlapic_timer_expired(&v->lapic, now_ns());
    if (v->lapic.timer_deadline_ns)
        timer_set(&v->lapic_timer, v->lapic.timer_deadline_ns);
    sched_wake(&v->sched);
    cpu_kick(v->sched.cpu);
}

static void poll_expired(void *arg)
{
    struct vcpu *v = arg;
    spin_lock(&v->dom->event_lock);
    v->poll_count = 0;
    spin_unlock(&v->dom->event_lock);
    sched_wake(&v->sched);
}

/* Where vCPU `v`'s info is before it registers a place of its own: shared info has room for 32. */
static void info_default(struct vcpu *v)
{
    v->info_mfn = MFN_NONE;
    v->info = v->id < XEN_LEGACY_MAX_VCPUS ? &v->dom->shared_info->vcpu_info[v->id] : NULL;
}

int vcpu_create(struct domain *d, unsigned id)
{
    if (id >= d->max_vcpus || d->vcpu[id])
        return -EINVAL;
    struct vcpu *v = heap_alloc(sizeof(*v));
    if (!v)
        return -ENOMEM;
    v->dom = d;
    v->id = id;
    v->hv.p2m = &d->p2m;
    v->hv.lapic = &v->lapic;
    info_default(v);
    sched_unit_init(&v->sched, id % nr_cpus, &d->sched);
    v->sched.who = id | (uint32_t)d->id << 16;
    v->sched.pause_count = d->ctl_pause; /* a new domain is paused once; a shut down one was paused vCPU by vCPU */
    timer_init(&v->singleshot, singleshot_expired, v);
    timer_init(&v->lapic_timer, lapic_timer_expired, v);
    timer_init(&v->poll_timer, poll_expired, v);
    timer_init(&v->nudge, nothing, v);
    timer_init(&v->periodic, period_over, v);
    vlapic_reset(&v->lapic, 2 * id, id == 0);
    int r = hvcpu_fpu_init(&v->hv);
    if (r == 0)
        r = cpu->vcpu_init(&v->hv);
    if (r) {
        hvcpu_fpu_destroy(&v->hv);
        heap_free(v);
        return r;
    }
    hvcpu_state_sipi(&v->hv, 0);
    d->vcpu[id] = v;
    return 0;
}

void vcpu_destroy(struct vcpu *v)
{
    timer_cancel(&v->singleshot);
    timer_cancel(&v->lapic_timer);
    timer_cancel(&v->poll_timer);
    timer_cancel(&v->nudge);
    v->period_ns = 0;
    timer_cancel(&v->periodic);
    sched_unit_destroy(&v->sched);
    for (unsigned c = 0; c < nr_cpus; c++)
        vcpu_forget(c, v);
    if (mfn_valid_value(v->info_mfn))
        frame_put(v->info_mfn);
    cpu->vcpu_destroy(&v->hv);
    hvcpu_fpu_destroy(&v->hv);
    v->dom->vcpu[v->id] = NULL;
    heap_free(v);
}

void vcpu_reset(struct vcpu *v)
{
    timer_cancel(&v->singleshot);
    timer_cancel(&v->lapic_timer);
    timer_cancel(&v->poll_timer);
    v->period_ns = 0;
    timer_cancel(&v->periodic);
    vlapic_reset(&v->lapic, 2 * v->id, v->id == 0);
    hvcpu_state_sipi(&v->hv, 0);
    if (mfn_valid_value(v->info_mfn))
        frame_put(v->info_mfn);
    info_default(v);
    v->upcall_vector = 0;
    v->nmi_pending = v->wait_sipi = v->sipi_pending = v->initialised = false;
    v->runstate_va = v->time_va = 0;
    v->poll_count = 0;
    v->sched.blocked = false;
    sched_set_down(&v->sched, true);
}

/* --- interrupts --- */

void vcpu_set_interrupt(struct vcpu *v, uint8_t vector)
{
    if (!vlapic_set_irr(&v->lapic, vector))
        return;
    sched_wake(&v->sched);
    cpu_kick(v->sched.cpu);
}

void vcpu_event_upcall(struct vcpu *v)
{
    if (v->upcall_vector) {
        vcpu_set_interrupt(v, v->upcall_vector);
        return;
    }
    sched_wake(&v->sched);
    if (READ_ONCE(v->sched.running))
        cpu_kick(v->sched.cpu);
}

static bool callback_pending(const struct vcpu *v)
{
    return v->dom->callback_vector && !v->upcall_vector && v->info && READ_ONCE(v->info->evtchn_upcall_pending);
}

bool vcpu_has_work(struct vcpu *v)
{
    return (v->nmi_pending && !v->hv.nmi_masked) || v->sipi_pending || vlapic_highest(&v->lapic) >= 0 ||
           (!v->upcall_vector && v->info && READ_ONCE(v->info->evtchn_upcall_pending));
}

static void inject_next(struct vcpu *v)
{
    bool callback = callback_pending(v), direct = cpu_delivers && vlapic_direct(&v->lapic);
    int vector = callback ? v->dom->callback_vector : direct ? -1 : vlapic_highest(&v->lapic);
    v->hv.want_window = false;
    if (direct && !v->lapic.timer_deadline_ns && vlapic_timer_resume(&v->lapic, now_ns())) vcpu_lapic_timer_changed(v);
    if (vector < 0)
        return;
    if (cpu->can_take_interrupt(&v->hv)) {
        if (!callback)
            vlapic_ack(&v->lapic, (uint8_t)vector);
        cpu->inject_interrupt(&v->hv, (uint8_t)vector);
        TRACE(TRC_HVM_INJ_VIRQ, (uint32_t)vector, 0);
        if (!v->lapic.timer_deadline_ns && vlapic_timer_resume(&v->lapic, now_ns())) vcpu_lapic_timer_changed(v);
        v->hv.want_window = !direct && vlapic_highest(&v->lapic) >= 0;
    } else if (cpu->in_shadow(&v->hv) && (v->hv.regs.rflags & RFLAGS_IF)) {
        /* A window opened now would fire before the instruction in the shadow. If that is HLT it exits by itself. */
        timer_set(&v->nudge, now_ns() + SHADOW_NUDGE_NS);
    } else
        v->hv.want_window = true;
}

/*
 * INIT stops a vCPU, SIPI lets it run again; the new state is laid by the vCPU's own CPU at its next entry. So nobody waits
 * for another vCPU here: two that start each other would wait for ever.
 */
static void take_init(struct vcpu *v)
{
    sched_set_down(&v->sched, true);
    __atomic_store_n(&v->sipi_pending, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&v->wait_sipi, true, __ATOMIC_SEQ_CST);
}

static void take_sipi(struct vcpu *v, uint8_t page)
{
    if (!__atomic_exchange_n(&v->wait_sipi, false, __ATOMIC_SEQ_CST))
        return;
    v->sipi_page = page;
    __atomic_store_n(&v->sipi_pending, true, __ATOMIC_SEQ_CST);
    v->initialised = true;
    sched_wake(&v->sched);
    sched_set_down(&v->sched, false);
}

static void start_at_sipi(struct vcpu *v)
{
    vlapic_init(&v->lapic);
    v->nmi_pending = false;
    hvcpu_state_sipi(&v->hv, v->sipi_page);
    hvcpu_load_fpu(&v->hv); /* the registers of this CPU are v's already */
    hvcpu_load_debug(&v->hv);
}

void vcpu_prepare_entry(struct vcpu *v)
{
    if (__atomic_exchange_n(&v->sipi_pending, false, __ATOMIC_SEQ_CST))
        start_at_sipi(v);
    if (v->nmi_pending && !v->hv.nmi_masked && cpu->in_shadow(&v->hv)) {
        timer_set(&v->nudge, now_ns() + SHADOW_NUDGE_NS);
    } else if (v->nmi_pending && !v->hv.nmi_masked && !v->hv.event_pending) {
        v->nmi_pending = false;
        cpu->inject_nmi(&v->hv);
    }
    inject_next(v);
}

static void deliver(struct vcpu *from, struct vcpu *to, const struct vlapic_ipi *ipi)
{
    if (ipi->kind == IPI_FIXED)
        vcpu_set_interrupt(to, ipi->vector);
    else if (to == from)
        return; /* INIT, SIPI and NMI to oneself have no shorthand form that is allowed */
    else if (ipi->kind == IPI_NMI) {
        to->nmi_pending = true;
        sched_wake(&to->sched);
        cpu_kick(to->sched.cpu);
    } else if (ipi->kind == IPI_INIT)
        take_init(to);
    else if (ipi->kind == IPI_SIPI)
        take_sipi(to, ipi->vector);
}

void vcpu_deliver_ipi(struct vcpu *from, const struct vlapic_ipi *ipi)
{
    struct domain *d = from->dom;
    if (ipi->kind == IPI_NONE)
        return;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        bool hit = v && (ipi->self ? v == from : ipi->all ? true : ipi->others ? v != from : vlapic_match(&v->lapic, ipi));
        if (hit)
            deliver(from, v, ipi);
    }
}

void vcpu_lapic_timer_changed(struct vcpu *v)
{
    uint64_t when = v->lapic.timer_deadline_ns;
    if (v->lapic.tsc_deadline && !when)
        when = tsc_to_ns(v->lapic.tsc_deadline - v->hv.tsc_offset);
    if (when)
        timer_set(&v->lapic_timer, when);
    else
        timer_cancel(&v->lapic_timer);
}

/* --- time pages --- */

static void fill_time(struct vcpu_time_info *t, uint32_t version)
{
    uint32_t mul;
    int8_t shift;
    time_scale(&mul, &shift);
    *t = (struct vcpu_time_info){
        .version = version,
        .tsc_timestamp = ns_to_tsc(0),
        .system_time = 0,
        .tsc_to_system_mul = mul,
        .tsc_shift = shift,
        .flags = XEN_PVCLOCK_TSC_STABLE_BIT,
    };
}

/* The clock is one for all CPUs and never changes, so the pages are written once each time a guest gives a place for them: the
 * area by address when its own vCPU does, whose address space is at hand. */
void vcpu_time_update(struct vcpu *v)
{
    struct vcpu_time_info t;
    v->time_version += 2;
    fill_time(&t, v->time_version);
    if (v->info) {
        WRITE_ONCE(v->info->time.version, v->time_version - 1);
        __asm__ volatile("" ::: "memory");
        t.version = v->time_version - 1;
        v->info->time = t;
        __asm__ volatile("" ::: "memory");
        WRITE_ONCE(v->info->time.version, v->time_version);
    }
    t.version = v->time_version;
    if (v->time_va && this_cpu(fpu_owner) == v && guest_write(&v->hv, v->time_va, &t, sizeof(t)))
        log_debug("domain %u vcpu %u: its time area at %lx is not mapped", v->dom->id, v->id, v->time_va);
}

void vcpu_runstate_update(struct vcpu *v)
{
    if (!v->runstate_va)
        return;
    struct vcpu_runstate_info r = {.state = RUNSTATE_running, .state_entry_time = v->sched.state_since};
    memcpy(r.time, v->sched.runstate, sizeof(r.time));
    guest_write(&v->hv, v->runstate_va, &r, sizeof(r)); /* unmapped: the guest's loss */
}

/* --- changing vCPUs on a CPU --- */

void vcpu_context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct vcpu *owner = this_cpu(fpu_owner);
    if (owner && owner == prev) {
        hvcpu_save_fpu(&owner->hv);
        hvcpu_save_debug(&owner->hv);
        cpu->save(&owner->hv);
        owner->hv.tsc_aux = rdmsr(MSR_TSC_AUX);
        this_cpu(fpu_owner) = NULL;
    }
    if (!next)
        return;
    hvcpu_load_fpu(&next->hv);
    hvcpu_load_debug(&next->hv);
    cpu->load(&next->hv);
    wrmsr(MSR_TSC_AUX, next->hv.tsc_aux);
    this_cpu(fpu_owner) = next;
    vcpu_runstate_update(next);
}

void vcpu_forget(unsigned c, struct vcpu *v)
{
    if (per_cpu(fpu_owner, c) == v)
        per_cpu(fpu_owner, c) = NULL;
}
