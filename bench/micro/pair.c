/* SPDX-License-Identifier: MIT */
/*
 * What two domains cost each other: two of this kernel, made by the control domain as `left` (pair=left right=DOMID) and `right` (pair=right).
 * Left grants PAGES pages to right, opens an event channel for it and says in its own xenstore node `data/meet` "DOMID PORT REF" (the
 * grants are REF and the following); bench/pair.sh carries that to right's `data/meet`. From there on right measures and left answers:
 * an event with an event, and, while the first page's `yielding` is set, a turn of its own with SCHEDOP_yield.
 */
#include "bench/micro/micro.h"
#include "rt/internal.h"
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/sched.h>

#define PAGES (1 + BATCH)

struct page { volatile uint32_t yielding, turns; };

static struct page *shared;      /* left's first page */
static uint32_t port;
static volatile bool fired;
static uint32_t refs[PAGES];

static void on_event(void *arg) { fired = true; }

static void await_event(void)
{
    while (!fired)
        if (!rt_events_run())
            rt_idle();
    fired = false;
}

/* The decimal number behind `key`, 0 if it is not there. */
static unsigned long number_of(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (; *text; text++)
        if (strncmp(text, key, n) == 0)
            return strtoul(text + n, NULL, 10);
    return 0;
}

/* --- left --- */

static void take_turns(void)
{
    while (shared->yielding) {
        shared->turns++;
        rt_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    }
}

static void left(uint16_t right)
{
    char *pages = rt_alloc_pages(PAGES);
    shared = (struct page *)pages;
    for (unsigned i = 0; i < PAGES; i++) {
        int ref = rt_grant(right, pages + i * RT_PAGE, false);
        if (ref < 0 || (i && (uint32_t)ref != refs[0] + i))
            rt_crash("micro: grant %u: %d", i, ref);
        refs[i] = (uint32_t)ref;
    }
    int made = rt_event_alloc(right, on_event, NULL);
    int err = made < 0 ? -made : rt_xs_printf(0, "data/meet", "%u %d %u", rt_domid, made, refs[0]);
    if (err)
        rt_crash("micro: cannot meet domain %u: %d", right, err);
    port = (uint32_t)made;
    for (;;) {
        await_event();
        take_turns();
        rt_event_send(port);
    }
}

/* --- right --- */

static long round_trip(void)
{
    rt_event_send(port);
    await_event();
    return 0;
}

/* The bare hypercall towards a domain that is halted. Who runs then is the scheduler's choice; its answer is not part of it
 * unless the scheduler lets the woken one run at once. */
static void send_blocked(void)
{
    uint64_t took[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t start = test_rdtsc();
        rt_event_send(port);
        took[i] = test_rdtsc() - start;
        await_event();
    }
    micro_print("event_send_to_halted", took, ROUNDS);
}

/* Both yield for ever: how long a turn is, per turn taken. */
static void context_switch(void)
{
    uint64_t took[ROUNDS];
    shared->yielding = 1;
    rt_event_send(port);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t turns = shared->turns;
        uint64_t start = test_rdtsc(), give_up = rt_now() + 1000000000ull;
        while (shared->turns == turns && rt_now() < give_up)
            rt_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        took[i] = (test_rdtsc() - start) / 2;
        if (shared->turns == turns) {
            rt_log("micro context_switch failed %d", -XEN_ETIMEDOUT);
            break;
        }
    }
    shared->yielding = 0;
    await_event();
    micro_print("context_switch", took, ROUNDS);
}

static void meet(const char *path, void *arg)
{
    int err;
    char *text = rt_xs_read(0, "data/meet", NULL, &err), *p = text;
    if (!text || shared)
        return;
    uint16_t domid = (uint16_t)strtoul(p, &p, 10);
    unsigned long theirs = strtoul(p + !!*p, &p, 10), ref = strtoul(p + !!*p, &p, 10);
    uint32_t handle;
    for (unsigned i = 0; i < PAGES; i++)
        refs[i] = (uint32_t)ref + i;
    int made = rt_event_bind(domid, (uint32_t)theirs, on_event, NULL);
    err = made < 0 ? made : rt_gnt_map(domid, refs, 1, false, (void **)&shared, &handle, NULL);
    if (err)
        rt_crash("micro: cannot meet by \"%s\": %d", text, err);
    port = (uint32_t)made;
    measure("round_trip_halted", round_trip);
    send_blocked();
    context_switch();
    micro_maps(domid, refs + 1);
    micro_copies(domid, refs + 1);
    rt_log("micro done");
}

bool micro_pair(const char *cmdline)
{
    for (const char *p = cmdline; (p = strchr(p, 'p')); p++) {
        if (strncmp(p, "pair=left", 9) == 0)
            left((uint16_t)number_of(cmdline, "right="));
        if (strncmp(p, "pair=right", 10) == 0)
            return rt_xs_watch("data/meet", meet, NULL) == 0;
    }
    return false;
}
