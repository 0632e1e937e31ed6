/* SPDX-License-Identifier: MIT */
/*
 * Entry of a small domain by the PVH ABI (32-bit protected mode, paging off, EBX = struct hvm_start_info), the way
 * into 64-bit mode, and the stubs of exceptions and of the event upcall. Everything else is C.
 */
#include <xen/elfnote.h>
#include "rt/layout.h"

        .section .note.Xen, "a", @note
        .align 4
        .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long rt_start32

        .section .text.start, "ax"
        .code32
        .global rt_start32
rt_start32:
        cld
        movl $_stack_top, %esp
        /* pd0: 512 pages of 2 MiB, the first GiB 1:1; paging.c replaces all of this */
        movl $pd0, %edi
        movl $0x83, %eax
        movl $512, %ecx
1:      movl %eax, (%edi)
        movl $0, 4(%edi)
        addl $0x200000, %eax
        addl $8, %edi
        loop 1b
        movl $pd0 + 3, pdpt0
        movl $pdpt0 + 3, pml4
        movl $pml4, %eax
        movl %eax, %cr3
        movl $0x620, %eax               /* CR4: PAE, OSFXSR, OSXMMEXCPT */
        movl %eax, %cr4
        movl $0xc0000080, %ecx          /* EFER.LME */
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80010033, %eax          /* CR0: PG, WP, NE, ET, MP, PE */
        movl %eax, %cr0
        lgdt gdt_ptr
        ljmp $SEL_CODE, $1f

        .code64
1:      movl $SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        fninit
        movl $_stack_top, %esp
        xorl %ebp, %ebp
        pushq %rbp                      /* end of every backtrace */
        pushq %rbp
        movl %ebx, %edi
        call rt_init
        ud2

        /* Filled by the hypervisor: 32 bytes for each hypercall */
        .balign 4096
        .global hypercall_page
hypercall_page:
        .fill 4096, 1, 0x90

        .text
/* The event upcall: note that it came, and nothing else. The loop finds the events in the shared page. */
        .global rt_upcall
rt_upcall:
        pushq %rax
        movl $RT_SHARED_INFO, %eax
        movb $0, (%rax)                 /* vcpu_info[0].evtchn_upcall_pending */
        cmpb $0, rt_upcall_eoi
        je 1f
        pushq %rcx
        pushq %rdx
        movl $0x80b, %ecx               /* x2APIC EOI */
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        popq %rdx
        popq %rcx
1:      popq %rax
        .global rt_spurious
rt_spurious:
        iretq

/* Exceptions: vector and error code on the stack, registers above, then rt_trap(struct rt_trap *). */
        .macro STUB n, has_error
        .balign 16
        .if \has_error
        .else
        pushq $0
        .endif
        pushq $\n
        jmp trap_common
        .endm
        .balign 16
        .global rt_trap_stubs
rt_trap_stubs:
        .irp n, 0,1,2,3,4,5,6,7
        STUB \n, 0
        .endr
        STUB 8, 1
        STUB 9, 0
        .irp n, 10,11,12,13,14
        STUB \n, 1
        .endr
        STUB 15, 0
        STUB 16, 0
        STUB 17, 1
        .irp n, 18,19,20
        STUB \n, 0
        .endr
        STUB 21, 1
        .irp n, 22,23,24,25,26,27,28
        STUB \n, 0
        .endr
        STUB 29, 1
        STUB 30, 1
        STUB 31, 0
        .balign 16

trap_common:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rbx
        pushq %rbp
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        cld
        movq %rsp, %rdi
        movq %rsp, %rbx
        subq $512, %rsp
        andq $-16, %rsp
        fxsave (%rsp)
        call rt_trap
        fxrstor (%rsp)
        movq %rbx, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rbp
        popq %rbx
        popq %rdx
        popq %rcx
        popq %rax
        addq $16, %rsp
        iretq

        .data
        .balign 16
        .global rt_gdt
rt_gdt: .quad 0
        .quad 0x00af9b000000ffff        /* SEL_CODE */
        .quad 0x00cf93000000ffff        /* SEL_DATA */
        .quad 0, 0                      /* SEL_TSS, filled by traps.c */
gdt_end:
gdt_ptr:
        .word gdt_end - rt_gdt - 1
        .quad rt_gdt

        .bss
        .balign 4096
        .global pml4, pdpt0, pd0
pml4:   .skip 4096
pdpt0:  .skip 4096
pd0:    .skip 4096
        .section .note.GNU-stack, "", @progbits
