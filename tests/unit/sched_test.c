/* SPDX-License-Identifier: MIT */
/*
 * sched/ (core, timers, and the policy that POLICY names) and lib/lock.c, the real sources over fake CPUs. First simulated: one thread plays
 * all CPUs in random order, with simulated time. Then for real: one thread per CPU, which is made to lose its time behind
 * unlocks; units are freed while others look.
 * Properties: no unit on two CPUs, none idles while another waits that it may run, affinity is kept, no wake-up is lost.
 */
#include "sched_machine.h"
#include <xen/vcpu.h>
#include "suite.h"
#undef sched_yield /* compiled as hv_sched_yield: the host has one, too */
#include <pthread.h>
#include <time.h>

static bool simulated;
static unsigned kicks[MAX_CPUS];

uint64_t now_ns(void)
{
    struct timespec t;

    if (simulated)
        return fake_now;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
void apic_kick(unsigned cpu) { __atomic_fetch_add(&kicks[cpu], 1, __ATOMIC_SEQ_CST); }

/* ld --wrap: a CPU may be slow at the worst places, behind an unlock. */
void __real_spin_unlock(struct spinlock *l);
void __wrap_spin_unlock(struct spinlock *l);
void __wrap_spin_unlock(struct spinlock *l)
{
    static _Thread_local unsigned random = 7;

    __real_spin_unlock(l);
    if (!simulated && rand_r(&random) % 32 == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000 + rand_r(&random) % 50000}, NULL);
}

static struct sched_group group;
static void cpus_start(unsigned n)
{
    nr_cpus = n;
    sched_init(&POLICY);
    sched_group_init(&group);
    for (unsigned c = 0; c < n; c++) {
        fake_cpu = c;
        timer_cpu_init();
        sched_cpu_init();
        sched_cpu_join();
        if (sched_next()) /* into the CPU loop: idle */
            abort();
    }
}

/* --- simulation --- */

#define CPUS 4
#define UNITS 10
static struct sched_unit unit[UNITS];
static bool wanted[UNITS]; /* a wake-up is pending for it */
static struct sched_unit *on[CPUS];
static uint64_t seed = 1;

static unsigned rnd(unsigned n)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (unsigned)(seed >> 20) % n;
}

static bool can_run(const struct sched_unit *u) { return !u->down && !u->blocked && !u->pause_count; }

/* One turn of the CPU loop, unless this CPU halts with nothing to do. */
static bool turn(unsigned c)
{
    fake_cpu = c;
    if (deadline[c] && fake_now >= deadline[c]) {
        deadline[c] = 0;
        softirq_raise(SOFTIRQ_TIMER);
    }
    if (!on[c] && !this_cpu(softirq_pending))
        return false;
    softirq_run();
    if (!sched_must_reschedule())
        return false;
    on[c] = sched_next();
    CU_ASSERT_PTR_EQUAL_FATAL(on[c], sched_current());
    if (on[c]) {
        CU_ASSERT_FATAL(can_run(on[c]) && on[c]->running && on[c]->cpu == c && !on[c]->queued);
        CU_ASSERT_FATAL(on[c]->affinity >> c & 1);
        CU_ASSERT_FATAL(on[c]->slice_end > fake_now && on[c]->slice_end <= fake_now + SCHED_SLICE_NS);
    }
    return true;
}

static void settle_all(void)
{
    unsigned rounds = 0;

    for (bool busy = true; busy; rounds++) {
        busy = false;
        for (unsigned c = 0; c < CPUS; c++)
            busy |= turn(c);
        CU_ASSERT_FATAL(rounds < 1000);
    }
}

static void check_places(void)
{
    for (unsigned i = 0; i < UNITS; i++) {
        unsigned places = 0;

        for (unsigned c = 0; c < CPUS; c++)
            places += on[c] == &unit[i];
        CU_ASSERT_FATAL(places <= 1);
        CU_ASSERT_FATAL(unit[i].running == (places == 1));
        CU_ASSERT_FATAL(!(unit[i].running && unit[i].queued));
    }
}

/* When nothing is left to do at this moment: */
static void check_quiet(void)
{
    for (unsigned i = 0; i < UNITS; i++) {
        const struct sched_unit *u = &unit[i];

        CU_ASSERT_FATAL(can_run(u) == (u->running || u->queued));
        CU_ASSERT_FATAL(!(u->blocked && wanted[i])); /* a lost wake-up */
        for (unsigned c = 0; c < CPUS && u->queued; c++) /* work conservation */
            CU_ASSERT_FATAL(on[c] || !(u->affinity >> c & 1));
        CU_ASSERT_FATAL(u->state == (u->running ? RUNSTATE_running : u->queued ? RUNSTATE_runnable
                                     : u->blocked && !u->down                  ? RUNSTATE_blocked
                                                                               : RUNSTATE_offline));
    }
}

static bool is_wanted(void *arg)
{
    return *(bool *)arg;
}

static void random_act(unsigned c)
{
    unsigned i = rnd(UNITS);
    struct sched_unit *u = &unit[i];

    fake_cpu = c;
    switch (rnd(8)) {
    case 0:
    case 1: /* what runs here blocks, or takes its wake-up */
        if (!on[c])
            break;
        i = (unsigned)(on[c] - unit);
        CU_ASSERT_FATAL(sched_block(on[c], is_wanted, &wanted[i]) == !wanted[i]);
        CU_ASSERT_FATAL(on[c]->blocked == !wanted[i]);
        wanted[i] = false;
        break;
    case 2:
    case 3:
        wanted[i] = true;
        sched_wake(u);
        CU_ASSERT_FALSE_FATAL(u->blocked);
        wanted[i] = rnd(2); /* seen by the unit at once, or not before it blocks */
        break;
    case 4:
        if (u->pause_count < 3)
            sched_pause(u);
        break;
    case 5:
        if (u->pause_count)
            sched_unpause(u);
        break;
    case 6:
        if (rnd(2))
            sched_set_affinity(u, rnd(15) + 1);
        else if (on[c])
            hv_sched_yield(on[c]);
        break;
    case 7:
        sched_set_down(u, rnd(3) == 0);
        break;
    }
}

static void units_up(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sched_unit_init(&unit[i], i % CPUS, &group);
        sched_set_down(&unit[i], false);
    }
}

static void units_off(void)
{
    for (unsigned i = 0; i < UNITS; i++) {
        unit[i].pause_count = 0;
        sched_set_down(&unit[i], true);
    }
    settle_all();
    for (unsigned c = 0; c < CPUS; c++)
        CU_ASSERT_PTR_NULL(on[c]);
    for (unsigned i = 0; i < UNITS; i++)
        sched_unit_destroy(&unit[i]);
}

static void random_interleaving(void)
{
    for (unsigned run = 1; run <= 30; run++) {
        uint64_t began = fake_now;

        seed = run * 0x9e3779b97f4a7c15ull;
        units_up(UNITS);
        for (unsigned step = 0; step < 4000; step++) {
            fake_now += rnd(300000);
            if (rnd(3))
                random_act(rnd(CPUS));
            else
                turn(rnd(CPUS));
            check_places();
            if (rnd(10) == 0) {
                settle_all();
                check_places();
                check_quiet();
            }
        }
        units_off();
        for (unsigned i = 0; i < UNITS; i++) { /* every nanosecond is accounted for */
            uint64_t sum = fake_now - unit[i].state_since;

            for (unsigned s = 0; s < 4; s++)
                sum += unit[i].runstate[s];
            CU_ASSERT_EQUAL(sum, fake_now - began);
            CU_ASSERT_EQUAL(unit[i].run_ns, unit[i].runstate[RUNSTATE_running]);
        }
    }
}

static void run_for(uint64_t ns)
{
    for (uint64_t end = fake_now + ns; fake_now < end; fake_now += 100000)
        settle_all();
}

static void equal_shares(void)
{
    units_up(UNITS);
    for (unsigned i = 0; i < UNITS; i++)
        if (i < 3)
            sched_set_affinity(&unit[i], 2);
        else
            sched_set_down(&unit[i], true);
    settle_all();
    run_for(600 * MS);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT(unit[i].run_ns > 190 * MS && unit[i].run_ns < 210 * MS);
    units_off();
}

/* One that has a CPU to itself never leaves it, and has used time all the same. */
static void time_used_so_far(void)
{
    units_up(1);
    settle_all();
    uint64_t before = sched_time_used(&unit[0]);
    fake_now += 3 * MS;
    CU_ASSERT_EQUAL(sched_time_used(&unit[0]), before + 3 * MS);
    units_off();
}

/* Two units that wake each other without end on the CPU of a third one that computes. */
static void nobody_starves(void)
{
    units_up(3);
    for (unsigned i = 0; i < 3; i++)
        sched_set_affinity(&unit[i], 1);
    for (unsigned step = 0; step < 6000; step++) {
        settle_all();
        unsigned i = (unsigned)(on[0] - unit);

        fake_now += 100000;
        if (i < 2) {
            sched_wake(&unit[!i]);
            fake_cpu = 0;
            sched_block(&unit[i], NULL, NULL);
        }
    }
    CU_ASSERT(unit[2].run_ns > 100 * MS);
    CU_ASSERT(unit[0].run_ns + unit[1].run_ns > 100 * MS);
    for (unsigned i = 3; i < UNITS; i++)
        sched_unit_init(&unit[i], 0, &group);
    units_off();
}

static void waking_preempts(void)
{
    if (sched_policy() != &sched_rr) /* credit has a rule of its own: sched_sim_test.c */
        return;
    units_up(2);
    for (unsigned i = 0; i < 2; i++)
        sched_set_affinity(&unit[i], 1);
    settle_all();
    run_for(20 * MS);
    fake_cpu = 0;
    hv_sched_yield(on[0]); /* the next one begins a whole slice */
    settle_all();
    struct sched_unit *first = on[0], *other = first == unit ? &unit[1] : unit;

    fake_now += MS; /* stops with 4 of its 5 ms left */
    fake_cpu = 0;
    CU_ASSERT_TRUE(sched_block(first, NULL, NULL));
    settle_all();
    CU_ASSERT(on[0] == other && deadline[0] && deadline[0] < other->slice_end); /* set for first's end, and left alone */
    fake_now += MS / 2;
    kicks[0] = 0;
    fake_cpu = 1;
    sched_wake(first);
    CU_ASSERT_EQUAL(kicks[0], 1);
    settle_all();
    CU_ASSERT_PTR_EQUAL(on[0], first);
    sched_wake(first); /* not blocked: nothing happens */
    CU_ASSERT_EQUAL(kicks[0], 1);
    fake_cpu = 0;
    CU_ASSERT_TRUE(sched_block(first, NULL, NULL));
    for (unsigned i = 0; settle_all(), i < 3; i++, fake_now += sched_rr.least_ns / 2) { /* what runs has its least time first */
        sched_wake(first), settle_all();
        CU_ASSERT_PTR_EQUAL(on[0], i < 2 ? other : first);
    }
    for (unsigned i = 2; i < UNITS; i++)
        sched_unit_init(&unit[i], 0, &group);
    units_off();
}

/* A CPU that never joined takes nothing, however much waits elsewhere. */
static void spared_cpu(void)
{
    units_up(UNITS);
    settle_all();
    fake_cpu = CPUS;
    timer_cpu_init();
    sched_cpu_init();
    for (unsigned i = 0; i < 10; i++) {
        fake_cpu = CPUS;
        CU_ASSERT_PTR_NULL(sched_next());
        fake_now += MS;
        settle_all();
    }
    CU_ASSERT_EQUAL(sched_set_affinity(&unit[0], 1u << CPUS), -EINVAL);
    units_off();
}

/* A slice whose end is lost: another CPU notices, not before its time. */
static void lost_end_of_slice(void)
{
    units_up(2);
    for (unsigned i = 0; i < 2; i++)
        sched_set_affinity(&unit[i], 1);
    settle_all();
    CU_ASSERT_PTR_NOT_NULL(on[0]);
    deadline[0] = 0;
    kicks[0] = 0;
    fake_cpu = 1;
    fake_now += SCHED_SLICE_NS;
    sched_prod_late();
    CU_ASSERT_EQUAL(kicks[0], 0);
    fake_now += SCHED_LATE_NS + 1;
    sched_prod_late();
    CU_ASSERT_EQUAL(kicks[0], 1);
    struct sched_unit *first = on[0];
    settle_all();
    CU_ASSERT_PTR_NOT_EQUAL(on[0], first);
    for (unsigned i = 2; i < UNITS; i++)
        sched_unit_init(&unit[i], 0, &group);
    units_off();
}

static void affinity_errors(void)
{
    sched_unit_init(&unit[0], 0, &group);
    CU_ASSERT_EQUAL(sched_set_affinity(&unit[0], 0), -EINVAL);
    CU_ASSERT_EQUAL(sched_set_affinity(&unit[0], 1ull << 63), -EINVAL);
    CU_ASSERT_EQUAL(unit[0].affinity, ~0ull);
    CU_ASSERT_EQUAL(sched_set_affinity(&unit[0], 3), 0);
}

/* --- timers --- */

static unsigned fired[8], order[8], nr_fired;
static struct timer timers[8];

static void fire(void *arg)
{
    fired[(unsigned *)arg - fired]++;
    order[nr_fired++ % 8] = (unsigned)((unsigned *)arg - fired);
}

static void timers_sorted(void)
{
    static const unsigned delay[5] = {5, 1, 4, 2, 3};

    run_for(10 * MS); /* what is left of others' slices */
    fake_cpu = nr_fired = 0;
    for (unsigned i = 0; i < 8; i++) {
        fired[i] = 0;
        timer_init(&timers[i], fire, &fired[i]);
    }
    for (unsigned i = 0; i < 5; i++)
        timer_set(&timers[i], fake_now + delay[i] * MS);
    CU_ASSERT_EQUAL(deadline[0], fake_now + MS);
    timer_set(&timers[1], fake_now + 10 * MS); /* moved to the end */
    CU_ASSERT_EQUAL(deadline[0], fake_now + 2 * MS);
    timer_cancel(&timers[4]);
    timer_cancel(&timers[4]);
    fake_cpu = 2; /* another CPU takes one over */
    timer_set(&timers[2], fake_now + 4 * MS);
    CU_ASSERT_EQUAL(deadline[2], fake_now + 4 * MS);
    fake_now += 20 * MS;
    fake_cpu = 0;
    timer_softirq();
    CU_ASSERT_EQUAL(fired[2], 0);
    fake_cpu = 2;
    timer_softirq();
    CU_ASSERT_EQUAL(nr_fired, 4);
    CU_ASSERT(order[0] == 3 && order[1] == 0 && order[2] == 1 && order[3] == 2);
    CU_ASSERT_EQUAL(fired[4], 0);
    CU_ASSERT_EQUAL(deadline[2], 0);
}

static struct timer restless;
static void set_itself(void *arg) { (*(unsigned *)arg)++; timer_set(&restless, 1); }

static void restless_timer_lets_others_work(void)
{
    unsigned n = 0;

    fake_cpu = 3;
    timer_init(&restless, set_itself, &n);
    timer_set(&restless, 1);
    timer_softirq();
    CU_ASSERT(n > 0 && n < 1000);
    CU_ASSERT(this_cpu(softirq_pending) & 1u << SOFTIRQ_TIMER);
    timer_cancel(&restless);
    softirq_run();
    CU_ASSERT_EQUAL(this_cpu(softirq_pending), 0);
}

/* --- threads --- */

#define THREADS 3
#define SHARED 6
struct runner { struct sched_unit u; unsigned owner, wanted; uint64_t turns; };
static struct runner shared[SHARED];
static unsigned stop, calm, errors;

static bool runner_wanted(void *arg) { return __atomic_exchange_n(&((struct runner *)arg)->wanted, 0, __ATOMIC_SEQ_CST); }

static void runner_wake(struct runner *r)
{
    __atomic_store_n(&r->wanted, 1, __ATOMIC_SEQ_CST);
    sched_wake(&r->u);
}

static void expect(bool c, const char *what)
{
    if (!c && __atomic_fetch_add(&errors, 1, __ATOMIC_SEQ_CST) < 5)
        fprintf(stderr, "violated: %s\n", what);
}

/* Some time in the guest and a hypercall. */
static void run_unit(struct sched_unit *u, unsigned *random)
{
    struct runner *r = container_of(u, struct runner, u);

    expect(__atomic_exchange_n(&r->owner, fake_cpu + 1, __ATOMIC_SEQ_CST) == 0, "a unit runs on one CPU only");
    r->turns++;
    for (volatile unsigned i = 0; i < 200; i++)
        ;
    bool alone = __atomic_load_n(&calm, __ATOMIC_SEQ_CST);
    if (!alone && rand_r(random) % 3)
        runner_wake(&shared[(unsigned)rand_r(random) % SHARED]);
    if (alone)
        u->slice_end = 1; /* used up: waking it preempts nobody */
    if (alone || rand_r(random) % 2)
        sched_block(u, runner_wanted, r);
    expect(__atomic_exchange_n(&r->owner, 0, __ATOMIC_SEQ_CST) == fake_cpu + 1, "nobody else took the unit");
}

static void *cpu_thread(void *arg)
{
    struct sched_unit *u = NULL;
    bool entered = false;
    unsigned random;

    fake_cpu = (unsigned)(uintptr_t)arg;
    random = fake_cpu + 1;
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        if (deadline[fake_cpu] && now_ns() >= deadline[fake_cpu] && !__atomic_load_n(&calm, __ATOMIC_SEQ_CST)) {
            deadline[fake_cpu] = 0; /* in the calm a slice's end must not make up for a kick that was forgotten */
            softirq_raise(SOFTIRQ_TIMER);
        }
        if (!u && entered && !__atomic_load_n(&this_cpu(softirq_pending), __ATOMIC_SEQ_CST)) {
            sched_yield(); /* halted */
            continue;
        }
        entered = true;
        softirq_run();
        if (sched_must_reschedule())
            u = sched_next();
        if (u)
            run_unit(u, &random);
    }
    return NULL;
}

/* A unit of its own that it creates, lets run, and frees; and pauses of the shared ones. */
static void control(unsigned *random)
{
    struct runner *r = calloc(1, sizeof(*r)), *s = &shared[(unsigned)rand_r(random) % SHARED];

    sched_unit_init(&r->u, 0, &group);
    sched_set_down(&r->u, false);
    runner_wake(r);
    sched_pause(&s->u);
    sched_wait_off_cpu(&s->u);
    expect(!__atomic_load_n(&s->owner, __ATOMIC_SEQ_CST), "a paused unit runs nowhere");
    sched_set_affinity(&s->u, (unsigned)rand_r(random) % 7 + 1);
    sched_unpause(&s->u);
    runner_wake(r);
    sched_unit_destroy(&r->u);
    expect(!r->owner, "a destroyed unit runs nowhere");
    free(r);
}

static bool at_rest(const struct runner *r)
{
    return READ_ONCE(r->u.blocked) && !READ_ONCE(r->u.running) && !__atomic_load_n(&r->wanted, __ATOMIC_SEQ_CST);
}

/* Nobody helps by chance any more: every single wake-up must be enough, also one that meets a CPU on its way to idle. */
static void lone_wakeups(unsigned *random)
{
    __atomic_store_n(&calm, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < SHARED; i++) /* one CPU for each, so that no other can help */
        sched_set_affinity(&shared[i].u, 1u << i % THREADS);
    for (unsigned round = 0; round < 4000 && !errors; round++) {
        uint64_t before[SHARED], give_up = now_ns() + 3000 * MS;
        unsigned which = round % 8 ? 1u << (unsigned)rand_r(random) % SHARED : (unsigned)rand_r(random);

        for (unsigned i = 0; i < SHARED; i++) {
            before[i] = __atomic_load_n(&shared[i].turns, __ATOMIC_SEQ_CST);
            if (which >> i & 1)
                runner_wake(&shared[i]);
        }
        for (unsigned i = 0; i < SHARED; i++) {
            while (which >> i & 1 && (__atomic_load_n(&shared[i].turns, __ATOMIC_SEQ_CST) == before[i] || !at_rest(&shared[i])) &&
                   now_ns() < give_up)
                sched_yield();
            expect(!(which >> i & 1) || shared[i].turns != before[i], "a woken unit runs");
            expect(at_rest(&shared[i]) || !(which >> i & 1), "a unit does not block over a wake-up");
        }
    }
}

static void threads(void)
{
    pthread_t t[THREADS];
    unsigned random = 99;
    uint64_t end;

    sched_online = (1u << THREADS) - 1;
    simulated = false;
    nr_cpus = THREADS;
    fake_cpu = THREADS; /* the controller plays a CPU that runs nothing */
    for (unsigned i = 0; i < SHARED; i++) {
        sched_unit_init(&shared[i].u, i % THREADS, &group);
        sched_set_down(&shared[i].u, false);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, cpu_thread, (void *)i), 0);
    for (end = now_ns() + 1000 * MS; now_ns() < end;)
        control(&random);
    lone_wakeups(&random);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    CU_ASSERT_EQUAL(errors, 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"random interleaving on four CPUs", random_interleaving}, {"equal shares", equal_shares}, {"nobody starves", nobody_starves},
        {"time used so far", time_used_so_far},
        {"a waking unit preempts", waking_preempts}, {"a spared CPU", spared_cpu}, {"a lost end of a slice", lost_end_of_slice}, {"affinity errors", affinity_errors}, {"timers: order, move, cancel", timers_sorted},
        {"a timer that sets itself in the past", restless_timer_lets_others_work}, {"one thread per CPU", threads}, CU_TEST_INFO_NULL,
    };
    simulated = true;
    cpus_start(CPUS);
    return suite_run("scheduler", NULL, tests);
}
