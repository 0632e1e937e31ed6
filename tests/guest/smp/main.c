/* SPDX-License-Identifier: MIT */
/*
 * smp: a second vCPU started as a stock kernel does it, by INIT and SIPI through the x2APIC, from a real-mode page;
 * interrupts between the two, both ways; started again while it runs; what does not exist is ignored.
 */
#include "tests/guest/lib.h"
#include <xen/arch-x86/cpuid.h>
#include <xen/event_channel.h>
#include <xen/vcpu.h>

#define MS 1000000ul
#define AP_ID 2u /* APIC id = 2 * vCPU */
#define ICR_INIT 0x4500u
#define ICR_SIPI 0x4600u
#define ICR_FIXED 0x4000u

extern char ap_page[], ap_page_end[];
extern uint64_t ap_cr3;
extern char ap_idtr[];
void on_ping(void);
void on_pong(void);
void ap_main(void);
volatile uint32_t pings, pongs;
static volatile uint32_t starts, ap_vcpu, ap_apic_id;
static volatile uint64_t ap_ticks;

static void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static void apic_on(void)
{
    wrmsr(0x1b, rdmsr(0x1b) | 3u << 10);
    wrmsr(0x80f, 0x1ff);
    wrmsr(0x808, 0);
}

static void ipi(uint32_t id, uint32_t command)
{
    wrmsr(0x830, (uint64_t)id << 32 | command);
}

/* The second vCPU's life. It never leaves. */
void ap_main(void)
{
    uint32_t r[4];
    apic_on();
    test_cpuid(0x40000004, 0, r);
    ap_vcpu = r[1];
    ap_apic_id = (uint32_t)rdmsr(0x802);
    __atomic_fetch_add(&starts, 1, __ATOMIC_SEQ_CST);
    for (;;)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Wait by the clock, interrupts open, until *value reaches want. */
static bool reaches(volatile uint32_t *value, uint32_t want, unsigned ms)
{
    uint64_t end = rt_now() + ms * MS;
    __asm__ volatile("sti");
    while (*value < want && rt_now() < end)
        __asm__ volatile("pause");
    __asm__ volatile("cli");
    return *value >= want;
}

static void start(uint32_t want)
{
    ipi(AP_ID, ICR_INIT);
    rt_spin_ns(10 * MS);
    ipi(AP_ID, ICR_SIPI | 8);
    rt_spin_ns(MS);
    ipi(AP_ID, ICR_SIPI | 8); /* the second is ignored by a vCPU that runs */
    check(reaches(&starts, want, 10000), "vCPU 1 starts (%u)", starts);
    rt_spin_ns(20 * MS);
    check(starts == want, "and only once (%u)", starts);
}

static void ping_pong(void)
{
    uint32_t first = pongs;
    unsigned i;
    for (i = 1; i <= 100; i++) {
        ipi(AP_ID, ICR_FIXED | 0x51);
        if (!reaches(&pongs, first + i, 10000))
            break;
    }
    check(i == 101, "100 interrupts there and back (%u, %u)", pings, pongs - first);
}

void domain_main(const char *cmdline)
{
    apic_on();
    if (vcpu_op(VCPUOP_is_up, 1, NULL) != 0) {
        check(false, "a second vCPU that is down (is_up: %ld)", vcpu_op(VCPUOP_is_up, 1, NULL));
        test_done();
    }
    IS(rdmsr(0x802), 0);
    memcpy((void *)0x8000, ap_page, (size_t)(ap_page_end - ap_page));
    __asm__ volatile("mov %%cr3, %0" : "=r"(ap_cr3));
    __asm__ volatile("sidt %0" : "=m"(*(char(*)[10])ap_idtr));
    rt_set_gate(0x51, on_ping, 0);
    rt_set_gate(0x52, on_pong, 0);
    start(1);
    check(ap_vcpu == 1 && ap_apic_id == AP_ID, "it is vCPU %u, APIC id %u", ap_vcpu, ap_apic_id);
    IS(vcpu_op(VCPUOP_is_up, 1, NULL), 1);
    ping_pong();
    start(2); /* INIT stops it wherever it is */
    ping_pong();
    ipi(200, ICR_INIT);
    ipi(200, ICR_SIPI | 8);
    ipi(200, ICR_FIXED | 0x51);
    check(true, "interrupts to an APIC that does not exist are lost");
    ipi(0, ICR_FIXED | 0x52);
    check(reaches(&pongs, 201, 10000), "an interrupt to oneself");
    check(try_wrmsr(0x83f, 0x52) == -1 && reaches(&pongs, 202, 10000), "and by self-IPI");
    test_done();
}
