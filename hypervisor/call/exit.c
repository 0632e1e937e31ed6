/* SPDX-License-Identifier: MIT */
/*
 * The only dispatcher of VM exits. What a guest may not do becomes the exception that bare hardware would raise, or, where
 * there is none (an access to nothing), the end of that guest with a line that says where.
 */
#include "call/call.h"
#include "lib/log.h"
#include "lib/string.h"

#define VECTOR_UD 6
#define VECTOR_GP 13
#define MSR_HYPERCALL_PAGE 0x40000000u
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc

static void fault_gp(struct vcpu *v) { cpu->inject_exception(&v->hv, VECTOR_GP, true, 0); }
static void fault_ud(struct vcpu *v) { cpu->inject_exception(&v->hv, VECTOR_UD, false, 0); }

static void set_low(uint64_t *reg, uint32_t value) { *reg = value; } /* 32-bit results clear the upper half */

static void exit_cpuid(struct vcpu *v, const struct vmexit *x)
{
    struct regs *r = &v->hv.regs;
    struct hv_mode m;
    cpu->get_mode(&v->hv, &m);
    struct cpuid_context c = {
        .vcpu_id = v->id, .apic_id = v->lapic.id, .nr_vcpus = v->dom->max_vcpus, .domid = v->dom->id,
        .iommu = v->dom->p2m.iommu, .cr4 = m.cr4, .xcr0 = v->hv.xcr0,
    };
    struct cpuid out = cpuid_policy((uint32_t)r->rax, (uint32_t)r->rcx, &c);
    set_low(&r->rax, out.a);
    set_low(&r->rbx, out.b);
    set_low(&r->rcx, out.c);
    set_low(&r->rdx, out.d);
    hvcpu_skip(&v->hv, x);
}

/* --- MSRs --- */

static bool is_apic_msr(uint32_t msr) { return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE || (msr >= 0x800 && msr < 0x900); }

static int write_hypercall_page(struct vcpu *v, uint64_t value)
{
    char *page = heap_alloc(PAGE_SIZE);
    if (!page || (value & (PAGE_SIZE - 1))) { /* the low bits number the page: there is one */
        heap_free(page);
        return -EINVAL;
    }
    call_hypercall_page(page);
    int r = p2m_write(&v->dom->p2m, gpa(value), page, PAGE_SIZE);
    heap_free(page);
    return r;
}

static int apic_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    bool timer = false;
    struct vlapic_ipi ipi = {.kind = IPI_NONE};
    int r = vlapic_msr_write(&v->lapic, msr, value, now_ns(), &timer, &ipi);
    if (r)
        return r;
    if (timer)
        vcpu_lapic_timer_changed(v);
    vcpu_deliver_ipi(v, &ipi);
    return 0;
}

static void exit_rdmsr(struct vcpu *v, const struct vmexit *x)
{
    struct regs *r = &v->hv.regs;
    uint32_t msr = (uint32_t)r->rcx;
    uint64_t value = 0;
    int rc = is_apic_msr(msr) ? vlapic_msr_read(&v->lapic, msr, now_ns(), &value)
             : msr == MSR_HYPERCALL_PAGE ? 0
                                         : msr_read(&v->hv, msr, &value);
    if (rc) {
        log_debug("domain %u vcpu %u: RDMSR %x refused, rip %lx", v->dom->id, v->id, msr, r->rip);
        fault_gp(v);
        return;
    }
    set_low(&r->rax, (uint32_t)value);
    set_low(&r->rdx, (uint32_t)(value >> 32));
    hvcpu_skip(&v->hv, x);
}

static void exit_wrmsr(struct vcpu *v, const struct vmexit *x)
{
    struct regs *r = &v->hv.regs;
    uint32_t msr = (uint32_t)r->rcx;
    uint64_t value = (uint32_t)r->rax | r->rdx << 32;
    int rc = is_apic_msr(msr) ? apic_write(v, msr, value)
             : msr == MSR_HYPERCALL_PAGE ? write_hypercall_page(v, value)
                                         : msr_write(&v->hv, msr, value);
    if (rc) {
        log_debug("domain %u vcpu %u: WRMSR %x = %lx refused, rip %lx", v->dom->id, v->id, msr, value, r->rip);
        fault_gp(v);
        return;
    }
    hvcpu_skip(&v->hv, x);
}

/* --- ports: only configuration mechanism 1, for the PCI role (PCI 3.0, 3.2.2.3.2); elsewhere is nothing --- */

static struct spinlock pci_lock = SPINLOCK_INIT(LOCK_IRQ);

static uint32_t pci_data(uint32_t address, unsigned off, unsigned size, bool in, uint32_t value)
{
    uint16_t port = (uint16_t)(PCI_DATA + off);
    spin_lock(&pci_lock);
    outl(PCI_ADDRESS, address);
    if (in)
        value = size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
    else if (size == 1)
        outb(port, (uint8_t)value);
    else if (size == 2)
        outw(port, (uint16_t)value);
    else
        outl(port, value);
    spin_unlock(&pci_lock);
    return value;
}

static uint32_t pci_port(struct domain *d, const struct vmexit *x, uint32_t value)
{
    unsigned off = x->io.port - (x->io.port >= PCI_DATA ? PCI_DATA : PCI_ADDRESS);
    if (off + x->io.size > 4)
        return ~0u;
    if (x->io.port >= PCI_DATA)
        return pci_data(d->pci_address, off, x->io.size, x->io.in, value);
    if (x->io.size == 4 && !x->io.in)
        d->pci_address = value;
    return x->io.size == 4 ? d->pci_address : ~0u;
}

static void exit_io(struct vcpu *v, const struct vmexit *x)
{
    struct regs *r = &v->hv.regs;
    if (x->io.string) { /* no device of ours is driven by string instructions */
        fault_gp(v);
        return;
    }
    uint32_t value = ~0u;
    if (x->io.port >= PCI_ADDRESS && x->io.port < PCI_DATA + 4 && domain_has_role(v->dom, BH_ROLE_PCI))
        value = pci_port(v->dom, x, (uint32_t)r->rax);
    if (x->io.in) {
        uint64_t mask = x->io.size == 4 ? ~0ull : (1ull << 8 * x->io.size) - 1;
        r->rax = (r->rax & ~mask) | (value & (x->io.size == 4 ? 0xffffffffull : mask));
    }
    hvcpu_skip(&v->hv, x);
}

/* --- the rest --- */

static bool wake_pending(void *arg) { return vcpu_has_work(arg); }

static void exit_hlt(struct vcpu *v, const struct vmexit *x)
{
    hvcpu_skip(&v->hv, x);
    sched_block(&v->sched, wake_pending, v);
}

static void exit_xsetbv(struct vcpu *v, const struct vmexit *x)
{
    struct regs *r = &v->hv.regs;
    if ((uint32_t)r->rcx != 0 || cpu->cpl(&v->hv) != 0 || hvcpu_set_xcr0(&v->hv, (uint32_t)r->rax | r->rdx << 32))
        fault_gp(v);
    else
        hvcpu_skip(&v->hv, x);
}

static void exit_npf(struct vcpu *v, const struct vmexit *x)
{
    enum p2m_type t;
    uint64_t a = x->npf.gpa.v;
    p2m_lookup(&v->dom->p2m, gpa_to_gfn(x->npf.gpa), &t);
    /* Another CPU may have mapped the page meanwhile. */
    bool stale = x->npf.present ? false : t != P2M_HOLE;
    if (stale)
        return;
    domain_crash(v->dom, "vcpu %u: %s at guest physical %lx, which is %s; rip %lx", v->id,
                 x->npf.fetch ? "fetch" : x->npf.write ? "write" : "read", a,
                 t == P2M_HOLE ? "nothing" : t == P2M_GRANT_RO || t == P2M_RO ? "read-only" : "not executable", v->hv.regs.rip);
}

static void exit_invalid(struct vcpu *v, const struct vmexit *x)
{
    struct hv_mode m;
    cpu->get_mode(&v->hv, &m);
    domain_crash(v->dom, "vcpu %u: a state that cannot run: rip %lx cr0 %lx cr3 %lx cr4 %lx efer %lx", v->id, v->hv.regs.rip, m.cr0,
                 m.cr3, m.cr4, m.efer);
}

void exit_dispatch(struct vcpu *v, const struct vmexit *x)
{
    switch (x->kind) {
    case EXIT_NONE: case EXIT_WINDOW: break;
    case EXIT_HYPERCALL: call_hypercall(v); break;
    case EXIT_CPUID: exit_cpuid(v, x); break;
    case EXIT_RDMSR: exit_rdmsr(v, x); break;
    case EXIT_WRMSR: exit_wrmsr(v, x); break;
    case EXIT_IO: exit_io(v, x); break;
    case EXIT_HLT: exit_hlt(v, x); break;
    case EXIT_XSETBV: exit_xsetbv(v, x); break;
    case EXIT_WBINVD: case EXIT_PAUSE: hvcpu_skip(&v->hv, x); break;
    case EXIT_NPF: exit_npf(v, x); break;
    case EXIT_TRIPLE_FAULT: domain_crash(v->dom, "vcpu %u: triple fault, rip %lx", v->id, v->hv.regs.rip); break;
    case EXIT_INVALID_STATE: exit_invalid(v, x); break;
    case EXIT_REFUSED: fault_ud(v); break;
    }
}
