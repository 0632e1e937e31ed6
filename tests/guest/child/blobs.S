/* SPDX-License-Identifier: MIT */
/*
 * What children run: position-independent, copied to page 4 of the child. `vmmcall` is replaced on a CPU whose
 * hypercall instruction is vmcall. Stack at the end of page 5.
 */
        .text
        .global child_poweroff, child_crash, child_ud, child_garbage, child_flood, child_spin, child_count
        .global child_deaf, child_peer, child_watchdog, child_wild, child_refused, child_calls, child_sleep, child_pae, child_end
        .set SCHED_OP, 29
child_poweroff:
        pushq $0                        /* sched_shutdown.reason */
        movl $SCHED_OP, %eax
        movl $2, %edi
        movq %rsp, %rsi
        vmmcall
        jmp child_spin
child_crash:
        pushq $3
        movl $SCHED_OP, %eax
        movl $2, %edi
        movq %rsp, %rsi
        vmmcall
        jmp child_spin
child_ud:
        ud2                             /* without an IDT: #UD, #DF, triple fault */
child_garbage:
        .fill 64, 1, 0xff
child_flood:
        movl $17, %eax                  /* xen_version */
        xorl %edi, %edi
        vmmcall
        jmp child_flood
child_spin:
        jmp child_spin
child_deaf:
        cli
        jmp child_spin
child_count:
        lock incq 0x6000
        jmp child_count
child_watchdog:
        movl $1, %eax
        shlq $32, %rax                  /* timeout 1 s, id 0 */
        pushq %rax
        movl $SCHED_OP, %eax
        movl $6, %edi
        movq %rsp, %rsi
        vmmcall
        jmp child_spin
child_wild:                             /* an address with nothing behind it */
        movl $0x30000000, %eax
        movl %eax, (%rax)
        movl (%rax), %eax
        jmp child_poweroff
child_refused:                          /* what needs a role: results go to the shared page */
        movl $36, %eax                  /* domctl */
        movl $0x7000, %edi
        vmmcall
        movq %rax, 0x6008
        movl $35, %eax                  /* sysctl */
        movl $0x7000, %edi
        vmmcall
        movq %rax, 0x6010
        movl $1, 0x6100                 /* bh_op: version 1, domid 0: crash the control domain */
        movl $0, 0x6104
        movl $55, %eax
        movl $4, %edi
        movl $0x6100, %esi
        vmmcall
        movq %rax, 0x6018
        movl $0xcf8, %edx
        inl %dx, %eax
        movq %rax, 0x6020
        jmp child_poweroff
child_calls:                            /* makes the hypercalls that are written into the shared page, one by one */
        movq 0x6100, %rax               /* number; 0: none */
        testq %rax, %rax
        jz 1f
        movq 0x6108, %rdi
        movq 0x6110, %rsi
        movq 0x6118, %rdx
        vmmcall
        movq %rax, 0x6120
        movq $0, 0x6100
1:      pause
        jmp child_calls
child_peer:                             /* bind the port and map the grant named in the shared page; count; tell */
        movl $32, %eax                  /* event_channel_op, bind_interdomain */
        xorl %edi, %edi
        movl $0x6100, %esi
        vmmcall
        movq %rax, 0x6008
        movl $20, %eax                  /* grant_table_op, map_grant_ref */
        xorl %edi, %edi
        movl $0x6120, %esi
        movl $1, %edx
        vmmcall
        movq %rax, 0x6010
        movswq 0x6132, %rax             /* status */
        movq %rax, 0x6018
        lock incl 0x8000000
        movl 0x6108, %eax               /* our port */
        movl %eax, 0x6140
        movl $32, %eax                  /* event_channel_op, send */
        movl $4, %edi
        movl $0x6140, %esi
        vmmcall
        jmp child_spin
child_sleep:                            /* for good: no event comes */
        movl $SCHED_OP, %eax
        movl $1, %edi
        xorl %esi, %esi
        vmmcall
        jmp child_sleep
child_pae:                              /* 32-bit: CR0.CD and paging change alone and together; counts how far it comes */
        .code32
        lock incl 0x6000
        movl %cr0, %eax
        orl $0x40000000, %eax
        movl %eax, %cr0
        lock incl 0x6000
        andl $0x3fffffff, %eax          /* paging and CD off */
        movl %eax, %cr0
        lock incl 0x6000
        orl $0xc0000000, %eax           /* and on again: the four entries are read anew */
        movl %eax, %cr0
        lock incl 0x6000
        movl %cr0, %eax
        movl %eax, 0x6004
        lock incl 0x6000
1:      jmp 1b
        .code64
child_end:
        .section .note.GNU-stack, "", @progbits
