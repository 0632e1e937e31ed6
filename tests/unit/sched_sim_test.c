/* SPDX-License-Identifier: MIT */
/*
 * A simulator of the scheduler: the real sources over fake CPUs and virtual time, thousands of vCPUs with loads from a seed.
 * Each scenario runs in a process of its own and hands back figures; the tests compare them with what docs/architecture.md
 * promises, and show for each promise a policy that breaks it. Entries, exits and kicks take no time here.
 */
#include "sched_machine.h"
#include "suite.h"
#include <sys/wait.h>
#include <unistd.h>

#define NEVER ~0ull
#define MAX_UNITS 4096
#define MAX_GROUPS 2048
#define MAX_SAMPLES 200000

uint64_t now_ns(void) { return fake_now; }
void apic_kick(unsigned cpu) { (void)cpu; }

/* --- loads --- */

struct load { uint64_t run_ns, sleep_ns; }; /* means, drawn anew each time; sleep_ns 0: burns CPU */
struct vunit {
    struct sched_unit u;
    struct load load;
    bool measured;                 /* its wake-to-run latency counts */
    uint64_t burst, wakes_at, woken; /* ns left to run; when it wakes, NEVER: it is awake; when it woke, 0: it ran since */
};
struct vgroup { struct sched_group g; uint64_t used; unsigned units; bool burns; };
static struct vunit unit[MAX_UNITS];
static struct vgroup group[MAX_GROUPS];
static unsigned nr_units, nr_groups;
static struct vunit *on[MAX_CPUS];
static uint64_t since[MAX_CPUS], seed;

/* What a scenario hands back. */
struct figures {
    double unfair;        /* worst deviation of a burning group from its ideal share, relative to it */
    double over, under;   /* worst excess over a cap, worst lack below it where CPUs were free; relative */
    unsigned idle;        /* how often a CPU idled while a unit that might run on it waited */
    uint64_t p50, p99, max; /* wake-to-run latency of measured units, ns */
    unsigned samples;
};
static struct figures result;
static uint64_t sample[MAX_SAMPLES];

static unsigned rnd(unsigned n)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (unsigned)(seed >> 20) % n;
}
static uint64_t around(uint64_t mean) { return mean / 2 + rnd((unsigned)mean); }

static void sim_start(const struct sched_policy *p, unsigned cpus, uint64_t from_seed)
{
    seed = from_seed * 0x9e3779b97f4a7c15ull;
    nr_cpus = cpus;
    sched_init(p);
    for (fake_cpu = 0; fake_cpu < cpus; fake_cpu++) {
        timer_cpu_init();
        sched_cpu_init();
        sched_cpu_join();
        sched_next();
    }
    fake_cpu = 0;
}

static struct vgroup *add_group(uint16_t weight, uint16_t cap)
{
    struct vgroup *g = &group[nr_groups++];

    sched_group_init(&g->g);
    sched_group_set(&g->g, weight, cap);
    return g;
}

static struct vunit *add_unit(struct vgroup *g, struct load load)
{
    struct vunit *v = &unit[nr_units++];

    v->load = load;
    v->burst = load.sleep_ns ? around(load.run_ns) : NEVER;
    v->wakes_at = NEVER;
    g->burns |= !load.sleep_ns;
    g->units++;
    fake_cpu = rnd(nr_cpus);
    sched_unit_init(&v->u, fake_cpu, &g->g);
    sched_set_down(&v->u, false);
    return v;
}

/* --- virtual time --- */

static void leave(unsigned c)
{
    struct vunit *v = on[c];

    if (v && v->burst != NEVER)
        v->burst -= fake_now - since[c];
    since[c] = fake_now;
}

static void enter(unsigned c, struct sched_unit *u)
{
    struct vunit *v = on[c] = u ? container_of(u, struct vunit, u) : NULL;

    since[c] = fake_now;
    if (v && v->woken && v->measured && result.samples < MAX_SAMPLES)
        sample[result.samples++] = fake_now - v->woken;
    if (v)
        v->woken = 0;
}

static bool turn(unsigned c)
{
    fake_cpu = c;
    if (deadline[c] && fake_now >= deadline[c]) {
        deadline[c] = 0;
        softirq_raise(SOFTIRQ_TIMER);
    }
    if (!this_cpu(softirq_pending) && !(on[c] && sched_must_reschedule()))
        return false;
    softirq_run();
    if (sched_must_reschedule()) {
        leave(c);
        enter(c, sched_next());
    }
    return true;
}

/* Units whose burst is over sleep, those that have slept wake. */
static void act(void)
{
    for (unsigned c = 0; c < nr_cpus; c++) {
        struct vunit *v = on[c];

        if (!v || v->burst == NEVER || since[c] + v->burst > fake_now)
            continue;
        leave(c);
        v->burst = around(v->load.run_ns);
        v->wakes_at = fake_now + around(v->load.sleep_ns);
        fake_cpu = c;
        sched_block(&v->u, NULL, NULL);
    }
    for (unsigned i = 0; i < nr_units; i++)
        if (unit[i].wakes_at <= fake_now) {
            unit[i].wakes_at = NEVER;
            unit[i].woken = fake_now;
            fake_cpu = rnd(nr_cpus);
            sched_wake(&unit[i].u);
        }
}

static uint64_t next_event(void)
{
    uint64_t t = NEVER;

    for (unsigned c = 0; c < nr_cpus; c++) {
        if (deadline[c])
            t = MIN(t, deadline[c]);
        if (on[c] && on[c]->burst != NEVER)
            t = MIN(t, since[c] + on[c]->burst);
    }
    for (unsigned i = 0; i < nr_units; i++)
        t = MIN(t, unit[i].wakes_at);
    return MAX(t, fake_now + 1);
}

static void count_idle(void)
{
    uint64_t idle = 0;

    for (unsigned c = 0; c < nr_cpus; c++)
        idle |= on[c] ? 0 : BIT(c);
    for (unsigned i = 0; idle && i < nr_units; i++) {
        const struct sched_unit *u = &unit[i].u;

        if (u->queued && (u->affinity & idle) && !(u->group->cap && u->group->budget <= 0))
            result.idle++;
    }
}

static void run_until(uint64_t end)
{
    while (fake_now < end) {
        fake_now = MIN(next_event(), end);
        act();
        for (bool busy = true; busy;) {
            busy = false;
            for (unsigned c = 0; c < nr_cpus; c++)
                busy |= turn(c);
        }
        count_idle();
    }
}

/* Runs, and takes the time that each group used after the first `warm` ns. */
static void measure(uint64_t warm, uint64_t ns)
{
    run_until(fake_now + warm);
    result.samples = 0;
    for (int end = 0; end <= 1; end++) {
        for (unsigned i = 0; i < nr_groups; i++)
            group[i].used = -group[i].used * (uint64_t)end;
        for (unsigned i = 0; i < nr_units; i++)
            container_of(unit[i].u.group, struct vgroup, g)->used += sched_time_used(&unit[i].u);
        if (!end)
            run_until(fake_now + ns);
    }
}

/* --- figures --- */

static double of(const struct vgroup *g, double ns) { return (double)g->used / ns; }

/* Burning groups share by weight what the others leave, each at most as many CPUs as it has units, or its cap. */
static void compare_shares(double ns)
{
    static double ideal[MAX_GROUPS];
    double left = nr_cpus, weights;
    bool limited = true;

    for (unsigned i = 0; i < nr_groups; i++) {
        ideal[i] = 0;
        left -= group[i].burns ? 0 : of(&group[i], ns);
    }
    while (limited) {
        limited = false;
        weights = 0;
        for (unsigned i = 0; i < nr_groups; i++)
            weights += group[i].burns && !ideal[i] ? group[i].g.weight : 0;
        for (unsigned i = 0; i < nr_groups; i++) {
            double most = MIN(group[i].units, nr_cpus), cap = group[i].g.cap / 100.0;

            most = cap && cap < most ? cap : most;
            if (group[i].burns && !ideal[i] && left * group[i].g.weight / weights >= most) {
                ideal[i] = most;
                left -= most;
                limited = true;
                break;
            }
        }
    }
    for (unsigned i = 0; i < nr_groups; i++) {
        double want = ideal[i] ? ideal[i] : left * group[i].g.weight / weights, off = of(&group[i], ns) / want - 1;

        if (group[i].burns)
            result.unfair = MAX(result.unfair, off < 0 ? -off : off);
    }
}

static void compare_caps(double ns)
{
    for (unsigned i = 0; i < nr_groups; i++)
        if (group[i].g.cap) {
            double ratio = of(&group[i], ns) / (group[i].g.cap / 100.0);

            result.over = MAX(result.over, ratio - 1);
            result.under = MAX(result.under, 1 - ratio);
        }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void take_latency(void)
{
    unsigned n = result.samples;

    if (!n)
        return;
    qsort(sample, n, sizeof(sample[0]), by_value);
    result.p50 = sample[n / 2];
    result.p99 = sample[n * 99 / 100];
    result.max = sample[n - 1];
}

/* --- scenarios --- */

typedef void scenario_fn(const struct sched_policy *p, unsigned cpus, uint64_t from_seed);

/* Eight busy vCPUs of eight domains with weights 1:1:2:2:3:3:4:4 for 10 s. */
static void eight_busy(const struct sched_policy *p, unsigned cpus, uint64_t from_seed)
{
    sim_start(p, cpus, from_seed);
    for (unsigned i = 0; i < 8; i++)
        add_unit(add_group((uint16_t)(128 * (1 + i / 2)), 0), (struct load){0});
    measure(200 * MS, 10000 * MS);
    compare_shares(10000.0 * MS);
}

/* Domains with 1 to 4 busy vCPUs and random weights, and as many that mostly sleep. */
static void random_loads(const struct sched_policy *p, unsigned cpus, uint64_t from_seed)
{
    unsigned n = cpus * 3 + rnd(cpus);

    sim_start(p, cpus, from_seed);
    for (unsigned i = 0; i < n; i++) {
        struct vgroup *g = add_group((uint16_t)(128 + rnd(512)), 0);

        for (unsigned u = 1 + rnd(4); u; u--)
            add_unit(g, (struct load){0});
        add_unit(add_group(256, 0), (struct load){50000 + rnd(200000), (5 + rnd(50)) * MS});
    }
    measure(2000 * MS, (cpus > 8 ? 4000 : 20000) * MS);
    compare_shares((cpus > 8 ? 4000.0 : 20000.0) * MS);
}

/* Thousands of vCPUs that come and go, some bound to CPUs: nothing idles while one waits. */
static void thousands(const struct sched_policy *p, unsigned cpus, uint64_t from_seed)
{
    sim_start(p, cpus, from_seed);
    for (unsigned i = 0, n = cpus * (3 + from_seed % 4 * 3); i < n; i++) {
        struct vgroup *g = add_group((uint16_t)(1 + rnd(65535)), rnd(4) ? 0 : (uint16_t)(5 + rnd(100)));

        for (unsigned n = 0; n < 4; n++) {
            struct vunit *v = add_unit(g, (struct load){(1 + rnd(20)) * MS, (20 + rnd(800)) * MS});

            if (rnd(4) == 0)
                sched_set_affinity(&v->u, BIT(rnd(cpus)) | BIT(rnd(cpus)));
        }
    }
    measure(0, 400 * MS);
}

/* Caps of 5 to 150 %, all of which fit. */
static void caps(const struct sched_policy *p, unsigned cpus, uint64_t from_seed)
{
    sim_start(p, cpus, from_seed);
    for (unsigned left = cpus * 100, cap; left > 5; left -= cap) {
        struct vgroup *g;

        cap = 5 + rnd(cpus == 1 ? 50 : 146);
        cap = MIN(cap, left);
        g = add_group((uint16_t)(64 + rnd(1000)), (uint16_t)cap);
        for (unsigned u = 0; u < 1 + cap / 50; u++)
            add_unit(g, (struct load){0});
    }
    measure(200 * MS, 10000 * MS);
    compare_caps(10000.0 * MS);
}

static struct load burner;
static unsigned drivers = 1;

/* Two guests load all CPUs, and a driver domain with `drivers` vCPUs serves short requests. */
static void driver_domain(const struct sched_policy *p, unsigned cpus, uint64_t from_seed)
{
    struct vgroup *g;

    sim_start(p, cpus, from_seed);
    for (unsigned guest = 0; guest < 2; guest++) {
        g = add_group(256, 0);
        for (unsigned u = 0; u < cpus; u++)
            add_unit(g, burner);
    }
    g = add_group(256, 0);
    for (unsigned u = 0; u < drivers; u++)
        add_unit(g, (struct load){50000, 1 * MS})->measured = true;
    measure(500 * MS, 3000 * MS);
    take_latency();
}

/* In a process of its own: the scheduler's state is static. */
static struct figures simulate(scenario_fn *scenario, const struct sched_policy *p, unsigned cpus, uint64_t from_seed)
{
    struct figures f = {.idle = ~0u};
    int ends[2], status = -1;
    pid_t pid;

    CU_ASSERT_FATAL(pipe(ends) == 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        scenario(p, cpus, from_seed);
        _exit(write(ends[1], &result, sizeof(result)) != sizeof(result));
    }
    close(ends[1]);
    CU_ASSERT(read(ends[0], &f, sizeof(f)) == sizeof(f));
    close(ends[0]);
    CU_ASSERT(waitpid(pid, &status, 0) == pid && status == 0);
    return f;
}

/* --- broken policies, each wrong in one point --- */

static struct sched_unit *pick_alone(unsigned cpu)
{
    uint64_t all = sched_online;
    struct sched_unit *u;

    sched_online = BIT(cpu); /* it sees its own queue only */
    u = sched_credit.pick(cpu);
    sched_online = all;
    return u;
}
static bool never_boosts(struct sched_unit *u, bool woken) { return sched_credit.enqueue(u, false); }
static bool always_boosts(struct sched_unit *u, bool woken)
{
    u->group->credit = 1000 * (int64_t)MS;
    return sched_credit.enqueue(u, woken);
}
static void counts_half(struct sched_unit *u, uint64_t ns)
{
    sched_credit.ran(u, u->group->weight > 300 ? ns / 2 : ns);
}
static void counts_budget_wrong(struct sched_unit *u, uint64_t ns)
{
    sched_credit.ran(u, ns);
    u->group->budget += (int64_t)ns / 10;
}

/* sched_credit but for one operation. */
#define BUT(op, fn) ({ static struct sched_policy broken; broken = sched_credit; broken.op = (fn); &broken; })

/* --- promises --- */

static void said(const char *what, unsigned cpus, const struct figures *f)
{
    printf("\n    %s, %u CPUs: unfair %.2f %%, over %.2f %%, under %.2f %%, idle %u, latency p50 %llu p99 %llu max %llu us (%u)", what, cpus,
           f->unfair * 100, f->over * 100, f->under * 100, f->idle, (unsigned long long)f->p50 / 1000,
           (unsigned long long)f->p99 / 1000, (unsigned long long)f->max / 1000, f->samples);
}

static void fairness(void)
{
    struct figures f = simulate(eight_busy, &sched_credit, 2, 1);

    said("eight busy", 2, &f);
    CU_ASSERT(f.unfair <= 0.01 && f.idle == 0);
    for (unsigned i = 1; i <= 6; i++) {
        unsigned cpus = i == 6 ? 64 : 1u << (i / 2);

        f = simulate(random_loads, &sched_credit, cpus, i);
        said("random loads", cpus, &f);
        CU_ASSERT(f.unfair <= 0.04 && f.idle == 0);
    }
    CU_ASSERT(simulate(eight_busy, &sched_rr, 2, 1).unfair > 0.1);
    CU_ASSERT(simulate(eight_busy, BUT(ran, counts_half), 2, 1).unfair > 0.1);
}

static void caps_are_held(void)
{
    for (unsigned cpus = 1; cpus <= 8; cpus *= 2) {
        struct figures f = simulate(caps, &sched_credit, cpus, cpus);

        said("caps", cpus, &f);
        CU_ASSERT(f.over <= 0.02 && f.under <= 0.03 && f.idle == 0);
    }
    CU_ASSERT(simulate(caps, &sched_rr, 2, 2).over > 0.1);
    CU_ASSERT(simulate(caps, BUT(ran, counts_budget_wrong), 2, 2).over > 0.05);
}

static void work_conservation(void)
{
    for (unsigned i = 1; i <= 4; i++) {
        unsigned cpus = i == 4 ? 64 : 1u << i;
        struct figures f = simulate(thousands, &sched_credit, cpus, i == 4 ? 7 : i);

        said("come and go", cpus, &f);
        CU_ASSERT(f.idle == 0);
    }
    CU_ASSERT(simulate(thousands, BUT(pick, pick_alone), 4, 4).idle > 0);
}

static void latency(void)
{
    static const struct { const char *what; struct load load; } guests[] = {
        {"guests that burn", {0, 0}}, {"guests that block every 0.9 ms", {900000, 10000}},
    };

    for (unsigned l = 0; l < 2; l++)
        for (unsigned cpus = 1; cpus <= 16; cpus *= 4) {
            burner = guests[l].load;
            for (drivers = 1; drivers <= 2 * cpus; drivers *= 2) { /* where there is a CPU for each, after the least run of what runs */
                struct figures f = simulate(driver_domain, &sched_credit, cpus, 7);

                if (drivers == 1 || drivers > cpus)
                    said(guests[l].what, cpus, &f);
                CU_ASSERT(f.samples > 1000 && f.max <= sched_credit.least_ns + (drivers <= cpus ? 0 : (drivers - 1) / cpus * MS) && f.idle == 0);
            }
        }
    drivers = 1;
    burner = guests[0].load;
    struct figures rr = simulate(driver_domain, &sched_rr, 4, 7);
    said("the same under round robin", 4, &rr);
    CU_ASSERT(rr.max > MS);
    drivers = 4; /* two that wake on one CPU */
    CU_ASSERT(simulate(driver_domain, BUT(enqueue, never_boosts), 4, 7).max > sched_credit.least_ns);
    drivers = 1;
    burner = guests[1].load;
    CU_ASSERT(simulate(driver_domain, BUT(enqueue, always_boosts), 4, 7).max > sched_credit.least_ns);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"fairness by weight", fairness}, {"caps", caps_are_held}, {"no CPU idles while a unit waits", work_conservation},
        {"a driver domain runs at once", latency}, CU_TEST_INFO_NULL,
    };
    return suite_run("scheduler, simulated", NULL, tests);
}
