/* SPDX-License-Identifier: MIT */
/*
 * A guest's two ways to its virtual local APIC: MSRs, and in xAPIC mode the page of registers, whose accesses end in a nested
 * fault. What the APIC then wants done outside (an IPI, a timer) is done here. Interface: call/call.h.
 */
#include "call/call.h"

#define REG_SVR 0xf0
#define MAX_INSN 15u

bool lapic_msr(uint32_t msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE || (msr >= MSR_X2APIC && msr < MSR_X2APIC + 0x40);
}

static void written(struct vcpu *v, bool svr, bool timer, const struct vlapic_ipi *ipi)
{
    if (timer) vcpu_lapic_timer_changed(v);
    if (ipi->kind != IPI_NONE) vcpu_deliver_ipi(v, ipi);
    /* INIT clears what was requested; an upcall still pending is asked for again when the APIC is switched on. */
    if (svr && v->upcall_vector && v->info && READ_ONCE(v->info->evtchn_upcall_pending)) vcpu_event_upcall(v);
}

int lapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct vlapic_ipi ipi;
    bool timer;
    int rc = vlapic_msr_write(&v->lapic, msr, value, now_ns(), &timer, &ipi);
    if (!rc) written(v, msr == MSR_X2APIC + REG_SVR / 16, timer, &ipi);
    return rc;
}

/* The instruction at RIP, at most MAX_INSN bytes; how many there are. */
static unsigned fetch(struct vcpu *v, uint8_t *insn)
{
    uint64_t rip = v->hv.regs.rip;
    unsigned here = (unsigned)MIN((uint64_t)MAX_INSN, PAGE_SIZE - (rip & (PAGE_SIZE - 1)));
    if (guest_read(&v->hv, insn, rip, here)) return 0;
    return here == MAX_INSN || guest_read(&v->hv, insn + here, rip + here, MAX_INSN - here) ? here : MAX_INSN;
}

bool lapic_page(struct vcpu *v, const struct vmexit *x)
{
    unsigned offset = (unsigned)(x->npf.gpa.v - VLAPIC_PAGE);
    uint8_t insn[MAX_INSN];
    struct mmio_access a;
    if (x->npf.gpa.v - VLAPIC_PAGE >= PAGE_SIZE || offset % 16 || x->npf.fetch || !vlapic_has_page(&v->lapic)) return false;
    if (!hvcpu_64bit(&v->hv) || mmio_decode(insn, fetch(v, insn), &a)) return false;
    uint64_t *reg = &v->hv.regs.rax + a.reg; /* they lie in the order of their numbers */
    uint32_t value = a.immediate ? a.value : (uint32_t)*reg;
    if (a.read) *reg = vlapic_mmio_read(&v->lapic, offset, now_ns());
    if (a.write) {
        struct vlapic_ipi ipi;
        bool timer;
        vlapic_mmio_write(&v->lapic, offset, value, now_ns(), &timer, &ipi);
        written(v, offset == REG_SVR, timer, &ipi);
    }
    hvcpu_skip(&v->hv, &(struct vmexit){.len = a.len});
    return true;
}
