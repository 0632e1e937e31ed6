/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's figures (bench/run sched): a PVH kernel in the control domain's place, with tiny domains beside it. It prints lines
 * `figure NAME VALUE`. Its command line names what it does: `shares` (eight domains of four weights burn the CPU, a ninth has a cap,
 * while this one sleeps and wakes as a driver domain does and notes how late it was: for 20 s, so that the one CPU has as much time to
 * share as two have in 10 s), `idle` (what the CPU does while 2, 8, 64 and 256 domains sleep and this one too), or `trace` (what a null
 * hypercall takes while nothing, or everything, is traced).
 */
#include "tests/guest/child/child.h"
#include <xen/trace.h>

#define BUSY 9u
#define SECOND 1000000000ull
#define SHARED (20 * SECOND) /* for how long they share */
#define WAKES 16384u
#define ROUNDS 101u

static void pause_until(uint64_t when)
{
    struct sched_poll p = {.nr_ports = 0, .timeout = when};
    while (rt_now() < when)
        sched_op(SCHEDOP_poll, &p);
}

static uint64_t used(const struct child *c)
{
    struct xen_domctl_getdomaininfo info;
    return child_info((struct child *)c, &info) ? info.cpu_time : 0;
}

/* Weight, cap in percent of one CPU (0: none). */
static void share(const struct child *c, uint16_t weight, uint16_t cap)
{
    struct xen_domctl d = {0};
    d.u.scheduler_op = (struct xen_domctl_scheduler_op){.sched_id = XEN_SCHEDULER_CREDIT, .cmd = XEN_DOMCTL_SCHEDOP_putinfo,
                                                        .u.credit = {.weight = weight, .cap = cap}};
    IS(domctl(&d, XEN_DOMCTL_scheduler_op, c->domid), 0);
}

/* --- shares and wake-ups --- */

static uint32_t late[WAKES];

static void sort(uint32_t *v, unsigned n)
{
    for (unsigned gap = n / 2; gap; gap /= 2)
        for (unsigned i = gap; i < n; i++)
            for (unsigned j = i; j >= gap && v[j] < v[j - gap]; j -= gap) {
                uint32_t t = v[j];
                v[j] = v[j - gap];
                v[j - gap] = t;
            }
}

static void shares(void)
{
    static const uint16_t weight[BUSY] = {128, 128, 256, 256, 384, 384, 512, 512, 512}, cap[BUSY] = {[8] = 5};
    struct child c[BUSY];
    uint64_t before[BUSY], start;
    uint32_t seed = 1;
    unsigned n = 0;
    for (unsigned i = 0; i < BUSY; i++) {
        if (!child_build(&c[i], child_spin))
            return;
        share(&c[i], weight[i], cap[i]);
    }
    for (unsigned i = 0; i < BUSY; i++)
        child_start(&c[i]);
    pause_until(rt_now() + SECOND / 2); /* past the banks that new domains begin with */
    start = rt_now();
    for (unsigned i = 0; i < BUSY; i++)
        before[i] = used(&c[i]);
    while (n < WAKES && rt_now() < start + SHARED) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t when = rt_now() + 500000 + (seed >> 8) % 4000000; /* 0.5 to 4.5 ms ahead */
        pause_until(when);
        late[n++] = (uint32_t)(rt_now() - when);
    }
    uint64_t took = rt_now() - start;
    for (unsigned i = 0; i < BUSY; i++)
        rt_log("figure share_%u_%u_%u %lu", i, weight[i], cap[i], used(&c[i]) - before[i]);
    rt_log("figure took %lu", took);
    sort(late, n);
    rt_log("figure wakes %u", n);
    rt_log("figure wake_p50 %u", late[n / 2]);
    rt_log("figure wake_p99 %u", late[n * 99 / 100]);
    rt_log("figure wake_max %u", late[n - 1]);
}

/* --- idle domains --- */

/* ns that all CPUs idled since boot. */
static uint64_t idled(void)
{
    static xen_sysctl_cpuinfo_t cpu[64];
    struct xen_sysctl s = {.cmd = XEN_SYSCTL_getcpuinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION, .u.getcpuinfo.max_cpus = 64};
    uint64_t sum = 0;
    set_xen_guest_handle(s.u.getcpuinfo.info, cpu);
    IS(rt_hypercall1(__HYPERVISOR_sysctl, &s), 0);
    for (unsigned i = 0; i < s.u.getcpuinfo.nr_cpus; i++)
        sum += cpu[i].idletime;
    return sum;
}

static void idle(void)
{
    static const unsigned wanted[] = {2, 8, 64, 256};
    struct child c;
    unsigned n = 0;
    for (unsigned w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
        for (; n < wanted[w]; n++) {
            if (!child_build(&c, child_sleep))
                return;
            child_start(&c);
        }
        pause_until(rt_now() + SECOND / 10); /* all of them sleep by now */
        uint64_t start = rt_now(), before = idled();
        pause_until(start + SECOND);
        uint64_t took = rt_now() - start, busy = took - (idled() - before);
        rt_log("figure idle_%u_busy_ns_per_s %lu", n, busy * 1000 / (took / 1000000));
    }
}

/* --- what tracing costs --- */

static void tbuf(unsigned cmd, uint32_t value)
{
    struct xen_sysctl s = {.cmd = XEN_SYSCTL_tbuf_op, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    s.u.tbuf_op.cmd = cmd;
    s.u.tbuf_op.size = s.u.tbuf_op.evt_mask = value;
    IS(rt_hypercall1(__HYPERVISOR_sysctl, &s), 0);
}

/* The median of what a hypercall that only asks for the version takes, in TSC ticks. */
static uint32_t null_call(void)
{
    uint32_t took[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t start = test_rdtsc();
        rt_hypercall1(__HYPERVISOR_xen_version, NULL);
        took[i] = (uint32_t)(test_rdtsc() - start);
    }
    sort(took, ROUNDS);
    return took[ROUNDS / 2];
}

static void trace(void)
{
    tbuf(XEN_SYSCTL_TBUFOP_set_size, 64); /* room for all that is recorded here: nobody reads */
    rt_log("figure null_untraced %u", null_call());
    tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, TRC_ALL);
    tbuf(XEN_SYSCTL_TBUFOP_enable, 0);
    rt_log("figure null_traced %u", null_call());
    tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, TRC_SCHED);
    rt_log("figure null_other_traced %u", null_call());
    tbuf(XEN_SYSCTL_TBUFOP_disable, 0);
}

void domain_main(const char *cmdline)
{
    if (strcmp(cmdline, "shares") == 0)
        shares();
    else if (strcmp(cmdline, "idle") == 0)
        idle();
    else if (strcmp(cmdline, "trace") == 0)
        trace();
    rt_log("figures done");
    rt_shutdown(SHUTDOWN_poweroff);
}
