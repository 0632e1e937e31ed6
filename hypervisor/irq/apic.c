/* SPDX-License-Identifier: MIT */
/*
 * The CPU's local APIC, by MSR (x2APIC) or by memory (xAPIC): enabling, interrupts to other CPUs, the one-shot timer,
 * and the table of who handles which vector. Intel SDM vol. 3 chapter 11.
 */
#include "irq/apic.h"
#include "lib/log.h"
#include "lib/time.h"
#include "lib/x86.h"

/* Registers by their offset in the xAPIC page; the x2APIC MSR is 0x800 + offset / 16. */
#define REG_ID 0x20
#define REG_VERSION 0x30
#define REG_TPR 0x80
#define REG_EOI 0xb0
#define REG_SVR 0xf0
#define REG_ESR 0x280
#define REG_ICR 0x300
#define REG_ICR_HIGH 0x310
#define REG_LVT_CMCI 0x2f0
#define REG_LVT_TIMER 0x320
#define REG_LVT_THERMAL 0x330
#define REG_LVT_PERF 0x340
#define REG_LVT_LINT0 0x350
#define REG_LVT_LINT1 0x360
#define REG_LVT_ERROR 0x370
#define REG_TIMER_INITIAL 0x380
#define REG_TIMER_CURRENT 0x390
#define REG_TIMER_DIVIDE 0x3e0

#define LVT_MASKED BIT(16)
#define LVT_TSC_DEADLINE BIT(18)
#define SVR_ENABLE 0x100u
#define ICR_FIXED 0u
#define ICR_NMI 0x400u
#define ICR_INIT 0x500u
#define ICR_SIPI 0x600u
#define ICR_BUSY 0x1000u
#define ICR_ASSERT 0x4000u
#define ICR_LEVEL 0x8000u
#define ICR_ALL_OTHERS 0xc0000u
#define BASE_EXTD BIT(10)
#define BASE_ENABLE BIT(11)
#define DIVIDE_BY_1 0xbu
#define ICR_SPINS 1000000u

PERCPU(uint32_t, apic_id);
static bool x2apic, tsc_deadline;
static volatile uint32_t *xapic;
static uint64_t timer_hz; /* of the count-down timer at divide 1 */
static irq_fn handlers[256];

static uint32_t apic_read(unsigned reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : xapic[reg / 4];
}

static void apic_write(unsigned reg, uint32_t v)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + reg / 16, v);
    else
        xapic[reg / 4] = v;
}

static void mask_all_sources(void)
{
    unsigned max_lvt = apic_read(REG_VERSION) >> 16 & 0xff;

    apic_write(REG_LVT_TIMER, LVT_MASKED);
    apic_write(REG_LVT_LINT0, LVT_MASKED);
    apic_write(REG_LVT_LINT1, LVT_MASKED);
    apic_write(REG_LVT_ERROR, LVT_MASKED);
    if (max_lvt >= 4)
        apic_write(REG_LVT_PERF, LVT_MASKED);
    if (max_lvt >= 5)
        apic_write(REG_LVT_THERMAL, LVT_MASKED);
    if (max_lvt >= 6)
        apic_write(REG_LVT_CMCI, LVT_MASKED);
}

void apic_init_cpu(void)
{
    uint32_t features = cpuid(1, 0).c;
    uint64_t base = rdmsr(MSR_APIC_BASE) | BASE_ENABLE;

    x2apic = features >> 21 & 1;
    tsc_deadline = features >> 24 & 1;
    xapic = mpa_to_virt(mpa(base & PAGE_MASK & (BIT(52) - 1)));
    wrmsr(MSR_APIC_BASE, base);
    if (x2apic)
        wrmsr(MSR_APIC_BASE, base | BASE_EXTD);
    this_cpu(apic_id) = x2apic ? apic_read(REG_ID) : apic_read(REG_ID) >> 24;
    apic_write(REG_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    mask_all_sources();
    apic_write(REG_TPR, 0);
    apic_write(REG_ESR, 0);
    apic_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    if (!this_cpu_id()) { /* the two old interrupt controllers stay silent for ever */
        outb(0x21, 0xff);
        outb(0xa1, 0xff);
        log_info("apic: %s, %s timer", x2apic ? "x2APIC" : "xAPIC", tsc_deadline ? "TSC deadline" : "count-down");
    }
    apic_timer_set(0);
}

void apic_eoi(void)
{
    apic_write(REG_EOI, 0);
}

/* --- interrupts to other CPUs --- */

static void wait_icr_idle(void)
{
    for (unsigned i = 0; apic_read(REG_ICR) & ICR_BUSY; i++) {
        if (i == ICR_SPINS) {
            log_warn("apic: CPU %u's last interrupt to another CPU is not accepted", this_cpu_id());
            return;
        }
        cpu_pause();
    }
}

static void send(uint32_t dest, uint32_t command)
{
    __asm__ volatile("mfence; lfence" ::: "memory"); /* what the target is to see is written before it is told */
    if (x2apic) {
        wrmsr(MSR_X2APIC + REG_ICR / 16, (uint64_t)dest << 32 | command);
        return;
    }
    wait_icr_idle();
    apic_write(REG_ICR_HIGH, dest << 24);
    apic_write(REG_ICR, command);
}

void apic_kick(unsigned cpu)
{
    if (cpu != this_cpu_id())
        send(per_cpu(apic_id, cpu), ICR_FIXED | ICR_ASSERT | VECTOR_KICK);
}

void apic_kick_self(void) { send(this_cpu(apic_id), ICR_FIXED | ICR_ASSERT | VECTOR_KICK); }

void apic_send_init(uint32_t id)
{
    send(id, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
    send(id, ICR_INIT | ICR_LEVEL); /* de-assert: ignored by CPUs that do not need it */
}

void apic_send_sipi(uint32_t id, uint8_t page)
{
    send(id, ICR_SIPI | ICR_ASSERT | page);
}

void apic_nmi(unsigned cpu)
{
    send(per_cpu(apic_id, cpu), ICR_NMI | ICR_ASSERT);
}

void apic_nmi_all_others(void)
{
    if (x2apic || xapic)
        send(0, ICR_NMI | ICR_ASSERT | ICR_ALL_OTHERS);
}

/* --- the timer --- */

/* The counter and the time it was read at; of several tries the one least disturbed. */
static uint32_t read_counter(uint64_t *when)
{
    uint64_t best = ~0ull;
    uint32_t counter = 0;

    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = now_ns();
        uint32_t c = apic_read(REG_TIMER_CURRENT);
        uint64_t took = now_ns() - before;

        if (took < best) {
            best = took;
            counter = c;
            *when = before + took / 2;
        }
    }
    return counter;
}

void apic_timer_calibrate(void)
{
    uint64_t start = 0, end = 0;
    uint32_t from, to;

    if (tsc_deadline)
        return;
    apic_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(REG_TIMER_INITIAL, ~0u);
    from = read_counter(&start);
    do {
        to = read_counter(&end);
    } while (end - start < 20000000);
    apic_write(REG_TIMER_INITIAL, 0);
    timer_hz = (uint64_t)(from - to) * 1000000000 / (end - start);
    if (timer_hz < 1000000)
        panic("apic: the timer counted only %u in %lu ns", from - to, end - start);
    log_info("apic: timer at %lu kHz", timer_hz / 1000);
}

static void set_deadline(uint64_t deadline_ns)
{
    uint64_t tsc = deadline_ns ? ns_to_tsc(deadline_ns) : 0;

    apic_write(REG_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
    __asm__ volatile("mfence" ::: "memory"); /* the mode is set before the deadline (SDM 11.5.4.1) */
    wrmsr(MSR_TSC_DEADLINE, tsc);
}

/* A deadline further than the counter reaches comes early, and whoever looks at the time then sets it again. */
static void set_countdown(uint64_t deadline_ns)
{
    uint64_t now, delta, ticks;

    apic_write(REG_LVT_TIMER, VECTOR_TIMER);
    if (!deadline_ns || !timer_hz) {
        apic_write(REG_TIMER_INITIAL, 0);
        return;
    }
    now = now_ns();
    delta = deadline_ns > now ? MIN(deadline_ns - now, 1000000000ull) : 0;
    ticks = delta * (timer_hz / 1000) / 1000000 + 1;
    apic_write(REG_TIMER_INITIAL, (uint32_t)MIN(ticks, 0xffffffffull));
}

void apic_timer_set(uint64_t deadline_ns)
{
    if (tsc_deadline)
        set_deadline(deadline_ns);
    else
        set_countdown(deadline_ns);
}

/* --- vectors --- */

void irq_set_handler(uint8_t vector, irq_fn fn)
{
    __atomic_store_n(&handlers[vector], fn, __ATOMIC_RELEASE);
}

void irq_dispatch(uint8_t vector)
{
    irq_fn fn = __atomic_load_n(&handlers[vector], __ATOMIC_ACQUIRE);

    if (vector == VECTOR_SPURIOUS)
        return; /* not in service: no EOI */
    if (fn)
        fn(vector);
    else if (vector != VECTOR_KICK) /* a kick only had to interrupt */
        log_debug("irq: vector %02x came to CPU %u and nobody handles it", vector, this_cpu_id());
    apic_eoi();
}
