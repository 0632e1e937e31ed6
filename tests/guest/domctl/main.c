/* SPDX-License-Identifier: MIT */
/*
 * domctl: the control operations. Child domains are built, run and taken away; each dies in its own way, alone, and
 * the control domain hears of it by VIRQ_DOM_EXC. Then what the control operations refuse, and what a domain without
 * roles may not call.
 */
#include "tests/guest/child/child.h"
#include <xen/event_channel.h>

#define MS 1000000ul

static volatile bool heard;
static void on_dom_exc(void *arg)
{
    heard = true;
}

/* A child on `routine` ends by itself with the reason wanted (-1: any). */
static void dies(const char *name, const char *routine, int want)
{
    struct child c;
    if (!child_build(&c, routine))
        return;
    heard = false;
    child_start(&c);
    int reason = child_wait(&c, 20000);
    check(want < 0 ? reason >= 0 : reason == want, "%s: ends with reason %d", name, reason);
    check(wait_for(&heard, 10000), "%s: VIRQ_DOM_EXC", name);
    check(child_destroy(&c), "%s: gone", name);
}

static void deaths(void)
{
    dies("poweroff", child_poweroff, SHUTDOWN_poweroff);
    dies("crash", child_crash, SHUTDOWN_crash);
    dies("triple fault", child_ud, -1);
    dies("garbage", child_garbage, -1);
    dies("watchdog", child_watchdog, SHUTDOWN_watchdog);
    struct child c;
    if (child_build(&c, child_wild)) {
        child_start(&c);
        check(child_wait(&c, 20000) >= 0, "a wild access ends in its domain");
        check(child_destroy(&c), "wild access: gone");
    }
}

/* Nothing that it does lets an interrupt in: the hypervisor takes its CPU back all the same. */
static void deaf(void)
{
    struct child c;
    volatile bool never = false;
    if (!child_build(&c, child_deaf))
        return;
    child_start(&c);
    wait_for(&never, 50);
    check(child_destroy(&c), "a domain that spins with interrupts off is destroyed while it runs");
}

static void flood(void)
{
    struct child c;
    struct xen_domctl_getdomaininfo info;
    if (!child_build(&c, child_flood))
        return;
    child_start(&c);
    uint64_t start = rt_now(), worst = 0;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t t = rt_now();
        volatile bool never = false;
        wait_for(&never, 10);
        worst = rt_now() - t > worst ? rt_now() - t : worst;
    }
    check(worst < 5000 * MS, "a domain that floods hypercalls leaves us our share: 10 ms sleeps, worst %lu ms in %lu ms",
          worst / MS, (rt_now() - start) / MS);
    check(child_info(&c, &info) && info.cpu_time > 0, "it has used %lu ms of CPU", info.cpu_time / MS);
    check(child_destroy(&c), "and is destroyed while it runs");
}

static void pause_and_go(void)
{
    struct child c;
    struct xen_domctl_getdomaininfo info;
    volatile bool never = false;
    if (!child_build(&c, child_count))
        return;
    check(child_info(&c, &info) && info.flags & XEN_DOMINF_hvm_guest && info.flags & XEN_DOMINF_paused &&
          info.tot_pages == CHILD_PAGES && info.max_vcpu_id == 0, "a new domain: HVM, paused, %lu pages, flags %x",
          info.tot_pages, info.flags);
    child_start(&c);
    wait_for(&never, 50);
    uint64_t a = c.shared[0];
    check(a > 0, "it runs, and its memory is ours to see (%lu)", a);
    IS(simple_domctl(XEN_DOMCTL_pausedomain, c.domid), 0);
    a = c.shared[0];
    wait_for(&never, 50);
    check(c.shared[0] == a, "paused, it stands still");
    IS(simple_domctl(XEN_DOMCTL_unpausedomain, c.domid), 0);
    wait_for(&never, 100);
    check(c.shared[0] > a, "and goes on");
    check(child_destroy(&c), "gone");
}

static void without_roles(void)
{
    struct child c;
    if (!child_build(&c, child_refused))
        return;
    child_start(&c);
    int reason = child_wait(&c, 20000);
    check(reason == SHUTDOWN_poweroff, "the child tries what it may not do and ends (%d)", reason);
    check((long)c.shared[1] < 0, "domctl is refused to it (%ld)", (long)c.shared[1]);
    check((long)c.shared[2] < 0, "sysctl is refused to it (%ld)", (long)c.shared[2]);
    check((long)c.shared[3] < 0, "crashing the control domain is refused to it (%ld)", (long)c.shared[3]);
    check((uint32_t)c.shared[4] == ~0u, "PCI configuration ports read as all ones (%lx)", c.shared[4]);
    check(child_destroy(&c), "gone");
}

static void refusals(void)
{
    struct xen_domctl c = { .cmd = XEN_DOMCTL_getdomaininfo, .interface_version = 1 };
    struct xen_sysctl s = { .cmd = XEN_SYSCTL_physinfo, .interface_version = 1 };
    REFUSED(rt_hypercall1(__HYPERVISOR_domctl, &c));
    REFUSED(rt_hypercall1(__HYPERVISOR_sysctl, &s));
    IS(rt_hypercall1(__HYPERVISOR_domctl, BAD_POINTER), -XEN_EFAULT);
    IS(rt_hypercall1(__HYPERVISOR_sysctl, BAD_POINTER), -XEN_EFAULT);
    IS(simple_domctl(9999, 0), -XEN_ENOSYS);
    IS(simple_domctl(XEN_DOMCTL_pausedomain, 0x7000), -XEN_ESRCH);
    IS(simple_domctl(XEN_DOMCTL_unpausedomain, 0x7000), -XEN_ESRCH);
    IS(simple_domctl(XEN_DOMCTL_destroydomain, 0x7000), -XEN_ESRCH);
    IS(simple_domctl(XEN_DOMCTL_max_mem, 0x7000), -XEN_ESRCH);
    REFUSED(simple_domctl(XEN_DOMCTL_pausedomain, rt_domid));
    REFUSED(simple_domctl(XEN_DOMCTL_destroydomain, rt_domid));
    memset(&c, 0, sizeof(c));
    c.u.createdomain = (struct xen_domctl_createdomain){ .flags = 0xffffffff, .max_vcpus = 1, .max_evtchn_port = 1023 };
    REFUSED(domctl(&c, XEN_DOMCTL_createdomain, 0));
    c.u.createdomain = (struct xen_domctl_createdomain){ .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = 100000, .max_evtchn_port = 1023, .grant_opts = 1, .arch.emulation_flags = XEN_X86_EMU_LAPIC };
    REFUSED(domctl(&c, XEN_DOMCTL_createdomain, 0));
    c.u.createdomain.max_vcpus = 0;
    REFUSED(domctl(&c, XEN_DOMCTL_createdomain, 0));
}

/* 32-bit code with PAE paging, which turns paging and the cache off and on: some CPUs need its four upper entries read by us. */
static void pae(void)
{
    struct child c;
    volatile bool never = false;
    if (!child_build(&c, child_pae))
        return;
    IS(child_context_pae(&c, child_pae), 0);
    child_start(&c);
    for (unsigned i = 0; i < 200 && (uint32_t)c.shared[0] != 5; i++)
        wait_for(&never, 10);
    check((uint32_t)c.shared[0] == 5 && c.shared[0] >> 32 == 0xc0010033, "PAE paging: came to step %u, CR0 %lx", (uint32_t)c.shared[0],
          c.shared[0] >> 32);
    check(child_destroy(&c), "gone");
}

void domain_main(const char *cmdline)
{
    int port = rt_event_bind_virq(VIRQ_DOM_EXC, on_dom_exc, NULL);
    check(port > 0, "VIRQ_DOM_EXC bound (%d)", port);
    refusals();
    struct child c;
    if (child_build(&c, child_spin)) /* the first takes what the hypervisor keeps from then on */
        child_destroy(&c);
    volatile bool never = false;
    wait_for(&never, 50);
    uint64_t before = free_pages();
    pause_and_go();
    deaths();
    flood();
    deaf();
    pae();
    without_roles();
    wait_for(&never, 50);
    uint64_t after = free_pages();
    check(after + 4 >= before, "all memory has come back: %lu pages free before, %lu after", before, after);
    test_done();
}
