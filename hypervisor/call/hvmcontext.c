/* SPDX-License-Identifier: MIT */
/*
 * A domain's vCPUs as HVM save records (xen/hvm/save.h): HEADER, one CPU record for each initialised vCPU, END.
 * Used by domctl gethvmcontext, sethvmcontext and gethvmcontext_partial.
 */
#include "call/hvmcontext.h"
#include "lib/string.h"

#define MXCSR_MASK 0xffffu
#define MAX_CONTEXT 65536u

typedef struct hvm_save_descriptor descriptor;
static const descriptor end_mark; /* type 0, length 0 */

/* X(name in the record, index of ours) */
#define SEGMENTS(X) X(cs, SEG_CS) X(ds, SEG_DS) X(es, SEG_ES) X(fs, SEG_FS) X(gs, SEG_GS) X(ss, SEG_SS) X(tr, SEG_TR) X(ldtr, SEG_LDTR)
#define GENERAL(X) X(rax) X(rbx) X(rcx) X(rdx) X(rbp) X(rsi) X(rdi) X(rsp) X(r8) X(r9) X(r10) X(r11) X(r12) X(r13) X(r14) X(r15) X(rip) X(rflags)

static void record_of(struct vcpu *v, struct hvm_hw_cpu *c)
{
    const struct regs *r = &v->hv.regs;
    struct hv_state s;
    cpu->get_state(&v->hv, &s);
    memset(c, 0, sizeof(*c));
    memcpy(c->fpu_regs, v->hv.fpu, sizeof(c->fpu_regs));
#define X(n) c->n = r->n;
    GENERAL(X)
#undef X
#define X(n, i)                       \
    c->n##_sel = s.seg[i].sel;        \
    c->n##_limit = s.seg[i].limit;    \
    c->n##_base = s.seg[i].base;      \
    c->n##_arbytes = s.seg[i].attr;
    SEGMENTS(X)
#undef X
    c->cr0 = s.cr0, c->cr2 = s.cr2, c->cr3 = s.cr3, c->cr4 = s.cr4, c->dr6 = s.dr6, c->dr7 = s.dr7;
    c->gdtr_base = s.gdt_base, c->gdtr_limit = s.gdt_limit, c->idtr_base = s.idt_base, c->idtr_limit = s.idt_limit;
    c->sysenter_cs = s.sysenter_cs, c->sysenter_esp = s.sysenter_esp, c->sysenter_eip = s.sysenter_eip;
    c->shadow_gs = s.kernel_gs, c->msr_lstar = s.lstar, c->msr_star = s.star, c->msr_cstar = s.cstar;
    c->msr_syscall_mask = s.sfmask, c->msr_efer = s.efer, c->msr_tsc_aux = v->hv.tsc_aux;
    c->tsc = rdtsc() + v->hv.tsc_offset;
    c->flags = XEN_X86_FPU_INITIALISED;
}

static int apply_record(struct vcpu *v, const struct hvm_hw_cpu *c)
{
    struct hv_state s;
    struct regs r;
    cpu->get_state(&v->hv, &s);
#define X(n) r.n = c->n;
    GENERAL(X)
#undef X
    r.rflags |= 2;
#define X(n, i) s.seg[i] = (struct hv_segment){(uint16_t)c->n##_sel, c->n##_arbytes & 0xfff, c->n##_limit, c->n##_base};
    SEGMENTS(X)
#undef X
    s.cr0 = c->cr0 | CR0_ET, s.cr2 = c->cr2, s.cr3 = c->cr3, s.cr4 = c->cr4, s.dr6 = c->dr6, s.dr7 = c->dr7;
    s.gdt_base = c->gdtr_base, s.gdt_limit = c->gdtr_limit, s.idt_base = c->idtr_base, s.idt_limit = c->idtr_limit;
    s.sysenter_cs = c->sysenter_cs, s.sysenter_esp = c->sysenter_esp, s.sysenter_eip = c->sysenter_eip;
    s.kernel_gs = c->shadow_gs, s.lstar = c->msr_lstar, s.star = c->msr_star, s.cstar = c->msr_cstar;
    s.sfmask = c->msr_syscall_mask, s.efer = c->msr_efer;
    int rc = cpu->set_state(&v->hv, &s);
    if (rc) return rc;
    v->hv.regs = r;
    v->hv.tsc_aux = (uint32_t)c->msr_tsc_aux;
    hvcpu_fpu_reset(&v->hv);
    if (c->flags & XEN_X86_FPU_INITIALISED) {
        memcpy(v->hv.fpu, c->fpu_regs, sizeof(c->fpu_regs));
        *(uint32_t *)((char *)v->hv.fpu + 24) &= MXCSR_MASK;
        *(uint64_t *)((char *)v->hv.fpu + 512) |= 3; /* XSTATE_BV: x87 and SSE are in the area */
    }
    v->initialised = true;
    sched_set_down(&v->sched, false);
    return 0;
}

static struct hvm_save_header header(void)
{
    return (struct hvm_save_header){.magic = HVM_FILE_MAGIC, .version = HVM_FILE_VERSION, .cpuid = cpuid(1, 0).a, .gtsc_khz = (uint32_t)tsc_khz()};
}

/* ---- get ---- */

struct out { struct vcpu *v; uint64_t at; };
static int put(struct out *o, const void *data, size_t n)
{
    int rc = guest_write(&o->v->hv, o->at, data, n);
    o->at += n;
    return rc;
}

static uint32_t context_size(struct domain *d)
{
    uint32_t n = 2 * sizeof(descriptor) + sizeof(struct hvm_save_header);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i] && d->vcpu[i]->initialised) n += sizeof(descriptor) + sizeof(struct hvm_hw_cpu);
    return n;
}

static int put_cpu(struct out *o, struct vcpu *t, bool with_descriptor)
{
    descriptor e = {HVM_SAVE_CODE(CPU), (uint16_t)t->id, HVM_SAVE_LENGTH(CPU)};
    struct hvm_hw_cpu c;
    record_of(t, &c);
    return (with_descriptor && put(o, &e, sizeof(e))) || put(o, &c, sizeof(c)) ? -EFAULT : 0;
}

int hvmcontext_get(struct vcpu *v, struct domain *d, struct xen_domctl_hvmcontext *op)
{
    uint32_t size = context_size(d);
    if (op->buffer.p && op->size < size) return -ENOSPC;
    op->size = size;
    if (!op->buffer.p) return 0;
    struct out o = {v, (uint64_t)op->buffer.p};
    descriptor e = {HVM_SAVE_CODE(HEADER), 0, HVM_SAVE_LENGTH(HEADER)};
    struct hvm_save_header h = header();
    int rc = put(&o, &e, sizeof(e)) || put(&o, &h, sizeof(h)) ? -EFAULT : 0;
    for (unsigned i = 0; i < d->max_vcpus && !rc; i++)
        if (d->vcpu[i] && d->vcpu[i]->initialised) rc = put_cpu(&o, d->vcpu[i], true);
    return rc ? rc : put(&o, &end_mark, sizeof(end_mark));
}

int hvmcontext_get_partial(struct vcpu *v, struct domain *d, struct xen_domctl_hvmcontext_partial *op)
{
    struct out o = {v, (uint64_t)op->buffer.p};
    struct hvm_save_header h = header();
    if (op->type == HVM_SAVE_CODE(HEADER) && !op->instance) {
        if (op->bufsz < sizeof(h)) return -ENOSPC;
        op->bufsz = sizeof(h);
        return put(&o, &h, sizeof(h));
    }
    if (op->type != HVM_SAVE_CODE(CPU)) return -EINVAL;
    if (op->instance >= d->max_vcpus || !d->vcpu[op->instance] || !d->vcpu[op->instance]->initialised) return -ENOENT;
    if (op->bufsz < sizeof(struct hvm_hw_cpu)) return -ENOSPC;
    op->bufsz = sizeof(struct hvm_hw_cpu);
    return put_cpu(&o, d->vcpu[op->instance], false);
}

/* ---- set ---- */

/* Walks the records of `buf`; with `apply`, acts on them. Nothing is applied unless a first walk found all well. */
static int walk(struct domain *d, const char *buf, uint32_t size, bool apply)
{
    bool header_seen = false;
    for (uint32_t at = 0; size - at >= sizeof(descriptor);) {
        descriptor e;
        memcpy(&e, buf + at, sizeof(e));
        at += sizeof(e);
        if (e.typecode == 0) return header_seen && e.length == 0 ? 0 : -EINVAL;
        if (e.length > size - at) return -EINVAL;
        if (e.typecode == HVM_SAVE_CODE(HEADER)) {
            struct hvm_save_header h;
            if (e.length != sizeof(h)) return -EINVAL;
            memcpy(&h, buf + at, sizeof(h));
            if (h.magic != HVM_FILE_MAGIC || h.version != HVM_FILE_VERSION) return -EINVAL;
            header_seen = true;
        } else if (e.typecode == HVM_SAVE_CODE(CPU)) {
            struct hvm_hw_cpu c;
            if (!header_seen || e.length != sizeof(c) || e.instance >= d->max_vcpus || !d->vcpu[e.instance]) return -EINVAL;
            memcpy(&c, buf + at, sizeof(c));
            int rc = apply ? apply_record(d->vcpu[e.instance], &c) : 0;
            if (rc) return rc;
        } /* records of devices that we do not emulate mean nothing here */
        at += e.length;
    }
    return -EINVAL; /* no END */
}

int hvmcontext_set(struct vcpu *v, struct domain *d, const struct xen_domctl_hvmcontext *op)
{
    if (op->size > MAX_CONTEXT) return -EINVAL;
    char *buf = heap_alloc(op->size ? op->size : 1);
    if (!buf) return -ENOMEM;
    int rc = guest_read(&v->hv, buf, (uint64_t)op->buffer.p, op->size);
    if (!rc) rc = walk(d, buf, op->size, false);
    if (!rc) rc = walk(d, buf, op->size, true);
    heap_free(buf);
    return rc;
}
