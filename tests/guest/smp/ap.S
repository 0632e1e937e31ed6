/* SPDX-License-Identifier: MIT */
/* The second vCPU's way from SIPI (real mode, page 8) into C, and the two interrupt handlers. */
        .text
        .code16
        .global ap_page, ap_page_end
ap_page:                                /* copied to 8000h; CS = 0800h */
        cli
        lgdtl %cs:ap_gdt_ptr - ap_page
        movl $0x11, %eax
        movl %eax, %cr0
        ljmpl $0x18, $ap32
ap_gdt_ptr:
        .word ap_gdt_end - ap_gdt - 1
        .long ap_gdt
ap_page_end:
        .code32
ap32:   movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $0x620, %eax
        movl %eax, %cr4
        movl ap_cr3, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx
        rdmsr
        orl $0x900, %eax                /* LME, NXE */
        wrmsr
        movl $0x80010033, %eax
        movl %eax, %cr0
        ljmp $0x08, $1f
        .code64
1:      movl $ap_stack_top, %esp
        lidt ap_idtr
        xorl %ebp, %ebp
        call ap_main
        ud2

        .global on_ping, on_pong
on_ping:                                /* on vCPU 1: count, end, answer vCPU 0 */
        pushq %rax
        pushq %rcx
        pushq %rdx
        lock incl pings
        movl $0x80b, %ecx
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        movl $0x830, %ecx
        movl $0x4052, %eax              /* fixed, assert, vector 52h */
        xorl %edx, %edx                 /* to APIC id 0 */
        wrmsr
        popq %rdx
        popq %rcx
        popq %rax
        iretq
on_pong:                                /* on vCPU 0 */
        pushq %rax
        pushq %rcx
        pushq %rdx
        lock incl pongs
        movl $0x80b, %ecx
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        popq %rdx
        popq %rcx
        popq %rax
        iretq

        .data
        .balign 16
ap_gdt: .quad 0
        .quad 0x00af9b000000ffff        /* 08h: 64-bit code */
        .quad 0x00cf93000000ffff        /* 10h: data */
        .quad 0x00cf9b000000ffff        /* 18h: 32-bit code */
ap_gdt_end:
        .global ap_cr3, ap_idtr
ap_cr3: .quad 0
ap_idtr:
        .skip 16
        .bss
        .balign 16
        .skip 8192
ap_stack_top:
        .section .note.GNU-stack, "", @progbits
