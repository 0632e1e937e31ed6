/* SPDX-License-Identifier: MIT */
/*
 * xapic: the local APIC's page of registers. Changing the mode by IA32_APIC_BASE along the allowed ways only; the page by each
 * instruction that is decoded; priorities and ends of interrupts in x2APIC mode; timer, interrupts to oneself by every kind of destination, another vCPU started through it.
 */
#include "tests/guest/lib.h"
#include <xen/vcpu.h>

#define MS 1000000ul
#define GP 13
#define PAGE 0xfee00000ul
#define APIC_BASE 0x1b
#define ENABLE (1ul << 11)
#define EXTD (1ul << 10)
#define VECTOR 0x51u
enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ICR = 0x300, ICR_HIGH = 0x310, LVT_TIMER = 0x320,
       LVT_ERROR = 0x370, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0, SELF = 0x3f0 };

void on_interrupt(void);
volatile uint32_t interrupts;
extern char ap_code[], ap_code_end[];

/* Counts, and ends the interrupt by a store of an immediate. The second vCPU's code, in real mode at 8000h:
 * it counts its starts at 8100h. */
__asm__(".pushsection .text\n"
        "on_interrupt: push %rax; lock incl interrupts; movl $0xfee00000, %eax; movl $0, 0xb0(%rax); pop %rax; iretq\n"
        ".global ap_code, ap_code_end\n"
        ".code16\n"
        "ap_code: lock incw %cs:0x100; 1: cli; hlt; jmp 1b\n"
        "ap_code_end: .code64\n"
        ".popsection");

static uint32_t get(unsigned reg) { return *(volatile uint32_t *)(PAGE + reg); }
static void put(unsigned reg, uint32_t v) { *(volatile uint32_t *)(PAGE + reg) = v; }

static bool reaches(volatile uint32_t *value, uint32_t want)
{
    uint64_t end = rt_now() + 5000 * MS;
    __asm__ volatile("sti");
    while (*value < want && rt_now() < end)
        __asm__ volatile("pause");
    __asm__ volatile("cli");
    return *value == want;
}

static void modes(void)
{
    uint64_t base = 0, v = 0;
    int vector = try_rdmsr(APIC_BASE, &base);
    check(vector == -1 && (base & (ENABLE | EXTD)) == (ENABLE | EXTD), "x2APIC mode from reset (%lx)", base);
    check(try_wrmsr(APIC_BASE, base & ~EXTD) == GP, "not from x2APIC to xAPIC mode in one step");
    check(try_wrmsr(APIC_BASE, base + 0x1000) == GP, "the page stays where it is");
    check(try_wrmsr(APIC_BASE, base & ~ENABLE) == GP, "x2APIC mode goes with the enable bit only");
    check(try_wrmsr(APIC_BASE, base & ~(ENABLE | EXTD)) == -1, "off");
    check(try_rdmsr(0x802, &v) == GP, "no MSR of the APIC while it is off");
    check(try_wrmsr(APIC_BASE, base) == GP, "not from off to x2APIC mode");
    check(try_wrmsr(APIC_BASE, base & ~EXTD) == -1 && try_rdmsr(APIC_BASE, &v) == -1 && v == (base & ~EXTD), "xAPIC mode");
    check(try_rdmsr(0x802, &v) == GP && try_wrmsr(0x80b, 0) == GP, "no MSR of x2APIC mode in it");
}

static void registers(void)
{
    IS(get(ID), 0);
    IS(get(VERSION) & 0xff, 0x14);
    IS(get(SVR), 0xff);
    put(SVR, 0xfffff1ff);
    IS(get(SVR), 0x1ff);
    put(TPR, 0x120);
    IS(get(TPR), 0x20);
    put(TPR, 0);
    put(VERSION, 7);
    IS(get(VERSION) & 0xff, 0x14);
    put(ID, 7 << 24);
    IS(get(ID), 0);
    IS(get(SELF), 0);
    put(SELF, VECTOR);
    put(LVT_TIMER, 0x60000 | VECTOR); /* no mode of the timer */
    check(get(LVT_TIMER) == 0x10000, "a mode that the timer has not leaves it as it was (%x)", get(LVT_TIMER));
    IS(get(0x3f0), 0);
    IS(interrupts, 0);
}

/* Every form of the instructions, on the error entry's vector. */
static void instructions(void)
{
    uint64_t page = PAGE, index = LVT_ERROR / 4, r = 0xffffffff00010041, out = ~0ul, r9 = 0x10042;
    __asm__ volatile("movl %k1, 0x370(%0)" : : "r"(page), "r"(r) : "memory");
    __asm__ volatile("movl (%1,%2,4), %k0" : "+r"(out) : "r"(page), "r"(index) : "memory");
    check(out == 0x10041, "store with 32-bit displacement, load with base and index: upper half cleared (%lx)", out);
    __asm__ volatile("mov %1, %%r9; mov %2, %%r13; movl %%r9d, 0x370(%%r13); movl 0x370(%%r13), %%r10d; mov %%r10, %0"
                     : "=r"(out) : "r"(r9), "r"(page) : "r9", "r10", "r13", "memory");
    check(out == 0x10042, "registers with REX (%lx)", out);
    __asm__ volatile("movl $0x10043, 0x370(%1); movl 0x370(%1), %k0" : "=&r"(out) : "r"(page) : "memory");
    check(out == 0x10043, "an immediate (%lx)", out);
    r = 0x10044;
    __asm__ volatile("xchgl %k0, 0x370(%1)" : "+r"(r) : "r"(page) : "memory");
    check(r == 0x10043 && get(LVT_ERROR) == 0x10044, "exchange (%lx, %x)", r, get(LVT_ERROR));
    __asm__ volatile("movl 0x20(%1), %k0" : "=r"(out) : "r"(page + 0x10) : "memory");
    check((out & 0xff) == 0x14, "8-bit displacement (%lx)", out);
}

static void timer(void)
{
    put(DIVIDE, 0xb);
    put(LVT_TIMER, VECTOR);
    put(INITIAL, 1000000); /* 10 ms */
    check(get(CURRENT) > 0 && get(CURRENT) <= 1000000, "the count runs (%u)", get(CURRENT));
    check(reaches(&interrupts, 1), "the timer's interrupt");
    IS(get(CURRENT), 0);
}

static void send(uint32_t high, uint32_t low)
{
    put(ICR_HIGH, high << 24);
    put(ICR, low);
}

static void destinations(void)
{
    uint32_t n = interrupts;
    put(ICR, 0x40000 | VECTOR);
    check(reaches(&interrupts, n + 1), "an interrupt to oneself by shorthand");
    send(0, VECTOR);
    check(reaches(&interrupts, n + 2), "by physical id");
    send(0xff, VECTOR);
    check(reaches(&interrupts, n + 3), "to all");
    IS(get(DFR), 0xffffffff);
    put(LDR, 0x20u << 24);
    IS(get(LDR), 0x20u << 24);
    send(0x21, 0x800 | VECTOR);
    check(reaches(&interrupts, n + 4), "by logical id, flat");
    put(DFR, 0);
    put(LDR, 0x24u << 24);
    send(0x26, 0x800 | VECTOR);
    check(reaches(&interrupts, n + 5), "by logical id in a cluster");
    send(0x36, 0x800 | VECTOR); /* another cluster */
    send(0x29, 0x800 | VECTOR); /* not me */
    send(200, VECTOR);
    rt_spin_ns(MS);
    check(reaches(&interrupts, n + 5), "not what is for others (%u)", interrupts - n);
    IS(get(ICR_HIGH) >> 24, 200);
    IS(get(ICR), VECTOR);
}

static void second_vcpu(void)
{
    volatile uint32_t *starts = (uint32_t *)0x8100;
    if (vcpu_op(VCPUOP_is_up, 1, NULL) != 0) {
        check(false, "a second vCPU that is down");
        return;
    }
    memcpy((void *)0x8000, ap_code, (size_t)(ap_code_end - ap_code));
    *starts = 0;
    for (uint32_t i = 1; i <= 2; i++) {
        send(2, 0x4500);
        rt_spin_ns(10 * MS);
        send(2, 0x4608);
        check(reaches(starts, i), "vCPU 1 starts by INIT and SIPI (%u)", *starts);
    }
}

/* --- x2APIC mode, where a CPU may deliver interrupts and take their ends by itself --- */

#define LOW 0x52u
#define HIGH 0x73u
enum { MSR_TPR = 0x808, MSR_PPR = 0x80a, MSR_EOI = 0x80b, MSR_SVR = 0x80f, MSR_ISR = 0x810, MSR_IRR = 0x820, MSR_SELF = 0x83f };

void on_low(void), on_high(void);
volatile uint32_t lows, highs, low_isr, low_ppr, highs_before_low;

/* What is in service and which priority that gives; then the end of the interrupt. */
__asm__(".pushsection .text\n"
        "on_low: push %rax; push %rcx; push %rdx; incl lows; mov highs, %eax; mov %eax, highs_before_low\n"
        "mov $0x812, %ecx; rdmsr; mov %eax, low_isr; mov $0x80a, %ecx; rdmsr; mov %eax, low_ppr; jmp 1f\n"
        "on_high: push %rax; push %rcx; push %rdx; incl highs\n"
        "1: mov $0x80b, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr; pop %rdx; pop %rcx; pop %rax; iretq\n"
        ".popsection");

static uint64_t msr(uint32_t number)
{
    uint64_t v = ~0ul;
    return try_rdmsr(number, &v) == -1 ? v : ~0ul;
}

static void x2apic(void)
{
    rt_set_gate(LOW, on_low, 0);
    rt_set_gate(HIGH, on_high, 0);
    check(try_wrmsr(MSR_SVR, 0x1ff) == -1 && try_wrmsr(MSR_TPR, 0x60) == -1 && try_wrmsr(MSR_SELF, LOW) == -1, "a self-IPI below the task priority");
    __asm__ volatile("sti");
    rt_spin_ns(3 * MS);
    __asm__ volatile("cli");
    check(!lows && msr(MSR_TPR) == 0x60 && msr(MSR_PPR) == 0x60, "is held back");
    IS(msr(MSR_IRR + LOW / 32), 1u << LOW % 32);
    check(try_wrmsr(MSR_SELF, HIGH) == -1 && reaches(&highs, 1) && !lows, "one above it is not");
    check(try_wrmsr(MSR_TPR, 0) == -1 && reaches(&lows, 1), "and comes when the priority falls");
    check(low_isr == 1u << LOW % 32 && low_ppr == (LOW & 0xf0), "in service then (%x), which is the priority (%x)", low_isr, low_ppr);
    check(!msr(MSR_ISR + LOW / 32) && !msr(MSR_IRR + LOW / 32) && !msr(MSR_PPR), "nothing of it is left");
    check(try_wrmsr(MSR_SELF, LOW) == -1 && try_wrmsr(MSR_SELF, HIGH) == -1 && reaches(&lows, 2) && highs == 2 && highs_before_low == 2,
          "of two the higher first");
    check(try_wrmsr(MSR_EOI, 1) == GP && try_wrmsr(MSR_TPR, 0x100) == GP && try_wrmsr(MSR_PPR, 0) == GP, "reserved bits, read-only");
    for (unsigned i = 0; i < 1000; i++) {
        try_wrmsr(MSR_SELF, LOW);
        if (!reaches(&lows, 3 + i))
            break;
    }
    IS(lows, 1002);
}

void domain_main(const char *cmdline)
{
    uint64_t base = 0, id = 1;
    IS(rt_map_mmio(PAGE, 4096), 0);
    rt_set_gate(VECTOR, on_interrupt, 0);
    modes();
    registers();
    instructions();
    timer();
    destinations();
    second_vcpu();
    check(try_rdmsr(APIC_BASE, &base) == -1 && try_wrmsr(APIC_BASE, base | EXTD) == -1, "back to x2APIC mode");
    check(try_rdmsr(0x802, &id) == -1 && id == 0, "its MSRs are there again");
    x2apic();
    volatile bool never = false;
    uint64_t before = rt_now();
    wait_for(&never, 5);
    check(rt_now() - before >= 5 * MS, "timers of the domain's own go on");
    test_done();
}
