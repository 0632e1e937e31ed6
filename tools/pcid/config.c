/* SPDX-License-Identifier: MIT */
/*
 * The machine's PCI functions through libpci; see pcid.h. The control domain's kernel usually has no PCI devices of its
 * own, then configuration space is reached by the ports CF8h/CFCh (256 bytes a function) and what is above that by the hypervisor
 * (BH_OP_pci_config); with sysfs, by sysfs.
 */
#include <dirent.h>
#include <errno.h>
#include <pci/pci.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/pcid/pcid.h"

struct fn fns[MAX_FNS];
unsigned nr_fns;
static struct handles *h;
static bool sysfs;

static _Noreturn __attribute__((format(printf, 1, 2))) void pci_failed(char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    host_log("libpci: %s", text);
    exit(1);
}

static __attribute__((format(printf, 1, 2))) void pci_quiet(char *fmt, ...)
{
}

static bool sysfs_has_devices(void)
{
    DIR *d = opendir("/sys/bus/pci/devices");
    bool any = false;
    for (struct dirent *e; d && (e = readdir(d));)
        any = any || e->d_name[0] != '.';
    if (d)
        closedir(d);
    return any;
}

static uint32_t sbdf_of(const struct pci_dev *p)
{
    return (uint32_t)p->domain << 16 | (uint32_t)p->bus << 8 | (uint32_t)p->dev << 3 | p->func;
}

static int by_sbdf(const void *a, const void *b)
{
    const struct fn *x = a, *y = b;
    return x->sbdf < y->sbdf ? -1 : x->sbdf > y->sbdf;
}

int config_open(struct handles *handles, struct err *e)
{
    h = handles;
    struct pci_access *a = pci_alloc();
    if (!a)
        return err_set(e, "libpci: out of memory");
    sysfs = sysfs_has_devices();
    a->method = sysfs ? PCI_ACCESS_SYS_BUS_PCI : PCI_ACCESS_I386_TYPE1;
    a->writeable = 1;
    a->error = pci_failed;
    a->warning = pci_quiet;
    a->debug = pci_quiet;
    pci_init(a);
    pci_scan_bus(a);
    for (struct pci_dev *p = a->devices; p; p = p->next) {
        if (nr_fns == MAX_FNS || p->domain < 0 || p->domain > 0xffff) {
            host_log("more than %u functions, or a segment beyond FFFFh: some are left out", MAX_FNS);
            break;
        }
        fns[nr_fns++] = (struct fn){.sbdf = sbdf_of(p), .dev = p, .owner = NO_OWNER};
    }
    qsort(fns, nr_fns, sizeof(fns[0]), by_sbdf);
    host_log("%u PCI functions, configuration space through %s", nr_fns, sysfs ? "sysfs" : "I/O ports");
    return 0;
}

struct fn *config_find(uint32_t sbdf)
{
    for (unsigned i = 0; i < nr_fns; i++)
        if (fns[i].sbdf == sbdf && !fns[i].gone)
            return &fns[i];
    return NULL;
}

struct fn *config_add(const struct fn *pf, uint8_t devfn)
{
    uint32_t sbdf = (pf->sbdf & ~0xffu) | devfn;
    struct fn *f = fns;
    while (f < fns + nr_fns && f->sbdf != sbdf)
        f++;
    if (f == fns + MAX_FNS)
        return NULL;
    if (f == fns + nr_fns) {
        *f = (struct fn){.sbdf = sbdf, .owner = NO_OWNER};
        f->dev = pci_get_dev(pf->dev->access, pf->dev->domain, pf->dev->bus, devfn >> 3, devfn & 7);
        nr_fns++;
    }
    return f;
}

/* --- access --- */

static int extended(const struct fn *f, unsigned offset, unsigned size, bool write, uint32_t *value)
{
    struct bh_op *op = bh_start(h, DOMID_SELF);
    op->u.config.sbdf = f->sbdf;
    op->u.config.offset = (uint16_t)offset;
    op->u.config.size = (uint8_t)size;
    op->u.config.write = write;
    op->u.config.value = *value;
    int rc = bh_call(h, BH_OP_pci_config);
    *value = op->u.config.value;
    return rc;
}

static uint32_t read_raw(const struct fn *f, unsigned offset, unsigned size)
{
    uint32_t v = 0;
    uint8_t raw[4];
    if (offset >= 0x100 && !sysfs)
        return extended(f, offset, size, false, &v) ? 0xffffffff : v;
    if (!pci_read_block(f->dev, (int)offset, raw, (int)size))
        return 0xffffffff;
    memcpy(&v, raw, size);
    return v;
}

/* A 32-bit register of a virtual function, in which ids and BARs are ones and zeros. */
static uint32_t read_virtual(const struct fn *f, unsigned at)
{
    uint32_t real = read_raw(f, at, 4);
    if (at == PCI_VENDOR_ID)
        return read_raw(f, PCI_CLASS_REVISION, 4) == 0xffffffff ? real : config_read(f->pf, PCI_VENDOR_ID, 2) | (uint32_t)f->vf_device << 16;
    if (at == PCI_COMMAND)
        return real | PCI_COMMAND_MEMORY;
    if (at < PCI_BASE_ADDRESS_0 || at > PCI_BASE_ADDRESS_5)
        return real;
    unsigned i = (at - PCI_BASE_ADDRESS_0) / 4;
    if (f->bar[i].size)
        return (uint32_t)f->bar[i].addr | f->bar[i].flags;
    bool upper = i && f->bar[i - 1].size && (f->bar[i - 1].flags & PCI_BASE_ADDRESS_MEM_TYPE_64);
    return upper ? (uint32_t)(f->bar[i - 1].addr >> 32) : 0;
}

uint32_t config_read(const struct fn *f, unsigned offset, unsigned size)
{
    if (!f->pf)
        return read_raw(f, offset, size);
    uint32_t v = read_virtual(f, offset & ~3u) >> 8 * (offset & 3);
    return size == 4 ? v : v & ((1u << 8 * size) - 1);
}

void config_write(const struct fn *f, unsigned offset, unsigned size, uint32_t value)
{
    uint8_t raw[4];
    memcpy(raw, &value, sizeof(raw));
    if (offset >= 0x100 && !sysfs) {
        if (extended(f, offset, size, true, &value))
            host_log("%06x: write of configuration register %x failed: %s", f->sbdf, offset, strerror(errno));
        return;
    }
    if (!pci_write_block(f->dev, (int)offset, raw, (int)size))
        host_log("%06x: write of configuration register %x failed", f->sbdf, offset);
}

bool config_is_endpoint(const struct fn *f)
{
    return (config_read(f, PCI_HEADER_TYPE, 1) & 0x7f) == PCI_HEADER_TYPE_NORMAL &&
           config_read(f, PCI_CLASS_DEVICE + 1, 1) != PCI_BASE_CLASS_BRIDGE;
}

unsigned config_cap(const struct fn *f, uint8_t id)
{
    if (!(config_read(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
        return 0;
    unsigned at = config_read(f, PCI_CAPABILITY_LIST, 1) & 0xfc;
    for (unsigned i = 0; at >= 0x40 && i < 48; i++) {
        uint32_t head = config_read(f, at, 2);
        if ((head & 0xff) == id)
            return at;
        at = head >> 8 & 0xfc;
    }
    return 0;
}

unsigned config_ext_cap(const struct fn *f, uint16_t id)
{
    unsigned at = 0x100;
    for (unsigned i = 0; at >= 0x100 && i < 480; i++) {
        uint32_t head = config_read(f, at, 4);
        if (!head || head == 0xffffffff)
            return 0;
        if ((head & 0xffff) == id)
            return at;
        at = head >> 20 & 0xffc;
    }
    return 0;
}

uint32_t config_size_mask(const struct fn *f, unsigned reg)
{
    uint32_t old = config_read(f, reg, 4);
    config_write(f, reg, 4, 0xffffffff);
    uint32_t mask = config_read(f, reg, 4);
    config_write(f, reg, 4, old);
    return mask;
}

/* Returns the number of registers the BAR takes. */
static unsigned size_bar(struct fn *f, unsigned i)
{
    unsigned reg = PCI_BASE_ADDRESS_0 + 4 * i;
    struct bar *b = &f->bar[i];
    uint32_t low = config_read(f, reg, 4), mask = config_size_mask(f, reg);
    *b = (struct bar){0};
    if (!mask)
        return 1;
    b->io = low & PCI_BASE_ADDRESS_SPACE_IO;
    if (b->io) {
        b->addr = low & ~3u;
        b->size = (uint32_t)-(mask & ~3u) & 0xffff;
        return 1;
    }
    bool wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 && i + 1 < PCI_VIEW_BARS;
    uint64_t high_mask = wide ? config_size_mask(f, reg + 4) : 0xffffffff;
    b->addr = (low & ~15u) | (wide ? (uint64_t)config_read(f, reg + 4, 4) << 32 : 0);
    b->size = -(high_mask << 32 | (mask & ~15u));
    return wide ? 2 : 1;
}

void config_size_bars(struct fn *f)
{
    if (f->pf)
        return; /* sriov.c knows */
    uint32_t command = config_read(f, PCI_COMMAND, 2);
    config_write(f, PCI_COMMAND, 2, command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
    for (unsigned i = 0; i < PCI_VIEW_BARS;)
        i += size_bar(f, i);
    config_write(f, PCI_COMMAND, 2, command);
}

static uint32_t view_read(void *hw, unsigned offset, unsigned size)
{
    return config_read(hw, offset, size);
}

static void view_write(void *hw, unsigned offset, unsigned size, uint32_t value)
{
    config_write(hw, offset, size, value);
}

void config_view(struct fn *f)
{
    uint64_t size[PCI_VIEW_BARS];
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++)
        size[i] = f->bar[i].size;
    f->view.hw = f;
    f->view.read = view_read;
    f->view.write = view_write;
    pci_view_init(&f->view, size);
}
