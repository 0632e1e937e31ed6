/* SPDX-License-Identifier: MIT */
/*
 * The 256 interrupt entries, 16 bytes apart: each pushes an error code if the CPU did not, and its vector; the common part
 * saves the general registers as struct trap_frame (boot.h) and calls trap(). Intel SDM vol. 3, 6.14: the CPU aligns the
 * stack and pushes SS, RSP, RFLAGS, CS, RIP; with 17 more words it is aligned for the call again.
 */
    .text
    .align 16
    .globl idt_stubs
idt_stubs:
    vector = 0
    .rept 256
    .align 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    push $0
    .endif
    pushq $vector
    jmp common
    vector = vector + 1
    .endr

common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    call trap
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq
    .section .note.GNU-stack, "", @progbits
