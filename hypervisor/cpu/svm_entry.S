/* SPDX-License-Identifier: MIT */
/*
 * void svm_enter(struct regs *regs, uint64_t vmcb, uint64_t host_vmcb): one trip into the guest (AMD APM vol. 2, 15.5).
 * Called with IF=0. GIF is off around the switch; IF=1 inside makes a host interrupt an exit (V_INTR_MASKING).
 * RAX, RSP, RIP and RFLAGS of the guest travel in the VMCB. On return GIF=1, IF=0 and no guest value is left in a register.
 */
    .text
    .globl svm_enter
svm_enter:
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdx              /* 8(%rsp): host vmcb */
    push %rdi              /* 0(%rsp): regs */
    mov %rsi, %rax
    clgi
    sti
    mov 0x08(%rdi), %rcx
    mov 0x10(%rdi), %rdx
    mov 0x18(%rdi), %rbx
    mov 0x28(%rdi), %rbp
    mov 0x30(%rdi), %rsi
    mov 0x40(%rdi), %r8
    mov 0x48(%rdi), %r9
    mov 0x50(%rdi), %r10
    mov 0x58(%rdi), %r11
    mov 0x60(%rdi), %r12
    mov 0x68(%rdi), %r13
    mov 0x70(%rdi), %r14
    mov 0x78(%rdi), %r15
    mov 0x38(%rdi), %rdi
    vmload %rax
    vmrun %rax
    vmsave %rax
    cli
    xchg %rax, (%rsp)      /* RAX = regs */
    mov %rcx, 0x08(%rax)
    mov %rdx, 0x10(%rax)
    mov %rbx, 0x18(%rax)
    mov %rbp, 0x28(%rax)
    mov %rsi, 0x30(%rax)
    mov %rdi, 0x38(%rax)
    mov %r8, 0x40(%rax)
    mov %r9, 0x48(%rax)
    mov %r10, 0x50(%rax)
    mov %r11, 0x58(%rax)
    mov %r12, 0x60(%rax)
    mov %r13, 0x68(%rax)
    mov %r14, 0x70(%rax)
    mov %r15, 0x78(%rax)
    pop %rcx
    pop %rax
    vmload %rax            /* GS base, TR, system call registers of the host */
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    stgi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .section .note.GNU-stack, "", @progbits
