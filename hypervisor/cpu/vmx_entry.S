/* SPDX-License-Identifier: MIT */
/*
 * int vmx_enter(struct regs *regs, bool launched): one trip into the guest (Intel SDM vol. 3, 27 and 28). Called with IF=0.
 * RSP, RIP and RFLAGS of the guest travel in the VMCS; the CPU puts the host's own state back at the exit, with IF=0.
 * Returns 0 behind an exit, with no guest value left in a register; 1 when VMLAUNCH or VMRESUME failed and nothing was run.
 */
    .text
    .globl vmx_enter, vmx_exit
vmx_enter:
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi              /* regs */
    mov $0x6c14, %eax      /* the host's RSP */
    vmwrite %rsp, %rax
    cmp $0, %esi           /* no instruction below changes the flags */
    mov 0x00(%rdi), %rax
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
    jne 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  pop %rdi
    mov $1, %eax
    jmp 3f
vmx_exit:
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
    mov %rcx, 0x00(%rax)
    xor %eax, %eax
3:  xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .section .note.GNU-stack, "", @progbits
