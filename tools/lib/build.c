/* SPDX-License-Identifier: MIT */
/*
 * The domain builder; see build.h. Order: create, vCPUs, memory, load, special pages, grants, vCPU 0's registers.
 * Everything here speaks the Control ABI of Xen's public headers through libxenctrl.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include "bulkhead/pvh_acpi.h"
#include "tools/lib/build.h"
#include "tools/lib/layout.h"

#define CHUNK_PAGES 256u /* mapped at a time while loading */
#define BATCH 512u       /* extents populated by one call */

struct builder {
    struct handles *h;
    const struct domcfg *cfg;
    struct built *b;
    struct image kernel;
    const uint8_t *ramdisk;
    size_t ramdisk_size;
    struct layout l;
    struct err *e;
};

static int fail(struct builder *bd, const char *what)
{
    return err_set(bd->e, "%s: %s: %s", bd->cfg->name, what, strerror(errno));
}

static int open_files(struct builder *bd)
{
    const struct domcfg *c = bd->cfg;
    if (image_open(c->kernel, &bd->kernel, bd->e))
        return -1;
    if (c->ramdisk[0] && file_map(c->ramdisk, "ramdisk", &bd->ramdisk, &bd->ramdisk_size, bd->e))
        return -1;
    return layout_plan(&bd->l, c->memory_kib << 10, &bd->kernel, bd->ramdisk_size, strlen(c->cmdline), c->vcpus, bd->e);
}

static int create(struct builder *bd)
{
    struct xen_domctl_createdomain create = {
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = bd->cfg->vcpus,
        .max_evtchn_port = 1023,
        .max_grant_frames = 64,
        .max_maptrack_frames = 1024,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
        .arch = {.emulation_flags = XEN_X86_EMU_LAPIC},
    };
    uint32_t domid = 0;
    memcpy(create.handle, bd->cfg->uuid, sizeof(create.handle));
    if (bd->cfg->driver_domain || bd->cfg->nr_pci)
        create.flags |= XEN_DOMCTL_CDF_iommu;
    if (xc_domain_create(bd->h->xc, &domid, &create))
        return fail(bd, "cannot create the domain");
    bd->b->domid = domid;
    return 0;
}

static int set_limits(struct builder *bd)
{
    xc_interface *xc = bd->h->xc;
    uint32_t domid = bd->b->domid;
    uint64_t pool = ((uint64_t)bd->cfg->vcpus << 20) + (bd->cfg->maxmem_kib << 10) / 512 * 2 + (4u << 20);
    if (xc_domain_max_vcpus(xc, domid, bd->cfg->vcpus))
        return fail(bd, "vcpus: cannot create the virtual CPUs");
    if (xc_domain_setmaxmem(xc, domid, bd->cfg->maxmem_kib + LAYOUT_NR_SPECIAL * 4 + 1024))
        return fail(bd, "maxmem: cannot set the limit");
    /* Xen wants memory set aside for nested page tables; a hypervisor without such a pool refuses the call. */
    if (xc_set_paging_mempool_size(xc, domid, (pool + 0xfffff) & ~0xfffffull) && errno == ENOMEM)
        return fail(bd, "memory: no room for page tables");
    return 0;
}

/* Of all its vCPUs. 0 or -1 with errno. */
static int set_affinity(struct builder *bd, const uint8_t *cpus, uint32_t which)
{
    xc_cpumap_t map = xc_cpumap_alloc(bd->h->xc);
    int size = xc_get_cpumap_size(bd->h->xc), rc = map && size > 0 ? 0 : -1;
    if (!rc)
        memcpy(map, cpus, size < 32 ? (size_t)size : 32);
    for (unsigned v = 0; !rc && v < bd->cfg->vcpus; v++)
        rc = which == XEN_VCPUAFFINITY_HARD ? xc_vcpu_setaffinity(bd->h->xc, bd->b->domid, (int)v, map, NULL, which)
                                            : xc_vcpu_setaffinity(bd->h->xc, bd->b->domid, (int)v, NULL, map, which);
    free(map);
    return rc;
}

static int set_scheduling(struct builder *bd)
{
    const struct domcfg *c = bd->cfg;
    struct xen_domctl_sched_credit credit;
    if (c->weight || c->cap) {
        if (xc_sched_credit_domain_get(bd->h->xc, bd->b->domid, &credit))
            memset(&credit, 0, sizeof(credit));
        credit.weight = (uint16_t)(c->weight ? c->weight : 256);
        credit.cap = (uint16_t)c->cap;
        if (xc_sched_credit_domain_set(bd->h->xc, bd->b->domid, &credit) && errno != ENOSYS && errno != EINVAL)
            return fail(bd, "cpu_weight, cap: refused by the scheduler");
    }
    if (c->has_cpus && set_affinity(bd, c->cpus, XEN_VCPUAFFINITY_HARD))
        return fail(bd, "cpus: refused by the hypervisor");
    if (c->has_cpus_soft && set_affinity(bd, c->cpus_soft, XEN_VCPUAFFINITY_SOFT))
        return fail(bd, "cpus_soft: refused by the hypervisor");
    return 0;
}

/* Fills [gfn, gfn + n) with pages of 2^order; n counts pages of 4 KiB and is a multiple of the order's size. */
static int populate_order(struct builder *bd, uint64_t gfn, uint64_t n, unsigned order)
{
    static xen_pfn_t extents[BATCH];
    uint64_t left = n >> order;
    while (left) {
        unsigned batch = left < BATCH ? (unsigned)left : BATCH;
        for (unsigned i = 0; i < batch; i++)
            extents[i] = gfn + ((uint64_t)i << order);
        int done = xc_domain_populate_physmap(bd->h->xc, bd->b->domid, batch, order, 0, extents);
        if (done <= 0 && order) /* no contiguous memory: small pages for what is left */
            return populate_order(bd, gfn, left << order, 0);
        if (done <= 0) {
            errno = done ? errno : ENOMEM;
            return err_set(bd->e, "%s: memory: cannot get %llu MiB from the hypervisor: %s", bd->cfg->name,
                           (unsigned long long)(bd->cfg->memory_kib >> 10), strerror(errno));
        }
        left -= (unsigned)done;
        gfn += (uint64_t)done << order;
    }
    return 0;
}

static int populate(struct builder *bd, uint64_t from, uint64_t to)
{
    uint64_t gfn = from / LAYOUT_PAGE, end = to / LAYOUT_PAGE;
    uint64_t big = (end - gfn) & ~511ull; /* ranges start on 1 GiB */
    if (big && populate_order(bd, gfn, big, 9))
        return -1;
    return end - gfn > big ? populate_order(bd, gfn + big, end - gfn - big, 0) : 0;
}

static int give_memory(struct builder *bd)
{
    struct e820entry map[LAYOUT_MAX_MAP];
    if (populate(bd, 0, bd->l.low_end) || populate(bd, 4ull << 30, bd->l.high_end) ||
        populate_order(bd, LAYOUT_SPECIAL_GFN, LAYOUT_NR_SPECIAL, 0))
        return -1;
    for (unsigned i = 0; i < bd->l.nr_map; i++)
        map[i] = (struct e820entry){bd->l.map[i].addr, bd->l.map[i].size, bd->l.map[i].type};
    if (xc_domain_set_memory_map(bd->h->xc, bd->b->domid, map, bd->l.nr_map))
        return fail(bd, "cannot set the memory map");
    return 0;
}

/* Maps n pages of the domain from gfn on, writable; NULL on failure. */
static void *map_pages(struct builder *bd, uint64_t gfn, unsigned n)
{
    xen_pfn_t pfns[CHUNK_PAGES];
    int errs[CHUNK_PAGES];
    for (unsigned i = 0; i < n; i++)
        pfns[i] = gfn + i;
    void *p = xenforeignmemory_map(bd->h->mem, bd->b->domid, PROT_READ | PROT_WRITE, n, pfns, errs);
    for (unsigned i = 0; p && i < n; i++)
        if (errs[i]) {
            xenforeignmemory_unmap(bd->h->mem, p, n);
            errno = -errs[i];
            return NULL;
        }
    return p;
}

/* Copies size bytes to guest physical paddr, zeroes up to mem_size. Memory is scrubbed, but that is not promised. */
static int load(struct builder *bd, uint64_t paddr, const uint8_t *data, uint64_t size, uint64_t mem_size)
{
    uint64_t done = 0;
    while (done < mem_size) {
        uint64_t at = paddr + done, in_page = at & (LAYOUT_PAGE - 1);
        uint64_t part = CHUNK_PAGES * LAYOUT_PAGE - in_page;
        if (part > mem_size - done)
            part = mem_size - done;
        unsigned pages = (unsigned)((in_page + part + LAYOUT_PAGE - 1) / LAYOUT_PAGE);
        uint8_t *p = map_pages(bd, at / LAYOUT_PAGE, pages);
        if (!p)
            return fail(bd, "cannot map the domain's memory");
        uint64_t copied = done < size ? (size - done < part ? size - done : part) : 0;
        if (copied)
            memcpy(p + in_page, data + done, copied);
        if (copied < part)
            memset(p + in_page + copied, 0, part - copied);
        xenforeignmemory_unmap(bd->h->mem, p, pages);
        done += part;
    }
    return 0;
}

static int load_tables(struct builder *bd)
{
    uint8_t *info = calloc(1, bd->l.info_size), *acpi = calloc(1, bd->l.acpi_size);
    int rc = -1;
    if (info && acpi) {
        uint64_t rsdp = pvh_acpi_build(acpi, bd->l.acpi, (unsigned)bd->l.acpi_size, bd->cfg->vcpus);
        layout_start_info(&bd->l, info, bd->cfg->cmdline, rsdp);
        rc = load(bd, bd->l.info, info, bd->l.info_size, bd->l.info_size) ||
             load(bd, bd->l.acpi, acpi, bd->l.acpi_size, bd->l.acpi_size) ? -1 : 0;
    } else {
        err_set(bd->e, "%s: out of memory", bd->cfg->name);
    }
    free(info);
    free(acpi);
    return rc;
}

static int load_all(struct builder *bd)
{
    for (unsigned i = 0; i < bd->kernel.nr_segments; i++) {
        const struct image_segment *s = &bd->kernel.segment[i];
        if (load(bd, s->paddr, bd->kernel.data + s->offset, s->file_size, s->mem_size))
            return -1;
    }
    if (bd->ramdisk_size && load(bd, bd->l.ramdisk, bd->ramdisk, bd->ramdisk_size, bd->ramdisk_size))
        return -1;
    return load_tables(bd);
}

static int make_channels(struct builder *bd)
{
    struct built *b = bd->b;
    static const uint8_t zero[LAYOUT_PAGE];
    int store = xc_evtchn_alloc_unbound(bd->h->xc, b->domid, 0);
    int console = store < 0 ? -1 : xc_evtchn_alloc_unbound(bd->h->xc, b->domid, 0);
    if (store < 0 || console < 0)
        return fail(bd, "cannot allocate event channels");
    b->store_port = (uint32_t)store;
    b->console_port = (uint32_t)console;
    b->store_gfn = LAYOUT_STORE_GFN;
    b->console_gfn = LAYOUT_CONSOLE_GFN;
    const struct { uint32_t param; uint64_t value; } params[] = {
        {HVM_PARAM_STORE_PFN, b->store_gfn}, {HVM_PARAM_STORE_EVTCHN, b->store_port},
        {HVM_PARAM_CONSOLE_PFN, b->console_gfn}, {HVM_PARAM_CONSOLE_EVTCHN, b->console_port},
    };
    for (unsigned i = 0; i < sizeof(params) / sizeof(params[0]); i++)
        if (xc_hvm_param_set(bd->h->xc, b->domid, params[i].param, params[i].value))
            return fail(bd, "cannot set the HVM parameters of store and console");
    for (unsigned i = 0; i < LAYOUT_NR_SPECIAL; i++)
        if (load(bd, (LAYOUT_SPECIAL_GFN + i) * LAYOUT_PAGE, zero, 0, LAYOUT_PAGE))
            return -1;
    return 0;
}

/* Grants of store and console to domain 0 under their well-known references (xen/grant_table.h). */
static int seed_grants(struct builder *bd)
{
    void *addr = NULL;
    xenforeignmemory_resource_handle *r =
        xenforeignmemory_map_resource(bd->h->mem, (domid_t)bd->b->domid, XENMEM_resource_grant_table,
                                      XENMEM_resource_grant_table_id_shared, 0, 1, &addr, PROT_READ | PROT_WRITE, 0);
    if (!r)
        return fail(bd, "cannot map the grant table");
    grant_entry_v1_t *grants = addr;
    grants[GNTTAB_RESERVED_CONSOLE].domid = 0;
    grants[GNTTAB_RESERVED_CONSOLE].frame = (uint32_t)bd->b->console_gfn;
    grants[GNTTAB_RESERVED_XENSTORE].domid = 0;
    grants[GNTTAB_RESERVED_XENSTORE].frame = (uint32_t)bd->b->store_gfn;
    __sync_synchronize();
    grants[GNTTAB_RESERVED_CONSOLE].flags = GTF_permit_access;
    grants[GNTTAB_RESERVED_XENSTORE].flags = GTF_permit_access;
    xenforeignmemory_unmap_resource(bd->h->mem, r);
    return 0;
}

/* PVH entry (xen/arch-x86/hvm/start_info.h): flat 32-bit protected mode, EBX = start info. Attributes: type, S, DPL, P
 * in bits 0-7, AVL, L, D/B, G in bits 8-11. */
static void entry_state(const struct builder *bd, struct hvm_hw_cpu *cpu)
{
    enum { CODE = 0xc9b, DATA = 0xc93, TSS = 0x8b, LDT = 0x82 };
    memset(cpu, 0, sizeof(*cpu));
    cpu->rip = bd->kernel.entry;
    cpu->rbx = bd->l.info;
    cpu->rflags = 2;
    cpu->cr0 = 0x11; /* PE, ET */
    cpu->dr6 = 0xffff0ff0;
    cpu->dr7 = 0x400;
    cpu->cs_limit = cpu->ds_limit = cpu->es_limit = cpu->fs_limit = cpu->gs_limit = cpu->ss_limit = 0xffffffff;
    cpu->cs_arbytes = CODE;
    cpu->ds_arbytes = cpu->es_arbytes = cpu->fs_arbytes = cpu->gs_arbytes = cpu->ss_arbytes = DATA;
    cpu->tr_limit = 0x67;
    cpu->tr_arbytes = TSS;
    cpu->ldtr_arbytes = LDT;
}

struct context {
    struct hvm_save_descriptor header_d;
    struct hvm_save_header header;
    struct hvm_save_descriptor cpu_d;
    struct hvm_hw_cpu cpu;
    struct hvm_save_descriptor end_d;
};
_Static_assert(offsetof(struct context, end_d) ==
                   2 * sizeof(struct hvm_save_descriptor) + sizeof(struct hvm_save_header) + sizeof(struct hvm_hw_cpu),
               "records of the context follow each other without padding");
#define CONTEXT_SIZE (offsetof(struct context, end_d) + sizeof(struct hvm_save_descriptor))

static int set_vcpu(struct builder *bd)
{
    struct context c;
    memset(&c, 0, sizeof(c));
    int size = xc_domain_hvm_getcontext(bd->h->xc, bd->b->domid, NULL, 0);
    uint8_t *old = size < (int)(sizeof(c.header_d) + sizeof(c.header)) ? NULL : calloc(1, (size_t)size);
    if (!old || xc_domain_hvm_getcontext(bd->h->xc, bd->b->domid, old, (uint32_t)size) < 0) {
        free(old);
        return fail(bd, "cannot read the virtual CPU's state");
    }
    memcpy(&c.header_d, old, sizeof(c.header_d));
    memcpy(&c.header, old + sizeof(c.header_d), sizeof(c.header));
    free(old);
    if (c.header_d.typecode != HVM_SAVE_CODE(HEADER) || c.header_d.length != HVM_SAVE_LENGTH(HEADER))
        return err_set(bd->e, "%s: the hypervisor's virtual CPU state has no header", bd->cfg->name);
    c.cpu_d.typecode = HVM_SAVE_CODE(CPU);
    c.cpu_d.length = HVM_SAVE_LENGTH(CPU);
    entry_state(bd, &c.cpu);
    c.end_d.typecode = HVM_SAVE_CODE(END);
    c.end_d.length = HVM_SAVE_LENGTH(END);
    if (xc_domain_hvm_setcontext(bd->h->xc, bd->b->domid, (uint8_t *)&c, CONTEXT_SIZE))
        return fail(bd, "cannot set the virtual CPU's state");
    return 0;
}

int dom_build(struct handles *h, const struct domcfg *cfg, struct built *b, struct err *e)
{
    static int (*const steps[])(struct builder *bd) = {
        set_limits, set_scheduling, give_memory, load_all, make_channels, seed_grants, set_vcpu,
    };
    struct builder bd = {.h = h, .cfg = cfg, .b = b, .e = e};
    int rc = open_files(&bd);
    memset(b, 0, sizeof(*b));
    if (!rc && !(rc = create(&bd)))
        for (unsigned i = 0; !rc && i < sizeof(steps) / sizeof(steps[0]); i++)
            rc = steps[i](&bd);
    if (rc && b->domid)
        xc_domain_destroy(h->xc, b->domid);
    image_close(&bd.kernel);
    file_unmap(bd.ramdisk, bd.ramdisk_size);
    return rc;
}
