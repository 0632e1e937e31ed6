/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-x: what a CPU must have, switching it on, and the life of a vCPU's VMCS (Intel SDM vol. 3, ch. 24, 25, 29, appendix A).
 * A VMCS is made current by `load` and cleared (all of it is in memory) by `save`, so any CPU may take it after.
 * TLB: a VPID is good for one stay of a vCPU on a CPU; what EPT maps is forgotten when a vCPU comes to a CPU and when its p2m
 * lost entries while it was there.
 */
#include "cpu/vmcs.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "lib/time.h"

#define MSR_FEATURE_CONTROL 0x3a
#define MSR_VMX_BASIC 0x480
#define MSR_VMX_PIN 0x481    /* pin, processor, exit, entry; the "true" ones are 12 higher */
#define MSR_VMX_TRUE 12
#define MSR_VMX_MISC 0x485
#define MSR_VMX_CR0_FIXED0 0x486
#define MSR_VMX_CR4_FIXED0 0x488
#define MSR_VMX_PROC2 0x48b
#define MSR_VMX_EPT_VPID 0x48c
#define BASIC_TRUE BIT(55)
#define PIN_TIMER BIT(6)
#define EPT_2M BIT(16)
#define EPT_1G BIT(17)
#define EPTP_WB_4_LEVELS (6 | 3 << 3)
#define MAX_VPID 0xffffu
/* Virtualize x2APIC mode, APIC-register virtualization, virtual-interrupt delivery. */
#define PROC2_DIRECT (uint32_t)(BIT(4) | BIT(8) | BIT(9))

struct vmx_caps vmx_caps;
static PERCPU(const struct hvcpu *, current); /* whose VMCS is current and whose other registers are loaded here */
static PERCPU(uint32_t, next_vpid);
static PERCPU(uint64_t, vpid_gen);

/* --- what a CPU must have --- */

enum group { PIN, PROC, EXIT, ENTRY, PROC2, GROUPS };
static const char *const group_names[] = {"pin-based", "processor-based", "exit", "entry", "secondary"};
static const struct feature { uint8_t group, bit; bool optional, later; const char *name; } features[] = {
    {PIN, 0, .name = "external-interrupt exiting"}, {PIN, 3, .name = "NMI exiting"}, {PIN, 5, .name = "virtual NMIs"},
    {PIN, 6, .optional = true, .name = "preemption timer"},
    {PROC, 2, .later = true, .name = "interrupt-window exiting"}, {PROC, 3, .name = "TSC offsetting"},
    {PROC, 7, .name = "HLT exiting"}, {PROC, 10, .name = "MWAIT exiting"}, {PROC, 11, .name = "RDPMC exiting"},
    {PROC, 21, .name = "TPR shadow"}, {PROC, 22, .later = true, .name = "NMI-window exiting"}, {PROC, 25, .name = "I/O bitmaps"},
    {PROC, 28, .name = "MSR bitmaps"}, {PROC, 29, .name = "MONITOR exiting"}, {PROC, 31, .name = "secondary controls"},
    {EXIT, 2, .name = "save debug controls"}, {EXIT, 9, .name = "64-bit host"}, {EXIT, 18, .name = "save PAT"},
    {EXIT, 19, .name = "load PAT"}, {EXIT, 20, .name = "save EFER"}, {EXIT, 21, .name = "load EFER"},
    {ENTRY, 2, .name = "load debug controls"}, {ENTRY, 9, .later = true, .name = "IA-32e mode guest"},
    {ENTRY, 14, .name = "load PAT"}, {ENTRY, 15, .name = "load EFER"},
    {PROC2, 1, .name = "EPT"}, {PROC2, 3, .optional = true, .name = "RDTSCP"}, {PROC2, 5, .name = "VPID"},
    {PROC2, 6, .name = "WBINVD exiting"}, {PROC2, 7, .name = "unrestricted guest"}, {PROC2, 12, .optional = true, .name = "INVPCID"},
};
static const struct { uint8_t bit; const char *name; } memory_features[] = {
    {6, "EPT of 4 levels"}, {14, "EPT in write-back memory"}, {20, "INVEPT"}, {25, "INVEPT of one context"}, {32, "INVVPID"},
    {42, "INVVPID of all contexts"},
};

bool vmx_supported(void) { return cpuid(1, 0).c & BIT(5); }

/* Low half: bits that must be 1; high half: bits that may be. */
static uint64_t allowed(enum group g)
{
    if (g == PROC2)
        return rdmsr(MSR_VMX_PROC2);
    return rdmsr(MSR_VMX_PIN + g + (rdmsr(MSR_VMX_BASIC) & BASIC_TRUE ? MSR_VMX_TRUE : 0));
}

/* One group's control word: what we want of what there is. False, with a line in the log each, when something is missing. */
static bool choose(enum group g, uint32_t *out)
{
    uint64_t a = allowed(g);
    uint32_t must = (uint32_t)a, may = (uint32_t)(a >> 32);
    bool ok = true;
    *out = must;
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const struct feature *f = &features[i];
        if (f->group != g)
            continue;
        if (!(may & BIT(f->bit)) && !f->optional) {
            log_error("VT-x: this CPU lacks \"%s\" (%s controls, bit %u), which Bulkhead needs", f->name, group_names[g], f->bit);
            ok = false;
        }
        if (!f->later)
            *out |= may & (uint32_t)BIT(f->bit);
    }
    if (g == PROC && (must & (BIT(15) | BIT(16) | BIT(19) | BIT(20)))) {
        log_error("VT-x: this CPU cannot let guests use CR3 and CR8 on their own (no true controls), which Bulkhead needs");
        ok = false;
    }
    return ok;
}

static bool choose_all(void)
{
    struct vmx_caps *c = &vmx_caps;
    uint32_t *const words[GROUPS] = {&c->pin, &c->proc, &c->exit, &c->entry, &c->proc2};
    bool ok = true;
    for (enum group g = PIN; g < GROUPS; g++)
        ok &= (g != PROC2 || c->proc & BIT(31)) && choose(g, words[g]);
    if (!ok)
        return false;
    uint64_t memory = rdmsr(MSR_VMX_EPT_VPID);
    for (unsigned i = 0; i < ARRAY_SIZE(memory_features); i++)
        if (!(memory & BIT(memory_features[i].bit))) {
            log_error("VT-x: this CPU lacks \"%s\", which Bulkhead needs", memory_features[i].name);
            ok = false;
        }
    pt_ept.max_order = memory & EPT_1G ? ORDER_1G : memory & EPT_2M ? ORDER_2M : ORDER_4K;
    if ((allowed(PROC2) >> 32 & PROC2_DIRECT) == PROC2_DIRECT)
        c->direct = PROC2_DIRECT;
    cpu_delivers = c->direct != 0;
    log_info("VT-x: interrupts of guests in x2APIC mode are delivered %s", c->direct ? "by the CPU" : "by injection, one exit or more each");
    c->revision = (uint32_t)rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    if (c->pin & PIN_TIMER)
        c->timer_1ms = (uint32_t)MAX(tsc_khz() >> (rdmsr(MSR_VMX_MISC) & 31), 1ull);
    return ok;
}

/* --- switching it on --- */

/* Reads of the MSRs 0 to 1FFFh are the first KiB of the map, C0000000h to C0001FFFh the second; then writes alike. */
static void msr_allow(uint8_t *map, uint32_t msr, bool read, bool write)
{
    uint32_t n = msr & 0x1fff, at = (msr >= 0xc0000000 ? 1024 : 0) + n / 8;
    if (read)
        map[at] &= (uint8_t) ~(1u << n % 8);
    if (write)
        map[at + 2048] &= (uint8_t) ~(1u << n % 8);
}

/* MSRs that guests own outright, either in the VMCS or switched with the vCPU. */
static const uint32_t guest_msrs[] = {
    MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX,
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_PAT,
};

/* Registers of the local APIC that are the page's while the CPU delivers: without that control they would be the machine's own. */
static void allow_apic(uint8_t *map)
{
    msr_allow(map, MSR_X2APIC + 0x08, true, true);  /* TPR */
    msr_allow(map, MSR_X2APIC + 0x0a, true, false); /* PPR */
    msr_allow(map, MSR_X2APIC + 0x0b, false, true); /* EOI */
    for (unsigned i = 0; i < 8; i++) {
        msr_allow(map, MSR_X2APIC + 0x10 + i, true, false); /* ISR */
        msr_allow(map, MSR_X2APIC + 0x20 + i, true, false); /* IRR */
    }
}

static int make_maps(void)
{
    mfn_t io = frame_alloc(1), msr = frame_alloc(0), direct = frame_alloc(0);
    if (!mfn_valid_value(io) || !mfn_valid_value(msr) || !mfn_valid_value(direct))
        return -ENOMEM;
    memset(mfn_to_virt(io), 0xff, 2 * PAGE_SIZE);
    memset(mfn_to_virt(msr), 0xff, PAGE_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(guest_msrs); i++)
        msr_allow(mfn_to_virt(msr), guest_msrs[i], true, true);
    memcpy(mfn_to_virt(direct), mfn_to_virt(msr), PAGE_SIZE);
    allow_apic(mfn_to_virt(direct));
    vmx_caps.io_bitmap = mfn_to_mpa(io).v;
    vmx_caps.msr_bitmap = mfn_to_mpa(msr).v;
    vmx_caps.direct_msr_bitmap = mfn_to_mpa(direct).v;
    return 0;
}

static bool allowed_by_firmware(void)
{
    uint64_t f = rdmsr(MSR_FEATURE_CONTROL);
    if (!(f & BIT(0)))
        wrmsr(MSR_FEATURE_CONTROL, f | BIT(0) | BIT(2));
    else if (!(f & BIT(2))) {
        log_error("CPU %u: VT-x is switched off by the firmware (FEATURE_CONTROL is locked without it): enable it in the set-up",
                  this_cpu_id());
        return false;
    }
    return true;
}

static int vmxon(void)
{
    mfn_t m = frame_alloc(0);
    if (!mfn_valid_value(m))
        return -ENOMEM;
    *(uint32_t *)memset(mfn_to_virt(m), 0, PAGE_SIZE) = vmx_caps.revision;
    write_cr0(read_cr0() | (rdmsr(MSR_VMX_CR0_FIXED0) & 0xffffffff));
    write_cr4(read_cr4() | CR4_VMXE | rdmsr(MSR_VMX_CR4_FIXED0));
    uint64_t pa = mfn_to_mpa(m).v;
    bool failed;
    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(pa) : "memory");
    if (!failed)
        return 0;
    log_error("CPU %u: VMXON fails", this_cpu_id());
    frame_put(m);
    return -EIO;
}

int vmx_enable(void)
{
    if (!allowed_by_firmware())
        return -EPERM;
    if (!vmx_caps.io_bitmap) {
        if (!choose_all())
            return -EOPNOTSUPP;
        if (make_maps())
            return -ENOMEM;
    }
    this_cpu(next_vpid) = 1;
    this_cpu(vpid_gen) = 1;
    return vmxon();
}

/* --- which VMCS is current --- */

static void vmptrld(const struct vmx *m)
{
    uint64_t pa = mfn_to_mpa(m->vmcs).v;
    bool failed;
    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(pa) : "memory");
    if (failed)
        panic("VMPTRLD of %lx fails", pa);
}

static void vmclear(const struct vmx *m)
{
    uint64_t pa = mfn_to_mpa(m->vmcs).v;
    bool failed;
    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(pa) : "memory");
    if (failed)
        panic("VMCLEAR of %lx fails", pa);
}

bool vmx_is_loaded(const struct hvcpu *v) { return this_cpu(current) == v; }

const struct hvcpu *vmx_borrow(const struct hvcpu *v)
{
    const struct hvcpu *before = this_cpu(current);
    const struct vmx *m = v->vmcb;
    if (before != v) {
        ASSERT(m->cpu < 0);
        vmptrld(m);
    }
    return before;
}

void vmx_give_back(const struct hvcpu *v, const struct hvcpu *before)
{
    if (before == v)
        return;
    vmclear(v->vmcb);
    if (before)
        vmptrld(before->vmcb);
}

/* --- a vCPU's life --- */

static void init_controls(struct vmx *m)
{
    const struct vmx_caps *c = &vmx_caps;
    const struct { enum vmcs_field f; uint64_t v; } init[] = {
        {F_PIN, c->pin}, {F_PROC, c->proc}, {F_PROC2, c->proc2}, {F_EXIT, c->exit}, {F_ENTRY, c->entry},
        /* #MC is the host's. #DB and #AC: their delivery can cause them again, for ever and without an end at which an interrupt
         * would be taken; each round is an exit now. */
        {F_EXCEPTIONS, BIT(1) | BIT(17) | BIT(18)},
        {F_PF_MASK, 0}, {F_PF_MATCH, 0}, {F_CR3_TARGETS, 0}, {F_EXIT_STORE_COUNT, 0}, {F_EXIT_LOAD_COUNT, 0}, {F_ENTRY_LOAD_COUNT, 0},
        {F_EVENT, 0}, {F_TPR_THRESHOLD, 0}, {F_VPID, 1},
        {F_IO_BITMAP_A, c->io_bitmap}, {F_IO_BITMAP_B, c->io_bitmap + PAGE_SIZE}, {F_MSR_BITMAP, c->msr_bitmap},
        {F_VIRTUAL_APIC, mfn_to_mpa(m->virtual_apic).v}, {F_EPTP, m->eptp}, {F_LINK, ~0ull}, {F_DEBUGCTL, 0}, {F_ACTIVITY, 0},
        {F_SHADOW, 0}, {F_PENDING_DEBUG, 0}, {F_CR0_MASK, CR0_OURS}, {F_CR4_MASK, ~CR4_GUEST},
        {F_HOST_CR3, read_cr3()}, {F_HOST_PAT, rdmsr(MSR_PAT)}, {F_HOST_EFER, rdmsr(MSR_EFER)}, {F_HOST_RIP, (uint64_t)vmx_exit},
        {F_HOST_ES, 0}, {F_HOST_CS, 8}, {F_HOST_SS, 0}, {F_HOST_DS, 0}, {F_HOST_FS, 0}, {F_HOST_GS, 0}, {F_HOST_FS_BASE, 0},
        {F_HOST_SYSENTER_CS, 0}, {F_HOST_SYSENTER_ESP, 0}, {F_HOST_SYSENTER_EIP, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(init); i++)
        vmwrite(init[i].f, init[i].v);
    for (unsigned i = 0; c->direct && i < 4; i++) /* no end of interrupt is an exit */
        vmwrite(F_OF(F_EOI_EXITS, i), 0);
    if (c->timer_1ms)
        vmwrite(F_TIMER, m->timer = ~0u);
    m->proc = c->proc;
    m->entry = c->entry;
}

int vmx_vcpu_init(struct hvcpu *v)
{
    struct vmx *m = heap_alloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    v->vmcb = m;
    v->last_cpu = ~0u;
    m->cpu = -1;
    m->vmcs = frame_alloc(0);
    m->virtual_apic = frame_alloc(0);
    if (!mfn_valid_value(m->vmcs) || !mfn_valid_value(m->virtual_apic)) {
        vmx_vcpu_destroy(v);
        return -ENOMEM;
    }
    *(uint32_t *)memset(mfn_to_virt(m->vmcs), 0, PAGE_SIZE) = vmx_caps.revision;
    memset(mfn_to_virt(m->virtual_apic), 0, PAGE_SIZE);
    m->eptp = mfn_to_mpa(v->p2m->npt.root).v | EPTP_WB_4_LEVELS;
    vmclear(m);
    const struct hvcpu *before = vmx_borrow(v);
    init_controls(m);
    vmx_give_back(v, before);
    return 0;
}

void vmx_vcpu_destroy(struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    if (!m)
        return;
    if (mfn_valid_value(m->vmcs))
        frame_put(m->vmcs);
    if (mfn_valid_value(m->virtual_apic))
        frame_put(m->virtual_apic);
    heap_free(m);
    v->vmcb = NULL;
}

/* --- coming to a CPU and leaving it --- */

/* The host's own registers that differ from CPU to CPU. */
static void write_host_state(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) gdt, idt;
    uint16_t tr;
    __asm__ volatile("sgdt %0; sidt %1; str %2" : "=m"(gdt), "=m"(idt), "=r"(tr));
    const uint64_t *d = (const uint64_t *)(gdt.base + (tr & ~7u));
    vmwrite(F_HOST_GDT_BASE, gdt.base);
    vmwrite(F_HOST_IDT_BASE, idt.base);
    vmwrite(F_HOST_TR, tr);
    vmwrite(F_HOST_TR_BASE, (d[0] >> 16 & 0xffffff) | (d[0] >> 56) << 24 | d[1] << 32);
    vmwrite(F_HOST_GS_BASE, rdmsr(MSR_GS_BASE));
    vmwrite(F_HOST_CR0, read_cr0());
    vmwrite(F_HOST_CR4, read_cr4());
}

void vmx_load_registers(const struct vmx *m)
{
    write_cr2(m->cr2);
    __asm__ volatile("mov %0, %%db6" ::"r"(m->dr6));
    wrmsr(MSR_STAR, m->star);
    wrmsr(MSR_LSTAR, m->lstar);
    wrmsr(MSR_CSTAR, m->cstar);
    wrmsr(MSR_SFMASK, m->sfmask);
    wrmsr(MSR_KERNEL_GS_BASE, m->kernel_gs);
}

void vmx_load(struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    vmptrld(m);
    m->cpu = (int)this_cpu_id();
    m->launched = false;
    this_cpu(current) = v;
    write_host_state();
    vmx_load_registers(m);
}

void vmx_save(struct hvcpu *v)
{
    struct vmx *m = v->vmcb;
    m->cr2 = read_cr2();
    __asm__ volatile("mov %%db6, %0" : "=r"(m->dr6));
    m->star = rdmsr(MSR_STAR);
    m->lstar = rdmsr(MSR_LSTAR);
    m->cstar = rdmsr(MSR_CSTAR);
    m->sfmask = rdmsr(MSR_SFMASK);
    m->kernel_gs = rdmsr(MSR_KERNEL_GS_BASE);
    vmclear(m);
    this_cpu(current) = NULL;
    __atomic_store_n(&m->cpu, -1, __ATOMIC_RELEASE);
}

/* --- TLB --- */

static void invvpid_all(void)
{
    struct { uint64_t vpid, address; } d = {0, 0};
    bool failed;
    __asm__ volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(d), "r"(2ull) : "memory");
    ASSERT(!failed);
}

static void invept(uint64_t eptp)
{
    struct { uint64_t eptp, zero; } d = {eptp, 0};
    bool failed;
    __asm__ volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(d), "r"(1ull) : "memory");
    ASSERT(!failed);
}

void vmx_check_tlb(struct hvcpu *v)
{
    const struct vmx *m = v->vmcb;
    uint64_t gen = __atomic_load_n(&v->p2m->flush_gen, __ATOMIC_SEQ_CST);
    bool here = v->last_cpu == this_cpu_id() && v->asid_gen == this_cpu(vpid_gen);
    if (here && v->flush_seen == gen)
        return;
    if (!here) {
        if (this_cpu(next_vpid) >= MAX_VPID) {
            this_cpu(next_vpid) = 1;
            this_cpu(vpid_gen)++;
            invvpid_all();
        }
        v->asid = this_cpu(next_vpid)++;
        vmwrite(F_VPID, v->asid);
    }
    invept(m->eptp);
    v->asid_gen = this_cpu(vpid_gen);
    v->flush_seen = gen;
    v->last_cpu = this_cpu_id();
}
