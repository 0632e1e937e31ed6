/* SPDX-License-Identifier: MIT */
/*
 * int vmx_enter(struct regs *regs, bool launched): one trip into the guest (Intel SDM vol. 3, 27 and 28). Called with IF=0.
 * RSP, RIP and RFLAGS of the guest travel in the VMCS; the CPU puts the host's own state back at the exit, with IF=0.
 * Returns 0 behind an exit, with no guest value left in a register; 1 when VMLAUNCH or VMRESUME failed and nothing was run.
 */
#include "cpu/entry.h"

    .text
    .globl vmx_enter, vmx_exit
vmx_enter:
    HOST_SAVE
    push %rdi              /* regs */
    mov $0x6c14, %eax      /* the host's RSP */
    vmwrite %rsp, %rax
    cmp $0, %esi           /* no instruction below changes the flags */
    mov 0x00(%rdi), %rax
    GUEST_LOAD
    jne 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  pop %rdi
    mov $1, %eax
    jmp 3f
vmx_exit:
    xchg %rax, (%rsp)      /* RAX = regs */
    GUEST_STORE
    pop %rcx
    mov %rcx, 0x00(%rax)
    xor %eax, %eax
3:  GUEST_WIPE
    HOST_RESTORE
    ret
    .section .note.GNU-stack, "", @progbits
