/* SPDX-License-Identifier: MIT */
/*
 * vcpu: vcpu_op. Timers and their accuracy, run states, and the move of vcpu_info into the domain's own memory.
 */
#include "tests/guest/lib.h"
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#define MS 1000000ul

static volatile bool fired;
static uint64_t fired_at;
static unsigned count;

static void on_timer(void *arg)
{
    fired = true;
    fired_at = rt_now();
    count++;
}

static void singleshot(void)
{
    uint64_t worst = 0;
    bool early = false;
    struct rt_timer t = { .fn = on_timer };
    for (unsigned i = 1; i <= 20; i++) {
        uint64_t when = rt_now() + i * MS;
        fired = false;
        rt_timer_set(&t, when);
        if (!wait_for(&fired, 10000)) {
            check(false, "timer %u does not fire", i);
            return;
        }
        early |= fired_at < when;
        worst = fired_at - when > worst ? fired_at - when : worst;
    }
    check(!early && worst < 5000 * MS, "20 timers, none early, the latest by %lu us", worst / 1000);
    struct vcpu_set_singleshot_timer s = { .timeout_abs_ns = 1, .flags = 0 };
    IS(vcpu_op(VCPUOP_set_singleshot_timer, 0, &s), 0);
    IS(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    IS(vcpu_op(VCPUOP_set_singleshot_timer, 4000, &s), -XEN_ENOENT);
    IS(vcpu_op(VCPUOP_set_singleshot_timer, 0, BAD_POINTER), -XEN_EFAULT);
}

static void runstates(void)
{
    static struct vcpu_runstate_info area __attribute__((aligned(64)));
    struct vcpu_runstate_info r;
    struct vcpu_register_runstate_memory_area reg;
    IS(vcpu_op(VCPUOP_get_runstate_info, 0, &r), 0);
    uint64_t sum = r.time[0] + r.time[1] + r.time[2] + r.time[3], now = rt_now();
    check(r.state == RUNSTATE_running, "we are running");
    check(sum <= now && r.time[RUNSTATE_running] > 0, "times add up to %lu of %lu ms", sum / MS, now / MS);
    set_xen_guest_handle(reg.addr.h, &area);
    IS(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0);
    volatile bool never = false;
    wait_for(&never, 10);
    check(area.state == RUNSTATE_running && area.time[RUNSTATE_running] >= r.time[RUNSTATE_running] &&
          area.time[RUNSTATE_blocked] > r.time[RUNSTATE_blocked], "the area is kept up to date");
    REFUSED(vcpu_op(VCPUOP_get_runstate_info, 4000, &r));
    IS(vcpu_op(VCPUOP_get_runstate_info, 0, BAD_POINTER), -XEN_EFAULT);
}

static void states(void)
{
    IS(vcpu_op(VCPUOP_is_up, 0, NULL), 1);
    long second = vcpu_op(VCPUOP_is_up, 1, NULL);
    check(second == 0 || second == -XEN_ENOENT, "a second vCPU is down, or there is none (%ld)", second);
    IS(vcpu_op(VCPUOP_is_up, 4000, NULL), -XEN_ENOENT);
    IS(vcpu_op(1000, 0, NULL), -XEN_ENOSYS);
    REFUSED(vcpu_op(VCPUOP_up, 4000, NULL));
}

/* From here on vcpu_info is where we say: rt's event loop is out of use. */
static void move_info(void)
{
    static struct vcpu_info info __attribute__((aligned(64)));
    struct vcpu_register_vcpu_info r = { .mfn = (uint64_t)&info / RT_PAGE, .offset = (uint64_t)&info % RT_PAGE };
    struct vcpu_register_vcpu_info bad = r;
    bad.offset = RT_PAGE - 8;
    REFUSED(vcpu_op(VCPUOP_register_vcpu_info, 0, &bad)); /* across a page end */
    bad = r;
    bad.mfn = 1ull << 45;
    REFUSED(vcpu_op(VCPUOP_register_vcpu_info, 0, &bad));
    IS(vcpu_op(VCPUOP_register_vcpu_info, 4000, &r), -XEN_ENOENT);
    IS(vcpu_op(VCPUOP_register_vcpu_info, 0, BAD_POINTER), -XEN_EFAULT);
    struct evtchn_bind_ipi b = { .vcpu = 0 };
    IS(evtchn_op(EVTCHNOP_bind_ipi, &b), 0);
    IS(vcpu_op(VCPUOP_register_vcpu_info, 0, &r), 0);
    check(info.time.tsc_to_system_mul != 0 && !(info.time.version & 1), "the clock is in the new place");
    info.evtchn_upcall_pending = 0;
    info.evtchn_pending_sel = 0;
    port_mask(b.port, false);
    rt_event_send(b.port);
    check(info.evtchn_upcall_pending && info.evtchn_pending_sel >> (b.port / 64) & 1, "events are flagged in the new place");
    IS(vcpu_op(VCPUOP_register_vcpu_info, 0, &r), -XEN_EINVAL); /* once only */
}

/* The NMI's handler: how deep, how often; the first one asks for the next and stays a while. */
void on_nmi(void);
void nmi_body(void);
static volatile unsigned nmis, nmi_depth, nmi_deepest;
__asm__(".pushsection .text\n"
        "on_nmi: push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9; push %r10; push %r11; push %rbp\n"
        "mov %rsp, %rbp; and $-16, %rsp; cld; call nmi_body; mov %rbp, %rsp\n"
        "pop %rbp; pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax; iretq\n"
        ".popsection");

void nmi_body(void)
{
    nmi_depth++;
    nmi_deepest = nmi_depth > nmi_deepest ? nmi_depth : nmi_deepest;
    if (nmis++ < 3) {
        vcpu_op(VCPUOP_send_nmi, 0, NULL);
        vcpu_op(VCPUOP_send_nmi, 0, NULL); /* one at a time waits */
        rt_spin_ns(MS);
    }
    nmi_depth--;
}

static void nmi(void)
{
    rt_set_gate(2, on_nmi, 0);
    IS(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
    for (uint64_t end = rt_now() + 100 * MS; rt_now() < end && nmis < 4;)
        __asm__ volatile("sti; pause; cli"); /* Bochs's SVM: with interrupts off nothing would end the guest before its slice does */
    check(nmis == 4 && nmi_deepest == 1, "%u NMIs, one behind the other's IRET (%u deep)", nmis, nmi_deepest);
}

void domain_main(const char *cmdline)
{
    singleshot();
    runstates();
    states();
    move_info();
    nmi();
    test_done();
}
