/* SPDX-License-Identifier: MIT */
/*
 * Every fault and interrupt of a clone that runs random bytes comes here: count it, leave everything else as it is but flags and stack,
 * and go on with the next slot of 16 bytes; after the last slot, make new bytes.
 */
        .text
        .globl soup_next
soup_next:
        incq 0x6018                     /* clone_shared.faults */
        incq 0x6000                     /* done */
        movq 0x6018, %rax
        andl $2047, %eax
        jz 1f
        shlq $4, %rax
        addq $soup, %rax
        movl $0x6000 - 64, %esp
        pushq $2
        popfq
        jmp *%rax
1:      movl $0x6000 - 64, %esp
        jmp soup_cook
        .section .note.GNU-stack, "", @progbits
