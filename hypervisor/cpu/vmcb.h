/* SPDX-License-Identifier: MIT */
/* The virtual machine control block of SVM (AMD APM vol. 2, appendix B) and the constants svm.c needs. */
#ifndef CPU_VMCB_H
#define CPU_VMCB_H
#include "cpu/cpu.h"

struct vmcb_seg { uint16_t sel, attr; uint32_t limit; uint64_t base; };
struct vmcb {
    uint16_t cr_read, cr_write, dr_read, dr_write; /* 000h: intercepts */
    uint32_t exceptions, misc1, misc2, misc3;
    uint8_t pad1[0x3c - 0x18];
    uint16_t pause_threshold, pause_count;
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, pad2[3];
    uint64_t v_intr;                               /* 060h */
    uint64_t shadow;
    uint64_t exitcode, exitinfo1, exitinfo2, exitintinfo;
    uint64_t np_enable;                            /* 090h */
    uint8_t pad3[0xa8 - 0x98];
    uint64_t eventinj, n_cr3, lbr, clean, nrip;    /* 0A8h */
    uint8_t pad4[0x400 - 0xd0];
    struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400h */
    uint8_t pad5[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t pad6;
    uint64_t efer;                                 /* 4D0h */
    uint8_t pad7[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548h */
    uint8_t pad8[0x5d8 - 0x580];
    uint64_t rsp;                                  /* 5D8h */
    uint8_t pad9[0x5f8 - 0x5e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs, sysenter_cs, sysenter_esp, sysenter_eip, cr2; /* 5F8h */
    uint8_t pad10[0x668 - 0x648];
    uint64_t g_pat;                                /* 668h */
    uint8_t pad11[0x1000 - 0x670];
};
_Static_assert(offsetof(struct vmcb, v_intr) == 0x60 && offsetof(struct vmcb, np_enable) == 0x90, "control area");
_Static_assert(offsetof(struct vmcb, eventinj) == 0xa8 && offsetof(struct vmcb, efer) == 0x4d0, "save area");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548 && offsetof(struct vmcb, rsp) == 0x5d8, "save area");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8 && offsetof(struct vmcb, g_pat) == 0x668, "save area");
_Static_assert(sizeof(struct vmcb) == 0x1000, "one page");

#define MISC1_INTR BIT(0)
#define MISC1_NMI BIT(1)
#define MISC1_SMI BIT(2)
#define MISC1_VINTR BIT(4)
#define MISC1_RDPMC BIT(15)
#define MISC1_CPUID BIT(18)
#define MISC1_IRET BIT(20)
#define MISC1_INVD BIT(22)
#define MISC1_PAUSE BIT(23)
#define MISC1_HLT BIT(24)
#define MISC1_INVLPGA BIT(26)
#define MISC1_IO BIT(27)
#define MISC1_MSR BIT(28)
#define MISC1_TASK BIT(29)
#define MISC1_FERR BIT(30)
#define MISC1_SHUTDOWN BIT(31)
#define MISC2_SVM 0x7fu   /* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT */
#define MISC2_WBINVD BIT(9)
#define MISC2_MONITOR BIT(10)
#define MISC2_MWAIT BIT(11)
#define MISC2_XSETBV BIT(13)

#define V_IRQ BIT(8)
#define V_IGN_TPR BIT(20)
#define V_INTR_MASKING BIT(24)
#define V_INTR_VECTOR_SHIFT 32

enum svm_exit {
    SVM_EXCP = 0x40, SVM_INTR = 0x60, SVM_NMI, SVM_SMI, SVM_INIT, SVM_VINTR, SVM_RDPMC = 0x6f, SVM_CPUID = 0x72, SVM_IRET = 0x74,
    SVM_INVD = 0x76, SVM_PAUSE, SVM_HLT, SVM_INVLPGA = 0x7a, SVM_IO, SVM_MSR, SVM_TASK, SVM_FERR, SVM_SHUTDOWN, SVM_VMRUN,
    SVM_VMMCALL, SVM_VMLOAD, SVM_VMSAVE, SVM_STGI, SVM_CLGI, SVM_SKINIT, SVM_WBINVD = 0x89, SVM_MONITOR, SVM_MWAIT,
    SVM_XSETBV = 0x8d, SVM_NPF = 0x400,
};
#define EVENT_VALID BIT(31)
#define EVENT_ERROR BIT(11)
#define EVENT_TYPE(e) ((e) >> 8 & 7)
#define EVENT_INTR 0u
#define EVENT_NMI 2u
#define EVENT_EXCEPTION 3u
#define EVENT_SOFT 4u
#define MSR_VM_CR 0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117
#endif
