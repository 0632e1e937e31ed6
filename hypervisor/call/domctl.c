/* SPDX-License-Identifier: MIT */
/*
 * domctl (xen/domctl.h), for the CONTROL role. Each operation is one function over the copied structure; the dispatcher finds the
 * domain, calls it and copies the structure back. A control domain that runs cannot be paused or destroyed (call_may_stop).
 */
#include "lib/machine.h"
#include "call/hvmcontext.h"
#include "lib/log.h"
#include "lib/stall.h"
#include "lib/string.h"
#include "sched/sched.h"

#define MAX_MAPPING 512u /* pages of one memory_mapping call */
#define CREATE_FLAGS (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_iommu | XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_oos_off)
#define MAPTRACK_PER_FRAME 256

typedef int (*domctl_fn)(struct vcpu *v, struct domain *d, struct xen_domctl *op);

static struct vcpu *vcpu_of(struct domain *d, uint32_t id) { return id < d->max_vcpus ? d->vcpu[id] : NULL; }

/* ---- life ---- */

static int create(struct vcpu *v, struct xen_domctl *op)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    struct domain *d;
    domid_t id = op->domain == 0 || op->domain >= DOMID_FIRST_RESERVED ? DOMID_INVALID : op->domain;
    if ((c->flags & ~CREATE_FLAGS) || !(c->flags & XEN_DOMCTL_CDF_hvm) || !(c->flags & XEN_DOMCTL_CDF_hap)) return -EINVAL;
    if (c->arch.emulation_flags & ~XEN_X86_EMU_LAPIC) return -EINVAL;
    if (XEN_DOMCTL_GRANT_version(c->grant_opts) > 1 && XEN_DOMCTL_GRANT_version(c->grant_opts) != 2) return -EINVAL;
    if (c->vmtrace_size || c->cpupool_id) return -EINVAL;
    int maptrack = c->max_maptrack_frames < 0 ? -1 : MIN(c->max_maptrack_frames, 1024) * MAPTRACK_PER_FRAME;
    int rc = domain_create(id, c->flags, c->max_vcpus, c->max_grant_frames, maptrack, &d);
    if (rc) return rc;
    memcpy(d->handle, c->handle, sizeof(d->handle));
    spin_lock(&d->event_lock); /* others know it by now */
    if (c->max_evtchn_port < EVENT_MAX_PORTS - 1 && !d->dying) d->events.limit = c->max_evtchn_port + 1;
    spin_unlock(&d->event_lock);
    op->domain = d->id;
    domain_put(d);
    return 0;
}

static int destroy(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    return call_may_stop(v, d) ? domain_kill(d) : -EPERM;
}

static int pause(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    if (!call_may_stop(v, d)) return -EPERM;
    domain_pause(d);
    spin_lock(&d->ctl_lock);
    d->ctl_pause++;
    spin_unlock(&d->ctl_lock);
    return 0;
}

static int unpause(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    spin_lock(&d->ctl_lock);
    int rc = d->ctl_pause && !d->dying ? 0 : -EINVAL;
    if (!rc && --d->ctl_pause == 0 && !d->ever_ran) {
        d->ever_ran = true;
        d->started_ns = now_ns();
    }
    spin_unlock(&d->ctl_lock);
    if (!rc) domain_unpause(d);
    return rc;
}

static int max_vcpus(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    if (op->u.max_vcpus.max != d->max_vcpus) return -EINVAL;
    spin_lock(&d->ctl_lock);
    int rc = d->ever_ran || d->dying ? -EBUSY : 0;
    for (unsigned i = 0; i < d->max_vcpus && !rc; i++)
        if (!d->vcpu[i]) rc = call_preempt() && i ? -ERESTART : vcpu_create(d, i);
    spin_unlock(&d->ctl_lock);
    return rc;
}

static int max_mem(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    spin_lock(&d->mem.lock);
    uint64_t pages = d->mem.max_pages = op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);
    spin_unlock(&d->mem.lock);
    p2m_expect(&d->p2m, pages);
    return 0;
}

static int set_handle(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

static int set_target(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    return domain_set_roles(d, d->roles | BH_ROLE_TARGET, op->u.set_target.target);
}

/* ---- information ---- */

static uint32_t run_flags(struct domain *d, uint32_t *online, uint64_t *time)
{
    uint32_t flags = XEN_DOMINF_blocked;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *t = d->vcpu[i];
        if (!t) continue;
        *time += sched_time_used(&t->sched);
        if (t->sched.down) continue;
        ++*online;
        if (t->sched.running) flags |= XEN_DOMINF_running;
        if (!t->sched.blocked) flags &= ~XEN_DOMINF_blocked;
    }
    return flags;
}

void domctl_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *i)
{
    memset(i, 0, sizeof(*i));
    i->domain = d->id;
    i->flags = run_flags(d, &i->nr_online_vcpus, &i->cpu_time) | XEN_DOMINF_hvm_guest | XEN_DOMINF_hap;
    if (d->dying) i->flags |= XEN_DOMINF_dying;
    if (d->ctl_pause) i->flags |= XEN_DOMINF_paused;
    if (d->is_shutdown) i->flags |= XEN_DOMINF_shutdown | (uint32_t)d->shutdown_code << XEN_DOMINF_shutdownshift;
    if (d->flags & XEN_DOMCTL_CDF_xs_domain) i->flags |= XEN_DOMINF_xs_domain;
    i->tot_pages = d->mem.pages;
    i->max_pages = d->mem.max_pages;
    i->shared_info_frame = ~0ull;
    i->max_vcpu_id = d->vcpu[0] ? d->max_vcpus - 1 : XEN_INVALID_MAX_VCPU_ID;
    memcpy(i->handle, d->handle, sizeof(i->handle));
    i->gpaddr_bits = 48;
    i->arch_config.emulation_flags = XEN_X86_EMU_LAPIC;
}

static int domain_info(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    domctl_domain_info(d, &op->u.getdomaininfo);
    return 0;
}

static int vcpu_info(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *i = &op->u.getvcpuinfo;
    struct vcpu *t = vcpu_of(d, i->vcpu);
    if (!t) return -ESRCH;
    i->online = !t->sched.down;
    i->blocked = t->sched.blocked;
    i->running = t->sched.running;
    i->cpu_time = sched_time_used(&t->sched);
    i->cpu = t->sched.cpu;
    return 0;
}

static int vcpu_context(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    struct vcpu *t = vcpu_of(d, op->u.vcpucontext.vcpu);
    if (!t || !t->initialised) return t ? -ENODATA : -ESRCH;
    if (!call_may_stop(v, d)) return -EPERM;
    if (domain_has_role(d, BH_ROLE_CONTROL)) return -EPERM; /* two that wait for each other's vCPUs would wait for ever */
    struct vcpu_guest_context *c = heap_alloc(sizeof(*c));
    if (!c) return -ENOMEM;
    const struct regs *r = &t->hv.regs;
    struct hv_state s;
    domain_pause(d);
    cpu->get_state(&t->hv, &s);
    c->user_regs = (struct cpu_user_regs){.r15 = r->r15, .r14 = r->r14, .r13 = r->r13, .r12 = r->r12, .rbp = r->rbp, .rbx = r->rbx,
        .r11 = r->r11, .r10 = r->r10, .r9 = r->r9, .r8 = r->r8, .rax = r->rax, .rcx = r->rcx, .rdx = r->rdx, .rsi = r->rsi,
        .rdi = r->rdi, .rip = r->rip, .rsp = r->rsp, .rflags = r->rflags, .cs = s.seg[SEG_CS].sel, .ss = s.seg[SEG_SS].sel};
    domain_unpause(d);
    c->flags = t->sched.down ? 0 : VGCF_online;
    c->ctrlreg[0] = s.cr0;
    c->ctrlreg[2] = s.cr2;
    c->ctrlreg[3] = s.cr3;
    c->ctrlreg[4] = s.cr4;
    int rc = guest_write(&v->hv, (uint64_t)op->u.vcpucontext.ctxt.p, c, sizeof(*c));
    heap_free(c);
    return rc;
}

/* ---- scheduling ---- */

static uint64_t all_cpus(void) { return nr_cpus >= 64 ? ~0ull : BIT(nr_cpus) - 1; }

int call_put_map(struct vcpu *v, const struct xenctl_bitmap *b, uint64_t cpus)
{
    for (uint32_t i = 0; i < b->nr_bits; i += 8) {
        uint8_t byte = i < 64 ? (uint8_t)(cpus >> i) : 0;
        if (b->nr_bits - i < 8) byte &= (uint8_t)((1u << (b->nr_bits - i)) - 1);
        if (call_put(v, (uint64_t)b->bitmap.p + i / 8, &byte)) return -EFAULT;
    }
    return 0;
}

int call_get_map(struct vcpu *v, const struct xenctl_bitmap *b, uint64_t *cpus)
{
    *cpus = 0;
    uint32_t bits = MIN(b->nr_bits, 64u);
    if (guest_read(&v->hv, cpus, (uint64_t)b->bitmap.p, (bits + 7) / 8)) return -EFAULT;
    if (bits < 64) *cpus &= BIT(bits) - 1;
    return 0;
}

static int affinity(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *t = vcpu_of(d, a->vcpu);
    bool hard = a->flags & XEN_VCPUAFFINITY_HARD, soft = a->flags & XEN_VCPUAFFINITY_SOFT;
    if (!t) return -ESRCH;
    if (!hard && !soft) return -EINVAL;
    if (a->cpumap_hard.nr_bits > 4096 || a->cpumap_soft.nr_bits > 4096) return -EINVAL;
    if (op->cmd == XEN_DOMCTL_setvcpuaffinity) {
        uint64_t may = ~0ull, prefers = ~0ull;
        int rc = hard ? call_get_map(v, &a->cpumap_hard, &may) : 0;
        if (!rc && soft) rc = call_get_map(v, &a->cpumap_soft, &prefers);
        if (!rc && (!(may & sched_online) || !(prefers & sched_online))) rc = -EINVAL;
        if (!rc && hard) rc = sched_set_affinity(&t->sched, may);
        if (!rc && soft) rc = sched_set_soft(&t->sched, prefers);
        if (rc) return rc;
    }
    if (hard && call_put_map(v, &a->cpumap_hard, t->sched.affinity & all_cpus())) return -EFAULT;
    return soft ? call_put_map(v, &a->cpumap_soft, t->sched.soft & all_cpus()) : 0;
}

static int scheduler(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;
    if (s->sched_id != XEN_SCHEDULER_CREDIT) return -EINVAL;
    if (s->cmd == XEN_DOMCTL_SCHEDOP_putinfo) { /* a weight of 0 and a cap of 0xffff leave it as it is */
        sched_group_set(&d->sched, s->u.credit.weight ? s->u.credit.weight : d->sched.weight,
                        s->u.credit.cap != 0xffff ? s->u.credit.cap : d->sched.cap);
        return 0;
    }
    if (s->cmd != XEN_DOMCTL_SCHEDOP_getinfo) return -EINVAL;
    s->u.credit.weight = d->sched.weight;
    s->u.credit.cap = d->sched.cap;
    return 0;
}

/* ---- vCPU state ---- */

static int hvm_context(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    int rc = -EINVAL;
    if (d == v->dom || domain_has_role(d, BH_ROLE_CONTROL)) return rc;
    domain_pause(d);
    spin_lock(&d->ctl_lock);
    if (op->cmd == XEN_DOMCTL_gethvmcontext) rc = hvmcontext_get(v, d, &op->u.hvmcontext);
    else if (op->cmd == XEN_DOMCTL_gethvmcontext_partial) rc = hvmcontext_get_partial(v, d, &op->u.hvmcontext_partial);
    else rc = hvmcontext_set(v, d, &op->u.hvmcontext);
    spin_unlock(&d->ctl_lock);
    domain_unpause(d);
    return rc;
}

static int cpu_policy(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;
    struct cpuid_context c = {.nr_vcpus = d->max_vcpus, .domid = d->id, .iommu = d->p2m.iommu != NULL};
    static const uint32_t bases[] = {0, 0x40000000, 0x80000000};
    uint32_t n = 0;
    for (unsigned b = 0; b < ARRAY_SIZE(bases); b++) {
        uint32_t max = cpuid_policy(bases[b], 0, &c).a;
        for (uint32_t leaf = bases[b]; leaf <= max && leaf - bases[b] < 64; leaf++) {
            bool has_sub = leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
            for (uint32_t sub = 0; sub < (has_sub ? 2u : 1u); sub++, n++) {
                struct cpuid r = cpuid_policy(leaf, sub, &c);
                xen_cpuid_leaf_t e = {leaf, has_sub ? sub : XEN_CPUID_NO_SUBLEAF, r.a, r.b, r.c, r.d};
                if (!p->leaves.p) continue;
                if (n >= p->nr_leaves) return -ENOBUFS;
                if (call_put(v, (uint64_t)(p->leaves.p + n), &e)) return -EFAULT;
            }
        }
    }
    p->nr_leaves = n;
    p->nr_msrs = 0;
    return 0;
}

/* ---- devices ---- */

/* Frames that no domain may have as a device: RAM, interrupt controllers and IOMMUs, configuration space. */
static bool forbidden_mmio(uint64_t first, uint64_t n)
{
    uint64_t mcfg = machine.mcfg_base >> PAGE_SHIFT, end = first + n;
    if (end < first || end > 1ull << 36) return true;
    if (first < 0xff000 && end > 0xfec00) return true;
    if (mcfg && first < mcfg + (256ull << 8) && end > mcfg) return true;
    return !device_mmio_allowed(mfn(first), n);
}

static int memory_mapping(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_memory_mapping *m = &op->u.memory_mapping;
    if (!m->nr_mfns || m->first_gfn + m->nr_mfns < m->first_gfn || m->first_gfn + m->nr_mfns > 1ull << 36) return -EINVAL;
    if (m->nr_mfns > MAX_MAPPING) return -E2BIG;
    uint64_t i = 0;
    int rc = 0;
    if (m->add_mapping == DPCI_ADD_MAPPING) {
        if (forbidden_mmio(m->first_mfn, m->nr_mfns)) return -EPERM;
        for (; i < m->nr_mfns && !rc; i++) rc = p2m_add(&d->p2m, gfn(m->first_gfn + i), mfn(m->first_mfn + i), ORDER_4K, P2M_MMIO);
        if (!rc) return 0;
        i--; /* the one that failed */
        while (i--) p2m_remove_exact(&d->p2m, gfn(m->first_gfn + i), mfn(m->first_mfn + i), P2M_MMIO);
        return rc;
    }
    for (; i < m->nr_mfns; i++) {
        int one = p2m_remove_exact(&d->p2m, gfn(m->first_gfn + i), mfn(m->first_mfn + i), P2M_MMIO);
        if (!rc) rc = one;
    }
    return rc;
}

/* What may be mapped is decided where it is mapped: a permission beforehand is answered, and changes nothing. */
static int iomem_permission(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;
    return p->allow_access && forbidden_mmio(p->first_mfn, p->nr_mfns) ? -EPERM : 0;
}

static int ioport_permission(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    return op->u.ioport_permission.allow_access ? -EOPNOTSUPP : 0; /* no domain has ports but the PCI role's */
}

static int device(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_assign_device *a = &op->u.assign_device;
    uint32_t sbdf = a->u.pci.machine_sbdf;
    if (a->dev != XEN_DOMCTL_DEV_PCI || (a->flags & ~XEN_DOMCTL_DEV_RDM_RELAXED)) return -EINVAL;
    int rc = -ESRCH;
    spin_lock(&d->ctl_lock);
    if (!d->dying) {
        if (op->cmd == XEN_DOMCTL_deassign_device) rc = device_deassign(d, sbdf);
        else if (!domain_has_role(d, BH_ROLE_DEVICE)) rc = -EPERM;
        else rc = device_assign(d, sbdf, a->flags & XEN_DOMCTL_DEV_RDM_RELAXED);
    }
    spin_unlock(&d->ctl_lock);
    return rc;
}

static int test_assign(const struct xen_domctl *op)
{
    if (op->u.assign_device.dev != XEN_DOMCTL_DEV_PCI) return -EINVAL;
    struct domain *owner = device_owner(op->u.assign_device.u.pci.machine_sbdf);
    if (!owner) return 0;
    domain_put(owner);
    return -EBUSY;
}

/* ---- small ones ---- */

static int hypercall_init(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    char *page = heap_alloc(PAGE_SIZE);
    if (!page) return -ENOMEM;
    call_hypercall_page(page);
    int rc = p2m_write(&d->p2m, gfn_to_gpa(gfn(op->u.hypercall_init.gmfn)), page, PAGE_SIZE);
    heap_free(page);
    return rc;
}

static int time_offset(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    uint64_t sec = time_wallclock_boot_sec() + (uint64_t)op->u.settimeoffset.time_offset_seconds;
    struct shared_info *s = d->shared_info;
    WRITE_ONCE(s->wc_version, s->wc_version + 1);
    WRITE_ONCE(s->wc_sec, (uint32_t)sec);
    WRITE_ONCE(s->wc_sec_hi, (uint32_t)(sec >> 32));
    WRITE_ONCE(s->wc_version, s->wc_version + 1);
    return 0;
}

static int tsc_info(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    if (op->cmd == XEN_DOMCTL_gettscinfo)
        op->u.tsc_info = (struct xen_domctl_tsc_info){.gtsc_khz = (uint32_t)tsc_khz(), .elapsed_nsec = now_ns()};
    return 0; /* the TSC is never emulated: it is invariant and the same on all CPUs */
}

static int page_pool(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    if (op->cmd == XEN_DOMCTL_get_paging_mempool_size) op->u.paging_mempool.size = 0;
    if (op->cmd == XEN_DOMCTL_shadow_op) {
        if (op->u.shadow_op.op == XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION) op->u.shadow_op.mb = 0;
        else if (op->u.shadow_op.op != XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION) return -EOPNOTSUPP;
    }
    return 0; /* page tables come from the heap, there is no pool to size */
}

static int virq_handler(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    return event_set_virq_handler(op->u.set_virq_handler.virq, d->id);
}
static int address_size(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
    if (op->cmd == XEN_DOMCTL_get_address_size) op->u.address_size.size = 64;
    return op->u.address_size.size == 64 || op->u.address_size.size == 32 ? 0 : -EINVAL;
}
static int nothing(struct vcpu *v, struct domain *d, struct xen_domctl *op) { return 0; }

static const domctl_fn operations[] = {
    [XEN_DOMCTL_destroydomain] = destroy,
    [XEN_DOMCTL_pausedomain] = pause,
    [XEN_DOMCTL_unpausedomain] = unpause,
    [XEN_DOMCTL_getdomaininfo] = domain_info,
    [XEN_DOMCTL_setvcpuaffinity] = affinity,
    [XEN_DOMCTL_getvcpuaffinity] = affinity,
    [XEN_DOMCTL_shadow_op] = page_pool,
    [XEN_DOMCTL_max_mem] = max_mem,
    [XEN_DOMCTL_getvcpucontext] = vcpu_context,
    [XEN_DOMCTL_getvcpuinfo] = vcpu_info,
    [XEN_DOMCTL_max_vcpus] = max_vcpus,
    [XEN_DOMCTL_scheduler_op] = scheduler,
    [XEN_DOMCTL_setdomainhandle] = set_handle,
    [XEN_DOMCTL_iomem_permission] = iomem_permission,
    [XEN_DOMCTL_ioport_permission] = ioport_permission,
    [XEN_DOMCTL_hypercall_init] = hypercall_init,
    [XEN_DOMCTL_settimeoffset] = time_offset,
    [XEN_DOMCTL_gethvmcontext] = hvm_context,
    [XEN_DOMCTL_sethvmcontext] = hvm_context,
    [XEN_DOMCTL_gethvmcontext_partial] = hvm_context,
    [XEN_DOMCTL_set_address_size] = address_size,
    [XEN_DOMCTL_get_address_size] = address_size,
    [XEN_DOMCTL_assign_device] = device,
    [XEN_DOMCTL_deassign_device] = device,
    [XEN_DOMCTL_memory_mapping] = memory_mapping,
    [XEN_DOMCTL_set_target] = set_target,
    [XEN_DOMCTL_gettscinfo] = tsc_info,
    [XEN_DOMCTL_settscinfo] = tsc_info,
    [XEN_DOMCTL_set_virq_handler] = virq_handler,
    [XEN_DOMCTL_cacheflush] = nothing,
    [XEN_DOMCTL_get_cpu_policy] = cpu_policy,
    [XEN_DOMCTL_get_paging_mempool_size] = page_pool,
    [XEN_DOMCTL_set_paging_mempool_size] = page_pool,
};

/* Calls the operation with the domain it names. */
static int run(struct vcpu *v, struct xen_domctl *op)
{
    if (op->cmd == XEN_DOMCTL_createdomain) return create(v, op);
    if (op->cmd == XEN_DOMCTL_test_assign_device) return test_assign(op);
    if (op->cmd >= ARRAY_SIZE(operations) || !operations[op->cmd]) {
        log_debug("domctl %u is not there", op->cmd);
        return -ENOSYS;
    }
    struct domain *d = domain_find(op->domain == DOMID_SELF ? v->dom->id : op->domain);
    if (!d) return -ESRCH;
    op->domain = d->id;
    int rc = operations[op->cmd](v, d, op);
    domain_put(d);
    return rc;
}

long call_domctl(struct vcpu *v, const struct call_args *args)
{
    struct xen_domctl op;
    if (call_get(v, &op, args->a[0])) return -EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) return -EACCES;
    stall_sub(op.cmd);
    int rc = run(v, &op);
    if (rc == -ERESTART) return call_restart(v, args->a[0], args->a[1], args->a[2]);
    if ((!rc || rc == -ENOBUFS) && call_put(v, args->a[0], &op)) rc = -EFAULT;
    return rc;
}
