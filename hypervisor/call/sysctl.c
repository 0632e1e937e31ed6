/* SPDX-License-Identifier: MIT */
/* sysctl (xen/sysctl.h) and platform_op (xen/platform.h), for the CONTROL role: questions about the machine. */
#include <xen/platform.h>
#include <xen/sysctl.h>
#include "lib/machine.h"
#include "call/hvmcontext.h"
#include "cpu/topology.h"
#include "call/call.h"
#include "irq/apic.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/stall.h"
#include "lib/string.h"

#define CHUNK 256u

typedef int (*sysctl_fn)(struct vcpu *v, struct xen_sysctl *op);

static int read_console(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *r = &op->u.readconsole;
    uint64_t pos = r->incremental ? r->index : 0;
    uint32_t done = 0;
    char buf[CHUNK];
    while (done < r->count) {
        unsigned n = log_read(&pos, buf, MIN(r->count - done, CHUNK));
        if (!n) break;
        if (guest_write(&v->hv, (uint64_t)r->buffer.p + done, buf, n)) return -EFAULT;
        done += n;
    }
    r->count = done;
    r->index = (uint32_t)pos;
    if (r->clear) log_clear();
    return 0;
}

static int physinfo(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *p = &op->u.physinfo;
    struct cpuid l1 = cpuid(1, 0), e1 = cpuid(0x80000001, 0);
    *p = (struct xen_sysctl_physinfo){
        .threads_per_core = bits_set(topology[0].threads),
        .cores_per_socket = bits_set(topology[0].cores) / MAX(1u, bits_set(topology[0].threads)),
        .nr_cpus = bits_set(sched_online), /* those that run vCPUs */
        .max_cpu_id = nr_cpus - 1,
        .nr_nodes = 1,
        .cpu_khz = (uint32_t)tsc_khz(),
        .capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap | XEN_SYSCTL_PHYSCAP_gnttab_v1 |
                        (iommu ? XEN_SYSCTL_PHYSCAP_directio : 0),
        .total_pages = frames_total(),
        .free_pages = frames_free(),
        .max_mfn = (machine.ram_end >> PAGE_SHIFT) - 1,
        .hw_cap = {l1.d, l1.c, e1.d, e1.c},
    };
    return 0;
}

static int domain_list(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    uint32_t n = 0;
    domains_reap();
    for (unsigned id = l->first_domain; n < l->max_domains && id < DOMID_FIRST_RESERVED;) {
        struct domain *d = domain_next((domid_t)id);
        struct xen_domctl_getdomaininfo i;
        if (!d) break;
        domctl_domain_info(d, &i);
        id = d->id + 1u;
        domain_put(d);
        if (call_put(v, (uint64_t)(l->buffer.p + n), &i)) return -EFAULT;
        n++;
    }
    l->num_domains = n;
    return 0;
}

static int cpu_info(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *g = &op->u.getcpuinfo;
    g->nr_cpus = MIN(g->max_cpus, nr_cpus);
    for (uint32_t i = 0; i < g->nr_cpus; i++) {
        xen_sysctl_cpuinfo_t c = {.idletime = sched_idle_ns[i]};
        if (call_put(v, (uint64_t)(g->info.p + i), &c)) return -EFAULT;
    }
    return 0;
}

static int cpu_topology(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
    uint32_t n = t->cputopo.p ? MIN(t->num_cpus, nr_cpus) : 0;
    for (uint32_t i = 0; i < n; i++) {
        xen_sysctl_cputopo_t c = {.core = topology[i].core, .socket = topology[i].socket, .node = 0};
        if (call_put(v, (uint64_t)(t->cputopo.p + i), &c)) return -EFAULT;
    }
    t->num_cpus = nr_cpus;
    return 0;
}

static int numa(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *n = &op->u.numainfo;
    xen_sysctl_meminfo_t m = {.memsize = frames_total() << PAGE_SHIFT, .memfree = frames_free() << PAGE_SHIFT};
    uint32_t distance = 10;
    if (n->num_nodes && n->meminfo.p && call_put(v, (uint64_t)n->meminfo.p, &m)) return -EFAULT;
    if (n->num_nodes && n->distance.p && call_put(v, (uint64_t)n->distance.p, &distance)) return -EFAULT;
    n->num_nodes = 1;
    return 0;
}

static int cpupool(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_cpupool_op *c = &op->u.cpupool_op;
    if (c->op != XEN_SYSCTL_CPUPOOL_OP_INFO) return -EOPNOTSUPP;
    if (c->cpupool_id != 0 && c->cpupool_id != XEN_SYSCTL_CPUPOOL_PAR_ANY) return -ENOENT;
    c->cpupool_id = 0;
    c->sched_id = XEN_SCHEDULER_CREDIT;
    c->n_dom = 0;
    for (struct domain *d = domain_next(0); d;) {
        domid_t next = (domid_t)(d->id + 1);
        c->n_dom++;
        domain_put(d);
        d = domain_next(next);
    }
    if (c->cpumap.nr_bits > 4096) c->cpumap.nr_bits = 4096;
    return call_put_map(v, &c->cpumap, sched_online);
}

static int sched_id(struct vcpu *v, struct xen_sysctl *op)
{
    op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT;
    return 0;
}

/* What the credit policy runs with, to be read. Refused under round robin: so a tool can tell that weights and caps are not in use. */
static int scheduler(struct vcpu *v, struct xen_sysctl *op)
{
    struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;
    if (s->cpupool_id) return -ESRCH;
    if (s->sched_id != XEN_SCHEDULER_CREDIT || sched_policy() != &sched_credit) return -EINVAL;
    if (s->cmd != XEN_SYSCTL_SCHEDOP_getinfo) return -EOPNOTSUPP;
    s->u.sched_credit = (struct xen_sysctl_credit_schedule){.tslice_ms = SCHED_SLICE_NS / 1000000};
    return 0;
}

static int available(struct vcpu *v, struct xen_sysctl *op)
{
    op->u.availheap.avail_bytes = frames_free() << PAGE_SHIFT;
    return 0;
}

static const sysctl_fn operations[] = {
    [XEN_SYSCTL_readconsole] = read_console,
    [XEN_SYSCTL_tbuf_op] = call_tbuf,
    [XEN_SYSCTL_physinfo] = physinfo,
    [XEN_SYSCTL_sched_id] = sched_id,
    [XEN_SYSCTL_getdomaininfolist] = domain_list,
    [XEN_SYSCTL_getcpuinfo] = cpu_info,
    [XEN_SYSCTL_availheap] = available,
    [XEN_SYSCTL_cputopoinfo] = cpu_topology,
    [XEN_SYSCTL_numainfo] = numa,
    [XEN_SYSCTL_cpupool_op] = cpupool,
    [XEN_SYSCTL_scheduler_op] = scheduler,
};

long call_sysctl(struct vcpu *v, const struct call_args *args)
{
    struct xen_sysctl op;
    if (call_get(v, &op, args->a[0])) return -EFAULT;
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION) return -EACCES;
    if (op.cmd >= ARRAY_SIZE(operations) || !operations[op.cmd]) return -ENOSYS;
    stall_sub(op.cmd);
    int rc = operations[op.cmd](v, &op);
    if (rc == -ERESTART) return call_restart(v, args->a[0], args->a[1], args->a[2]);
    return !rc && call_put(v, args->a[0], &op) ? -EFAULT : rc;
}

/* One of the hypervisor's own functions: the profiler's symbols. As Xen does, a number beyond the last comes back as it is. */
static int symbol(struct vcpu *v, struct xenpf_symdata *s)
{
    const char *name;
    uint64_t address;
    if (!log_symbol(s->symnum, &name, &address)) return 0;
    uint32_t length = (uint32_t)strlen(name);
    if (guest_write(&v->hv, (uint64_t)s->name.p, name, MIN(s->namelen, length + 1))) return -EFAULT;
    s->namelen = length;
    s->address = address;
    s->type = 't';
    s->symnum++;
    return 0;
}

static void processor(struct xenpf_pcpuinfo *p)
{
    p->max_present = nr_cpus - 1;
    p->flags = p->xen_cpuid < nr_cpus ? XEN_PCPU_FLAGS_ONLINE : XEN_PCPU_FLAGS_INVALID;
    p->apic_id = p->acpi_id = p->xen_cpuid < nr_cpus ? per_cpu(apic_id, p->xen_cpuid) : ~0u;
}

long call_platform(struct vcpu *v, const struct call_args *args)
{
    struct xen_platform_op op;
    int rc = 0;
    if (call_get(v, &op, args->a[0])) return -EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION) return -EACCES;
    switch (op.cmd) { /* the machine's clock, MTRRs and power are not a domain's to set */
    case XENPF_get_cpuinfo: processor(&op.u.pcpu_info); break;
    case XENPF_get_symbol: rc = symbol(v, &op.u.symdata); break;
    default: return -ENOSYS;
    }
    return rc ? rc : call_put(v, args->a[0], &op);
}
