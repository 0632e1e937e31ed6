/* SPDX-License-Identifier: MIT */
/*
 * Entry from a multiboot 1 or 2 loader: 32-bit protected mode, paging off, EAX = magic, EBX = information.
 * Builds tables that map the first 4 GiB at 0 and at DIRECT_MAP and the image at IMAGE_BASE, enters long mode and
 * calls boot_main(magic, info) on the boot stack. (Multiboot 0.6.96 section 3, Multiboot2 2.0 section 3.)
 */
#define IMAGE_BASE 0xffffffff80000000
#define PHYS(x) ((x) - IMAGE_BASE)

    .section .multiboot, "a"
    .align 8
mb1:
    .long 0x1badb002, 0x3, -(0x1badb002 + 0x3) /* page-aligned modules, memory map */
    .align 8
mb2:
    .long 0xe85250d6, 0, mb2_end - mb2, -(0xe85250d6 + (mb2_end - mb2))
    .word 6, 0 /* module alignment */
    .long 8
    .word 0, 0
    .long 8
mb2_end:

    .section .boot, "awx"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    mov $PHYS(boot_stack_top), %esp
    mov %eax, %esi
    mov %ebx, %ebp
    /* long mode and 2 MiB pages are a must */
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc no_long_mode
    /* page directories: 4 GiB of 2 MiB pages */
    mov $PHYS(boot_pd), %edi
    mov $0x83, %eax
    xor %edx, %edx
    mov $2048, %ecx
1:  mov %eax, (%edi)
    mov %edx, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov $PHYS(boot_pdpt), %edi
    mov $PHYS(boot_pd) + 3, %eax
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $4096, %eax
    add $8, %edi
    loop 2b
    movl $PHYS(boot_pd) + 3, PHYS(boot_pdpt_image) + 510 * 8
    movl $PHYS(boot_pdpt) + 3, PHYS(boot_pml4)
    movl $PHYS(boot_pdpt) + 3, PHYS(boot_pml4) + 256 * 8
    movl $PHYS(boot_pdpt_image) + 3, PHYS(boot_pml4) + 511 * 8
    mov $PHYS(boot_pml4), %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax /* LME, NXE */
    wrmsr
    mov %cr0, %eax
    or $0x80010001, %eax /* PG, WP, PE */
    and $0x9fffffff, %eax /* caches on */
    mov %eax, %cr0
    lgdt PHYS(boot_gdt_ptr)
    ljmp $8, $boot_long
no_long_mode:
    mov $0x3f8, %dx
    mov $'!', %al
    outb %al, %dx
    hlt
    jmp no_long_mode

    .code64
boot_long:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    movabs $boot_high, %rax
    jmp *%rax

    .text
boot_high:
    mov %esi, %edi
    mov %ebp, %esi
    xor %ebp, %ebp
    call boot_main
    ud2

    .data
    .align 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_ptr:
    .word . - boot_gdt - 1
    .quad PHYS(boot_gdt)

    .bss
    .align 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pdpt_image: .skip 4096
boot_pd: .skip 4 * 4096
    .globl boot_stack_guard, boot_stack_top
boot_stack_guard: .skip 4096 /* not mapped in our own tables */
    .skip 16384
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
