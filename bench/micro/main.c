/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor's basic operations cost: one PVH kernel that runs unchanged on Bulkhead and on Xen 4.17, in the control domain's place
 * (bench/run micro) or as a pair of domains (bench/run pair, pair.c). A line an operation: `micro NAME TICKS`, the median of many
 * rounds in TSC ticks less what reading the TSC costs itself. On an --icount board a tick is a nanosecond of virtual time and that is one instruction.
 * Every operation is checked to have worked; one that did not says `micro NAME failed RESULT`. With `repeat=NAME` on the command line that operation,
 * when it is its turn, says `micro NAME repeats` and is done for ever: for who wants to see what it consists of (bench/run profile).
 */
#include "bench/micro/micro.h"
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

static uint64_t overhead;
static const char *repeated = "";

static uint64_t median(uint64_t *v, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = i; j > 0 && v[j] < v[j - 1]; j--) {
            uint64_t t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
    return v[n / 2];
}

void micro_print(const char *name, uint64_t *v, unsigned n)
{
    uint64_t m = median(v, n);
    rt_log("micro %s %lu", name, m > overhead ? m - overhead : 0);
}

static bool is_repeated(const char *name)
{
    size_t n = strlen(name);
    return strncmp(repeated, name, n) == 0 && (repeated[n] == 0 || repeated[n] == ' ');
}

void measure(const char *name, long (*op)(void))
{
    uint64_t took[ROUNDS];
    long rc = 0;
    if (is_repeated(name)) {
        rt_log("micro %s repeats", name);
        while (!rc)
            rc = op();
    }
    for (unsigned i = 0; i < ROUNDS && !rc; i++) {
        uint64_t start = test_rdtsc();
        rc = op();
        took[i] = test_rdtsc() - start;
    }
    if (rc) {
        rt_log("micro %s failed %ld", name, rc);
        return;
    }
    micro_print(name, took, ROUNDS);
}

/* --- nothing but the way there and back --- */

static long nothing(void) { return 0; }
static long version(void) { return rt_hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0) <= 0; }
static long unknown(void) { return rt_hypercall1(60, 0) != -XEN_ENOSYS; }
static long yield(void) { return rt_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0); }
static long cpuid(void)
{
    uint32_t r[4];
    test_cpuid(1, 0, r);
    return !r[3];
}
static long hvm_param(void)
{
    struct xen_hvm_param p = {.domid = DOMID_SELF, .index = HVM_PARAM_STORE_EVTCHN};
    return hvm_op(HVMOP_get_param, &p);
}
static long timer(void) { return rt_hypercall1(__HYPERVISOR_set_timer_op, rt_now() + 1000000000ull); }

/* --- event channels --- */

static uint32_t port;                    /* an IPI of ours */
static volatile bool fired;
static void on_event(void *arg) { fired = true; }

static long send(void)
{
    struct evtchn_send s = {.port = port};
    return evtchn_op(EVTCHNOP_send, &s);
}
static long to_handler(void)
{
    fired = false;
    long rc = send();
    while (!rc && !fired)
        rt_events_run();
    return rc;
}
static long open_close(void)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = rt_domid};
    long rc = evtchn_op(EVTCHNOP_alloc_unbound, &a);
    struct evtchn_close c = {.port = a.port};
    return rc ? rc : evtchn_op(EVTCHNOP_close, &c);
}

/* --- grants, to ourselves --- */

static void grants(void)
{
    static uint32_t refs[BATCH];
    char *pages = rt_alloc_pages(BATCH);
    for (unsigned i = 0; i < BATCH; i++)
        refs[i] = (uint32_t)rt_grant(rt_domid, pages + i * RT_PAGE, false);
    micro_copies(rt_domid, refs);
    micro_maps(rt_domid, refs);
}

void domain_main(const char *cmdline)
{
    uint64_t took[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t start = test_rdtsc();
        nothing();
        took[i] = test_rdtsc() - start;
    }
    overhead = median(took, ROUNDS);
    for (const char *p = cmdline; (p = strchr(p, 'r')); p++)
        if (strncmp(p, "repeat=", 7) == 0)
            repeated = p + 7;
    if (micro_pair(cmdline))
        return;
    measure("hypercall_null", version);
    measure("hypercall_unknown", unknown);
    measure("cpuid", cpuid);
    measure("hvm_param_read", hvm_param);
    measure("sched_yield", yield);
    measure("timer_set", timer);
    struct evtchn_bind_ipi b = {.vcpu = 0};
    long rc = evtchn_op(EVTCHNOP_bind_ipi, &b);
    port = b.port;
    if (rc)
        rt_log("micro bind_ipi failed %ld", rc);
    rt_event_attach(port, on_event, NULL);
    measure("event_to_handler", to_handler);
    port_mask(port, true);
    measure("event_send_masked", send);
    measure("event_alloc_close", open_close);
    grants();
    rt_log("micro done");
    rt_shutdown(SHUTDOWN_poweroff);
}
