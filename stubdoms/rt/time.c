/* SPDX-License-Identifier: MIT */
/*
 * Time: the PV clock of vCPU 0 (xen.h, struct vcpu_time_info) and one-shot timers in a list sorted by time, with the
 * hypervisor's single-shot timer set to the earliest.
 */
#include "rt/internal.h"
#include <xen/vcpu.h>
#include "rt/hypercall.h"

static struct rt_timer *timers;
static uint64_t armed;   /* what the single-shot timer is set to; 0 = not */
static int virq_port = -1;

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

uint64_t rt_now(void)
{
    static uint64_t last;
    const volatile struct vcpu_time_info *t = &RT_SHARED->vcpu_info[0].time;
    uint32_t version;
    uint64_t ns;

    do {
        version = t->version;
        __asm__ volatile("" : : : "memory");
        uint64_t delta = rdtsc() - t->tsc_timestamp;
        int shift = t->tsc_shift;
        delta = shift >= 0 ? delta << shift : delta >> -shift;
        ns = t->system_time + (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
        __asm__ volatile("" : : : "memory");
    } while ((version & 1) || version != t->version);
    if (ns > last)
        last = ns;
    return last;
}

static void on_timer(void *arg)
{
    armed = 0; /* the loop runs what is due and arms again */
}

void rt_time_init(void)
{
    rt_hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
    virq_port = rt_event_bind_virq(VIRQ_TIMER, on_timer, NULL);
    if (virq_port < 0)
        rt_crash("no timer: bind_virq %d", virq_port);
}

void rt_time_arm(uint64_t when)
{
    struct vcpu_set_singleshot_timer s = { .timeout_abs_ns = when, .flags = 0 };
    if (when == UINT64_MAX || when == armed)
        return;
    long ret = rt_hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &s);
    if (ret)
        rt_crash("timer not accepted: %ld", ret);
    armed = when;
}

void rt_time_disarm(void)
{
    armed = 0;
    rt_events_clear((uint32_t)virq_port);
}

void rt_timer_cancel(struct rt_timer *t)
{
    for (struct rt_timer **at = &timers; t->armed && *at; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            break;
        }
    t->armed = false;
}

void rt_timer_set(struct rt_timer *t, uint64_t when)
{
    struct rt_timer **at = &timers;
    rt_timer_cancel(t);
    while (*at && (*at)->when <= when)
        at = &(*at)->next;
    t->when = when;
    t->next = *at;
    t->armed = true;
    *at = t;
}

/* What was due at the start; one that sets itself again for a time gone by waits for the next round. */
void rt_timers_run(void)
{
    uint64_t now = rt_now();
    for (unsigned i = 0; i < 64 && timers && timers->when <= now; i++) {
        struct rt_timer *t = timers;
        timers = t->next;
        t->armed = false;
        t->fn(t->arg);
    }
}

uint64_t rt_timers_next(void)
{
    return timers ? timers->when : UINT64_MAX;
}

void rt_spin_ns(uint64_t ns)
{
    uint64_t end = rt_now() + ns;
    while (rt_now() < end)
        __asm__ volatile("pause");
}
