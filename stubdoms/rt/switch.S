/* SPDX-License-Identifier: MIT */
/* From one stack to another: see task.c. */
        .text
/* void rt_switch(uint64_t *save, uint64_t to): what a call must keep goes to this stack, its place to *save; then the other stack's. */
        .global rt_switch
rt_switch:
        pushq %rbp
        pushq %rbx
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, (%rdi)
        movq %rsi, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbx
        popq %rbp
        ret
        .section .note.GNU-stack, "", @progbits
