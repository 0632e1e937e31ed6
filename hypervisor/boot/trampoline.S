/* SPDX-License-Identifier: MIT */
/*
 * Where a secondary CPU starts: copied to the page AP_TRAMPOLINE, entered in real mode at its offset 0 with CS = page << 8
 * (Intel SDM vol. 3, 8.4). smp.c fills trampoline_params. The host's page tables map the page 1:1.
 */
#define BASE 0x8000 /* AP_TRAMPOLINE */
#define AT(x) (BASE + (x) - trampoline_start)

    .section .rodata
    .align 16
    .globl trampoline_start, trampoline_params, trampoline_end
    .code16
trampoline_start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    lgdtl AT(gdt_ptr)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $8, $AT(start32)

    .code32
start32:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov AT(trampoline_params) + 4, %eax
    mov %eax, %cr4
    mov AT(trampoline_params), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    xor %edx, %edx
    mov AT(trampoline_params) + 8, %eax
    wrmsr
    mov AT(trampoline_params) + 12, %eax
    mov %eax, %cr0
    ljmp $24, $AT(start64)

    .code64
start64:
    mov AT(trampoline_params) + 16, %rax
    jmp *%rax

    .align 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
gdt_ptr:
    .word gdt_ptr - gdt - 1
    .long AT(gdt)
    .align 8
trampoline_params: /* struct trampoline_params of smp.c */
    .skip 24
trampoline_end:

    /* In the image: take the seat that smp.c offers, or stop for ever if we come too late for it. */
    .text
    .globl ap_entry
ap_entry:
    mov $1, %eax /* AP_OFFERED */
    mov $2, %ecx /* AP_TAKEN */
    lock cmpxchg %ecx, ap_seat(%rip)
    jne 1f
    mov ap_stack_top(%rip), %rsp
    xor %ebp, %ebp
    call ap_main
1:  cli
    hlt
    jmp 1b
    .section .note.GNU-stack, "", @progbits
