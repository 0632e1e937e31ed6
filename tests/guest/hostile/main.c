/* SPDX-License-Identifier: MIT */
/*
 * hostile: domains that attack. Clones of ourselves (tests/guest/child/clone.h) make random hypercalls from two vCPUs, with no role and as
 * driver domains, some restarted in place while they do; others run random instructions in ring 0 and are restarted whenever they
 * die or hang. Passes when we and the hypervisor still work, every clone could be destroyed and all memory came back.
 * "hostile.seed=N", "hostile.rounds=N" (clones of each kind) on the command line.
 */
#include "tests/guest/hostile/hostile.h"
#include <bulkhead/ext.h>

#define CALLS 8000u      /* of each vCPU of a clone */
#define STALL_MS 400u    /* without progress for so long it is given up */
#define SOUPS 6u         /* restarts of one soup clone */
#define SOUP_MS 120u     /* each */
#define KEPT_PAGES 48u   /* what heap and page tables may keep */

static uint64_t seed = 1, calls, faults, soups;
static unsigned rounds = 12, lost, deaths;

static void pass_time(unsigned ms)
{
    volatile bool never = false;
    wait_for(&never, ms);
}

static bool ended(struct clone *c)
{
    struct xen_domctl_getdomaininfo info;
    return !child_info(&c->child, &info) || (info.flags & XEN_DOMINF_shutdown);
}

/* Until it ends, or stands still, or the time is over. */
static void watch(struct clone *c, unsigned ms)
{
    uint64_t last = 0, moved = rt_now(), end = moved + ms * 1000000ull;
    while (!ended(c) && rt_now() < end && rt_now() - moved < STALL_MS * 1000000ull) {
        pass_time(5);
        if (c->shared->done != last) {
            last = c->shared->done;
            moved = rt_now();
        }
    }
    if (ended(c))
        deaths++;
}

static bool begin(struct clone *c, void (*entry)(void), uint32_t roles, unsigned vcpus, bool snapshot)
{
    if (!clone_build(c, entry, roles, vcpus))
        return false;
    c->shared->seed = rnd(&seed) | 1;
    c->shared->second = c->child.domid;
    c->shared->budget = CALLS;
    if (snapshot && clone_snapshot(c))
        check(false, "snapshot");
    return simple_domctl(XEN_DOMCTL_unpausedomain, c->child.domid) == 0;
}

static void calls_round(unsigned n)
{
    struct clone c;
    bool restarts = n % 3 == 2;
    if (!begin(&c, calls_start, n & 1 ? BH_ROLE_DEVICE : 0, 2, restarts))
        return;
    for (unsigned i = 0; restarts && i < 3; i++) {
        watch(&c, 100 + 50 * i);
        calls += c.shared->done;
        if (clone_restart(&c))
            check(false, "restart in place of domain %u, seed %lx", c.child.domid, seed);
    }
    watch(&c, 6000);
    calls += c.shared->done;
    if (!clone_destroy(&c))
        lost++;
}

static void soup_round(void)
{
    struct clone c;
    if (!begin(&c, soup_start, 0, 1, true))
        return;
    for (unsigned i = 0; i < SOUPS; i++, soups++) {
        watch(&c, SOUP_MS);
        faults += c.shared->faults;
        if (i + 1 < SOUPS && clone_restart(&c))
            check(false, "restart in place of domain %u, seed %lx", c.child.domid, seed);
    }
    if (!clone_destroy(&c))
        lost++;
}

/* A domain that makes its own end long cannot make it too long. */
static void greedy(void)
{
    struct clone c;
    if (!begin(&c, greedy_start, BH_ROLE_DEVICE, 1, true))
        return;
    watch(&c, 5000);
    uint64_t mapped = c.shared->done, start = rt_now();
    check(mapped > 100 && mapped < CALLS, "one page can be mapped often but not without end (%lu times)", mapped);
    long ret = clone_restart(&c);
    uint64_t ms = (rt_now() - start) / 1000000;
    check(ret == 0 && ms < 2000, "restart in place of such a domain (%ld, %lu ms)", ret, ms);
    check(clone_destroy(&c), "and it can be destroyed");
}

static uint64_t option(const char *line, const char *name, uint64_t otherwise)
{
    size_t n = strlen(name);
    uint64_t v = 0;
    while (*line && strncmp(line, name, n))
        line++;
    if (!*line)
        return otherwise;
    for (line += n; *line >= '0' && *line <= '9'; line++)
        v = v * 10 + (uint64_t)(*line - '0');
    return v;
}

static uint64_t sum_of_code(void)
{
    uint64_t sum = 0;
    for (const uint64_t *p = (const uint64_t *)_text_start; p < (const uint64_t *)_rodata_end; p++)
        sum = sum * 31 + *p;
    return sum;
}

void domain_main(const char *cmdline)
{
    struct clone c;
    seed = option(cmdline, "hostile.seed=", seed) * 0x9e3779b97f4a7c15ull | 1;
    rounds = (unsigned)option(cmdline, "hostile.rounds=", rounds);
    uint64_t code = sum_of_code();
    if (clone_build(&c, calls_start, 0, 2)) /* the first takes what the hypervisor keeps from then on */
        clone_destroy(&c);
    calls_round(0);
    pass_time(50);
    greedy();
    uint64_t before = free_pages();
    for (unsigned n = 0; n < rounds; n++) {
        calls_round(n);
        soup_round();
    }
    pass_time(50);
    uint64_t after = free_pages();
    check(calls > rounds * 1000ull, "%lu hypercalls, %u clones ended by themselves", calls, deaths);
    check(faults > rounds * 50ull, "%lu faults in %lu soups", faults, soups);
    check(lost == 0, "every clone could be destroyed (%u not)", lost);
    check(after + KEPT_PAGES >= before, "all memory has come back: %lu pages free before, %lu after", before, after);
    check(sum_of_code() == code, "our own code is untouched");
    check(rt_hypercall2(__HYPERVISOR_xen_version, 0, 0) > 0, "the hypervisor answers");
    test_done();
}
