/* SPDX-License-Identifier: MIT */
/*
 * The sampling profiler (docs/tracing.md, BH_OP_profile). The hypervisor runs with interrupts off, so it is sampled by NMI: each CPU has a
 * timer, at which it sends one to the CPU behind it. On a machine with one CPU the timer takes the sample itself, and sees guests only.
 * Nothing of it runs while it is off.
 * An NMI comes anywhere, also within trace_record or under a lock: its handler only fills a slot of its CPU's, and the softirq writes
 * what is there into the trace. So the handler is the only writer of `head`, the softirq of `tail`.
 */
#include "call/call.h"
#include "irq/apic.h"
#include "lib/softirq.h"
#include "trace/trace.h"

#define MIN_PERIOD_NS 1000000ull /* no stretch is longer (lib/stall.h): the slots are read before they are all used */
#define MAX_PERIOD_NS 1000000000ull
#define SLOTS 8u
#define CALLERS 14u

struct sample {
    uint32_t who;
    uint64_t guest, own; /* RIPs; own: 0 in the guest */
    unsigned callers;
    uint32_t caller[CALLERS];
};
struct profile_cpu {
    struct timer timer;
    unsigned head, tail; /* they only grow */
    struct sample slot[SLOTS];
};
static PERCPU(struct profile_cpu, profile_cpu);
PERCPU(uint64_t, profile_top);
static uint64_t period; /* ns; 0: off */

static bool wanted(void) { return READ_ONCE(period) && trace_wants(TRACE_CLASS(BH_TRC_SAMPLE)); }

/* A slot with who is on this CPU, and where it is; NULL: there is none left. */
static struct sample *take(void)
{
    struct profile_cpu *p = &this_cpu(profile_cpu);
    const struct sched_unit *u = sched_current();
    if (p->head - READ_ONCE(p->tail) == SLOTS) return NULL;
    struct sample *s = &p->slot[p->head % SLOTS];
    s->who = u ? u->who : this_cpu_id() | BH_TRC_IDLE_DOMAIN << 16;
    s->guest = u ? container_of(u, const struct vcpu, sched)->hv.regs.rip : 0;
    s->own = 0;
    s->callers = 0;
    return s;
}

static void give(void)
{
    struct profile_cpu *p = &this_cpu(profile_cpu);
    WRITE_ONCE(p->head, p->head + 1);
    softirq_raise(SOFTIRQ_PROFILE);
}

/* RBP may be a guest's still, or anything: only what lies between RSP and the CPU loop's frame is looked at. */
void profile_nmi(uint64_t rip, uint64_t rsp, uint64_t rbp)
{
    uint64_t top = this_cpu(profile_top);
    struct sample *s = wanted() ? take() : NULL;
    if (!s) return;
    s->own = rip;
    while (s->callers < CALLERS && rbp >= rsp && rbp < top && !(rbp & 7)) {
        const uint64_t *frame = (const uint64_t *)rbp;
        s->caller[s->callers++] = (uint32_t)frame[1];
        rsp = rbp + 1;
        rbp = frame[0];
    }
    give();
}

void profile_guest(const struct vcpu *v)
{
    struct profile_cpu *p = &this_cpu(profile_cpu);
    struct sample *last = &p->slot[(p->head - 1) % SLOTS];
    if (p->head == p->tail) return;
    last->guest = v->hv.regs.rip;
    last->own = 0;
    last->callers = 0;
}

static void tick(void *arg)
{
    if (!wanted()) return;
    if (nr_cpus > 1) apic_nmi((this_cpu_id() + 1) % nr_cpus);
    else if (take()) give();
    timer_set(&this_cpu(profile_cpu).timer, now_ns() + READ_ONCE(period));
}

static void write(const struct sample *s)
{
    TRACE(BH_TRC_SAMPLE, s->who, TRACE_LONG(s->guest), TRACE_LONG(s->own));
    for (unsigned i = 0; i < s->callers; i += TRACE_EXTRA_MAX)
        trace_record(BH_TRC_CALLERS, &s->caller[i], MIN(s->callers - i, TRACE_EXTRA_MAX));
}

void profile_softirq(void)
{
    struct profile_cpu *p = &this_cpu(profile_cpu);
    for (; p->tail != READ_ONCE(p->head); WRITE_ONCE(p->tail, p->tail + 1))
        write(&p->slot[p->tail % SLOTS]);
    if (!p->timer.fn) timer_init(&p->timer, tick, NULL);
    if (wanted() && !p->timer.when) timer_set(&p->timer, now_ns() + READ_ONCE(period));
}

int profile_set(uint64_t ns)
{
    if (ns && (ns < MIN_PERIOD_NS || ns > MAX_PERIOD_NS)) return -EINVAL;
    WRITE_ONCE(period, ns);
    for (unsigned cpu = 0; ns && cpu < nr_cpus; cpu++) {
        softirq_set(cpu, SOFTIRQ_PROFILE);
        apic_kick(cpu);
    }
    return 0;
}
