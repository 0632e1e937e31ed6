/* SPDX-License-Identifier: MIT */
/*
 * Exceptions: every one of them is a bug of the domain, so its registers and the way there are printed and the domain
 * crashes. They run on a stack of their own (IST 1), so an overrun of the main stack is reported as well.
 */
#include "rt/internal.h"
#include <xen/sched.h>

struct gate { uint16_t low, selector; uint8_t ist, type; uint16_t middle; uint32_t high, zero; };
struct tss { uint32_t zero0; uint64_t rsp[3], zero1, ist[7], zero2; uint16_t zero3, iomap; } __attribute__((packed));

extern uint64_t rt_gdt[];
extern char rt_trap_stubs[];
void rt_spurious(void);
bool (*rt_trap_hook)(struct rt_trap *t);

static struct gate idt[256] __attribute__((aligned(16)));
static struct tss tss;
static char trap_stack[8192] __attribute__((aligned(16)));
static bool dying;

void rt_set_gate(unsigned vector, void (*entry)(void), unsigned ist)
{
    uint64_t a = (uint64_t)(uintptr_t)entry;
    idt[vector] = (struct gate){ .low = (uint16_t)a, .selector = SEL_CODE, .ist = (uint8_t)ist, .type = 0x8e,
                                 .middle = (uint16_t)(a >> 16), .high = (uint32_t)(a >> 32) };
}

void rt_traps_init(void)
{
    uint64_t base = (uint64_t)&tss;
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint64_t)idt };

    tss.ist[0] = (uint64_t)(trap_stack + sizeof(trap_stack));
    tss.iomap = sizeof(tss);
    rt_gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    rt_gdt[SEL_TSS / 8 + 1] = base >> 32;
    for (unsigned v = 0; v < 32; v++)
        rt_set_gate(v, (void (*)(void))(uintptr_t)(rt_trap_stubs + v * 16), 1);
    rt_set_gate(RT_SPURIOUS_VECTOR, rt_spurious, 0);
    __asm__ volatile("lidt %0" : : "m"(idtr));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

static bool on_stack(uint64_t rbp)
{
    bool main_stack = rbp >= (uint64_t)_stack_bottom && rbp <= (uint64_t)_stack_top - 16;
    bool task = rbp >= (uint64_t)_task_bottom && rbp <= (uint64_t)_task_top - 16;
    bool other = rbp >= (uint64_t)trap_stack && rbp <= (uint64_t)trap_stack + sizeof(trap_stack) - 16;
    return rbp % 8 == 0 && (main_stack || task || other);
}

void rt_backtrace(uint64_t rip, uint64_t rbp)
{
    rt_log("backtrace: %lx", rip);
    for (unsigned i = 0; i < 16 && on_stack(rbp); i++) {
        const uint64_t *frame = (const uint64_t *)rbp;
        if (!frame[1])
            return;
        rt_log("           %lx", frame[1]);
        if (frame[0] <= rbp)
            return;
        rbp = frame[0];
    }
}

void rt_trap(struct rt_trap *t)
{
    static const char *const name[] = { "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode",
        "no FPU", "double fault", "(9)", "invalid TSS", "segment not present", "stack fault", "general protection",
        "page fault", "(15)", "FPU error", "alignment", "machine check", "SIMD error" };
    uint64_t cr2;

    if (rt_trap_hook && rt_trap_hook(t))
        return;
    if (dying)
        rt_shutdown(SHUTDOWN_crash);
    dying = true;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    rt_log("EXCEPTION %lu (%s), error code %lx, address %lx%s", t->vector, t->vector < 20 ? name[t->vector] : "?",
           t->error, cr2, t->vector == 14 && rt_in_guard(cr2)
           ? " (stack overrun)" : "");
    rt_log("rip %016lx rsp %016lx rflags %08lx rbp %016lx", t->rip, t->rsp, t->rflags, t->rbp);
    rt_log("rax %016lx rbx %016lx rcx %016lx rdx %016lx", t->rax, t->rbx, t->rcx, t->rdx);
    rt_log("rsi %016lx rdi %016lx r8  %016lx r9  %016lx", t->rsi, t->rdi, t->r8, t->r9);
    rt_log("r10 %016lx r11 %016lx r12 %016lx r13 %016lx", t->r10, t->r11, t->r12, t->r13);
    rt_log("r14 %016lx r15 %016lx", t->r14, t->r15);
    rt_backtrace(t->rip, t->rbp);
    rt_shutdown(SHUTDOWN_crash);
}
