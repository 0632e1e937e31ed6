/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's core: states, wake-ups, pauses, affinity, accounting. Which unit is next is the policy's business.
 * A unit is in one of three places: nowhere (not runnable), `queued`, or `running`; both flags change only under u->lock.
 * A CPU that picked a unit off a queue does not hold u->lock yet, so it asks again under the lock whether it may have it.
 * Nobody waits while a CPU idles: a CPU declares itself idle before its last look at the queues, and whoever queues a unit
 * looks for idle CPUs after queueing it.
 */
#include "sched/sched.h"
#include <xen/vcpu.h>
#include "cpu/topology.h"
#include "irq/apic.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/softirq.h"
#include "lib/string.h"
#include "lib/x86.h"
#include "sched/timer.h"
#include "trace/trace.h"

struct sched_cpu {
    struct sched_unit *current;
    struct timer slice;
    uint64_t idle_since; /* ns, 0 = busy */
    bool reschedule;
    bool hurried;        /* something better waits for the end of current's least time: `slice` is set for that */
};
static PERCPU(struct sched_cpu, sched_cpu);
PERCPU(struct sched_unit *, sched_picking);
uint64_t sched_online, sched_idle_ns[MAX_CPUS];
static uint64_t idle_cpus; /* bitmap, atomic */
static const struct sched_policy *policy = &sched_rr;

static bool runnable(const struct sched_unit *u)
{
    return !u->down && !u->blocked && !u->pause_count;
}

static bool allowed(const struct sched_unit *u, unsigned cpu)
{
    return u->affinity >> cpu & 1;
}

/* The idle vCPU of this CPU, for the trace. */
static uint32_t idle_vcpu(void)
{
    return this_cpu_id() | BH_TRC_IDLE_DOMAIN << 16;
}

static COLD void trace_state(uint32_t who, int from, int to)
{
    if (from != to)
        trace_record(TRC_SCHED_RUNSTATE_CHANGE | (uint32_t)from << 8 | (uint32_t)to << 4, &who, 1);
}

static void set_state(struct sched_unit *u, int state, uint64_t now)
{
    if (trace_wants(TRACE_CLASS(TRC_SCHED)))
        trace_state(u->who, u->state, state);
    if (now > u->state_since)
        u->runstate[u->state] += now - u->state_since;
    u->state = state;
    u->state_since = now;
}

static void set_waiting_state(struct sched_unit *u, uint64_t now)
{
    set_state(u, runnable(u) ? RUNSTATE_runnable : u->blocked && !u->down ? RUNSTATE_blocked : RUNSTATE_offline, now);
}

/* Make `cpu` choose anew. */
static void poke(unsigned cpu)
{
    softirq_set(cpu, SOFTIRQ_SCHED);
    apic_kick(cpu);
}

/* --- queueing; u->lock held --- */

/* Of `some`, the CPUs on whose cores no CPU that runs units is busy. */
static uint64_t whole_cores(uint64_t some, uint64_t idle)
{
    uint64_t busy = __atomic_load_n(&sched_online, __ATOMIC_SEQ_CST) & ~idle, whole = 0;

    for (uint64_t left = some; left; left &= left - 1) {
        unsigned cpu = (unsigned)__builtin_ctzll(left);

        if (!(topology[cpu].threads & busy))
            whole |= BIT(cpu);
    }
    return whole;
}

/* An idle CPU of `may`, now ours to poke: the next who looks finds another one. -1 if none. Before all one that is preferred
 * (`soft`), then one whose core is idle, then `near`, then one of its socket. */
static __attribute__((noinline)) int claim_one(uint64_t may, uint64_t soft, unsigned near)
{
    uint64_t idle, all;

    while ((idle = (all = __atomic_load_n(&idle_cpus, __ATOMIC_SEQ_CST)) & may)) {
        uint64_t best = idle & soft ? idle & soft : idle, whole = whole_cores(best, all);
        unsigned cpu;

        best = whole ? whole : best;
        if (best & topology[near].cores)
            best &= topology[near].cores;
        cpu = best >> near & 1 ? near : (unsigned)__builtin_ctzll(best);
        if (bit_clear(&idle_cpus, cpu))
            return (int)cpu;
    }
    return -1;
}

static int claim_idle(uint64_t may, uint64_t soft, unsigned near)
{
    return __atomic_load_n(&idle_cpus, __ATOMIC_SEQ_CST) & may ? claim_one(may, soft, near) : -1; /* mostly nobody idles */
}

static unsigned home_of(const struct sched_unit *u)
{
    uint64_t online = __atomic_load_n(&sched_online, __ATOMIC_SEQ_CST), may = u->affinity & online;

    if (may & u->soft)
        may &= u->soft;
    if (may >> u->cpu & 1)
        return u->cpu;
    return (unsigned)__builtin_ctzll(may ? may : online);
}

static void place(struct sched_unit *u, bool woken)
{
    int idle = claim_idle(u->affinity, u->soft, u->cpu);
    bool preempt;

    u->cpu = idle >= 0 ? (unsigned)idle : home_of(u);
    u->queued = true;
    set_state(u, RUNSTATE_runnable, now_ns());
    preempt = policy->enqueue(u, woken);
    if (idle < 0) /* one that went idle before it could see u takes it from the queue it is on */
        idle = claim_idle(u->affinity, u->soft, u->cpu);
    if (idle >= 0)
        poke((unsigned)idle);
    else if (preempt)
        poke(u->cpu);
}

static void take_off_queue(struct sched_unit *u)
{
    if (u->queued)
        policy->dequeue(u);
    u->queued = false;
}

/* After any change of what makes a unit runnable. */
static void settle(struct sched_unit *u, bool woken)
{
    if (u->running) {
        if (!runnable(u) || !allowed(u, u->cpu))
            poke(u->cpu);
    } else if (!runnable(u)) {
        take_off_queue(u);
        set_waiting_state(u, now_ns());
    } else if (!u->queued) {
        place(u, woken);
    }
}

/* --- what others ask --- */

struct sched_unit *sched_current(void)
{
    return this_cpu(sched_cpu).current;
}

void sched_unit_init(struct sched_unit *u, unsigned cpu, struct sched_group *g)
{
    *u = (struct sched_unit){
        .group = g, .cpu = cpu, .affinity = ~0ull, .soft = ~0ull, .down = true, .state = RUNSTATE_offline, .state_since = now_ns(),
    };
    __atomic_fetch_add(&g->units, 1, __ATOMIC_RELAXED);
    spin_init(&u->lock, LOCK_VCPU);
    list_init(&u->link);
}

void sched_unit_destroy(struct sched_unit *u)
{
    sched_set_down(u, true);
    sched_wait_off_cpu(u);
    spin_lock(&u->lock); /* the CPU it left may hold the lock still */
    spin_unlock(&u->lock);
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) /* a CPU may be about to refuse it */
        while (sched_online >> cpu & 1 && __atomic_load_n(&per_cpu(sched_picking, cpu), __ATOMIC_ACQUIRE) == u)
            cpu_pause();
    __atomic_fetch_sub(&u->group->units, 1, __ATOMIC_RELAXED);
}

void sched_wake(struct sched_unit *u)
{
    spin_lock(&u->lock);
    if (u->blocked) {
        TRACE(TRC_SCHED_WAKE, u->who >> 16, u->who & 0xffff);
        u->blocked = false;
        settle(u, true);
    }
    spin_unlock(&u->lock);
}

bool sched_block(struct sched_unit *u, bool (*wake_pending)(void *arg), void *arg)
{
    spin_lock(&u->lock);
    bool blocks = !wake_pending || !wake_pending(arg);

    u->blocked = blocks;
    if (u != sched_current()) /* whose CPU is here, and looks before it goes on (sched_must_reschedule) */
        settle(u, false);
    spin_unlock(&u->lock);
    return blocks;
}

void sched_pause(struct sched_unit *u)
{
    spin_lock(&u->lock);
    u->pause_count++;
    settle(u, false);
    spin_unlock(&u->lock);
}

void sched_unpause(struct sched_unit *u)
{
    spin_lock(&u->lock);
    ASSERT(u->pause_count > 0);
    u->pause_count--;
    settle(u, false);
    spin_unlock(&u->lock);
}

void sched_set_down(struct sched_unit *u, bool down)
{
    spin_lock(&u->lock);
    u->down = down;
    settle(u, false);
    spin_unlock(&u->lock);
}

void sched_wait_off_cpu(struct sched_unit *u)
{
    if (!__atomic_load_n(&u->running, __ATOMIC_ACQUIRE))
        return;
    ASSERT(u != sched_current());
    poke(READ_ONCE(u->cpu));
    while (__atomic_load_n(&u->running, __ATOMIC_ACQUIRE))
        cpu_pause();
}

void sched_yield(struct sched_unit *u)
{
    spin_lock(&u->lock);
    if (u->running) {
        u->slice_end = 0;
        poke(u->cpu);
    }
    spin_unlock(&u->lock);
}

int sched_set_affinity(struct sched_unit *u, uint64_t cpus)
{
    if (!(cpus & __atomic_load_n(&sched_online, __ATOMIC_SEQ_CST)))
        return -EINVAL;
    spin_lock(&u->lock);
    WRITE_ONCE(u->affinity, cpus);
    if (u->queued) /* its queue may be wrong now, or another CPU idle that was forbidden */
        take_off_queue(u);
    settle(u, false);
    spin_unlock(&u->lock);
    return 0;
}

int sched_set_soft(struct sched_unit *u, uint64_t cpus)
{
    if (!(cpus & __atomic_load_n(&sched_online, __ATOMIC_SEQ_CST)))
        return -EINVAL;
    spin_lock(&u->lock);
    WRITE_ONCE(u->soft, cpus);
    if (u->queued) /* a CPU that it prefers may be idle */
        take_off_queue(u);
    settle(u, false);
    spin_unlock(&u->lock);
    return 0;
}

uint64_t sched_time_used(struct sched_unit *u)
{
    spin_lock(&u->lock);
    uint64_t now = now_ns(), used = u->run_ns + (u->running ? now - MIN(now, u->state_since) : 0);
    spin_unlock(&u->lock);
    return used;
}

/* --- the CPU loop's side --- */

bool sched_must_reschedule(void)
{
    const struct sched_cpu *c = &this_cpu(sched_cpu);
    const struct sched_unit *u = c->current;

    return !u || c->reschedule || !runnable(u) || !allowed(u, this_cpu_id());
}

/* Something better may wait. What runs has its least time first: two that wake each other for every message hand over several
 * at a time, and many that wake often do not keep others from running. */
void sched_softirq(void)
{
    struct sched_cpu *c = &this_cpu(sched_cpu);
    const struct sched_unit *u = c->current;
    uint64_t least = u && runnable(u) ? MIN(u->state_since + policy->least_ns, u->slice_end) : 0;

    if (least && now_ns() < least) {
        c->hurried = true;
        timer_set(&c->slice, least);
    } else {
        c->reschedule = true;
    }
}

void sched_prod_late(void)
{
    uint64_t now = now_ns();

    for (unsigned c = 0; c < nr_cpus; c++) {
        uint64_t end = READ_ONCE(per_cpu(sched_cpu, c).slice.when);
        if (sched_online >> c & 1 && end && now > end + SCHED_LATE_NS)
            poke(c);
    }
}

/* Units that wake each other change places far more often than slices end: the timer stays as it was set for an earlier one,
 * if that is not too late, and is set anew when it comes too early. One that should have come may be lost. */
static void time_slice(struct sched_cpu *c, uint64_t end, uint64_t now)
{
    if (c->hurried || c->slice.when <= now || c->slice.when > end) /* 0: not set */
        timer_set(&c->slice, end);
    c->hurried = false;
}

static void slice_over(void *arg)
{
    struct sched_cpu *c = &this_cpu(sched_cpu);
    const struct sched_unit *u = c->current;
    uint64_t now = now_ns();

    if (u && !c->hurried && now < u->slice_end)
        time_slice(c, u->slice_end, now);
    else
        sched_softirq();
}

/* The unit that ran here stops. It may be freed when this returns. */
static void put_back(struct sched_unit *u, uint64_t now)
{
    uint64_t ran;

    spin_lock(&u->lock);
    ran = now - MIN(now, u->state_since);
    u->run_ns += ran;
    if (policy->ran)
        policy->ran(u, ran);
    u->slice_left = u->slice_end > now ? u->slice_end - now : 0;
    __atomic_store_n(&u->running, false, __ATOMIC_RELEASE);
    set_waiting_state(u, now);
    if (runnable(u) && allowed(u, this_cpu_id())) {
        u->queued = true;
        policy->enqueue(u, false);
    } else if (runnable(u)) {
        place(u, false);
    }
    spin_unlock(&u->lock);
}

/* A picked unit becomes this CPU's, unless it changed on the way. */
static bool take(struct sched_unit *u, uint64_t now)
{
    unsigned cpu = this_cpu_id();
    bool mine;

    spin_lock(&u->lock);
    mine = u->queued && runnable(u) && allowed(u, cpu);
    if (u->queued) {
        take_off_queue(u); /* it may have been queued again meanwhile */
        if (mine) {
            if (trace_wants(TRACE_CLASS(TRC_SCHED)) && this_cpu(sched_cpu).idle_since)
                trace_state(idle_vcpu(), RUNSTATE_running, RUNSTATE_runnable);
            u->cpu = cpu;
            u->running = true;
            u->slice_end = now + u->slice_left;
            set_state(u, RUNSTATE_running, now);
        } else {
            settle(u, false);
        }
    }
    spin_unlock(&u->lock);
    __atomic_store_n(&this_cpu(sched_picking), NULL, __ATOMIC_RELEASE); /* from here on it may be freed */
    return mine;
}

static struct sched_unit *pick_and_take(uint64_t now)
{
    struct sched_unit *u;

    while ((u = policy->pick(this_cpu_id())))
        if (take(u, now))
            return u;
    return NULL;
}

static struct sched_unit *choose_or_idle(uint64_t now)
{
    unsigned cpu = this_cpu_id();
    struct sched_unit *u;

    if (!(__atomic_load_n(&sched_online, __ATOMIC_SEQ_CST) >> cpu & 1))
        return NULL;
    u = pick_and_take(now);
    if (!u) {
        bit_set(&idle_cpus, cpu);
        u = pick_and_take(now);
    }
    if (u)
        bit_clear(&idle_cpus, cpu);
    return u;
}

void sched_offer(unsigned cpu)
{
    uint64_t may = __atomic_load_n(&idle_cpus, __ATOMIC_SEQ_CST) ? policy->waiting(cpu) : 0;

    for (int idle; (idle = claim_idle(may, ~0ull, cpu)) >= 0;)
        poke((unsigned)idle);
}

struct sched_unit *sched_next(void)
{
    struct sched_cpu *c = &this_cpu(sched_cpu);
    struct sched_unit *u;
    uint64_t now = now_ns();

    c->reschedule = false;
    if (c->idle_since)
        sched_idle_ns[this_cpu_id()] += now - c->idle_since;
    if (c->current)
        put_back(c->current, now);
    c->current = u = choose_or_idle(now);
    if (trace_wants(TRACE_CLASS(TRC_SCHED)) && !u && !c->idle_since)
        trace_state(idle_vcpu(), RUNSTATE_runnable, RUNSTATE_running);
    c->idle_since = u ? 0 : now;
    if (u) {
        sched_offer(this_cpu_id()); /* what waits behind the unit chosen here */
        time_slice(c, u->slice_end, now);
    }
    return u;
}

void sched_cpu_init(void)
{
    timer_init(&this_cpu(sched_cpu).slice, slice_over, NULL);
    policy->cpu_init(this_cpu_id());
}

void sched_cpu_join(void)
{
    bit_set(&sched_online, this_cpu_id());
}

const struct sched_policy *sched_named(const char *name)
{
    return strcmp(name, "credit") == 0 ? &sched_credit : strcmp(name, "rr") == 0 ? &sched_rr : NULL;
}

const struct sched_policy *sched_policy(void)
{
    return policy;
}

void sched_init(const struct sched_policy *p)
{
    policy = p;
    log_info("sched: %s, slices of %llu us", policy->name, SCHED_SLICE_NS / 1000);
}
