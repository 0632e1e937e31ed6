/* SPDX-License-Identifier: MIT */
/*
 * PCI functions of a driver domain: see pci.h.
 *
 * Once MSI-X of a function is on, what was found is also written to xenstore, one line per function under
 * device/pci/0/found-N, their number in device/pci/0/found. A restarted domain that finds all lines needs no
 * configuration access at all: its functions are still assigned, decoding, mastering and MSI-X on, and the pause is
 * shorter.
 */
#include "driverdoms/pci/pci.h"
#include "frontends/pcifront.h"
#include "bulkhead/ext.h"
#include "rt/hypercall.h"
#include "rt/internal.h"
#include <xen/errno.h>

#define FOUND "device/pci/0/found"
#define REG_COMMAND 0x04
#define REG_STATUS 0x06
#define REG_BAR0 0x10
#define REG_CAPS 0x34
#define CMD_MEMORY (1u << 1)
#define CMD_MASTER (1u << 2)
#define CAP_MSIX 0x11
#define MSIX_ENABLE (1u << 15)
#define MSIX_MASKALL (1u << 14)
#define ENTRY_MASKED 1u
#define MAX_BAR (1ull << 32)

static struct pci_dev *devices;
static bool looked;

uint8_t pci_read8(struct pci_dev *dev, unsigned offset)
{
    uint32_t v;
    pcif_read(dev->vsbdf, offset, 1, &v);
    return (uint8_t)v;
}

uint16_t pci_read16(struct pci_dev *dev, unsigned offset)
{
    uint32_t v;
    pcif_read(dev->vsbdf, offset, 2, &v);
    return (uint16_t)v;
}

uint32_t pci_read32(struct pci_dev *dev, unsigned offset)
{
    uint32_t v;
    pcif_read(dev->vsbdf, offset, 4, &v);
    return v;
}

int pci_write8(struct pci_dev *dev, unsigned offset, uint8_t value)
{
    return pcif_write(dev->vsbdf, offset, 1, value);
}

int pci_write16(struct pci_dev *dev, unsigned offset, uint16_t value)
{
    return pcif_write(dev->vsbdf, offset, 2, value);
}

int pci_write32(struct pci_dev *dev, unsigned offset, uint32_t value)
{
    return pcif_write(dev->vsbdf, offset, 4, value);
}

unsigned pci_find_cap(struct pci_dev *dev, uint8_t id)
{
    if (!(pci_read16(dev, REG_STATUS) & 1u << 4))
        return 0;
    unsigned at = pci_read8(dev, REG_CAPS) & 0xfcu;
    for (unsigned i = 0; i < 48 && at >= 0x40; i++) {
        uint16_t head = pci_read16(dev, at);
        if (head == 0xffff)
            return 0;
        if ((head & 0xff) == id)
            return at;
        at = head >> 8 & 0xfc;
    }
    return 0;
}

/* The size that all ones written to a BAR show; 0 if they show nothing. */
static uint64_t bar_size(struct pci_dev *dev, unsigned reg, uint32_t low, uint32_t high, bool wide)
{
    uint32_t size_low, size_high = ~0u;

    pci_write32(dev, reg, ~0u);
    size_low = pci_read32(dev, reg);
    pci_write32(dev, reg, low);
    if (wide) {
        pci_write32(dev, reg + 4, ~0u);
        size_high = pci_read32(dev, reg + 4);
        pci_write32(dev, reg + 4, high);
    }
    uint64_t mask = ((uint64_t)size_high << 32 | size_low) & ~0xfull;
    return size_low == low && (!wide || size_high == high) ? 0 : -mask;
}

/* Reads BAR i and returns the number of the next. */
static unsigned read_bar(struct pci_dev *dev, unsigned i)
{
    unsigned reg = REG_BAR0 + 4 * i;
    uint32_t low = pci_read32(dev, reg), high = 0;
    bool wide = (low & 7) == 4 && i + 1 < PCI_BARS;

    if (low == ~0u)
        return i + 1;
    if (low & 1) {
        dev->bar[i].io = true;
        return i + 1;
    }
    if (wide)
        high = pci_read32(dev, reg + 4);
    uint64_t addr = ((uint64_t)high << 32 | low) & ~0xfull;
    if (addr) {
        uint64_t size = bar_size(dev, reg, low, high, wide);
        if (!size) /* the sizing protocol is filtered away: what the alignment allows, within reason */
            size = (addr & -addr) < 0x100000 ? addr & -addr : 0x100000;
        dev->bar[i].addr = (void *)addr;
        dev->bar[i].size = size;
    }
    return wide ? i + 2 : i + 1;
}

static void read_msix(struct pci_dev *dev)
{
    dev->msix_cap = (uint16_t)pci_find_cap(dev, CAP_MSIX);
    if (!dev->msix_cap)
        return;
    uint32_t where = pci_read32(dev, dev->msix_cap + 4);
    unsigned n = (pci_read16(dev, dev->msix_cap + 2) & 0x7ffu) + 1, bar = where & 7;
    uint64_t offset = where & ~7u;
    if (bar >= PCI_BARS || !dev->bar[bar].addr || offset + n * 16ull > dev->bar[bar].size) {
        rt_log("pci: %06x: MSI-X table of %u entries at %lx is not inside BAR %u", dev->sbdf, n, offset, bar);
        dev->msix_cap = 0;
        return;
    }
    dev->msix_size = (uint16_t)n;
    dev->msix_table = (volatile uint32_t *)((char *)dev->bar[bar].addr + offset);
}

static bool probe(struct pci_dev *dev)
{
    uint32_t id = pci_read32(dev, 0);
    if (id == ~0u)
        return false;
    uint32_t class = pci_read32(dev, 8);
    dev->vendor = (uint16_t)id;
    dev->device = (uint16_t)(id >> 16);
    dev->class = class >> 8;
    dev->revision = (uint8_t)class;
    if ((pci_read8(dev, 0x0e) & 0x7f) == 0)
        for (unsigned i = 0; i < PCI_BARS;)
            i = read_bar(dev, i);
    read_msix(dev);
    return true;
}

/* The line of a function in xenstore: numbers in hex, parted by blanks. */
static void remember(const struct pci_dev *dev)
{
    char path[40], line[320];
    unsigned n = 0;
    for (struct pci_dev *d = devices; d != dev; d = d->next)
        n++;
    snprintf(path, sizeof(path), FOUND "-%u", n);
    int at = snprintf(line, sizeof(line), "%x %x %x %x %x %x %x %x %lx", dev->sbdf, dev->vsbdf, dev->vendor, dev->device,
                      dev->class, dev->revision, dev->msix_cap, dev->msix_size, (uint64_t)dev->msix_table);
    for (unsigned i = 0; i < PCI_BARS; i++)
        at += snprintf(line + at, sizeof(line) - (size_t)at, " %lx %lx", (uint64_t)dev->bar[i].addr, dev->bar[i].size);
    int err = rt_xs_write(0, path, line);
    if (err)
        rt_log("pci: %s not written: error %d", path, err);
}

static bool recall(struct pci_dev *dev, unsigned n)
{
    char path[40], *end;
    uint64_t v[9 + 2 * PCI_BARS];
    const unsigned count = sizeof(v) / sizeof(v[0]);
    unsigned i;

    snprintf(path, sizeof(path), FOUND "-%u", n);
    char *line = rt_xs_read(0, path, NULL, NULL);
    const char *p = line;
    for (i = 0; p && i < count; i++) {
        v[i] = strtoul(p, &end, 16);
        if (end == p || *end != (i + 1 < count ? ' ' : 0))
            break;
        p = end + 1;
    }
    rt_free(line);
    if (i < count)
        return false;
    *dev = (struct pci_dev){ .sbdf = (uint32_t)v[0], .vsbdf = (uint32_t)v[1], .vendor = (uint16_t)v[2],
        .device = (uint16_t)v[3], .class = (uint32_t)v[4], .revision = (uint8_t)v[5], .msix_cap = (uint16_t)v[6],
        .msix_size = (uint16_t)v[7], .msix_table = (volatile uint32_t *)v[8], .msix_on = v[6] != 0 };
    for (i = 0; i < PCI_BARS; i++) {
        dev->bar[i].addr = (void *)v[9 + 2 * i];
        dev->bar[i].size = v[10 + 2 * i];
    }
    return true;
}

/* Make the BARs reachable; a BAR that cannot be is as if it were not there. */
static void map_bars(struct pci_dev *dev)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint64_t at = (uint64_t)dev->bar[i].addr, size = dev->bar[i].size;
        if (!at)
            continue;
        int err = size > MAX_BAR ? -XEN_E2BIG : rt_map_mmio(at, size);
        if (err) {
            rt_log("pci: %06x: BAR %u at %lx, %lx bytes, not mapped: error %d", dev->sbdf, i, at, size, err);
            dev->bar[i].addr = NULL;
        }
    }
}

static bool add(struct pci_dev *dev)
{
    struct pci_dev **end = &devices, *copy = rt_alloc(sizeof(*copy));
    if (!copy)
        return false;
    *copy = *dev;
    map_bars(copy);
    copy->msix_port = rt_alloc((copy->msix_size ? copy->msix_size : 1) * sizeof(uint32_t));
    if (!copy->msix_port) {
        rt_free(copy);
        return false;
    }
    while (*end)
        end = &(*end)->next;
    *end = copy;
    return true;
}

/* The predecessor's findings, if they are complete. */
static bool recall_all(void)
{
    struct pci_dev dev[PCIF_MAX_DEVS];
    uint64_t n;
    if (rt_incarnation <= 1 || rt_xs_read_u64(FOUND, &n) != 0 || n == 0 || n > PCIF_MAX_DEVS)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!recall(&dev[i], i))
            return false;
    for (unsigned i = 0; i < n; i++)
        if (!add(&dev[i]))
            return false;
    return true;
}

static void look(void)
{
    struct pcif_function list[PCIF_MAX_DEVS];
    unsigned kept = 0;

    if (recall_all() || pcif_connect() != 0)
        return;
    int n = pcif_list(list);
    if (n < 0)
        rt_log("pci: the backend's list of functions is not readable: error %d", n);
    for (int i = 0; i < n; i++) {
        struct pci_dev dev = { .sbdf = list[i].sbdf, .vsbdf = list[i].vsbdf };
        if (!probe(&dev))
            rt_log("pci: %06x does not answer", dev.sbdf);
        else if (add(&dev))
            kept++;
    }
    rt_xs_printf(0, FOUND, "%u", kept);
}

struct pci_dev *pci_first(void)
{
    if (!looked)
        look();
    looked = true;
    return devices;
}

int pci_enable(struct pci_dev *dev)
{
    if (dev->msix_on)
        return 0; /* recalled: left on by the predecessor */
    uint16_t want = CMD_MEMORY | CMD_MASTER, command = pci_read16(dev, REG_COMMAND);
    int err = pci_write16(dev, REG_COMMAND, command | want);
    if (!err && (pci_read16(dev, REG_COMMAND) & want) != want)
        err = -XEN_EACCES;
    if (err)
        rt_log("pci: %06x: decoding and mastering not enabled: error %d", dev->sbdf, err);
    return err;
}

volatile void *pci_bar(struct pci_dev *dev, unsigned n, uint64_t *size)
{
    if (n >= PCI_BARS || !dev->bar[n].addr)
        return NULL;
    if (size)
        *size = dev->bar[n].size;
    return dev->bar[n].addr;
}

int pci_msix_enable(struct pci_dev *dev, unsigned n)
{
    if (!dev->msix_cap || !dev->msix_size)
        return -XEN_ENODEV;
    if (!n)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < dev->msix_size; i++)
        dev->msix_table[i * 4 + 3] = ENTRY_MASKED;
    if (!dev->msix_on) {
        unsigned reg = dev->msix_cap + 2u;
        uint16_t control = pci_read16(dev, reg);
        int err = pci_write16(dev, reg, (uint16_t)((control & ~MSIX_MASKALL) | MSIX_ENABLE));
        if (!err && !(pci_read16(dev, reg) & MSIX_ENABLE))
            err = -XEN_EACCES;
        if (err) {
            rt_log("pci: %06x: MSI-X not enabled: error %d", dev->sbdf, err);
            return err;
        }
        dev->msix_on = true;
        remember(dev);
    }
    return n < dev->msix_size ? (int)n : dev->msix_size;
}

int pci_msix_bind(struct pci_dev *dev, unsigned entry, void (*fn)(void *arg), void *arg)
{
    struct bh_op b = { .version = BH_INTERFACE_VERSION, .domid = DOMID_SELF, .u.msi = { .sbdf = dev->sbdf } };

    if (!dev->msix_on || entry >= dev->msix_size)
        return -XEN_EINVAL;
    pci_msix_unbind(dev, entry);
    long ret = rt_hypercall2(BH_HYPERCALL, BH_OP_msi_bind, &b);
    if (ret)
        return (int)ret;
    volatile uint32_t *e = &dev->msix_table[entry * 4];
    e[0] = (uint32_t)b.u.msi.addr;
    e[1] = (uint32_t)(b.u.msi.addr >> 32);
    e[2] = b.u.msi.data;
    dev->msix_port[entry] = b.u.msi.port;
    rt_event_attach(b.u.msi.port, fn, arg);
    e[3] = 0;
    return 0;
}

void pci_msix_unbind(struct pci_dev *dev, unsigned entry)
{
    if (entry >= dev->msix_size || !dev->msix_port[entry])
        return;
    dev->msix_table[entry * 4 + 3] = ENTRY_MASKED;
    (void)dev->msix_table[entry * 4 + 3]; /* posted write: the mask has arrived */
    rt_event_close(dev->msix_port[entry]);
    dev->msix_port[entry] = 0;
}

int pci_dma_enable(struct pci_dev *dev)
{
    struct bh_op b = { .version = BH_INTERFACE_VERSION, .domid = DOMID_SELF, .u.dma = { .sbdf = dev->sbdf } };
    return (int)rt_hypercall2(BH_HYPERCALL, BH_OP_dma_enable, &b);
}
