/* SPDX-License-Identifier: MIT */
/* What both vendors share of a hardware vCPU: FPU state, start states, address translation by the guest's own tables. */
#include "lib/log.h"
#include "lib/string.h"
#include "cpu/cpu.h"
#include "irq/apic.h"

const struct cpu_ops *cpu;
bool cpu_delivers;
static const struct cpu_ops *const vendors[] = {&svm_ops, &vmx_ops};
PERCPU(uint64_t, guest_exits);

/* --- who has to leave the guest --- */

void cpu_kick(unsigned c)
{
    if (c != this_cpu_id())
        apic_kick(c);
}

static void flush_cpus(struct p2m *p)
{
    uint64_t on = __atomic_load_n(&p->running_on, __ATOMIC_SEQ_CST) & ~BIT(this_cpu_id());
    uint64_t exits[MAX_CPUS];
    for (unsigned c = 0; c < nr_cpus; c++)
        if (on & BIT(c)) {
            exits[c] = __atomic_load_n(&per_cpu(guest_exits, c), __ATOMIC_SEQ_CST);
            apic_kick(c);
        }
    for (unsigned c = 0; c < nr_cpus; c++)
        while ((on & BIT(c)) && (__atomic_load_n(&p->running_on, __ATOMIC_SEQ_CST) & BIT(c)) &&
               __atomic_load_n(&per_cpu(guest_exits, c), __ATOMIC_SEQ_CST) == exits[c])
            cpu_pause();
}

/* --- the vendor --- */

bool cpu_is_tcg(void)
{
    struct cpuid r = cpuid(0x40000000, 0);
    return (cpuid(1, 0).c & BIT(31)) && r.b == 0x54474354 && r.c == 0x43544743 && r.d == 0x47435447; /* "TCGTCGTCGTCG" */
}

int cpu_select(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(vendors); i++)
        if (vendors[i]->supported()) {
            cpu = vendors[i];
            p2m_format = cpu->nested;
            p2m_flush_cpus = flush_cpus;
            return 0;
        }
    return -ENODEV;
}

void hvcpu_skip(struct hvcpu *v, const struct vmexit *x)
{
    v->regs.rip += x->len;
    if (!hvcpu_64bit(v))
        v->regs.rip &= 0xffffffff;
    cpu->clear_shadow(v);
}

/* --- FPU: switched with the vCPU; the hypervisor itself never uses it (-mgeneral-regs-only) --- */

#define XCR0_ALLOWED (BIT(0) | BIT(1) | BIT(2) | BIT(5) | BIT(6) | BIT(7)) /* x87 SSE AVX AVX-512 */

static uint64_t xcr0_mask(void)
{
    static uint64_t mask;
    if (!mask) {
        struct cpuid c = cpuid(0xd, 0);
        mask = ((uint64_t)c.d << 32 | c.a) & XCR0_ALLOWED;
    }
    return mask;
}

static bool have_xsave(void) { return read_cr4() & CR4_OSXSAVE; }

void fpu_cpu_init(void)
{
    uint64_t cr4 = read_cr4() | BIT(9) | BIT(10); /* OSFXSR, OSXMMEXCPT */
    if (cpuid(1, 0).c & BIT(26))
        cr4 |= CR4_OSXSAVE;
    write_cr4(cr4);
    write_cr0((read_cr0() & ~(CR0_TS | BIT(2))) | BIT(1)); /* no EM, MP */
    if (have_xsave())
        xsetbv0(xcr0_mask());
}

int hvcpu_fpu_init(struct hvcpu *v)
{
    mfn_t m = frame_alloc(0); /* 4 KiB holds AVX-512's 2,688 bytes */
    if (!mfn_valid_value(m))
        return -ENOMEM;
    v->fpu = mfn_to_virt(m);
    hvcpu_fpu_reset(v);
    return 0;
}

void hvcpu_fpu_destroy(struct hvcpu *v)
{
    if (v->fpu)
        frame_put(virt_to_mfn(v->fpu));
    v->fpu = NULL;
}

void hvcpu_fpu_reset(struct hvcpu *v)
{
    memset(v->fpu, 0, PAGE_SIZE);
    *(uint16_t *)v->fpu = 0x37f;                  /* FCW */
    *(uint32_t *)((char *)v->fpu + 24) = 0x1f80;  /* MXCSR */
    v->xcr0 = 1;
}

void hvcpu_save_fpu(struct hvcpu *v)
{
    if (!have_xsave()) {
        __asm__ volatile("fxsave64 (%0)" ::"r"(v->fpu) : "memory");
        return;
    }
    v->xcr0 = xgetbv0(); /* some machines let guests set it unseen */
    xsetbv0(xcr0_mask());
    __asm__ volatile("xsave64 (%0)" ::"r"(v->fpu), "a"(-1), "d"(-1) : "memory");
}

void hvcpu_load_fpu(struct hvcpu *v)
{
    if (!have_xsave()) {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(v->fpu) : "memory");
        return;
    }
    xsetbv0(xcr0_mask());
    __asm__ volatile("xrstor64 (%0)" ::"r"(v->fpu), "a"(-1), "d"(-1) : "memory");
    xsetbv0(v->xcr0);
}

/* --- breakpoint addresses: no part of what the vendor switches. DR7 is, and is off while the hypervisor runs. --- */

void hvcpu_save_debug(struct hvcpu *v)
{
    __asm__ volatile("mov %%db0, %0\n mov %%db1, %1\n mov %%db2, %2\n mov %%db3, %3"
                     : "=r"(v->dr[0]), "=r"(v->dr[1]), "=r"(v->dr[2]), "=r"(v->dr[3]));
}

void hvcpu_load_debug(const struct hvcpu *v)
{
    __asm__ volatile("mov %0, %%db0\n mov %1, %%db1\n mov %2, %%db2\n mov %3, %%db3"
                     ::"r"(v->dr[0]), "r"(v->dr[1]), "r"(v->dr[2]), "r"(v->dr[3]));
}

/* A guest's XSETBV: what it may have. */
int hvcpu_set_xcr0(struct hvcpu *v, uint64_t value)
{
    if (!(value & 1) || (value & ~xcr0_mask()) || ((value & 4) && !(value & 2)))
        return -EINVAL;
    if ((value & 0xe0) && ((value & 0xe0) != 0xe0 || !(value & 4)))
        return -EINVAL;
    v->xcr0 = value;
    xsetbv0(value);
    return 0;
}

/* --- start states --- */

static void state_base(struct hv_state *s)
{
    memset(s, 0, sizeof(*s));
    s->cr0 = CR0_ET;
    s->dr6 = 0xffff0ff0;
    s->dr7 = 0x400;
    s->pat = 0x0007040600070406ull;
    s->gdt_limit = s->idt_limit = 0xffff;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        s->seg[i] = (struct hv_segment){0, 0x93, 0xffff, 0};
    s->seg[SEG_LDTR].attr = 0x82;
    s->seg[SEG_TR].attr = 0x8b;
}

void hvcpu_state_pvh(struct hvcpu *v, uint32_t entry, uint32_t start_info)
{
    struct hv_state s;
    state_base(&s);
    s.cr0 |= CR0_PE;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s.seg[i] = (struct hv_segment){0, i == SEG_CS ? 0xc9b : 0xc93, 0xffffffff, 0};
    s.seg[SEG_TR] = (struct hv_segment){0, 0x8b, 0x67, 0};
    s.gdt_limit = s.idt_limit = 0;
    memset(&v->regs, 0, sizeof(v->regs));
    v->regs.rip = entry;
    v->regs.rbx = start_info;
    v->regs.rflags = 2;
    ASSERT(cpu->set_state(v, &s) == 0);
    hvcpu_fpu_reset(v);
}

void hvcpu_state_sipi(struct hvcpu *v, uint8_t page)
{
    struct hv_state s;
    state_base(&s);
    s.seg[SEG_CS] = (struct hv_segment){(uint16_t)(page << 8), 0x9b, 0xffff, (uint64_t)page << PAGE_SHIFT};
    memset(&v->regs, 0, sizeof(v->regs));
    v->regs.rflags = 2;
    v->regs.rdx = cpuid(1, 0).a;
    memset(v->dr, 0, sizeof(v->dr));
    ASSERT(cpu->set_state(v, &s) == 0);
    hvcpu_fpu_reset(v);
}

bool hvcpu_64bit(const struct hvcpu *v)
{
    struct hv_mode m;
    cpu->get_mode(v, &m);
    return m.code64;
}

/* --- the guest's own paging (AMD APM vol. 2 ch. 5) --- */

/* v's p2m held. *writable: no level forbids writing. */
static int walk(struct hvcpu *v, const struct hv_mode *s, uint64_t va, gpa_t *out, bool *writable)
{
    bool longmode = s->efer & EFER_LMA, pae = s->cr4 & CR4_PAE, large = pae || (s->cr4 & BIT(4));
    unsigned levels = longmode ? 4 : pae ? 3 : 2, bits = pae ? 9 : 10, size = pae ? 8 : 4, shift = PAGE_SHIFT + bits * (levels - 1);
    unsigned plain = pae && !longmode ? 2 : 4; /* the level whose entries only lead on */
    uint64_t addr_mask = pae ? 0x000ffffffffff000ull : 0xfffff000ull, index_mask = (1ull << bits) - 1, may_write = 2;
    uint64_t table = longmode ? s->cr3 & addr_mask : s->cr3 & (pae ? 0xffffffe0u : 0xfffff000u);
    struct p2m *p = v->p2m;
    struct p2m_run *run = v->places[v->keep_walks].table;
    if (longmode && (int64_t)(va << 16) >> 16 != (int64_t)va)
        return -EFAULT;
    va = longmode ? va : (uint32_t)va;
    for (unsigned l = levels; l-- > 0; shift -= bits) {
        gpa_t a = gpa(table + (va >> shift & index_mask) * size);
        const void *at = p2m_seen(p, a, false, &run[l]);
        if (!at && l + 1 < levels) /* tables often stand together */
            at = p2m_seen(p, a, false, &run[l + 1]);
        if (!at && !(at = p2m_find(p, a, false, &run[l])))
            return -EFAULT;
        uint64_t e = size == 8 ? READ_ONCE(*(const uint64_t *)at) : READ_ONCE(*(const uint32_t *)at);
        if (!(e & 1))
            return -EFAULT;
        may_write &= l == plain ? 2 : e;
        if (l == 0 || (l < 3 && l != plain && large && (e & 0x80))) {
            uint64_t off = (1ull << shift) - 1;
            *out = gpa((e & addr_mask & ~off) | (va & off));
            *writable = may_write;
            return 0;
        }
        table = e & addr_mask;
    }
    return -EFAULT;
}

/* v's p2m held */
static int translate(struct hvcpu *v, uint64_t va, bool write, gpa_t *out, bool *writable)
{
    struct hv_mode s;
    cpu->get_mode(v, &s);
    if (!(s.cr0 & CR0_PG)) {
        *out = gpa(va & 0xffffffff);
        *writable = true;
        return 0;
    }
    int rc = walk(v, &s, va, out, writable);
    return rc == 0 && write && !*writable ? -EFAULT : rc;
}

int hvcpu_translate(struct hvcpu *v, uint64_t va, bool write, gpa_t *out)
{
    bool writable;
    p2m_hold(v->p2m);
    int rc = translate(v, va, write, out, &writable);
    p2m_release(v->p2m);
    return rc;
}

void hvcpu_keep_walks(struct hvcpu *v, bool keep)
{
    v->keep_walks = keep;
    v->walk[0].valid = v->walk[1].valid = false;
}

/* As translate, by a walk kept if there is one. */
static int translate_again(struct hvcpu *v, uint64_t va, bool write, gpa_t *out)
{
    struct hv_walk *w = &v->walk[va >> PAGE_SHIFT & 1];
    if (!w->valid || w->page != va >> PAGE_SHIFT || (write && !w->write)) {
        struct hv_walk new = {.page = va >> PAGE_SHIFT, .valid = v->keep_walks};
        int rc = translate(v, va & ~(PAGE_SIZE - 1), write, &new.gpa, &new.write);
        if (rc)
            return rc;
        *w = new;
    }
    *out = gpa(w->gpa.v | (va & (PAGE_SIZE - 1)));
    return 0;
}

/* What lies in one page, the way there and the copy under one hold. */
static int copy_page(struct hvcpu *v, uint64_t va, void *buf, size_t n, bool write)
{
    gpa_t a;
    p2m_hold(v->p2m);
    void *at = translate_again(v, va, write, &a) ? NULL : p2m_at(v->p2m, a, write, &v->places[v->keep_walks].page);
    if (at)
        memcpy(write ? at : buf, write ? buf : at, n);
    p2m_release(v->p2m);
    return at ? 0 : -EFAULT;
}

static int copy(struct hvcpu *v, uint64_t va, void *buf, size_t len, bool write)
{
    char *b = buf;
    while (len) {
        size_t n = MIN(len, PAGE_SIZE - (va & (PAGE_SIZE - 1)));
        if (copy_page(v, va, b, n, write))
            return -EFAULT;
        va += n;
        b += n;
        len -= n;
    }
    return 0;
}

int guest_read(struct hvcpu *v, void *dst, uint64_t va, size_t len) { return copy(v, va, dst, len, false); }
int guest_write(struct hvcpu *v, uint64_t va, const void *src, size_t len)
{
    return copy(v, va, (void *)(uintptr_t)src, len, true);
}
