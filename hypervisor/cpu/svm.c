/* SPDX-License-Identifier: MIT */
/*
 * AMD SVM behind the vendor seam (AMD APM vol. 2, ch. 15). Nested paging always; no nested virtualization for guests.
 * Control registers are never intercepted for reading. XSETBV may run unseen on some machines, so XCR0 is read back at exit.
 */
#include "cpu/vmcb.h"
#include "irq/apic.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/stall.h"
#include "lib/string.h"

void svm_enter(struct regs *regs, uint64_t vmcb, uint64_t host_vmcb);

static PERCPU(uint64_t, host_save);  /* mpa of the VMCB that holds this CPU's own VMSAVE state */
static PERCPU(uint32_t, next_asid);
static PERCPU(uint64_t, asid_gen);
#define VECTOR_DB 1
#define VECTOR_AC 17

static uint32_t max_asid;
static uint64_t iopm_pa, msrpm_pa;

static bool svm_supported(void)
{
    return cpuid(0x80000000, 0).a >= 0x8000000a && (cpuid(0x80000001, 0).c & BIT(2)) && (cpuid(0x8000000a, 0).d & BIT(0));
}

/* --- set-up --- */

static void msr_allow(uint8_t *map, uint32_t msr)
{
    uint32_t off = msr < 0x2000 ? msr : msr - 0xc0000000 + 0x2000;
    map[off / 4] &= (uint8_t) ~(3u << off % 4 * 2);
}

/* MSRs that guests own outright, either in the VMCB or switched with the vCPU. */
static const uint32_t guest_msrs[] = {
    MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX,
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_PAT,
};

static int make_maps(void)
{
    mfn_t io = frame_alloc(2), msr = frame_alloc(1);
    if (!mfn_valid_value(io) || !mfn_valid_value(msr))
        return -ENOMEM;
    memset(mfn_to_virt(io), 0xff, 4 * PAGE_SIZE);
    memset(mfn_to_virt(msr), 0xff, 2 * PAGE_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(guest_msrs); i++)
        msr_allow(mfn_to_virt(msr), guest_msrs[i]);
    iopm_pa = mfn_to_mpa(io).v;
    msrpm_pa = mfn_to_mpa(msr).v;
    return 0;
}

/*
 * QEMU's TCG remembers the vector of an interrupt that VMRUN has delivered (EVENTINJ) until the next exception or exit, and delivers it once
 * more when its own loop is interrupted before: anywhere, whatever IF says. It does not so with a virtual interrupt, which is what is used there.
 */
static bool delivers_twice;

static int svm_enable(void)
{
    if (rdmsr(MSR_VM_CR) & BIT(4)) {
        log_error("CPU %u: SVM is switched off by the firmware (VM_CR.SVMDIS): enable it in the set-up", this_cpu_id());
        return -EPERM;
    }
    if (!iopm_pa) {
        if (make_maps())
            return -ENOMEM;
        max_asid = cpuid(0x8000000a, 0).b;
        delivers_twice = cpu_is_tcg();
    }
    mfn_t hsave = frame_alloc(0), own = frame_alloc(0);
    if (!mfn_valid_value(hsave) || !mfn_valid_value(own))
        return -ENOMEM;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME | EFER_NXE);
    wrmsr(MSR_VM_HSAVE_PA, mfn_to_mpa(hsave).v);
    this_cpu(host_save) = mfn_to_mpa(own).v;
    this_cpu(next_asid) = 1;
    this_cpu(asid_gen) = 1;
    __asm__ volatile("vmsave %0" ::"a"(mfn_to_mpa(own).v) : "memory");
    return 0;
}

static void set_intercepts(struct vmcb *b)
{
    /* Machine check: the host's own business. #DB and #AC: their delivery can cause them again, for ever and without an end
     * at which an interrupt would be taken; each round is an exit now. */
    b->exceptions = BIT(VECTOR_DB) | BIT(VECTOR_AC) | BIT(18);
    b->misc1 = MISC1_INTR | MISC1_NMI | MISC1_SMI | MISC1_RDPMC | MISC1_CPUID | MISC1_INVD | MISC1_HLT | MISC1_INVLPGA |
               MISC1_IO | MISC1_MSR | MISC1_TASK | MISC1_SHUTDOWN;
    b->misc2 = MISC2_SVM | MISC2_WBINVD | MISC2_MONITOR | MISC2_MWAIT | MISC2_XSETBV;
    b->iopm = iopm_pa;
    b->msrpm = msrpm_pa;
    b->v_intr = V_INTR_MASKING;
    b->np_enable = 1;
}

static int svm_vcpu_init(struct hvcpu *v)
{
    mfn_t m = frame_alloc(0);
    if (!mfn_valid_value(m))
        return -ENOMEM;
    struct vmcb *b = memset(mfn_to_virt(m), 0, PAGE_SIZE);
    set_intercepts(b);
    b->n_cr3 = mfn_to_mpa(v->p2m->npt.root).v;
    b->efer = EFER_SVME;
    b->g_pat = 0x0007040600070406ull;
    v->vmcb = b;
    v->last_cpu = ~0u;
    return 0;
}

static void svm_vcpu_destroy(struct hvcpu *v)
{
    if (v->vmcb)
        frame_put(virt_to_mfn(v->vmcb));
    v->vmcb = NULL;
}

/* Everything that is switched travels in the VMCB. */
static void svm_load(struct hvcpu *v) { (void)v; }
static void svm_save(struct hvcpu *v) { (void)v; }

/* --- state --- */

static void get_seg(struct hv_segment *s, const struct vmcb_seg *v) { *s = (struct hv_segment){v->sel, v->attr, v->limit, v->base}; }
static void set_seg(struct vmcb_seg *v, const struct hv_segment *s) { *v = (struct vmcb_seg){s->sel, s->attr, s->limit, s->base}; }

static void svm_get_state(const struct hvcpu *v, struct hv_state *s)
{
    const struct vmcb *b = v->vmcb;
    get_seg(&s->seg[SEG_ES], &b->es);
    get_seg(&s->seg[SEG_CS], &b->cs);
    get_seg(&s->seg[SEG_SS], &b->ss);
    get_seg(&s->seg[SEG_DS], &b->ds);
    get_seg(&s->seg[SEG_FS], &b->fs);
    get_seg(&s->seg[SEG_GS], &b->gs);
    get_seg(&s->seg[SEG_LDTR], &b->ldtr);
    get_seg(&s->seg[SEG_TR], &b->tr);
    s->gdt_base = b->gdtr.base;
    s->gdt_limit = b->gdtr.limit;
    s->idt_base = b->idtr.base;
    s->idt_limit = b->idtr.limit;
    s->cr0 = b->cr0;
    s->cr2 = b->cr2;
    s->cr3 = b->cr3;
    s->cr4 = b->cr4;
    s->efer = b->efer & ~EFER_SVME;
    s->dr6 = b->dr6;
    s->dr7 = b->dr7;
    s->pat = b->g_pat;
    s->star = b->star;
    s->lstar = b->lstar;
    s->cstar = b->cstar;
    s->sfmask = b->sfmask;
    s->kernel_gs = b->kernel_gs;
    s->sysenter_cs = b->sysenter_cs;
    s->sysenter_esp = b->sysenter_esp;
    s->sysenter_eip = b->sysenter_eip;
}

/* The consistency checks of APM 15.5.1 that a caller could violate. */
static bool state_valid(const struct hv_state *s)
{
    if ((s->cr0 & CR0_NW) && !(s->cr0 & CR0_CD))
        return false;
    if ((s->cr0 >> 32) || (s->dr6 >> 32) || (s->dr7 >> 32) || (s->efer & ~0xffffull & ~EFER_SVME))
        return false;
    if ((s->efer & EFER_LME) && (s->cr0 & CR0_PG) && (!(s->cr4 & CR4_PAE) || !(s->cr0 & CR0_PE)))
        return false;
    uint16_t cs = s->seg[SEG_CS].attr;
    return !((s->efer & EFER_LME) && (s->cr0 & CR0_PG) && (cs & 0x200) && (cs & 0x400));
}

static int svm_set_state(struct hvcpu *v, const struct hv_state *s)
{
    struct vmcb *b = v->vmcb;
    if (!state_valid(s))
        return -EINVAL;
    set_seg(&b->es, &s->seg[SEG_ES]);
    set_seg(&b->cs, &s->seg[SEG_CS]);
    set_seg(&b->ss, &s->seg[SEG_SS]);
    set_seg(&b->ds, &s->seg[SEG_DS]);
    set_seg(&b->fs, &s->seg[SEG_FS]);
    set_seg(&b->gs, &s->seg[SEG_GS]);
    set_seg(&b->ldtr, &s->seg[SEG_LDTR]);
    set_seg(&b->tr, &s->seg[SEG_TR]);
    b->gdtr = (struct vmcb_seg){0, 0, s->gdt_limit, s->gdt_base};
    b->idtr = (struct vmcb_seg){0, 0, s->idt_limit, s->idt_base};
    b->cpl = s->seg[SEG_SS].attr >> 5 & 3;
    b->cr0 = s->cr0;
    b->cr2 = s->cr2;
    b->cr3 = s->cr3;
    b->cr4 = s->cr4;
    b->efer = s->efer | EFER_SVME;
    b->dr6 = s->dr6;
    b->dr7 = s->dr7;
    b->g_pat = s->pat;
    b->star = s->star;
    b->lstar = s->lstar;
    b->cstar = s->cstar;
    b->sfmask = s->sfmask;
    b->kernel_gs = s->kernel_gs;
    b->sysenter_cs = s->sysenter_cs;
    b->sysenter_esp = s->sysenter_esp;
    b->sysenter_eip = s->sysenter_eip;
    b->shadow = 0;
    b->eventinj = 0;
    v->event_pending = v->nmi_masked = false;
    v->want_window = false;
    v->last_cpu = ~0u; /* a new start: its address spaces are not those that the TLB knows */
    return 0;
}

static void svm_get_mode(const struct hvcpu *v, struct hv_mode *m)
{
    const struct vmcb *b = v->vmcb;
    *m = (struct hv_mode){b->cr0, b->cr3, b->cr4, b->efer, (b->efer & EFER_LMA) && (b->cs.attr & 0x200)};
}

static int svm_set_efer(struct hvcpu *v, uint64_t efer)
{
    ((struct vmcb *)v->vmcb)->efer = efer | EFER_SVME;
    return 0;
}

static uint8_t svm_cpl(const struct hvcpu *v) { return ((const struct vmcb *)v->vmcb)->cpl; }

/* --- events --- */

static bool svm_can_take_interrupt(const struct hvcpu *v)
{
    const struct vmcb *b = v->vmcb;
    return !v->event_pending && (v->regs.rflags & RFLAGS_IF) && !(b->shadow & 1);
}

static bool svm_in_shadow(const struct hvcpu *v) { return ((const struct vmcb *)v->vmcb)->shadow & 1; }

static void inject(struct hvcpu *v, uint32_t type, uint8_t vector, bool has_error, uint32_t error)
{
    struct vmcb *b = v->vmcb;
    b->eventinj = EVENT_VALID | type << 8 | vector | (has_error ? EVENT_ERROR : 0) | (uint64_t)error << 32;
    v->event_pending = true;
}

static void svm_inject_interrupt(struct hvcpu *v, uint8_t vector) { inject(v, EVENT_INTR, vector, false, 0); }
static void svm_inject_nmi(struct hvcpu *v)
{
    inject(v, EVENT_NMI, 2, false, 0);
    v->nmi_masked = true;
}
static void svm_inject_exception(struct hvcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    inject(v, EVENT_EXCEPTION, vector, has_error, error);
}

static void svm_clear_shadow(struct hvcpu *v) { ((struct vmcb *)v->vmcb)->shadow &= ~1ull; }

/* --- the trip --- */

/* A new ASID when the vCPU moved, the p2m lost entries, or this CPU's numbers have run out. */
static void check_tlb(struct hvcpu *v, struct vmcb *b)
{
    uint64_t gen = __atomic_load_n(&v->p2m->flush_gen, __ATOMIC_SEQ_CST);
    b->tlb_control = 0;
    if (v->last_cpu == this_cpu_id() && v->asid_gen == this_cpu(asid_gen) && v->flush_seen == gen)
        return;
    if (this_cpu(next_asid) >= max_asid) {
        this_cpu(next_asid) = 1;
        this_cpu(asid_gen)++;
        b->tlb_control = 1; /* all of this CPU's */
    }
    b->asid = this_cpu(next_asid)++;
    v->asid_gen = this_cpu(asid_gen);
    v->flush_seen = gen;
    v->last_cpu = this_cpu_id();
}

/* An event whose delivery the exit interrupted is delivered again (APM 15.7.2); software interrupts run their instruction again. One that was to come
 * as virtual interrupt and is still there has not been delivered. */
static void requeue_event(struct hvcpu *v, struct vmcb *b, uint64_t virtual)
{
    uint64_t e = virtual && (b->v_intr & V_IRQ) ? virtual : b->exitintinfo;
    v->event_pending = false;
    b->eventinj = 0;
    if (!(e & EVENT_VALID) || EVENT_TYPE(e) == EVENT_SOFT)
        return;
    if (EVENT_TYPE(e) == EVENT_EXCEPTION && ((e & 0xff) == 3 || (e & 0xff) == 4))
        return;
    b->eventinj = e;
    v->event_pending = true;
}

static void decode_io(const struct vmcb *b, struct vmexit *x)
{
    uint32_t i = (uint32_t)b->exitinfo1;
    x->kind = EXIT_IO;
    x->len = (uint8_t)(b->exitinfo2 - b->rip);
    x->io.port = (uint16_t)(i >> 16);
    x->io.in = i & 1;
    x->io.string = i & 4;
    x->io.rep = i & 8;
    x->io.size = (uint8_t)(i >> 4 & 7);
}

static void decode_npf(const struct vmcb *b, struct vmexit *x)
{
    x->kind = EXIT_NPF;
    x->npf.gpa = gpa(b->exitinfo2);
    x->npf.present = b->exitinfo1 & BIT(0);
    x->npf.write = b->exitinfo1 & BIT(1);
    x->npf.fetch = b->exitinfo1 & BIT(4);
}

static const struct { uint16_t code; uint8_t kind, len; } simple_exits[] = {
    {SVM_VMMCALL, EXIT_HYPERCALL, 3}, {SVM_HLT, EXIT_HLT, 1}, {SVM_INTR, EXIT_NONE, 0}, {SVM_CPUID, EXIT_CPUID, 2},
    {SVM_VINTR, EXIT_WINDOW, 0}, {SVM_XSETBV, EXIT_XSETBV, 3}, {SVM_WBINVD, EXIT_WBINVD, 2}, {SVM_INVD, EXIT_WBINVD, 2},
    {SVM_PAUSE, EXIT_PAUSE, 2}, {SVM_SHUTDOWN, EXIT_TRIPLE_FAULT, 0}, {SVM_NMI, EXIT_NMI, 0}, {SVM_IRET, EXIT_NONE, 0}, {SVM_SMI, EXIT_NONE, 0},
    {SVM_EXCP + 18, EXIT_NONE, 0},
};

static void decode(struct hvcpu *v, struct vmcb *b, struct vmexit *x)
{
    x->code = b->exitcode;
    x->info1 = b->exitinfo1;
    x->info2 = b->exitinfo2;
    x->len = 0;
    if ((uint32_t)b->exitcode == 0xffffffff) { /* VMEXIT_INVALID; some machines store only 32 bits */
        x->kind = EXIT_INVALID_STATE;
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(simple_exits); i++)
        if (b->exitcode == simple_exits[i].code) {
            x->kind = simple_exits[i].kind;
            x->len = simple_exits[i].len;
            if (x->kind == EXIT_HYPERCALL)
                hvcpu_skip(v, x);
            return;
        }
    if (b->exitcode == SVM_MSR) {
        x->kind = b->exitinfo1 & 1 ? EXIT_WRMSR : EXIT_RDMSR;
        x->len = 2;
    } else if (b->exitcode == SVM_EXCP + VECTOR_DB || b->exitcode == SVM_EXCP + VECTOR_AC) {
        uint8_t vector = (uint8_t)(b->exitcode - SVM_EXCP);
        inject(v, EVENT_EXCEPTION, vector, vector == VECTOR_AC, 0);
        x->kind = EXIT_NONE;
    } else if (b->exitcode == SVM_IO)
        decode_io(b, x);
    else if (b->exitcode == SVM_NPF)
        decode_npf(b, x);
    else
        x->kind = EXIT_REFUSED;
}

/* The event that comes as virtual interrupt at this entry, 0 if none does: V_IRQ also opens the window, and then an exit has to follow the delivery. */
static uint64_t set_v_intr(const struct hvcpu *v, struct vmcb *b)
{
    uint64_t e = b->eventinj;
    b->v_intr = V_INTR_MASKING | (v->want_window ? V_IRQ | V_IGN_TPR : 0);
    if (!v->event_pending || !delivers_twice || EVENT_TYPE(e) != EVENT_INTR)
        return 0;
    if (v->want_window) {
        apic_kick_self();
        return 0;
    }
    b->v_intr |= V_IRQ | V_IGN_TPR | (e & 0xff) << V_INTR_VECTOR_SHIFT;
    b->eventinj = 0;
    return e;
}

static void svm_run(struct hvcpu *v, struct vmexit *x)
{
    struct vmcb *b = v->vmcb;
    b->rax = v->regs.rax;
    b->rsp = v->regs.rsp;
    b->rip = v->regs.rip;
    b->rflags = v->regs.rflags;
    b->tsc_offset = v->tsc_offset;
    uint64_t virtual = set_v_intr(v, b);
    b->misc1 = (b->misc1 & ~(uint32_t)(MISC1_VINTR | MISC1_IRET)) | (v->want_window ? (uint32_t)MISC1_VINTR : 0) |
               (v->nmi_masked ? (uint32_t)MISC1_IRET : 0);
    b->clean = 0;
    bool shadow = b->shadow & 1, injected = v->event_pending;
    uint64_t rip = b->rip;
    bit_set(&v->p2m->running_on, this_cpu_id());
    check_tlb(v, b);
    stall_end();
    svm_enter(&v->regs, virt_to_mpa(b).v, this_cpu(host_save));
    stall_begin();
    bit_clear(&v->p2m->running_on, this_cpu_id());
    __atomic_fetch_add(&this_cpu(guest_exits), 1, __ATOMIC_SEQ_CST);
    v->regs.rax = b->rax;
    v->regs.rsp = b->rsp;
    v->regs.rip = b->rip;
    v->regs.rflags = b->rflags;
    /* Not one instruction was run: its interrupt shadow is still there, which some machines forget. Without it an interrupt
     * would be delivered between STI and HLT, and the HLT would then sleep on an event that has come. */
    if (shadow && rip == b->rip && (b->exitcode == SVM_INTR || b->exitcode == SVM_NMI))
        b->shadow |= 1;
    if (b->exitcode == SVM_IRET) { /* it is still to be run: the next NMI comes behind it */
        v->nmi_masked = false;
        b->shadow |= 1;
    }
    requeue_event(v, b, virtual);
    /* Take it here and nowhere else. An event is delivered before an interrupt is looked at: where each delivery ends in the
     * next exit and the next event, none of the exits would be the interrupt's. */
    if (b->exitcode == SVM_INTR || injected) {
        irq_enable();
        __asm__ volatile("nop");
        irq_disable();
    }
    decode(v, b, x);
}

const struct cpu_ops svm_ops = {
    .name = "SVM",
    .nested = &pt_npt,
    .hypercall = {0x0f, 0x01, 0xd9}, /* VMMCALL */
    .supported = svm_supported,
    .enable = svm_enable,
    .vcpu_init = svm_vcpu_init,
    .vcpu_destroy = svm_vcpu_destroy,
    .load = svm_load,
    .save = svm_save,
    .run = svm_run,
    .get_state = svm_get_state,
    .set_state = svm_set_state,
    .get_mode = svm_get_mode,
    .set_efer = svm_set_efer,
    .can_take_interrupt = svm_can_take_interrupt,
    .in_shadow = svm_in_shadow,
    .clear_shadow = svm_clear_shadow,
    .inject_interrupt = svm_inject_interrupt,
    .inject_exception = svm_inject_exception,
    .inject_nmi = svm_inject_nmi,
    .cpl = svm_cpl,
};
