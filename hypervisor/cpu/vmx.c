/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-x behind the vendor seam (Intel SDM vol. 3, ch. 25 to 28): state, events, the trip into the guest and why it ended.
 * EPT, VPID and unrestricted guest always; no nested virtualization for guests. The MSRs of system calls, CR2 and DR6 are not
 * in a VMCS: they stay in the registers between exit and entry, since the hypervisor uses none of them (see vmx_load).
 */
#include "cpu/vmcs.h"
#include "irq/vlapic.h"
#include "lib/bits.h"
#include "lib/stall.h"
#include "lib/string.h"

enum reason {
    R_EXCEPTION = 0, R_INTERRUPT = 1, R_TRIPLE_FAULT = 2, R_INIT = 3, R_SIPI = 4, R_INTERRUPT_WINDOW = 7, R_NMI_WINDOW = 8,
    R_CPUID = 10, R_HLT = 12, R_INVD = 13, R_VMCALL = 18, R_CR = 28, R_IO = 30, R_RDMSR = 31, R_WRMSR = 32,
    R_PAUSE = 40, R_EPT_VIOLATION = 48, R_EPT_MISCONFIG = 49, R_TIMER = 52, R_WBINVD = 54, R_XSETBV = 55,
};
#define REASON_ENTRY_FAILED BIT(31)
#define NMI_UNBLOCKED BIT(12) /* by an IRET that did not come to its end: in the qualification and the event */
#define VECTOR_DB 1
#define VECTOR_DF 8
#define VECTOR_GP 13
#define VECTOR_AC 17
#define VECTOR_MC 18
#define RIGHTS_UNUSABLE BIT(16)

/* --- state --- */

/* Access rights: as in the VMCB, with the upper four bits four higher and a bit for "no segment". */
static uint64_t rights_of(uint16_t attr)
{
    return (attr & 0xffu) | (attr & 0xf00u) << 4 | (attr & 0x80 ? 0 : RIGHTS_UNUSABLE);
}

static uint16_t attr_of(uint64_t rights)
{
    return rights & RIGHTS_UNUSABLE ? rights & 0x60 : (rights & 0xff) | (rights >> 4 & 0xf00);
}

static uint64_t guest_cr0(void) { return (vmread(F_CR0) & ~CR0_OURS) | (vmread(F_CR0_SHADOW) & CR0_OURS); }
static uint64_t guest_cr4(void) { return vmread(F_CR4) & CR4_GUEST; }

static void write_cr0_fields(uint64_t cr0)
{
    vmwrite(F_CR0, (cr0 & ~CR0_OURS) | BIT(5) | CR0_ET);
    vmwrite(F_CR0_SHADOW, cr0);
}

/* v's VMCS is current */
static void get_others(const struct hvcpu *v, struct hv_state *s)
{
    const struct vmx *m = v->vmcb;
    bool live = vmx_is_loaded(v);
    s->cr2 = live ? read_cr2() : m->cr2;
    s->dr6 = m->dr6;
    if (live)
        __asm__ volatile("mov %%db6, %0" : "=r"(s->dr6));
    s->star = live ? rdmsr(MSR_STAR) : m->star;
    s->lstar = live ? rdmsr(MSR_LSTAR) : m->lstar;
    s->cstar = live ? rdmsr(MSR_CSTAR) : m->cstar;
    s->sfmask = live ? rdmsr(MSR_SFMASK) : m->sfmask;
    s->kernel_gs = live ? rdmsr(MSR_KERNEL_GS_BASE) : m->kernel_gs;
}

static void vmx_get_state(const struct hvcpu *v, struct hv_state *s)
{
    const struct hvcpu *before = vmx_borrow(v);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        s->seg[i] = (struct hv_segment){(uint16_t)vmread(F_OF(F_GUEST_SEL, i)), attr_of(vmread(F_OF(F_GUEST_RIGHTS, i))),
                                        (uint32_t)vmread(F_OF(F_GUEST_LIMIT, i)), vmread(F_OF(F_GUEST_BASE, i))};
    s->gdt_base = vmread(F_GDT_BASE);
    s->gdt_limit = (uint32_t)vmread(F_GDT_LIMIT);
    s->idt_base = vmread(F_IDT_BASE);
    s->idt_limit = (uint32_t)vmread(F_IDT_LIMIT);
    s->cr0 = guest_cr0();
    s->cr3 = vmread(F_CR3);
    s->cr4 = guest_cr4();
    s->efer = vmread(F_EFER);
    s->dr7 = vmread(F_DR7);
    s->pat = vmread(F_PAT);
    s->sysenter_cs = vmread(F_SYSENTER_CS);
    s->sysenter_esp = vmread(F_SYSENTER_ESP);
    s->sysenter_eip = vmread(F_SYSENTER_EIP);
    get_others(v, s);
    vmx_give_back(v, before);
}

static bool canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16) == a; }

/* What the entry would refuse or, for the MSRs that are loaded by hand, would fault; the CPU looks at the rest (26.3) itself. */
static bool state_valid(const struct hv_state *s)
{
    if (((s->cr0 & CR0_NW) && !(s->cr0 & CR0_CD)) || ((s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE)))
        return false;
    if ((s->cr0 >> 32) || (s->dr6 >> 32) || (s->dr7 >> 32) || (s->cr4 & ~CR4_GUEST))
        return false;
    if (s->efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
        return false;
    if ((s->efer & EFER_LME) && (s->cr0 & CR0_PG) && !(s->cr4 & CR4_PAE))
        return false;
    return canonical(s->lstar) && canonical(s->cstar) && canonical(s->kernel_gs) && !(s->sfmask >> 32);
}

/* With 32-bit PAE paging the CPU takes the four upper entries from the VMCS; a CR3 written by hand needs them read. */
static int load_pdptes(struct hvcpu *v, uint64_t cr3)
{
    uint64_t e[4];
    if (p2m_read(v->p2m, gpa(cr3 & 0xffffffe0), e, sizeof(e)))
        return -EFAULT;
    for (unsigned i = 0; i < 4; i++)
        vmwrite(F_OF(F_PDPTE0, i), e[i]);
    return 0;
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

static void set_others(struct hvcpu *v, const struct hv_state *s)
{
    struct vmx *m = v->vmcb;
    m->cr2 = s->cr2;
    m->dr6 = s->dr6;
    m->star = s->star;
    m->lstar = s->lstar;
    m->cstar = s->cstar;
    m->sfmask = s->sfmask;
    m->kernel_gs = s->kernel_gs;
    if (vmx_is_loaded(v))
        vmx_load_registers(m);
    m->shadow = 0;
    m->nmi_wanted = false;
    v->event_pending = false;
    v->want_window = false;
    v->last_cpu = ~0u; /* a new start: its address spaces are not those that the TLB knows */
}

static int vmx_set_state(struct hvcpu *v, const struct hv_state *s)
{
    if (!state_valid(s))
        return -EINVAL;
    const struct hvcpu *before = vmx_borrow(v);
    int r = pae_paging(s->cr0, s->cr4, s->efer) ? load_pdptes(v, s->cr3) : 0;
    if (r == 0) {
        for (unsigned i = 0; i < SEG_COUNT; i++) {
            vmwrite(F_OF(F_GUEST_SEL, i), s->seg[i].sel);
            vmwrite(F_OF(F_GUEST_RIGHTS, i), rights_of(s->seg[i].attr));
            vmwrite(F_OF(F_GUEST_LIMIT, i), s->seg[i].limit);
            vmwrite(F_OF(F_GUEST_BASE, i), s->seg[i].base);
        }
        bool lma = (s->efer & EFER_LME) && (s->cr0 & CR0_PG);
        const struct { enum vmcs_field f; uint64_t v; } field[] = {
            {F_GDT_BASE, s->gdt_base}, {F_GDT_LIMIT, s->gdt_limit}, {F_IDT_BASE, s->idt_base}, {F_IDT_LIMIT, s->idt_limit},
            {F_CR3, s->cr3}, {F_CR4, s->cr4 | CR4_VMXE}, {F_CR4_SHADOW, 0}, {F_EFER, (s->efer & ~EFER_LMA) | (lma ? EFER_LMA : 0)},
            {F_DR7, s->dr7}, {F_PAT, s->pat}, {F_SYSENTER_CS, s->sysenter_cs}, {F_SYSENTER_ESP, s->sysenter_esp},
            {F_SYSENTER_EIP, s->sysenter_eip}, {F_PENDING_DEBUG, 0},
        };
        for (unsigned i = 0; i < ARRAY_SIZE(field); i++)
            vmwrite(field[i].f, field[i].v);
        write_cr0_fields(s->cr0);
        set_others(v, s);
    }
    vmx_give_back(v, before);
    return r ? -EINVAL : 0;
}

static void vmx_get_mode(const struct hvcpu *v, struct hv_mode *mode)
{
    const struct hvcpu *before = vmx_borrow(v);
    uint64_t efer = vmread(F_EFER);
    *mode = (struct hv_mode){guest_cr0(), vmread(F_CR3), guest_cr4(), efer,
                             (efer & EFER_LMA) && (vmread(F_OF(F_GUEST_RIGHTS, SEG_CS)) & BIT(13))};
    vmx_give_back(v, before);
}

static int vmx_set_efer(struct hvcpu *v, uint64_t efer)
{
    if (efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
        return -EINVAL;
    const struct hvcpu *before = vmx_borrow(v);
    vmwrite(F_EFER, efer);
    vmx_give_back(v, before);
    v->last_cpu = ~0u; /* NXE changes what cached translations mean */
    return 0;
}

static uint8_t vmx_cpl(const struct hvcpu *v)
{
    const struct hvcpu *before = vmx_borrow(v);
    uint8_t cpl = vmread(F_OF(F_GUEST_RIGHTS, SEG_SS)) >> 5 & 3;
    vmx_give_back(v, before);
    return cpl;
}

/* --- events --- */

static bool vmx_can_take_interrupt(const struct hvcpu *v)
{
    const struct vmx *m = v->vmcb;
    return !v->event_pending && (v->regs.rflags & RFLAGS_IF) && !(m->shadow & SHADOW_STI_MOVSS);
}

static bool vmx_in_shadow(const struct hvcpu *v) { return ((const struct vmx *)v->vmcb)->shadow & SHADOW_STI_MOVSS; }
static void vmx_clear_shadow(struct hvcpu *v) { ((struct vmx *)v->vmcb)->shadow &= ~SHADOW_STI_MOVSS; }

static void inject(struct hvcpu *v, enum vmx_event_type type, uint8_t vector, bool has_error, uint32_t error)
{
    struct vmx *m = v->vmcb;
    m->event = (uint32_t)VMX_EVENT_VALID | (uint32_t)type << 8 | vector | (has_error ? (uint32_t)VMX_EVENT_ERROR : 0);
    m->event_error = error;
    v->event_pending = true;
}

static void vmx_inject_interrupt(struct hvcpu *v, uint8_t vector) { inject(v, VMX_INTERRUPT, vector, false, 0); }
static void vmx_inject_exception(struct hvcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    inject(v, VMX_EXCEPTION, vector, has_error, error);
}

/* While the guest handles one, or another event goes first, it waits for a window. */
static void vmx_inject_nmi(struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    if (v->event_pending || (m->shadow & (SHADOW_STI_MOVSS | SHADOW_NMI)))
        m->nmi_wanted = true;
    else
        inject(v, VMX_NMI, 2, false, 0);
}

/* An event whose delivery the exit interrupted is delivered again; what an instruction raised comes by running it again. */
static void requeue_event(struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    uint64_t e = vmread(F_VECTORING);
    v->event_pending = false;
    if (!(e & VMX_EVENT_VALID) || VMX_EVENT_TYPE(e) > VMX_EXCEPTION)
        return;
    if (VMX_EVENT_TYPE(e) == VMX_NMI)
        m->shadow &= ~(uint32_t)SHADOW_NMI; /* blocked by the very delivery that is to be tried again */
    inject(v, (enum vmx_event_type)VMX_EVENT_TYPE(e), (uint8_t)e, e & VMX_EVENT_ERROR, (uint32_t)vmread(F_VECTORING_ERROR));
}

/* --- what an exit is --- */

/* #DB and #AC go back to the guest. The exit has left DR6 and DR7 as they were before (28.3.1). */
static void reflect(struct hvcpu *v, uint64_t event)
{
    struct vmx *m = v->vmcb;
    if ((uint8_t)event == VECTOR_DB) {
        uint64_t dr6;
        __asm__ volatile("mov %%db6, %0" : "=r"(dr6));
        dr6 = (dr6 & ~0xfull) | (vmread(F_QUALIFICATION) & 0x600f);
        __asm__ volatile("mov %0, %%db6" ::"r"(dr6));
        vmwrite(F_DR7, vmread(F_DR7) & ~BIT(13)); /* GD */
    }
    inject(v, (enum vmx_event_type)VMX_EVENT_TYPE(event), (uint8_t)event, event & VMX_EVENT_ERROR, 0);
    m->event_length = (uint32_t)vmread(F_LENGTH);
}

static void decode_exception(struct hvcpu *v, uint64_t event, struct vmexit *x)
{
    x->kind = EXIT_NONE;
    if (VMX_EVENT_TYPE(event) == VMX_NMI) {
        __asm__ volatile("int $2"); /* the host's: its handler ends with the IRET that allows the next */
        x->kind = EXIT_NMI;
    } else if ((uint8_t)event == VECTOR_MC)
        __asm__ volatile("int $18");
    else if ((uint8_t)event == VECTOR_DB || (uint8_t)event == VECTOR_AC)
        reflect(v, event);
    else
        x->kind = EXIT_INVALID_STATE;
}

static void decode_io(uint64_t q, struct vmexit *x)
{
    x->kind = EXIT_IO;
    x->io.port = (uint16_t)(q >> 16);
    x->io.in = q & BIT(3);
    x->io.string = q & BIT(4);
    x->io.rep = q & BIT(5);
    x->io.size = (uint8_t)((q & 7) + 1);
}

static void decode_ept(uint64_t q, struct vmexit *x)
{
    x->kind = EXIT_NPF;
    x->npf.gpa = gpa(vmread(F_GUEST_PHYSICAL));
    x->npf.write = q & BIT(1);
    x->npf.fetch = q & BIT(2);
    x->npf.present = q & (7 << 3);
}

/* A MOV to CR0 that changes one of our bits (CR0_OURS); all of it is done here, as the CPU would. False: #GP. */
static bool emulate_cr0(struct hvcpu *v, uint64_t value)
{
    uint64_t old = guest_cr0(), cr4 = guest_cr4(), efer = vmread(F_EFER);
    bool on = (value & ~old) & CR0_PG, off = (old & ~value) & CR0_PG;
    bool code64 = (efer & EFER_LMA) && (vmread(F_OF(F_GUEST_RIGHTS, SEG_CS)) & BIT(13));
    if ((value >> 32) || ((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return false;
    if ((on && (efer & EFER_LME) && !(cr4 & CR4_PAE)) || (off && (code64 || (cr4 & BIT(17)))))
        return false;
    if (on && pae_paging(value, cr4, efer) && load_pdptes(v, vmread(F_CR3)))
        return false;
    if (on && (efer & EFER_LME))
        vmwrite(F_EFER, efer | EFER_LMA);
    if (off)
        vmwrite(F_EFER, efer & ~EFER_LMA);
    if (on || off)
        v->last_cpu = ~0u; /* the CPU forgets translations when paging changes */
    write_cr0_fields(value | CR0_ET);
    return true;
}

/* Only what the masks keep from the guest comes here: for CR4 that is bits that it cannot have. */
static void decode_cr(struct hvcpu *v, uint64_t q, struct vmexit *x)
{
    const uint64_t *r = &v->regs.rax + (q >> 8 & 15);
    x->kind = EXIT_NONE;
    if ((q & 15) == 0 && (q >> 4 & 3) == 0 && emulate_cr0(v, *r))
        hvcpu_skip(v, x);
    else
        inject(v, VMX_EXCEPTION, VECTOR_GP, true, 0);
}

static const struct { uint8_t reason, kind; } simple_exits[] = {
    {R_VMCALL, EXIT_HYPERCALL}, {R_CPUID, EXIT_CPUID}, {R_HLT, EXIT_HLT}, {R_XSETBV, EXIT_XSETBV}, {R_WBINVD, EXIT_WBINVD},
    {R_INVD, EXIT_WBINVD}, {R_PAUSE, EXIT_PAUSE}, {R_RDMSR, EXIT_RDMSR}, {R_WRMSR, EXIT_WRMSR},
    {R_INTERRUPT_WINDOW, EXIT_WINDOW}, {R_TRIPLE_FAULT, EXIT_TRIPLE_FAULT}, {R_INTERRUPT, EXIT_NONE}, {R_TIMER, EXIT_NONE},
    {R_INIT, EXIT_NONE}, {R_SIPI, EXIT_NONE}, {R_EPT_MISCONFIG, EXIT_INVALID_STATE},
};

static void decode(struct hvcpu *v, struct vmexit *x)
{
    struct vmx *m = v->vmcb;
    x->kind = EXIT_REFUSED;
    if (x->code & REASON_ENTRY_FAILED) {
        x->kind = EXIT_INVALID_STATE;
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(simple_exits); i++)
        if (x->code == simple_exits[i].reason)
            x->kind = simple_exits[i].kind;
    switch (x->code) {
    case R_VMCALL: hvcpu_skip(v, x); break;
    case R_EXCEPTION: decode_exception(v, vmread(F_EXIT_EVENT), x); break;
    case R_CR: decode_cr(v, x->info1, x); break;
    case R_IO: decode_io(x->info1, x); break;
    case R_EPT_VIOLATION: decode_ept(x->info1, x); break;
    case R_NMI_WINDOW:
        m->nmi_wanted = false;
        inject(v, VMX_NMI, 2, false, 0);
        x->kind = EXIT_NONE;
        break;
    }
}

/* --- the trip --- */

/* An exception has an error code by its vector and mode, and the entry refuses any other combination (27.2.1.3). */
static uint32_t checked_event(uint32_t event)
{
    if (VMX_EVENT_TYPE(event) != VMX_EXCEPTION)
        return event;
    const uint32_t with_error = BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17);
    bool has = (with_error >> (event & 31) & 1) && (vmread(F_CR0) & CR0_PE);
    return has ? event | (uint32_t)VMX_EVENT_ERROR : event & ~(uint32_t)VMX_EVENT_ERROR;
}

static void write_event(struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    if (!v->event_pending)
        return;
    uint32_t e = checked_event(m->event);
    vmwrite(F_EVENT, e);
    if (e & VMX_EVENT_ERROR)
        vmwrite(F_EVENT_ERROR, m->event_error);
    if (VMX_EVENT_TYPE(e) == VMX_PRIVILEGED_TRAP)
        vmwrite(F_EVENT_LENGTH, m->event_length);
}

static void write_if_new(enum vmcs_field f, uint32_t *was, uint64_t is)
{
    if (*was != is)
        vmwrite(f, *was = (uint32_t)is);
}

static uint32_t *apic_page(const struct vmx *m) { return mfn_to_virt(m->virtual_apic); }

/* Interrupts that the virtual APIC requests are delivered, and their ends taken, without an exit where the CPU can and the guest's APIC is
 * in x2APIC mode: "virtualize x2APIC mode", APIC-register virtualization, virtual-interrupt delivery (30.2, 30.5). */
static void hand_over_apic(const struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    bool direct = cpu_delivers && vlapic_direct(v->lapic);
    if (m->direct != direct) {
        m->direct = direct;
        vmwrite(F_PROC2, vmx_caps.proc2 | (direct ? vmx_caps.direct : 0));
        vmwrite(F_MSR_BITMAP, direct ? vmx_caps.direct_msr_bitmap : vmx_caps.msr_bitmap);
    }
    if (direct)
        vmwrite(F_INTERRUPT_STATUS, vlapic_give(v->lapic, apic_page(m)));
}

/*
 * The preemption timer bounds a stay with interrupts off. Hardware leaves the guest at a host interrupt whatever its RFLAGS.IF
 * says; Bochs does not if IF was 0 at the entry, and without the timer a guest that never sets it would keep its CPU.
 */
static void write_entry(struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    const struct vmx_caps *c = &vmx_caps;
    vmwrite(F_RIP, v->regs.rip);
    vmwrite(F_RSP, v->regs.rsp);
    vmwrite(F_RFLAGS, v->regs.rflags);
    vmwrite(F_SHADOW, m->shadow);
    vmwrite(F_TSC_OFFSET, v->tsc_offset);
    write_if_new(F_PROC, &m->proc, c->proc | (v->want_window ? PROC_INTERRUPT_WINDOW : 0) | (m->nmi_wanted ? PROC_NMI_WINDOW : 0));
    write_if_new(F_ENTRY, &m->entry, c->entry | (vmread(F_EFER) & EFER_LMA ? ENTRY_IA32E : 0));
    if (c->timer_1ms)
        write_if_new(F_TIMER, &m->timer, v->regs.rflags & RFLAGS_IF ? ~0u : c->timer_1ms);
    write_event(v);
    hand_over_apic(v);
}

static void read_exit(struct hvcpu *v, struct vmexit *x)
{
    struct vmx *m = v->vmcb;
    *x = (struct vmexit){.code = vmread(F_REASON), .info1 = vmread(F_QUALIFICATION), .len = (uint8_t)vmread(F_LENGTH)};
    if (x->code & REASON_ENTRY_FAILED)
        return;
    m->launched = true;
    m->entry = (uint32_t)vmread(F_ENTRY); /* the CPU follows EFER.LMA itself */
    v->regs.rip = vmread(F_RIP);
    v->regs.rsp = vmread(F_RSP);
    v->regs.rflags = vmread(F_RFLAGS);
    m->shadow = (uint32_t)vmread(F_SHADOW);
    uint64_t e = x->code == R_EXCEPTION ? vmread(F_EXIT_EVENT) : 0;
    bool unblocked = (x->code == R_EPT_VIOLATION && (x->info1 & NMI_UNBLOCKED)) || ((e & NMI_UNBLOCKED) && (uint8_t)e != VECTOR_DF);
    requeue_event(v);
    if (unblocked && !(vmread(F_VECTORING) & VMX_EVENT_VALID))
        m->shadow |= SHADOW_NMI;
}

static void vmx_run(struct hvcpu *v, struct vmexit *x)
{
    struct vmx *m = v->vmcb;
    bool injected = v->event_pending;
    write_entry(v);
    bit_set(&v->p2m->running_on, this_cpu_id());
    vmx_check_tlb(v);
    stall_end();
    int failed = vmx_enter(&v->regs, m->launched);
    stall_begin();
    if (m->direct)
        vlapic_take(v->lapic, apic_page(m));
    bit_clear(&v->p2m->running_on, this_cpu_id());
    __atomic_fetch_add(&this_cpu(guest_exits), 1, __ATOMIC_SEQ_CST);
    if (failed) {
        *x = (struct vmexit){.kind = EXIT_INVALID_STATE, .code = REASON_ENTRY_FAILED, .info1 = vmread(F_INSTRUCTION_ERROR)};
        log_error("VT-x: the entry instruction fails with error %lu", x->info1);
        return;
    }
    read_exit(v, x);
    /* Take it here and nowhere else. An event is delivered before an interrupt is looked at: where each delivery ends in the
     * next exit and the next event, none of the exits would be the interrupt's. */
    if (x->code == R_INTERRUPT || x->code == R_TIMER || injected) {
        irq_enable();
        __asm__ volatile("nop");
        irq_disable();
    }
    decode(v, x);
}

const struct cpu_ops vmx_ops = {
    .name = "VT-x",
    .nested = &pt_ept,
    .hypercall = {0x0f, 0x01, 0xc1}, /* VMCALL */
    .supported = vmx_supported,
    .enable = vmx_enable,
    .vcpu_init = vmx_vcpu_init,
    .vcpu_destroy = vmx_vcpu_destroy,
    .load = vmx_load,
    .save = vmx_save,
    .run = vmx_run,
    .get_state = vmx_get_state,
    .set_state = vmx_set_state,
    .get_mode = vmx_get_mode,
    .set_efer = vmx_set_efer,
    .can_take_interrupt = vmx_can_take_interrupt,
    .in_shadow = vmx_in_shadow,
    .clear_shadow = vmx_clear_shadow,
    .inject_interrupt = vmx_inject_interrupt,
    .inject_exception = vmx_inject_exception,
    .inject_nmi = vmx_inject_nmi,
    .cpl = vmx_cpl,
};
