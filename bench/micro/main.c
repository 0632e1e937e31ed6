/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor's basic operations cost: one PVH kernel in the control domain's place that runs unchanged on Bulkhead and on Xen 4.17
 * (bench/run micro). A line an operation: `micro NAME TICKS`, the median of many rounds in TSC ticks less what reading
 * the TSC costs itself. On an --icount board a tick is a nanosecond of virtual time and that is one instruction.
 * Every operation is checked to have worked; one that did not says `micro NAME failed RESULT`.
 */
#include "tests/guest/child/child.h"
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define ROUNDS 101u
#define BATCH 16u
#define AT (RT_WINDOW + 0x8000000ull) /* a free corner of the grant window */

static uint64_t overhead;
static char *pages;                      /* BATCH granted pages, then BATCH more */
static uint32_t refs[BATCH];

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

/* `op` returns 0 when it worked. */
static void measure(const char *name, long (*op)(void))
{
    uint64_t took[ROUNDS];
    long rc = 0;
    for (unsigned i = 0; i < ROUNDS && !rc; i++) {
        uint64_t start = test_rdtsc();
        rc = op();
        took[i] = test_rdtsc() - start;
    }
    if (rc) {
        rt_log("micro %s failed %ld", name, rc);
        return;
    }
    uint64_t m = median(took, ROUNDS);
    rt_log("micro %s %lu", name, m > overhead ? m - overhead : 0);
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

static long copy(unsigned n)
{
    struct gnttab_copy c[BATCH];
    for (unsigned i = 0; i < n; i++)
        c[i] = (struct gnttab_copy){
            .source = {.u.ref = refs[i], .domid = rt_domid},
            .dest = {.u.gmfn = (uint64_t)(pages + (BATCH + i) * RT_PAGE) / RT_PAGE, .domid = DOMID_SELF},
            .len = RT_PAGE, .flags = GNTCOPY_source_gref};
    long rc = grant_op(GNTTABOP_copy, c, n);
    for (unsigned i = 0; i < n && !rc; i++)
        rc = c[i].status;
    return rc;
}
static long copy_1(void) { return copy(1); }
static long copy_16(void) { return copy(BATCH); }

static long map(unsigned n, bool touch)
{
    struct gnttab_map_grant_ref m[BATCH];
    struct gnttab_unmap_grant_ref u[BATCH];
    for (unsigned i = 0; i < n; i++)
        m[i] = (struct gnttab_map_grant_ref){.host_addr = AT + i * RT_PAGE, .flags = GNTMAP_host_map, .ref = refs[i], .dom = rt_domid};
    long rc = grant_op(GNTTABOP_map_grant_ref, m, n);
    for (unsigned i = 0; i < n && !rc; i++) {
        rc = m[i].status;
        if (touch)
            *(volatile char *)(AT + i * RT_PAGE) = 1;
        u[i] = (struct gnttab_unmap_grant_ref){.host_addr = m[i].host_addr, .handle = m[i].handle};
    }
    if (!rc)
        rc = grant_op(GNTTABOP_unmap_grant_ref, u, n);
    for (unsigned i = 0; i < n && !rc; i++)
        rc = u[i].status;
    return rc;
}
static long map_1(void) { return map(1, false); }
static long map_touch_1(void) { return map(1, true); }
static long map_16(void) { return map(BATCH, false); }

static void grants(void)
{
    pages = rt_alloc_pages(2 * BATCH);
    for (unsigned i = 0; i < BATCH; i++)
        refs[i] = (uint32_t)rt_grant(rt_domid, pages + i * RT_PAGE, false);
    measure("grant_copy_4k", copy_1);
    measure("grant_copy_16_pages", copy_16);
    measure("grant_map_unmap", map_1);
    measure("grant_map_touch_unmap", map_touch_1);
    measure("grant_map_unmap_16", map_16);
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
