/* SPDX-License-Identifier: MIT */
/*
 * What the interrupt entries call. An exception in the hypervisor is our own bug: registers, backtrace, stop.
 * Interrupts come only where interrupts are on: behind a guest's exit and in the idle loop.
 */
#include "boot/boot.h"
#include "call/call.h"
#include "irq/apic.h"
#include "lib/log.h"
#include "lib/x86.h"

#define NMI 2
#define FIRST_IRQ 32

static const char *const names[FIRST_IRQ] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode", "device not available",
    "double fault", "coprocessor overrun", "invalid TSS", "segment not present", "stack fault", "general protection",
    "page fault", "reserved", "x87 error", "alignment check", "machine check", "SIMD error", "virtualization",
    "control protection", [28] = "hypervisor injection", [29] = "VMM communication", [30] = "security",
};
static PERCPU(bool, dying); /* this CPU reports an exception: the next one must not report itself */

static _Noreturn void halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

static _Noreturn void exception(const struct trap_frame *f)
{
    if (this_cpu(dying))
        halt();
    this_cpu(dying) = true;
    if (!panicking) { /* else another CPU has the word */
        log_error("CPU %u: rip %016lx cs %04lx rflags %08lx rsp %016lx ss %04lx", this_cpu_id(), f->rip, f->cs, f->rflags, f->rsp, f->ss);
        log_error("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
        log_error("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", f->rsi, f->rdi, f->rbp, f->r8);
        log_error("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", f->r9, f->r10, f->r11, f->r12);
        log_error("r13 %016lx r14 %016lx r15 %016lx", f->r13, f->r14, f->r15);
        log_error("cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx", read_cr0(), read_cr2(), read_cr3(), read_cr4());
        log_error("stack of the exception:");
        backtrace_from(f->rip, f->rbp);
        panic_registers_said = true;
    }
    panic("CPU %u: %s (vector %lu, error %lx) at %016lx", this_cpu_id(), names[f->vector] ? names[f->vector] : "exception", f->vector,
          f->error, f->rip);
}

void trap(struct trap_frame *f)
{
    if (f->vector >= FIRST_IRQ) {
        irq_dispatch((uint8_t)f->vector);
    } else if (f->vector == NMI) {
        if (panicking)
            halt();
        profile_nmi(f->rip, f->rsp, f->rbp); /* another is the platform's complaint, and what about only its own registers know */
    } else {
        exception(f);
    }
}
