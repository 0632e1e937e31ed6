/* SPDX-License-Identifier: MIT */
/*
 * VMX as its two files share it: the fields of a VMCS (Intel SDM vol. 3, appendix B) and the bits of its controls (chapters 25,
 * 28), what is kept beside it for a vCPU, and the way to it. A VMCS is a CPU's own while it is current there: fields are read and
 * written between vmx_borrow and vmx_give_back, except by `run` and by what runs just before it, where v is loaded.
 */
#ifndef CPU_VMCS_H
#define CPU_VMCS_H
#include "cpu/cpu.h"
#include "lib/log.h"

enum vmcs_field {
    F_VPID = 0x0000, F_GUEST_SEL = 0x0800, F_INTERRUPT_STATUS = 0x0810, F_HOST_ES = 0x0c00, F_HOST_CS = 0x0c02, F_HOST_SS = 0x0c04, F_HOST_DS = 0x0c06,
    F_HOST_FS = 0x0c08, F_HOST_GS = 0x0c0a, F_HOST_TR = 0x0c0c,
    F_IO_BITMAP_A = 0x2000, F_IO_BITMAP_B = 0x2002, F_MSR_BITMAP = 0x2004, F_TSC_OFFSET = 0x2010, F_VIRTUAL_APIC = 0x2012,
    F_EPTP = 0x201a, F_EOI_EXITS = 0x201c, F_GUEST_PHYSICAL = 0x2400, F_LINK = 0x2800, F_DEBUGCTL = 0x2802, F_PAT = 0x2804, F_EFER = 0x2806,
    F_PDPTE0 = 0x280a, F_HOST_PAT = 0x2c00, F_HOST_EFER = 0x2c02,
    F_PIN = 0x4000, F_PROC = 0x4002, F_EXCEPTIONS = 0x4004, F_PF_MASK = 0x4006, F_PF_MATCH = 0x4008, F_CR3_TARGETS = 0x400a,
    F_EXIT = 0x400c, F_EXIT_STORE_COUNT = 0x400e, F_EXIT_LOAD_COUNT = 0x4010, F_ENTRY = 0x4012, F_ENTRY_LOAD_COUNT = 0x4014,
    F_EVENT = 0x4016, F_EVENT_ERROR = 0x4018, F_EVENT_LENGTH = 0x401a, F_TPR_THRESHOLD = 0x401c, F_PROC2 = 0x401e,
    F_INSTRUCTION_ERROR = 0x4400, F_REASON = 0x4402, F_EXIT_EVENT = 0x4404, F_VECTORING = 0x4408, F_VECTORING_ERROR = 0x440a,
    F_LENGTH = 0x440c, F_GUEST_LIMIT = 0x4800, F_GDT_LIMIT = 0x4810, F_IDT_LIMIT = 0x4812, F_GUEST_RIGHTS = 0x4814,
    F_SHADOW = 0x4824, F_ACTIVITY = 0x4826, F_SYSENTER_CS = 0x482a, F_TIMER = 0x482e, F_HOST_SYSENTER_CS = 0x4c00,
    F_CR0_MASK = 0x6000, F_CR4_MASK = 0x6002, F_CR0_SHADOW = 0x6004, F_CR4_SHADOW = 0x6006, F_QUALIFICATION = 0x6400,
    F_CR0 = 0x6800, F_CR3 = 0x6802, F_CR4 = 0x6804, F_GUEST_BASE = 0x6806, F_GDT_BASE = 0x6816, F_IDT_BASE = 0x6818,
    F_DR7 = 0x681a, F_RSP = 0x681c, F_RIP = 0x681e, F_RFLAGS = 0x6820, F_PENDING_DEBUG = 0x6822, F_SYSENTER_ESP = 0x6824,
    F_SYSENTER_EIP = 0x6826, F_HOST_CR0 = 0x6c00, F_HOST_CR3 = 0x6c02, F_HOST_CR4 = 0x6c04, F_HOST_FS_BASE = 0x6c06,
    F_HOST_GS_BASE = 0x6c08, F_HOST_TR_BASE = 0x6c0a, F_HOST_GDT_BASE = 0x6c0c, F_HOST_IDT_BASE = 0x6c0e,
    F_HOST_SYSENTER_ESP = 0x6c10, F_HOST_SYSENTER_EIP = 0x6c12, F_HOST_RSP = 0x6c14, F_HOST_RIP = 0x6c16,
};
/* Selector, limit, access rights and base of a segment are two apart, in the order of enum hv_segname. */
#define F_OF(field, seg) ((enum vmcs_field)((field) + 2u * (seg)))

#define PROC_INTERRUPT_WINDOW BIT(2)
#define PROC_NMI_WINDOW BIT(22)
#define ENTRY_IA32E BIT(9)

/* Interruption information: the event being injected, that caused the exit, or that was being delivered (25.8.3, 25.9.2). */
#define VMX_EVENT_VALID BIT(31)
#define VMX_EVENT_ERROR BIT(11)
#define VMX_EVENT_TYPE(e) ((e) >> 8 & 7)
enum vmx_event_type { VMX_INTERRUPT = 0, VMX_NMI = 2, VMX_EXCEPTION = 3, VMX_PRIVILEGED_TRAP = 5 };

/* Interruptibility (25.4.2): blocking by STI, MOV SS, NMI. */
#define SHADOW_STI_MOVSS 3u
#define SHADOW_NMI BIT(3)

/* CR0.NE must be 1 in VMX operation; CD and NW would act on the machine's caches. The guest sees what it wrote. */
#define CR0_OURS (BIT(5) | CR0_NW | CR0_CD)
#define CR4_VMXE BIT(13)
/* VME PVI TSD DE PSE PAE MCE PGE PCE OSFXSR OSXMMEXCPT UMIP FSGSBASE PCIDE OSXSAVE SMEP SMAP: what CPUID offers. */
#define CR4_GUEST (0x7ffull | BIT(11) | BIT(16) | BIT(17) | BIT(18) | BIT(20) | BIT(21))

/* What the CPUs here have, found on CPU 0 and relied on by all. */
struct vmx_caps {
    uint32_t revision, pin, proc, proc2, exit, entry; /* the controls as every VMCS begins */
    uint32_t timer_1ms;                               /* of the preemption timer; 0: there is none */
    uint32_t direct;                                  /* secondary controls with which it delivers what the virtual APIC requests; 0: it cannot */
    uint64_t io_bitmap, msr_bitmap, direct_msr_bitmap; /* mpa; the last one while it does */
};
extern struct vmx_caps vmx_caps;

struct vmx {
    mfn_t vmcs, virtual_apic;
    int cpu;                    /* where it is loaded, -1 nowhere */
    bool launched;              /* since it was loaded */
    bool nmi_wanted;            /* an NMI waits for a window */
    bool direct;                /* the VMCS is set for vmx_caps.direct */
    uint32_t shadow;            /* interruptibility, between exit and entry */
    uint32_t event, event_error, event_length; /* to inject, when hvcpu.event_pending */
    uint32_t proc, entry, timer; /* as last written */
    uint64_t eptp;
    /* what a VMCS does not hold, while v is not loaded */
    uint64_t cr2, dr6, star, lstar, cstar, sfmask, kernel_gs;
};

/* They fail only by our own bug: no such field, or no current VMCS. */
static inline uint64_t vmread(enum vmcs_field f)
{
    uint64_t v;
    bool failed;
    __asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(v) : "r"((uint64_t)f) : "memory");
    if (failed)
        panic("VMREAD of field %x fails", f);
    return v;
}
static inline void vmwrite(enum vmcs_field f, uint64_t v)
{
    bool failed;
    __asm__ volatile("vmwrite %2, %1" : "=@ccbe"(failed) : "r"((uint64_t)f), "r"(v) : "memory");
    if (failed)
        panic("VMWRITE of %lx to field %x fails", v, f);
}

/* vmx_setup.c */
bool vmx_supported(void);
int vmx_enable(void);
int vmx_vcpu_init(struct hvcpu *v);
void vmx_vcpu_destroy(struct hvcpu *v);
void vmx_load(struct hvcpu *v);
void vmx_save(struct hvcpu *v);
void vmx_load_registers(const struct vmx *m); /* the last seven fields */
/* Make v's VMCS current; give_back puts back what was current, with the value that borrow returned. */
const struct hvcpu *vmx_borrow(const struct hvcpu *v);
void vmx_give_back(const struct hvcpu *v, const struct hvcpu *before);
bool vmx_is_loaded(const struct hvcpu *v); /* on this CPU: what a VMCS does not hold is in the registers */
void vmx_check_tlb(struct hvcpu *v); /* before each entry */
/* vmx_entry.S: 0 after an exit, 1 when the entry instruction itself failed. IF=0 in and out. */
int vmx_enter(struct regs *regs, bool launched);
extern const char vmx_exit[];
#endif
