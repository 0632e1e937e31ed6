/* SPDX-License-Identifier: MIT */
/*
 * The one dispatcher of VM exits. cpu/ has decoded why the guest stopped; here it is decided what that means. Whatever a guest does
 * ends in the next instruction, an exception in the guest, or the end of that domain.
 */
#include "call/call.h"
#include "lib/log.h"
#include "lib/stall.h"
#include "trace/trace.h"

#define VECTOR_UD 6
#define VECTOR_GP 13
#define MSR_HYPERCALL_PAGE 0x40000000u /* named by CPUID leaf 40000002h: the guest writes where it wants the page */
#define PORT_DEBUG 0xe9                /* a character for the log */
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc

static struct spinlock pci_lock = SPINLOCK_INIT(LOCK_IRQ);

static void fault(struct vcpu *v, uint8_t vector)
{
    cpu->inject_exception(&v->hv, vector, vector == VECTOR_GP, 0);
}
static bool has_work(void *v) { return vcpu_has_work(v); }

/* ---- CPUID and MSRs ---- */

static void do_cpuid(struct vcpu *v)
{
    struct regs *r = &v->hv.regs;
    struct hv_mode m;
    cpu->get_mode(&v->hv, &m);
    struct cpuid_context c = {.vcpu_id = v->id, .apic_id = v->lapic.id, .nr_vcpus = v->dom->max_vcpus, .domid = v->dom->id,
                              .iommu = v->dom->p2m.iommu != NULL, .cr4 = m.cr4};
    struct cpuid l = cpuid_policy((uint32_t)r->rax, (uint32_t)r->rcx, &c);
    r->rax = l.a;
    r->rbx = l.b;
    r->rcx = l.c;
    r->rdx = l.d;
}

static COLD void trace_msr(uint32_t event, uint32_t msr, uint64_t value)
{
    trace_record(event, (const uint32_t[]){msr, TRACE_LONG(value)}, 3);
}

static int do_rdmsr(struct vcpu *v)
{
    struct regs *r = &v->hv.regs;
    uint32_t msr = (uint32_t)r->rcx;
    uint64_t value = 0;
    int rc = lapic_msr(msr) ? vlapic_msr_read(&v->lapic, msr, now_ns(), &value) : msr_read(&v->hv, msr, &value);
    if (trace_wants(TRACE_CLASS(TRC_HVM))) trace_msr(TRC_HVM_MSR_READ, msr, value);
    if (rc) {
        log_debug("domain %u: RDMSR %x refused at %lx", v->dom->id, msr, r->rip);
        return rc;
    }
    r->rax = (uint32_t)value;
    r->rdx = value >> 32;
    return 0;
}

static int write_hypercall_page(struct vcpu *v, uint64_t value)
{
    if (value & (PAGE_SIZE - 1)) return -EINVAL; /* the low bits number the page: there is one */
    char *page = heap_alloc(PAGE_SIZE);
    if (!page) return -ENOMEM;
    call_hypercall_page(page);
    int rc = p2m_write(&v->dom->p2m, gpa(value), page, PAGE_SIZE);
    heap_free(page);
    return rc;
}

static int do_wrmsr(struct vcpu *v)
{
    struct regs *r = &v->hv.regs;
    uint32_t msr = (uint32_t)r->rcx;
    uint64_t value = (uint32_t)r->rax | r->rdx << 32;
    int rc = lapic_msr(msr) ? lapic_write_msr(v, msr, value)
             : msr == MSR_HYPERCALL_PAGE ? write_hypercall_page(v, value) : msr_write(&v->hv, msr, value);
    if (trace_wants(TRACE_CLASS(TRC_HVM))) trace_msr(TRC_HVM_MSR_WRITE, msr, value);
    if (rc) log_debug("domain %u: WRMSR %x = %lx refused at %lx", v->dom->id, msr, value, r->rip);
    return rc;
}

/* ---- I/O ports ---- */

static uint32_t hw_in(uint16_t port, unsigned size) { return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port); }
static void hw_out(uint16_t port, unsigned size, uint32_t value)
{
    if (size == 1) outb(port, (uint8_t)value);
    else if (size == 2) outw(port, (uint16_t)value);
    else outl(port, value);
}

/* Configuration mechanism 1 for the PCI role. Each domain has an address register of its own; address and data go out together. */
static uint32_t pci_port(struct domain *d, uint16_t port, unsigned size, bool in, uint32_t value)
{
    if (port < PCI_DATA) {
        if (port != PCI_ADDRESS || size != 4) return ~0u; /* CF9h, the reset control, is nobody's */
        if (!in) d->pci_address = value;
        return d->pci_address;
    }
    if (!(d->pci_address & 0x80000000u) || port + size > PCI_DATA + 4) return ~0u;
    spin_lock(&pci_lock);
    outl(PCI_ADDRESS, d->pci_address);
    if (in) value = hw_in(port, size);
    else hw_out(port, size, value);
    spin_unlock(&pci_lock);
    return value;
}

/* What no role opens is not there: reads give ones, writes vanish. */
static int do_io(struct vcpu *v, const struct vmexit *x)
{
    struct regs *r = &v->hv.regs;
    uint32_t mask = x->io.size == 4 ? ~0u : (1u << 8 * x->io.size) - 1, value = ~0u;
    if (x->io.string) return -EINVAL;
    if (x->io.port >= PCI_ADDRESS && x->io.port < PCI_DATA + 4 && domain_has_role(v->dom, BH_ROLE_PCI)) {
        value = pci_port(v->dom, x->io.port, x->io.size, x->io.in, (uint32_t)r->rax & mask);
    } else if (x->io.port == PORT_DEBUG && !x->io.in && x->io.size == 1 && !domain_has_role(v->dom, BH_ROLE_CONSOLE)) {
        char c = (char)r->rax;
        console_write(v->dom, &c, 1);
    }
    if (x->io.in) r->rax = x->io.size == 4 ? value : (r->rax & ~(uint64_t)mask) | (value & mask);
    return 0;
}

/* ---- the rest ---- */

static void do_hlt(struct vcpu *v)
{
    struct domain *d = v->dom;
    if (v->hv.regs.rflags & RFLAGS_IF) {
        sched_block(&v->sched, has_work, v);
        return;
    }
    if (v->nmi_pending && !v->hv.nmi_masked) return;
    /* Nothing but INIT or an NMI can wake it. */
    sched_set_down(&v->sched, true);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i] && !READ_ONCE(d->vcpu[i]->sched.down)) return;
    domain_shutdown(d, SHUTDOWN_poweroff, "all its vCPUs halted with interrupts off");
}

static int do_xsetbv(struct vcpu *v)
{
    struct regs *r = &v->hv.regs;
    if ((uint32_t)r->rcx != 0 || cpu->cpl(&v->hv) != 0) return -EINVAL;
    return hvcpu_set_xcr0(&v->hv, (uint32_t)r->rax | r->rdx << 32);
}

static COLD void trace_npf(const struct vmexit *x, enum p2m_type t)
{
    TRACE(TRC_HVM_NPF, TRACE_LONG(x->npf.gpa.v), TRACE_LONG(0), (uint32_t)x->info1, (uint32_t)t);
}

static void do_npf(struct vcpu *v, const struct vmexit *x)
{
    enum p2m_type t;
    p2m_lookup(&v->dom->p2m, gpa_to_gfn(x->npf.gpa), &t);
    bool write = x->npf.write, fetch = x->npf.fetch;
    if (trace_wants(TRACE_CLASS(TRC_HVM))) trace_npf(x, t);
    bool allowed = t == P2M_RAM || (!fetch && (t == P2M_GRANT_RW || t == P2M_SHARED || t == P2M_MMIO)) || t == P2M_FOREIGN ||
                   (!write && t == P2M_RO) || (!write && !fetch && t == P2M_GRANT_RO);
    if (allowed) return; /* another vCPU has just put it there */
    if (t == P2M_HOLE && lapic_page(v, x)) return;
    if (t == P2M_GRANT_RO || t == P2M_RO) { /* as Xen does: the guest may survive a write of what it only reads */
        cpu->inject_exception(&v->hv, 13, true, 0);
        return;
    }
    domain_crash(v->dom, "vCPU %u: %s of %s at %lx, rip %lx", v->id, write ? "write" : fetch ? "fetch" : "read",
                 t == P2M_HOLE ? "no memory" : t == P2M_MMIO ? "a device" : "protected memory", x->npf.gpa.v, v->hv.regs.rip);
}

/* Either the instruction is done and skipped, or it faults. */
static void finish(struct vcpu *v, const struct vmexit *x, int rc)
{
    if (rc) fault(v, VECTOR_GP);
    else hvcpu_skip(&v->hv, x);
}

void exit_dispatch(struct vcpu *v, const struct vmexit *x)
{
    if (x->kind != EXIT_HYPERCALL) stall_about(BH_STALL_exit, (uint32_t)x->code, 0);
    switch (x->kind) {
    case EXIT_NONE:
    case EXIT_WINDOW: break;
    case EXIT_NMI: profile_guest(v); break;
    case EXIT_HYPERCALL: call_hypercall(v); break;
    case EXIT_CPUID:
        do_cpuid(v);
        hvcpu_skip(&v->hv, x);
        break;
    case EXIT_RDMSR: finish(v, x, do_rdmsr(v)); break;
    case EXIT_WRMSR: finish(v, x, do_wrmsr(v)); break;
    case EXIT_IO: finish(v, x, do_io(v, x)); break;
    case EXIT_XSETBV: finish(v, x, do_xsetbv(v)); break;
    case EXIT_HLT:
        hvcpu_skip(&v->hv, x);
        do_hlt(v);
        break;
    case EXIT_PAUSE:
        hvcpu_skip(&v->hv, x);
        sched_yield(&v->sched);
        break;
    case EXIT_WBINVD: hvcpu_skip(&v->hv, x); break; /* nothing of a guest's depends on what caches hold */
    case EXIT_NPF: do_npf(v, x); break;
    case EXIT_TRIPLE_FAULT: domain_crash(v->dom, "vCPU %u: triple fault, rip %lx", v->id, v->hv.regs.rip); break;
    case EXIT_INVALID_STATE:
        domain_crash(v->dom, "vCPU %u: a state that cannot run, exit %lx, rip %lx", v->id, x->code, v->hv.regs.rip);
        break;
    case EXIT_REFUSED: fault(v, VECTOR_UD); break;
    }
}
