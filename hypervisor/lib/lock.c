/* SPDX-License-Identifier: MIT */
/*
 * Ticket spinlocks. Every CPU keeps the list of locks it holds, so a wrong order, a lock taken twice and a lock kept
 * into the guest are found where they happen, in release builds too. A wait of ten seconds is a bug and panics.
 */
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/percpu.h"
#include "lib/x86.h"

#define MAX_HELD 12
struct held_locks { const struct spinlock *lock[MAX_HELD]; unsigned n; };
static PERCPU(struct held_locks, held_locks);
uint64_t lock_spin_limit = 1ull << 36; /* until the clock is known */

void spin_init(struct spinlock *l, enum lock_rank rank)
{
    *l = (struct spinlock)SPINLOCK_INIT((uint8_t)rank);
}

bool spin_held(const struct spinlock *l)
{
    return READ_ONCE(l->holder) == this_cpu_id() + 1;
}

static _Noreturn __attribute__((cold)) void wrong_order(const struct spinlock *l, const struct spinlock *last)
{
    if (this_cpu(held_locks).n == MAX_HELD)
        panic("lock: CPU %u holds more than %u locks", this_cpu_id(), MAX_HELD);
    if (spin_held(l))
        panic("lock: CPU %u takes the lock %p of rank %u that it holds", this_cpu_id(), (const void *)l, l->rank);
    panic("lock: CPU %u takes rank %u while it holds rank %u", this_cpu_id(), l->rank, last->rank);
}

/*
 * `pair`: the one lock of the same rank that may be held already. Ranks rise along the list, so its last lock speaks for all;
 * a lock that is held already is caught with them.
 */
static inline __attribute__((always_inline)) void check_order(const struct held_locks *h, const struct spinlock *l, const struct spinlock *pair)
{
    const struct spinlock *last = h->n ? h->lock[h->n - 1] : NULL;
    bool right = !last || last->rank < l->rank || (last == pair && last->rank == l->rank);

    if (!right || h->n == MAX_HELD)
        wrong_order(l, last);
}

static void wait_for_turn(struct spinlock *l, uint16_t ticket)
{
    uint64_t start = 0;

    for (unsigned spins = 0; __atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket; spins++) {
        cpu_pause();
        if (spins % 1024)
            continue;
        if (!start)
            start = rdtsc();
        else if (rdtsc() - start > lock_spin_limit)
            panic("lock: CPU %u waits for the lock %p of rank %u, held by CPU %d", this_cpu_id(), (void *)l, l->rank,
                  (int)READ_ONCE(l->holder) - 1);
    }
}

static void hold(struct held_locks *h, struct spinlock *l)
{
    WRITE_ONCE(l->holder, (uint8_t)(this_cpu_id() + 1));
    h->lock[h->n++] = l;
}

static __attribute__((noinline)) void acquire_late(struct held_locks *h, struct spinlock *l, uint16_t ticket)
{
    wait_for_turn(l, ticket);
    hold(h, l);
}

static void acquire(struct spinlock *l, const struct spinlock *pair)
{
    struct held_locks *h = &this_cpu(held_locks);

    check_order(h, l, pair);
    uint16_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) == ticket)
        hold(h, l);
    else
        acquire_late(h, l, ticket);
}

void spin_lock(struct spinlock *l)
{
    acquire(l, NULL);
}

void spin_unlock(struct spinlock *l)
{
    struct held_locks *h = &this_cpu(held_locks);
    unsigned i = h->n;

    while (i > 0 && h->lock[i - 1] != l)
        i--;
    if (!i)
        panic("lock: CPU %u gives back the lock %p of rank %u that it does not hold", this_cpu_id(), (void *)l, l->rank);
    h->n--;
    for (i--; i < h->n; i++)
        h->lock[i] = h->lock[i + 1];
    WRITE_ONCE(l->holder, 0);
    __atomic_store_n(&l->serving, (uint16_t)(l->serving + 1), __ATOMIC_RELEASE);
}

void spin_lock_pair(struct spinlock *a, struct spinlock *b)
{
    struct spinlock *first = a < b ? a : b, *second = a < b ? b : a;

    acquire(first, NULL);
    if (first == second)
        return;
    if (first->rank != second->rank)
        panic("lock: a pair of ranks %u and %u", first->rank, second->rank);
    acquire(second, first);
}

bool spin_try_pair(struct spinlock *held, struct spinlock *other)
{
    struct held_locks *h = &this_cpu(held_locks);
    uint16_t serving = __atomic_load_n(&other->serving, __ATOMIC_ACQUIRE);

    if (held == other)
        return true;
    check_order(h, other, held);
    if (!__atomic_compare_exchange_n(&other->next, &serving, (uint16_t)(serving + 1), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    hold(h, other);
    return true;
}

void spin_unlock_pair(struct spinlock *a, struct spinlock *b)
{
    spin_unlock(a);
    if (a != b)
        spin_unlock(b);
}

void lock_assert_none_held(void)
{
    const struct held_locks *h = &this_cpu(held_locks);

    if (h->n)
        panic("lock: CPU %u enters a guest with a lock of rank %u", this_cpu_id(), h->lock[h->n - 1]->rank);
}
