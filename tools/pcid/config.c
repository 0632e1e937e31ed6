/* SPDX-License-Identifier: MIT */
/*
 * The machine's PCI functions through libpci; see pcid.h. The control domain's kernel usually has no PCI devices of its
 * own, then configuration space is reached by the ports CF8h/CFCh (256 bytes a function); with sysfs, by sysfs.
 */
#include <dirent.h>
#include <pci/pci.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/pcid/pcid.h"

struct fn fns[MAX_FNS];
unsigned nr_fns;

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

int config_open(struct err *e)
{
    struct pci_access *a = pci_alloc();
    if (!a)
        return err_set(e, "libpci: out of memory");
    bool sysfs = sysfs_has_devices();
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
        if (fns[i].sbdf == sbdf)
            return &fns[i];
    return NULL;
}

uint32_t config_read(const struct fn *f, unsigned offset, unsigned size)
{
    uint32_t v = 0xffffffff;
    uint8_t raw[4];
    if (pci_read_block(f->dev, (int)offset, raw, (int)size)) {
        v = 0;
        memcpy(&v, raw, size);
    }
    return v;
}

void config_write(const struct fn *f, unsigned offset, unsigned size, uint32_t value)
{
    uint8_t raw[4];
    memcpy(raw, &value, sizeof(raw));
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

/* One BAR register: what sticks of all ones. */
static uint32_t size_mask(const struct fn *f, unsigned reg)
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
    uint32_t low = config_read(f, reg, 4), mask = size_mask(f, reg);
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
    uint64_t high_mask = wide ? size_mask(f, reg + 4) : 0xffffffff;
    b->addr = (low & ~15u) | (wide ? (uint64_t)config_read(f, reg + 4, 4) << 32 : 0);
    b->size = -(high_mask << 32 | (mask & ~15u));
    return wide ? 2 : 1;
}

void config_size_bars(struct fn *f)
{
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
