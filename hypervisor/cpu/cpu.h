/* SPDX-License-Identifier: MIT */
/*
 * The vendor seam. svm.c or vmx.c runs a hardware vCPU and decodes why it stopped; it knows no domain, grant or hypercall.
 * The table has at most 20 operations and is chosen once at boot. `load`, `run`, `save` and what injects are for the vCPU whose
 * registers are on this CPU; the others take any vCPU that runs nowhere else.
 */
#ifndef CPU_CPU_H
#define CPU_CPU_H
#include "mem/p2m.h"
#include "lib/percpu.h"
#include "lib/x86.h"

struct regs { /* general registers in the order entry.S keeps them; rip, rsp, rflags live with the vendor and are synced */
    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags;
};
enum hv_segname { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };
struct hv_segment { uint16_t sel; uint16_t attr; uint32_t limit; uint64_t base; }; /* attr as in the VMCB: 12 bits packed */
struct hv_state { /* what is architectural beside the general registers; get/set as a whole */
    struct hv_segment seg[SEG_COUNT];
    uint64_t gdt_base, idt_base;
    uint32_t gdt_limit, idt_limit;
    uint64_t cr0, cr2, cr3, cr4, efer, dr6, dr7, pat;
    uint64_t star, lstar, cstar, sfmask, kernel_gs, sysenter_cs, sysenter_esp, sysenter_eip;
};
struct hv_mode { uint64_t cr0, cr3, cr4, efer; bool code64; }; /* what decides how addresses are translated */
struct hvcpu {
    struct regs regs;      /* rax, rsp, rip, rflags valid between runs too */
    struct p2m *p2m;
    void *vmcb;            /* the vendor's own: SVM the VMCB, VMX a struct vmx */
    struct vlapic *lapic;  /* its local APIC, irq/vlapic.h */
    void *fpu;             /* XSAVE area, 64-byte aligned */
    uint64_t xcr0, tsc_aux, tsc_offset;
    uint64_t spec_ctrl;
    uint64_t dr[4];        /* DR0-DR3, kept while another vCPU is on the CPU */
    bool event_pending;    /* an event is queued for injection at the next run (or was interrupted while being delivered) */
    bool nmi_masked;       /* from the injection of an NMI to the guest's IRET from it: no other one may be injected */
    bool want_window;      /* exit as soon as an interrupt can be taken */
    unsigned last_cpu;     /* of the last run; with the two below: when its TLB entries are stale */
    uint64_t flush_seen;
    uint64_t asid_gen;
    uint32_t asid;
    /* The pages that the present hypercall's arguments were last found in: looked up once, as a TLB would. */
    bool keep_walks;       /* set around a hypercall of this vCPU, on its own CPU */
    struct hv_walk { uint64_t page; gpa_t gpa; bool valid, write; } walk[2];
    /* Where the guest's tables, by level, and the pages that they led to stand (mem/p2m.h), from exit to exit: of hypercalls' arguments [true],
     * and of the areas that are written at a switch [false], which lie elsewhere. */
    struct hv_places { struct p2m_run table[4], page; } places[2];
};
enum hv_exit_kind {
    EXIT_NONE,        /* interrupt of the host was taken, or handled in cpu/: just look at softirqs */
    EXIT_NMI,         /* an NMI of the host was taken while the guest ran */
    EXIT_HYPERCALL,   /* rip already behind the instruction */
    EXIT_CPUID, EXIT_RDMSR, EXIT_WRMSR, EXIT_IO, EXIT_HLT, EXIT_XSETBV, EXIT_WBINVD, EXIT_PAUSE, /* rip at the instruction, `len` known */
    EXIT_NPF,         /* nested fault: gpa, write, fetch */
    EXIT_WINDOW,      /* interrupts can be taken now */
    EXIT_TRIPLE_FAULT, EXIT_INVALID_STATE, EXIT_REFUSED /* an instruction that guests may not use: inject #UD */
};
struct vmexit {
    enum hv_exit_kind kind;
    uint8_t len;               /* instruction length to skip */
    uint64_t code, info1, info2; /* raw, for messages and tracing */
    union {
        struct { gpa_t gpa; bool write, fetch, present; } npf;
        struct { uint16_t port; uint8_t size; bool in, string, rep; } io;
    };
};
struct cpu_ops {
    const char *name;
    const struct pt_format *nested;                    /* of its nested page tables */
    uint8_t hypercall[3];                              /* the instruction that a guest calls us by */
    bool (*supported)(void);
    int (*enable)(void);                               /* on this CPU */
    int (*vcpu_init)(struct hvcpu *v);                 /* allocate; state as after RESET */
    void (*vcpu_destroy)(struct hvcpu *v);
    void (*load)(struct hvcpu *v);                     /* what `run` does not switch itself: to this CPU ... */
    void (*save)(struct hvcpu *v);                     /* ... and back to memory, before another CPU may take v */
    void (*run)(struct hvcpu *v, struct vmexit *x);    /* IF=0 in and out; a pending host interrupt is taken inside */
    void (*get_state)(const struct hvcpu *v, struct hv_state *s);
    int (*set_state)(struct hvcpu *v, const struct hv_state *s); /* -EINVAL: not a state that can run; nothing changed */
    void (*get_mode)(const struct hvcpu *v, struct hv_mode *m);
    int (*set_efer)(struct hvcpu *v, uint64_t efer);
    bool (*can_take_interrupt)(const struct hvcpu *v); /* IF=1, no shadow, nothing pending */
    bool (*in_shadow)(const struct hvcpu *v);          /* the instruction after STI or MOV SS is next */
    void (*clear_shadow)(struct hvcpu *v);
    void (*inject_interrupt)(struct hvcpu *v, uint8_t vector);
    void (*inject_exception)(struct hvcpu *v, uint8_t vector, bool has_error, uint32_t error);
    void (*inject_nmi)(struct hvcpu *v);
    uint8_t (*cpl)(const struct hvcpu *v);
};
extern const struct cpu_ops *cpu;       /* the vendor of this machine */
extern bool cpu_delivers;               /* its CPUs deliver themselves what a virtual APIC requests while vlapic_direct() */
extern const struct cpu_ops svm_ops, vmx_ops;
EXTERN_PERCPU(uint64_t, guest_exits);   /* each `run` counts its exits here: p2m flushes wait for it to move */

void hvcpu_skip(struct hvcpu *v, const struct vmexit *x); /* rip += len, clears the interrupt shadow */
void hvcpu_load_fpu(struct hvcpu *v), hvcpu_save_fpu(struct hvcpu *v); /* on a change of vCPU */
void hvcpu_fpu_reset(struct hvcpu *v);
void hvcpu_load_debug(const struct hvcpu *v), hvcpu_save_debug(struct hvcpu *v); /* the same for DR0-DR3 */
int hvcpu_fpu_init(struct hvcpu *v); /* -ENOMEM */
void hvcpu_fpu_destroy(struct hvcpu *v);
int hvcpu_set_xcr0(struct hvcpu *v, uint64_t value); /* the running vCPU's XSETBV; -EINVAL: #GP */
void fpu_cpu_init(void);
bool cpu_is_tcg(void); /* this machine is QEMU's TCG, which needs some care (docs/architecture.md, Quirks) */
int cpu_select(void); /* sets `cpu`; -ENODEV: no vendor's virtualization here */
/* 32-bit flat protected mode at `entry` with EBX = start_info (PVH boot ABI), or real mode at page<<12 (SIPI). */
void hvcpu_state_pvh(struct hvcpu *v, uint32_t entry, uint32_t start_info);
void hvcpu_state_sipi(struct hvcpu *v, uint8_t page);
/* Translate a guest virtual address with the guest's own tables (all modes). -EFAULT without a mapping (or right to write). */
int hvcpu_translate(struct hvcpu *v, uint64_t va, bool write, gpa_t *out);
/* Between true and false a page is looked up once, as a TLB would: around one hypercall of v, on v's own CPU. */
void hvcpu_keep_walks(struct hvcpu *v, bool keep);
/* Copy by guest virtual address of the running vCPU. -EFAULT; reads each byte once. */
int guest_read(struct hvcpu *v, void *dst, uint64_t va, size_t len);
int guest_write(struct hvcpu *v, uint64_t va, const void *src, size_t len);
bool hvcpu_64bit(const struct hvcpu *v); /* in long mode with a 64-bit code segment */
/* cpu/mmio.c: an access to a device's registers by 64-bit code, `n` bytes from RIP on. -EINVAL: not one of those it knows. */
struct mmio_access {
    bool read, write;  /* both: XCHG */
    bool immediate;    /* what is written is `value`, else register `reg` */
    uint8_t reg, len;  /* register in its encoding's order, that of struct regs; length of the instruction */
    uint32_t value;
};
int mmio_decode(const uint8_t *insn, unsigned n, struct mmio_access *a);
/* A vCPU on another CPU leaves its guest soon. */
void cpu_kick(unsigned cpu);

/* cpu/cpuid.c, cpu/msr.c: policy. The caller gives what depends on the domain. */
struct cpuid_context { uint32_t vcpu_id, apic_id, nr_vcpus; domid_t domid; bool iommu; uint64_t cr4; };
struct cpuid cpuid_policy(uint32_t leaf, uint32_t sub, const struct cpuid_context *c);
int msr_read(struct hvcpu *v, uint32_t msr, uint64_t *value);   /* -EINVAL: #GP; -ENOENT: not the CPU's (APIC, hypercall page) */
int msr_write(struct hvcpu *v, uint32_t msr, uint64_t value);
#endif
