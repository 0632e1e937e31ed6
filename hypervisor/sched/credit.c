/* SPDX-License-Identifier: MIT */
/*
 * The credit policy: domains (groups) share the CPUs by weight, use no more than their cap, and one that wakes is served at
 * once as long as its domain uses less than its share.
 * Every PERIOD_NS the CPU time of the period is given out as credit, by weight; a group takes no more than fills its bank, and
 * what it leaves goes to the others, by weight again. Running takes credit away. A cap is a second account, the budget.
 * A queue is five lists, the first that holds a unit is served: BOOST (woken, with half a bank saved; for BOOST_NS at most, then
 * one like all others), AHEAD (half a bank saved), UNDER (credit left), OVER (none left: runs only where nobody else would),
 * PARKED (budget used up: waits).
 * A CPU looks at each list on its own queue and then on its neighbours' before it looks at the next list. So credit counts
 * machine-wide, and no CPU idles while a unit that may run on it waits.
 * Locks: the queue's (LOCK_RUNQ) guards lists, counts and u->class of what is on them; accounting.lock (LOCK_RUNQ, never
 * together with a queue's) the list of active groups. Accounts and counts are atomic: others read them without the lock.
 */
#include "irq/apic.h"
#include "lib/bits.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define PERIOD_NS 10000000ll
#define BANK_NS (2 * PERIOD_NS)    /* of a group, for each CPU that it can use at a time */
#define DEBT_NS (3 * PERIOD_NS)    /* likewise: twice this is the most it can owe, so that nobody waits long for what nobody else wanted */
#define BOOST_NS 1000000ull        /* how long a boosted unit runs as such */
#define BOOSTED_NS (2 * PERIOD_NS) /* CPU time that boosted units may take in a row from others that wait, before it is their turn */
#define LEAST_NS 40000             /* what runs in its turn keeps the CPU for so long: where CPUs are scarce, those that serve it then find more to do
                                    * at a time (docs/disk-figures.md) */
#define WORTH_RUNNING_NS 100000ll  /* less of a slice or budget than this does not count as left */
#define MAX_ROUNDS 8               /* of giving out what others left */

enum class { BOOST, AHEAD, UNDER, OVER, PARKED, CLASSES };
struct runq {
    struct spinlock lock; /* LOCK_RUNQ */
    struct list list[CLASSES];
    unsigned count[CLASSES]; /* atomic, written under the lock */
    unsigned running;        /* class of what this CPU chose last; PARKED: nothing */
    int64_t boosted;         /* ns that boosted units ran here more than others did; written by this CPU */
};
static PERCPU(struct runq, credit_runq);

static struct {
    struct spinlock lock;  /* LOCK_RUNQ */
    struct list groups;    /* active */
    struct timer timer;
    bool armed;
    uint64_t since;        /* ns: time is given out up to here */
} accounting = {.lock = SPINLOCK_INIT(LOCK_RUNQ), .groups = LIST_INIT(accounting.groups)};

static uint64_t online(void)
{
    return __atomic_load_n(&sched_online, __ATOMIC_SEQ_CST);
}

static int64_t value(const int64_t *account)
{
    return __atomic_load_n(account, __ATOMIC_RELAXED);
}

static void add(int64_t *account, int64_t ns)
{
    __atomic_fetch_add(account, ns, __ATOMIC_RELAXED);
}

/* How many CPUs a group can use at a time. */
static int64_t width(const struct sched_group *g)
{
    unsigned units = READ_ONCE(g->units);

    return MAX(1u, MIN(units, bits_set(online())));
}

static int64_t budget_of(const struct sched_group *g, int64_t ns)
{
    return ns * READ_ONCE(g->cap) / 100;
}

static enum class class_of(const struct sched_group *g)
{
    if (READ_ONCE(g->cap) && value(&g->budget) <= 0)
        return PARKED;
    if (value(&g->credit) >= BANK_NS * width(g) / 2)
        return AHEAD;
    return value(&g->credit) > READ_ONCE(g->line) ? UNDER : OVER;
}

/* --- accounting --- */

/* Credit for `pot` ns of CPU time; accounting.lock held. */
static void give_out(int64_t pot)
{
    bool filled = true;

    for (unsigned round = 0; filled && pot > 0 && round < MAX_ROUNDS; round++) {
        int64_t weights = 0, left = pot;

        filled = false;
        list_for_each(g, &accounting.groups, struct sched_group, link)
            if (g->wish > 0)
                weights += g->weight;
        list_for_each(g, &accounting.groups, struct sched_group, link)
            if (g->wish > 0 && pot * g->weight / weights >= g->wish) {
                add(&g->credit, g->wish);
                left -= g->wish;
                g->wish = 0;
                filled = true;
            }
        if (!filled)
            list_for_each(g, &accounting.groups, struct sched_group, link)
                if (g->wish > 0)
                    add(&g->credit, pot * g->weight / weights);
        pot = left;
    }
}

/* What a group may take of this period, and its budget; *sum and *widths are over those whose bank the last period did not fill.
 * True: it has been idle, and lacks nothing. accounting.lock held. */
static bool prepare(struct sched_group *g, int64_t elapsed, int64_t *sum, int64_t *widths)
{
    int64_t credit = value(&g->credit), most = budget_of(g, BANK_NS), now_has = value(&g->budget);
    bool used = __atomic_exchange_n(&g->used, 0, __ATOMIC_RELAXED) != 0;

    if (credit < -2 * DEBT_NS * width(g)) {
        add(&g->credit, -2 * DEBT_NS * width(g) - credit);
        credit = -2 * DEBT_NS * width(g);
    }
    if (g->wish > 0) {
        *sum += credit;
        *widths += width(g);
    }
    g->wish = MAX(BANK_NS * width(g) - credit, 0);
    add(&g->budget, MIN(budget_of(g, elapsed), most - now_has));
    return !used && !g->wish && now_has >= most;
}

/* Where UNDER ends: at the mean of those that want more than they get. It is below 0 after credit went into the banks of others. */
static void set_lines(int64_t mean)
{
    list_for_each(g, &accounting.groups, struct sched_group, link)
        WRITE_ONCE(g->line, mean * width(g));
}

/* Every unit of this queue onto the list where it belongs now. */
static void sort(struct runq *q)
{
    spin_lock(&q->lock);
    for (unsigned c = BOOST; c < CLASSES; c++)
        list_for_each_safe(u, next, &q->list[c], struct sched_unit, link) {
            enum class now = class_of(u->group);

            if (now == u->class || (c == BOOST && now != PARKED))
                continue;
            list_del(&u->link);
            list_add_tail(&q->list[now], &u->link);
            __atomic_fetch_sub(&q->count[c], 1, __ATOMIC_SEQ_CST);
            u->class = now;
            __atomic_fetch_add(&q->count[now], 1, __ATOMIC_SEQ_CST);
        }
    spin_unlock(&q->lock);
}

static void account(void *arg)
{
    uint64_t now = now_ns(), cpus = online();
    int64_t elapsed, sum = 0, widths = 0;

    spin_lock(&accounting.lock);
    elapsed = (int64_t)MIN(now - accounting.since, 100ull * PERIOD_NS);
    accounting.since = now;
    list_for_each_safe(g, next, &accounting.groups, struct sched_group, link)
        if (prepare(g, elapsed, &sum, &widths)) {
            list_del(&g->link);
            WRITE_ONCE(g->active, false);
        }
    give_out(elapsed * bits_set(cpus));
    set_lines(widths ? MAX(MIN(sum / widths, 0), -DEBT_NS) : 0);
    accounting.armed = !list_empty(&accounting.groups);
    if (accounting.armed)
        timer_set(&accounting.timer, now + PERIOD_NS);
    spin_unlock(&accounting.lock);
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        if (cpus >> cpu & 1) {
            sort(&per_cpu(credit_runq, cpu));
            sched_offer(cpu); /* what was parked */
        }
}

/* From now on this group takes part. */
static void activate(struct sched_group *g)
{
    if (READ_ONCE(g->active))
        return;
    spin_lock(&accounting.lock);
    if (!g->active) {
        list_add_tail(&accounting.groups, &g->link);
        WRITE_ONCE(g->active, true);
    }
    if (!accounting.armed) {
        accounting.armed = true;
        accounting.since = now_ns();
        timer_set(&accounting.timer, accounting.since + PERIOD_NS);
    }
    spin_unlock(&accounting.lock);
}

void sched_group_init(struct sched_group *g)
{
    *g = (struct sched_group){.weight = 256};
    list_init(&g->link);
}

void sched_group_destroy(struct sched_group *g)
{
    spin_lock(&accounting.lock);
    list_del(&g->link);
    spin_unlock(&accounting.lock);
}

void sched_group_set(struct sched_group *g, uint16_t weight, uint16_t cap)
{
    spin_lock(&accounting.lock);
    WRITE_ONCE(g->weight, weight);
    if (g->cap != cap) {
        WRITE_ONCE(g->cap, cap);
        __atomic_store_n(&g->budget, budget_of(g, PERIOD_NS), __ATOMIC_RELAXED);
    }
    spin_unlock(&accounting.lock);
}

/* --- queues --- */

static void credit_cpu_init(unsigned cpu)
{
    struct runq *q = &per_cpu(credit_runq, cpu);

    spin_init(&q->lock, LOCK_RUNQ);
    for (unsigned c = 0; c < CLASSES; c++)
        list_init(&q->list[c]);
    q->running = PARKED;
    if (!accounting.timer.fn)
        timer_init(&accounting.timer, account, NULL);
}

/* Boosted units have had this CPU for long: those that wait in turn come first. So they never wait for ever. */
static bool sated(const struct runq *q)
{
    return READ_ONCE(q->boosted) > BOOSTED_NS;
}

/* Where a boosted unit runs soonest: on its own CPU or another that has the fewest boosted ones. */
static unsigned soonest(const struct sched_unit *u)
{
    uint64_t all = u->affinity & online(), may = all & u->soft ? all & u->soft : all;
    unsigned best = u->cpu, fewest = ~0u;

    for (uint64_t left = bits_turned(may, u->cpu); left && fewest; left &= left - 1) {
        unsigned cpu = (u->cpu + (unsigned)__builtin_ctzll(left)) % 64, boosted;
        const struct runq *q = &per_cpu(credit_runq, cpu);

        boosted = __atomic_load_n(&q->count[BOOST], __ATOMIC_SEQ_CST) + (READ_ONCE(q->running) == BOOST) + (sated(q) ? CLASSES : 0);
        if (boosted < fewest) {
            fewest = boosted;
            best = cpu;
        }
    }
    return best;
}

static bool credit_enqueue(struct sched_unit *u, bool woken)
{
    bool interrupted = !woken && (int64_t)u->slice_left >= WORTH_RUNNING_NS;
    enum class c = class_of(u->group);
    struct runq *q;

    activate(u->group);
    if (c == AHEAD && woken) {
        c = BOOST;
        u->cpu = soonest(u);
    } else if (c != PARKED && interrupted && u->class == BOOST) {
        c = BOOST;
    }
    q = &per_cpu(credit_runq, u->cpu);
    spin_lock(&q->lock);
    u->class = c;
    if (interrupted)
        list_add_head(&q->list[c], &u->link);
    else
        list_add_tail(&q->list[c], &u->link);
    __atomic_fetch_add(&q->count[c], 1, __ATOMIC_SEQ_CST); /* before the caller looks for idle CPUs */
    spin_unlock(&q->lock);
    return c < READ_ONCE(q->running) && !(c == BOOST && sated(q));
}

/* The queue's lock held. */
static void take_off(struct runq *q, struct sched_unit *u)
{
    list_del(&u->link);
    __atomic_fetch_sub(&q->count[u->class], 1, __ATOMIC_SEQ_CST);
}

static void credit_dequeue(struct sched_unit *u)
{
    struct runq *q = &per_cpu(credit_runq, u->cpu);

    spin_lock(&q->lock);
    if (!list_empty(&u->link))
        take_off(q, u);
    spin_unlock(&q->lock);
}

static uint64_t credit_waiting(unsigned cpu)
{
    struct runq *q = &per_cpu(credit_runq, cpu);
    uint64_t may = 0;

    spin_lock(&q->lock);
    for (unsigned c = BOOST; c < PARKED; c++)
        list_for_each(u, &q->list[c], struct sched_unit, link)
            may |= READ_ONCE(u->affinity);
    spin_unlock(&q->lock);
    return may;
}

/* The first unit on this list of `from`'s queue that may run on this CPU (or, `soft`, prefers to), taken off it; those that lost their
 * class are moved. */
static struct sched_unit *take_from(unsigned from, enum class c, unsigned cpu, bool soft)
{
    struct runq *q = &per_cpu(credit_runq, from);
    struct sched_unit *found = NULL;

    spin_lock(&q->lock);
    list_for_each_safe(u, next, &q->list[c], struct sched_unit, link) {
        enum class now = class_of(u->group);

        if (now == PARKED || (c != BOOST && now > c)) {
            take_off(q, u);
            u->class = now;
            list_add_tail(&q->list[now], &u->link);
            __atomic_fetch_add(&q->count[now], 1, __ATOMIC_SEQ_CST);
        } else if ((READ_ONCE(u->affinity) & (soft ? READ_ONCE(u->soft) : ~0ull)) >> cpu & 1) {
            take_off(q, u);
            found = u;
            break;
        }
    }
    WRITE_ONCE(this_cpu(sched_picking), found);
    spin_unlock(&q->lock);
    return found;
}

/* Its own queue first, then those of the CPUs behind it, which are numbered depth first. */
static struct sched_unit *look(unsigned cpu, enum class c, bool soft)
{
    for (uint64_t left = bits_turned(online(), cpu); left; left &= left - 1) {
        struct sched_unit *u;
        unsigned from = (cpu + (unsigned)__builtin_ctzll(left)) % 64;

        if (!__atomic_load_n(&per_cpu(credit_runq, from).count[c], __ATOMIC_SEQ_CST))
            continue;
        u = take_from(from, c, cpu, soft);
        if (u)
            return u;
    }
    return NULL;
}

static struct sched_unit *choose(unsigned cpu, enum class *c)
{
    struct sched_unit *u;

    for (unsigned n = 0, first = sated(&per_cpu(credit_runq, cpu)) ? AHEAD : BOOST; n < PARKED; n++) {
        *c = (first + n) % PARKED;
        u = look(cpu, *c, true);
        if (!u)
            u = look(cpu, *c, false);
        if (u)
            return u;
    }
    *c = PARKED;
    return NULL;
}

static struct sched_unit *credit_pick(unsigned cpu)
{
    enum class c;
    struct sched_unit *u = choose(cpu, &c);

    struct runq *q = &per_cpu(credit_runq, cpu);

    WRITE_ONCE(q->running, c);
    if (!u) {
        WRITE_ONCE(q->boosted, 0);
        return NULL;
    }
    if (c == BOOST)
        u->slice_left = BOOST_NS;
    else if ((int64_t)u->slice_left < WORTH_RUNNING_NS)
        u->slice_left = SCHED_SLICE_NS;
    if (READ_ONCE(u->group->cap))
        u->slice_left = MIN(u->slice_left, (uint64_t)MAX(value(&u->group->budget), WORTH_RUNNING_NS));
    return u;
}

static void credit_ran(struct sched_unit *u, uint64_t ns)
{
    struct sched_group *g = u->group;
    struct runq *q = &this_cpu(credit_runq);

    WRITE_ONCE(q->boosted, MAX(q->boosted + (q->running == BOOST ? (int64_t)ns : -(int64_t)ns), 0));
    activate(g);
    add(&g->credit, -(int64_t)ns);
    add(&g->budget, -(int64_t)ns);
    add(&g->used, (int64_t)ns);
}

const struct sched_policy sched_credit = {
    .name = "credit", .least_ns = LEAST_NS, .cpu_init = credit_cpu_init, .enqueue = credit_enqueue, .waiting = credit_waiting,
    .dequeue = credit_dequeue, .pick = credit_pick, .ran = credit_ran,
};
