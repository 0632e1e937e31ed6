/* SPDX-License-Identifier: MIT */
/* A hypercall page for the host: every entry goes to fake_hypercall() of the test. */
        .text
        .balign 4096
        .global hypercall_page
hypercall_page:
        .rept 64
        .balign 32
        jmp fake_hypercall
        .endr
        .section .note.GNU-stack, "", @progbits
