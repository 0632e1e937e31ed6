/* SPDX-License-Identifier: MIT */
/*
 * Giving functions to domains and taking them back; see pcid.h. Order of an assignment: reset (silent afterwards), size
 * the BARs, virtual functions, hypervisor (IOMMU; DMA blocked), BARs into the owner 1:1, decoding and mastering on, registry, pciif
 * backend. A physical function whose virtual functions have owners is not reset, since that would take those away, but silenced only.
 * A failure undoes what was done; a release undoes all of it in reverse.
 */
#include <errno.h>
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xenbus.h>
#include "tools/pcid/pcid.h"

#define PAGE 4096ull

/* A domain that owns functions. */
struct owner {
    uint32_t domid;
    struct pciback back;
    struct fn *fn[PCIBACK_MAX];
    bool seen;
    struct owner *next;
};

static struct handles *h;
static struct owner *owners;

static struct owner *owner_find(uint32_t domid)
{
    struct owner *o = owners;
    while (o && o->domid != domid)
        o = o->next;
    return o;
}

static uint64_t bar_first(const struct bar *b)
{
    return b->addr / PAGE;
}

static uint64_t bar_pages(const struct bar *b)
{
    return (b->addr + b->size - 1) / PAGE - bar_first(b) + 1;
}

static int map_bars(struct fn *f, uint32_t domid, bool add, struct err *e)
{
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++) {
        const struct bar *b = &f->bar[i];
        if (!b->size || b->io)
            continue;
        if (xc_domain_memory_mapping(h->xc, domid, bar_first(b), bar_first(b), bar_pages(b), add) && add)
            return err_set(e, "cannot map BAR %u at %#llx into domain %u: %s", i, (unsigned long long)b->addr, domid,
                           strerror(errno));
    }
    return 0;
}

/* Another function's memory BAR within the pages that would be mapped? */
static int check_shared_page(const struct fn *f, const struct bar *b, unsigned number, struct err *e)
{
    uint64_t from = bar_first(b) * PAGE, to = from + bar_pages(b) * PAGE;
    for (unsigned i = 0; i < nr_fns; i++) {
        const struct fn *g = &fns[i];
        if (g == f || g->gone || !config_is_endpoint(g))
            continue;
        for (unsigned k = 0; k < PCI_VIEW_BARS; k++) {
            uint32_t low = config_read(g, PCI_BASE_ADDRESS_0 + 4 * k, 4);
            if (!low || low & PCI_BASE_ADDRESS_SPACE_IO)
                continue;
            uint64_t addr = low & ~15u;
            if ((low & 6) == 4 && k + 1 < PCI_VIEW_BARS)
                addr |= (uint64_t)config_read(g, PCI_BASE_ADDRESS_0 + 4 * ++k, 4) << 32;
            if (addr >= from && addr < to) {
                char other[16];
                sbdf_format(g->sbdf, other);
                return err_set(e, "BAR %u shares a page with a BAR of %s", number, other);
            }
        }
    }
    return 0;
}

static int check_bars(const struct fn *f, struct err *e)
{
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++) {
        const struct bar *b = &f->bar[i];
        if (!b->size || b->io)
            continue;
        if (!b->addr || b->size & (b->size - 1) || b->addr & (b->size - 1))
            return err_set(e, "BAR %u has no usable address (%#llx, %#llx bytes); the firmware must place it", i,
                           (unsigned long long)b->addr, (unsigned long long)b->size);
        if (check_shared_page(f, b, i, e))
            return -1;
    }
    return 0;
}

static int check_fn(uint32_t domid, uint32_t sbdf, struct fn **fn, struct err *e)
{
    xc_domaininfo_t info;
    struct fn *f = config_find(sbdf);
    if (!f)
        return err_set(e, "no such function");
    if (!config_is_endpoint(f))
        return err_set(e, "it is a bridge, bridges cannot be assigned");
    if (f->owner != NO_OWNER)
        return err_set(e, "it belongs to domain %u already", f->owner);
    if (!domid || domain_info(h, domid, &info))
        return err_set(e, "no domain %u to assign it to", domid);
    *fn = f;
    return 0;
}

/* --- registry and backend --- */

static unsigned list_fns(const struct owner *o, uint32_t sbdf[PCIBACK_MAX])
{
    for (unsigned i = 0; i < o->back.nr_fns; i++)
        sbdf[i] = o->fn[i]->sbdf;
    return o->back.nr_fns;
}

static void owner_forget(struct owner *o)
{
    for (struct owner **p = &owners; *p; p = &(*p)->next)
        if (*p == o) {
            *p = o->next;
            free(o);
            return;
        }
}

static struct owner *owner_make(uint32_t domid)
{
    struct owner *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->domid = domid;
    o->back.domid = (uint16_t)domid;
    o->back.port = -1;
    o->next = owners;
    owners = o;
    return o;
}

static void owner_add_fn(struct owner *o, struct fn *f, uint32_t vsbdf)
{
    config_view(f);
    f->owner = o->domid;
    o->fn[o->back.nr_fns] = f;
    o->back.fn[o->back.nr_fns++] = (struct pciback_fn){vsbdf, &f->view};
}

static void owner_drop_fn(struct owner *o, unsigned i)
{
    o->fn[i]->owner = NO_OWNER;
    o->back.nr_fns--;
    for (; i < o->back.nr_fns; i++) {
        o->fn[i] = o->fn[i + 1];
        o->back.fn[i] = o->back.fn[i + 1];
    }
}

/* BAR sizes in xenstore, for a pcid that starts again: sizing a BAR stops the device, which an owner would notice. */
static int keep_sizes(const struct owner *o, unsigned slot, const struct fn *f, struct err *e)
{
    char path[96], text[128] = "";
    size_t at = 0;
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llx", i ? " " : "", (unsigned long long)f->bar[i].size);
    snprintf(path, sizeof(path), "/local/domain/0/backend/pci/%u/0/size-%u", o->domid, slot);
    return store_write(h, path, text) ? err_set(e, "cannot write %s: %s", path, strerror(errno)) : 0;
}

/* The sizes as kept, the addresses as they are. 0 or -1. */
static int recall_sizes(const struct owner *o, unsigned slot, struct fn *f)
{
    if (f->pf)
        return 0; /* sriov_start() has them */
    unsigned long long size[PCI_VIEW_BARS];
    char *text = store_read(h, "/local/domain/0/backend/pci/%u/0/size-%u", o->domid, slot);
    int n = text ? sscanf(text, "%llx %llx %llx %llx %llx %llx", &size[0], &size[1], &size[2], &size[3], &size[4], &size[5]) : 0;
    free(text);
    if (n != (int)PCI_VIEW_BARS)
        return -1;
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++) {
        uint32_t low = config_read(f, PCI_BASE_ADDRESS_0 + 4 * i, 4);
        bool wide = size[i] && (low & 7) == 4 && i + 1 < PCI_VIEW_BARS;
        f->bar[i] = (struct bar){.size = size[i], .io = low & 1};
        f->bar[i].addr = low & ~(low & 1 ? 3u : 15u);
        if (wide)
            f->bar[i].addr |= (uint64_t)config_read(f, PCI_BASE_ADDRESS_0 + 4 * i + 4, 4) << 32;
    }
    return 0;
}

/* Vdev-N is slot N, function 0 (store_add_pci writes the same). */
static int publish(struct owner *o, struct fn *f, struct err *e)
{
    uint32_t sbdf[PCIBACK_MAX];
    unsigned long front = 0;
    if (!store_number(h, &front, "/local/domain/%u/device/pci/0/state", o->domid) && front > XenbusStateInitialising)
        return err_set(e, "domain %u uses its functions already; more can only be assigned before it runs", o->domid);
    owner_add_fn(o, f, o->back.nr_fns << 3);
    unsigned n = list_fns(o, sbdf);
    if (n > 1)
        pciback_stop(&o->back);
    int rc = store_add_pci(h, o->domid, sbdf, n, e);
    if (!rc)
        rc = keep_sizes(o, n - 1, f, e);
    if (!rc && (errno = pciback_start(&o->back)))
        rc = err_set(e, "cannot watch the front: %s", strerror(errno));
    if (rc)
        owner_drop_fn(o, o->back.nr_fns - 1);
    return rc;
}

static void unpublish(struct owner *o)
{
    char path[96];
    pciback_stop(&o->back);
    snprintf(path, sizeof(path), "/local/domain/0/backend/pci/%u", o->domid);
    store_rm(h, path);
    snprintf(path, sizeof(path), "/local/domain/%u/device/pci", o->domid);
    store_rm(h, path);
}

/* --- assign --- */

static int give(struct owner *o, struct fn *f, bool unsafe, struct err *e)
{
    if (xc_assign_device(h->xc, o->domid, f->sbdf, unsafe ? XEN_DOMCTL_DEV_RDM_RELAXED : 0))
        return err_set(e, "the hypervisor refuses: %s%s", strerror(errno),
                       errno == EXDEV ? " (no DMA or interrupt remapping; 'unsafe' overrides)" : "");
    int rc = map_bars(f, o->domid, true, e);
    if (!rc) {
        config_write(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_DISABLE_INTx);
        rc = publish(o, f, e);
    }
    if (rc) {
        struct err ignored;
        config_write(f, PCI_COMMAND, 2, PCI_COMMAND_DISABLE_INTx);
        map_bars(f, o->domid, false, &ignored);
        xc_deassign_device(h->xc, o->domid, f->sbdf);
    }
    return rc;
}

/* What was done, or NULL. */
static const char *reset(struct fn *f, struct err *e)
{
    if (sriov_busy(f)) {
        fn_silence(f);
        return "none (its virtual functions are in use)";
    }
    sriov_disable(f);
    return fn_reset(f, e);
}

int fn_assign(uint32_t domid, const struct pci_spec *spec, struct err *e)
{
    struct fn *f = NULL;
    char name[16];
    if (check_fn(domid, spec->sbdf, &f, e))
        return -1;
    const char *how = reset(f, e);
    if (!how)
        return -1;
    config_size_bars(f);
    if (check_bars(f, e) || sriov_enable(f, spec->vfs, e))
        return -1;
    struct owner *o = owner_find(domid);
    if (o && o->back.nr_fns == PCIBACK_MAX)
        return err_set(e, "domain %u owns %u functions already, that is the limit", domid, PCIBACK_MAX);
    if (!o && !(o = owner_make(domid)))
        return err_set(e, "out of memory");
    int rc = give(o, f, spec->unsafe, e);
    if (rc && !sriov_busy(f))
        sriov_disable(f);
    if (rc && !o->back.nr_fns)
        owner_forget(o);
    sbdf_format(spec->sbdf, name);
    if (!rc)
        host_log("assign %s domid=%u reset=%s%s", name, domid, how, spec->unsafe ? " unsafe" : "");
    return rc;
}

/* --- release --- */

static void take(struct owner *o, unsigned i, bool alive)
{
    struct fn *f = o->fn[i];
    struct err e;
    char name[16];
    sbdf_format(f->sbdf, name);
    config_write(f, PCI_COMMAND, 2, PCI_COMMAND_DISABLE_INTx);
    if (alive) {
        map_bars(f, o->domid, false, &e);
        if (xc_deassign_device(h->xc, o->domid, f->sbdf))
            host_log("%s: the hypervisor does not take it back from domain %u: %s", name, o->domid, strerror(errno));
    }
    const char *how = reset(f, &e);
    if (how)
        host_log("release %s domid=%u reset=%s", name, o->domid, how);
    else
        host_log("release %s domid=%u: %s", name, o->domid, e.text);
    owner_drop_fn(o, i);
    if (f->pf && f->pf->owner == NO_OWNER && !sriov_busy(f->pf))
        sriov_disable(f->pf); /* nobody is left who wants them */
}

static void take_all(struct owner *o, bool alive)
{
    unpublish(o);
    while (o->back.nr_fns)
        take(o, o->back.nr_fns - 1, alive);
    owner_forget(o);
}

/* One of several: its nodes go, the others keep their numbers. */
static void take_one(struct owner *o, unsigned i)
{
    static const char *const nodes[] = {"dev", "vdev", "state", "size"};
    char path[96];
    unsigned slot = o->back.fn[i].vsbdf >> 3;
    for (unsigned n = 0; n < 4; n++) {
        snprintf(path, sizeof(path), "/local/domain/0/backend/pci/%u/0/%s-%u", o->domid, nodes[n], slot);
        store_rm(h, path);
    }
    take(o, i, true);
}

int fn_release(uint32_t domid, const uint32_t *sbdf, struct err *e)
{
    xc_domaininfo_t info;
    struct owner *o = owner_find(domid);
    if (!o)
        return err_set(e, "domain %u owns no function", domid);
    if (!sbdf) {
        take_all(o, !domain_info(h, domid, &info));
        return 0;
    }
    unsigned i = 0;
    while (i < o->back.nr_fns && o->fn[i]->sbdf != *sbdf)
        i++;
    if (i == o->back.nr_fns)
        return err_set(e, "domain %u does not own it", domid);
    if (o->back.nr_fns == 1)
        take_all(o, !domain_info(h, domid, &info));
    else
        take_one(o, i);
    return 0;
}

/* --- domains that are gone, and what an earlier pcid left --- */

static void released(const char *path, void *arg)
{
    xc_domaininfo_t info;
    for (struct owner *o = owners, *next; o; o = next) {
        next = o->next;
        if (domain_info(h, o->domid, &info))
            take_all(o, false);
    }
}

static void adopt_fn(struct owner *o, unsigned slot)
{
    char *text = store_read(h, "/local/domain/0/backend/pci/%u/0/dev-%u", o->domid, slot);
    struct pci_spec spec;
    struct err e;
    struct fn *f = text && !pci_parse(text, &spec, &e) ? config_find(spec.sbdf) : NULL;
    free(text);
    if (!f || f->owner != NO_OWNER)
        return;
    if (recall_sizes(o, slot, f))
        host_log("%06x: domain %u has it, but its BAR sizes are not in xenstore: left alone", f->sbdf, o->domid);
    else
        owner_add_fn(o, f, slot << 3);
}

static void adopt(uint32_t domid)
{
    unsigned long n = 0;
    xc_domaininfo_t info;
    if (domain_info(h, domid, &info) || store_number(h, &n, "/local/domain/0/backend/pci/%u/0/num_devs", domid))
        return;
    struct owner *o = owner_make(domid);
    for (unsigned slot = 0; o && slot < n && slot < PCIBACK_MAX; slot++)
        adopt_fn(o, slot);
    if (o && o->back.nr_fns && !pciback_start(&o->back))
        host_log("domain %u keeps its %u functions", domid, o->back.nr_fns);
    else if (o)
        owner_forget(o);
}

int assign_start(struct handles *handles)
{
    unsigned n = 0;
    h = handles;
    char **ids = xs_directory(h->xs, XBT_NULL, "/local/domain/0/backend/pci", &n);
    for (unsigned i = 0; i < n; i++)
        adopt((uint32_t)strtoul(ids[i], NULL, 10));
    free(ids);
    return host_xs_watch("@releaseDomain", released, NULL) ? -1 : 0;
}
