/* SPDX-License-Identifier: MIT */
/*
 * void svm_enter(struct regs *regs, uint64_t vmcb, uint64_t host_vmcb): one trip into the guest (AMD APM vol. 2, 15.5).
 * Called with IF=0. GIF is off around the switch; IF=1 inside makes a host interrupt an exit (V_INTR_MASKING).
 * RAX, RSP, RIP and RFLAGS of the guest travel in the VMCB. On return GIF=1, IF=0 and no guest value is left in a register.
 */
#include "cpu/entry.h"

    .text
    .globl svm_enter
svm_enter:
    HOST_SAVE
    push %rdx              /* 8(%rsp): host vmcb */
    push %rdi              /* 0(%rsp): regs */
    mov %rsi, %rax
    clgi
    sti
    GUEST_LOAD
    vmload %rax
    vmrun %rax
    vmsave %rax
    cli
    xchg %rax, (%rsp)      /* RAX = regs */
    GUEST_STORE
    pop %rcx
    pop %rax
    vmload %rax            /* GS base, TR, system call registers of the host */
    GUEST_WIPE
    stgi
    HOST_RESTORE
    ret
    .section .note.GNU-stack, "", @progbits
