/* SPDX-License-Identifier: MIT */
/*
 * sched: giving the CPU away (yield, block, poll, halt), the watchdog, and what sched_op refuses. The watchdog is
 * only set and cleared here; its bite is tested from outside (tests/guest/domctl).
 */
#include "tests/guest/lib.h"
#include <xen/event_channel.h>
#include <xen/sched.h>

#define MS 1000000ul

static uint32_t self_port(void)
{
    struct evtchn_bind_ipi b = { .vcpu = 0 };
    RT_ASSERT(evtchn_op(EVTCHNOP_bind_ipi, &b) == 0);
    return b.port;
}

static long poll(uint32_t *ports, unsigned n, uint64_t timeout)
{
    struct sched_poll p = { .nr_ports = n, .timeout = timeout };
    set_xen_guest_handle(p.ports, ports);
    return sched_op(SCHEDOP_poll, &p);
}

static void polling(void)
{
    uint32_t port = self_port();
    uint64_t start = rt_now();
    IS(poll(&port, 1, start + 20 * MS), 0);
    uint64_t took = rt_now() - start;
    check(took >= 20 * MS && took < 5000 * MS, "poll waits for its timeout: 20 ms asked, %lu us taken", took / 1000);
    rt_event_send(port); /* masked, but pending */
    start = rt_now();
    IS(poll(&port, 1, start + 20000 * MS), 0);
    check(rt_now() - start < 10000 * MS, "poll returns at once for a pending port");
    IS(poll(&port, 1, 1), 0); /* a time gone by */
    uint32_t bad = 0x7fffffff;
    REFUSED(poll(&bad, 1, rt_now() + MS));
    REFUSED(poll(&port, 129, rt_now() + MS));
    REFUSED(poll(BAD_POINTER, 1, rt_now() + MS));
    rt_event_close(port);
}

static volatile bool fired;
static void on_timer(void *arg)
{
    fired = true;
}

static void sleeping(void)
{
    struct rt_timer t = { .fn = on_timer };
    uint64_t start = rt_now();
    rt_timer_set(&t, start + 30 * MS);
    check(wait_for(&fired, 10000), "a timer ends a halt");
    uint64_t took = rt_now() - start;
    check(took >= 30 * MS && took < 5000 * MS, "after its time: 30 ms asked, %lu us taken", took / 1000);
    for (unsigned i = 0; i < 1000; i++)
        if (sched_op(SCHEDOP_yield, NULL) != 0)
            check(false, "yield %u failed", i);
    check(true, "1000 yields");
    start = rt_now();
    rt_time_arm(start + 20 * MS);
    __asm__ volatile("sti");
    IS(sched_op(SCHEDOP_block, NULL), 0);
    __asm__ volatile("cli");
    took = rt_now() - start;
    check(took >= 20 * MS && took < 5000 * MS, "block ends with the timer's event: 20 ms asked, %lu us taken", took / 1000);
    rt_events_run();
}

static void watchdog(void)
{
    struct sched_watchdog w = { .id = 0, .timeout = 100 };
    long id = sched_op(SCHEDOP_watchdog, &w);
    check(id > 0, "watchdog %ld set", id);
    w = (struct sched_watchdog){ .id = (uint32_t)id, .timeout = 200 };
    IS(sched_op(SCHEDOP_watchdog, &w), 0);
    w = (struct sched_watchdog){ .id = 0, .timeout = 100 };
    long second = sched_op(SCHEDOP_watchdog, &w);
    check(second > 0 && second != id, "watchdog %ld set", second);
    w = (struct sched_watchdog){ .id = 0, .timeout = 100 };
    IS((int)sched_op(SCHEDOP_watchdog, &w), -XEN_ENOSPC);
    w = (struct sched_watchdog){ .id = (uint32_t)id, .timeout = 0 };
    IS(sched_op(SCHEDOP_watchdog, &w), 0);
    w = (struct sched_watchdog){ .id = (uint32_t)second, .timeout = 0 };
    IS(sched_op(SCHEDOP_watchdog, &w), 0);
    REFUSED(sched_op(SCHEDOP_watchdog, &w));
    w = (struct sched_watchdog){ .id = 1000, .timeout = 10 };
    IS((int)sched_op(SCHEDOP_watchdog, &w), -XEN_EINVAL);
    IS(sched_op(SCHEDOP_watchdog, BAD_POINTER), -XEN_EFAULT);
}

void domain_main(const char *cmdline)
{
    sleeping();
    polling();
    watchdog();
    struct sched_remote_shutdown r = { .domain_id = 0x7000, .reason = SHUTDOWN_crash };
    IS(sched_op(SCHEDOP_remote_shutdown, &r), -XEN_ESRCH);
    IS(sched_op(1000, NULL), -XEN_ENOSYS);
    IS(sched_op(SCHEDOP_shutdown, BAD_POINTER), -XEN_EFAULT);
    IS(sched_op(SCHEDOP_poll, BAD_POINTER), -XEN_EFAULT);
    test_done();
}
