/* SPDX-License-Identifier: MIT */
/*
 * Where units go: idle cores before idle threads of busy ones, their own socket before the other, what they prefer (soft affinity) before
 * all; and that preference never keeps a CPU idle. The real scheduler with the credit policy on two sockets of two cores of two threads.
 */
#include "sched_machine.h"
#include "suite.h"

#define CPUS 8
#define UNITS 9
static struct sched_group group[UNITS];
static struct sched_unit unit[UNITS];
static struct sched_unit *on[CPUS];

uint64_t now_ns(void) { return fake_now; }
void apic_kick(unsigned cpu) { (void)cpu; }

/* All CPUs take turns until none changes what it runs. */
static void settle_all(void)
{
    for (unsigned round = 0; round < 10; round++)
        for (unsigned c = 0; c < CPUS; c++) {
            fake_cpu = c;
            if (deadline[c] && fake_now >= deadline[c]) {
                deadline[c] = 0;
                softirq_raise(SOFTIRQ_TIMER);
            }
            if (!on[c] && !this_cpu(softirq_pending))
                continue;
            softirq_run();
            if (sched_must_reschedule())
                on[c] = sched_next();
        }
}

static unsigned cpu_of(const struct sched_unit *u)
{
    CU_ASSERT_FATAL(u->running);
    return u->cpu;
}

static void start(unsigned i)
{
    fake_cpu = 0;
    sched_set_down(&unit[i], false);
    settle_all();
}

static void stop_all(void)
{
    for (unsigned i = 0; i < UNITS; i++) {
        fake_cpu = 0;
        sched_set_down(&unit[i], true);
        sched_set_affinity(&unit[i], 0xff);
        sched_set_soft(&unit[i], 0xff);
        settle_all();
        unit[i].cpu = 0;
    }
}

static int machine(void)
{
    nr_cpus = CPUS;
    sched_init(&sched_credit);
    for (unsigned c = 0; c < CPUS; c++) {
        fake_cpu = c;
        topology[c] = (struct topology){.core = c / 2 % 2, .socket = c / 4, .threads = 3ull << (c & ~1u), .cores = 0xfull << (c & ~3u)};
        timer_cpu_init();
        sched_cpu_init();
        sched_cpu_join();
        on[c] = sched_next();
    }
    for (unsigned i = 0; i < UNITS; i++) {
        sched_group_init(&group[i]);
        sched_unit_init(&unit[i], 0, &group[i]);
    }
    return 0;
}

static void whole_cores_first(void)
{
    uint64_t used = 0;
    stop_all();
    for (unsigned i = 0; i < 4; i++) {
        start(i);
        CU_ASSERT_FALSE(used & topology[cpu_of(&unit[i])].threads); /* nobody on its core yet */
        used |= BIT(cpu_of(&unit[i]));
        if (i == 1)
            CU_ASSERT_EQUAL(used & ~0xfull, 0); /* both on the socket where they were last */
    }
    for (unsigned i = 4; i < 8; i++) {
        start(i);
        CU_ASSERT_FALSE(used & BIT(cpu_of(&unit[i])));
        used |= BIT(cpu_of(&unit[i]));
    }
    CU_ASSERT_EQUAL(used, 0xff);
}

static void soft_is_preferred(void)
{
    stop_all();
    sched_set_soft(&unit[0], BIT(5));
    start(0);
    CU_ASSERT_EQUAL(cpu_of(&unit[0]), 5);
    sched_set_soft(&unit[1], BIT(5)); /* taken: then anywhere, at once */
    start(1);
    CU_ASSERT_NOT_EQUAL(cpu_of(&unit[1]), 5);
    sched_set_affinity(&unit[2], 0x0f); /* what it prefers it may not have: no preference */
    sched_set_soft(&unit[2], 0xf0);
    start(2);
    CU_ASSERT(cpu_of(&unit[2]) < 4);
}

/* Nine units on eight CPUs, all of which prefer CPU 3: all CPUs work. */
static void soft_keeps_none_idle(void)
{
    stop_all();
    for (unsigned i = 0; i < UNITS; i++) {
        sched_set_soft(&unit[i], BIT(3));
        start(i);
    }
    for (unsigned ms = 0; ms < 100; ms++) {
        fake_now += MS;
        settle_all();
        for (unsigned c = 0; c < CPUS; c++)
            CU_ASSERT_PTR_NOT_NULL_FATAL(on[c]);
    }
}

/* Two that share two CPUs with what prefers nothing: each is on the CPU it prefers for most of the time. */
static void soft_when_busy(void)
{
    unsigned there = 0, here = 0;
    stop_all();
    for (unsigned i = 0; i < 4; i++) {
        sched_set_affinity(&unit[i], 3);
        sched_set_soft(&unit[i], i < 2 ? BIT(i) : 3);
        start(i);
    }
    for (unsigned ms = 0; ms < 1000; ms++) {
        fake_now += MS;
        settle_all();
        for (unsigned i = 0; i < 2; i++) {
            here += unit[i].running && unit[i].cpu == i;
            there += unit[i].running && unit[i].cpu != i;
        }
    }
    CU_ASSERT(here > 10 * there);
}

/* Who runs in its turn keeps the CPU for the least time, and no longer, from one that wakes with credit saved. */
static void least_time(void)
{
    stop_all();
    for (unsigned i = 0; i < 2; i++) {
        sched_set_affinity(&unit[i], 1);
        start(i);
        if (i == 0)
            sched_block(&unit[i], NULL, NULL);
        settle_all();
    }
    for (unsigned ms = 0; ms < 100; ms++) { /* it saves */
        fake_now += MS;
        settle_all();
    }
    fake_cpu = 0;
    sched_yield(&unit[1]); /* begins anew */
    settle_all();
    sched_wake(&unit[0]);
    settle_all();
    CU_ASSERT_PTR_EQUAL(on[0], &unit[1]);
    fake_now += sched_credit.least_ns - 1;
    settle_all();
    CU_ASSERT_PTR_EQUAL(on[0], &unit[1]);
    fake_now += 1;
    settle_all();
    CU_ASSERT_PTR_EQUAL(on[0], &unit[0]);
}

static void refused(void)
{
    stop_all();
    CU_ASSERT_EQUAL(sched_set_soft(&unit[0], 0), -EINVAL);
    CU_ASSERT_EQUAL(sched_set_soft(&unit[0], 1ull << 63), -EINVAL);
    CU_ASSERT_EQUAL(unit[0].soft, 0xff);
}

int main(void)
{
    CU_TestInfo tests[] = {{"whole cores first", whole_cores_first}, {"soft affinity is preferred", soft_is_preferred},
        {"soft affinity keeps no CPU idle", soft_keeps_none_idle}, {"soft affinity when all are busy", soft_when_busy},
        {"the least time of what runs", least_time}, {"refused", refused}, CU_TEST_INFO_NULL};
    return suite_run("sched_place", machine, tests);
}
