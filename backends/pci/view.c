/* SPDX-License-Identifier: MIT */
/* The filter between an owner and its function's configuration space; see view.h. */
#include <stdint.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/io/pciif.h>
#include "backends/pci/view.h"

enum { BAR0 = 0x10, BAR_END = 0x28, ROM = 0x30, ROM_END = 0x34, CAP_POINTER = 0x34, STATUS = 0x06, CONFIG = 256 };
enum { CAP_PM = 0x01, CAP_MSI = 0x05, CAP_PCIE = 0x10, CAP_MSIX = 0x11, MAX_CAPS = 48 };

/* Bits of a 16- or 32-bit register that may be written, and those of them that a one clears. */
struct rule {
    uint16_t offset; /* in configuration space, or in the capability */
    uint8_t size;
    uint32_t writable, w1c;
};

static const struct rule header_rules[] = {
    {0x04, 2, 0x0557, 0},      /* command: I/O, memory, master, MWI, parity, SERR, INTx disable */
    {0x06, 2, 0xf900, 0xf900}, /* status: error bits */
    {0x0c, 1, 0xff, 0},        /* cache line size */
    {0x0d, 1, 0xff, 0},        /* latency timer */
    {0x3c, 1, 0xff, 0},        /* interrupt line: software's scratch register */
};
static const struct rule pm_rules[] = {{4, 2, 0x8100, 0x8000}}; /* PME enable, PME status */
static const struct rule msix_rules[] = {{2, 2, 0xc000, 0}};    /* enable, function mask */
static const struct rule pcie_rules[] = {
    {8, 2, 0x781f, 0},       /* device control: error reporting, relaxed ordering, no snoop, read request size */
    {10, 2, 0x000f, 0x000f}, /* device status: errors seen */
};
/* MSI by shape: 64-bit address (bit 7 of control), per-vector masking (bit 8). */
static const struct rule msi_control[] = {{2, 2, 0x0071, 0}, {4, 4, 0xfffffffc, 0}};
static const struct rule msi_data32[] = {{8, 2, 0xffff, 0}};
static const struct rule msi_data64[] = {{8, 4, 0xffffffff, 0}, {12, 2, 0xffff, 0}};
static const struct rule msi_mask32[] = {{12, 4, 0xffffffff, 0}};
static const struct rule msi_mask64[] = {{16, 4, 0xffffffff, 0}};

static void apply(struct pci_view *v, unsigned base, const struct rule *rules, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned b = 0; b < rules[i].size; b++) {
            unsigned at = base + rules[i].offset + b;
            if (at >= CONFIG || (base && at < 0x40))
                continue;
            v->writable[at] |= (uint8_t)(rules[i].writable >> 8 * b);
            v->w1c[at] |= (uint8_t)(rules[i].w1c >> 8 * b);
        }
}
#define APPLY(v, base, rules) apply(v, base, rules, sizeof(rules) / sizeof((rules)[0]))

static void apply_msi(struct pci_view *v, unsigned cap)
{
    uint32_t control = v->read(v->hw, cap + 2, 2);
    bool wide = control & 0x80, masks = control & 0x100;
    APPLY(v, cap, msi_control);
    if (wide)
        APPLY(v, cap, msi_data64);
    else
        APPLY(v, cap, msi_data32);
    if (masks && wide)
        APPLY(v, cap, msi_mask64);
    else if (masks)
        APPLY(v, cap, msi_mask32);
}

static void apply_cap(struct pci_view *v, unsigned cap, unsigned id)
{
    switch (id) {
    case CAP_PM: APPLY(v, cap, pm_rules); break;
    case CAP_MSI: apply_msi(v, cap); break;
    case CAP_MSIX: APPLY(v, cap, msix_rules); break;
    case CAP_PCIE: APPLY(v, cap, pcie_rules); break;
    default: break; /* read-only */
    }
}

static void walk_caps(struct pci_view *v)
{
    if (!(v->read(v->hw, STATUS, 2) & 0x10))
        return;
    unsigned at = v->read(v->hw, CAP_POINTER, 1) & 0xfc;
    for (unsigned i = 0; at >= 0x40 && i < MAX_CAPS; i++) {
        uint32_t head = v->read(v->hw, at, 2);
        if ((head & 0xff) == 0xff)
            return;
        apply_cap(v, at, head & 0xff);
        at = head >> 8 & 0xfc;
    }
}

void pci_view_init(struct pci_view *v, const uint64_t bar_size[PCI_VIEW_BARS])
{
    memset(v->writable, 0, sizeof(v->writable));
    memset(v->w1c, 0, sizeof(v->w1c));
    memset(v->bar_mask, 0, sizeof(v->bar_mask));
    memset(v->sizing, 0, sizeof(v->sizing));
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++) {
        uint32_t low = v->read(v->hw, BAR0 + 4 * i, 4);
        if (!bar_size[i])
            continue;
        uint64_t mask = ~(bar_size[i] - 1);
        v->bar_mask[i] = (uint32_t)mask;
        if ((low & 7) == 4 && i + 1 < PCI_VIEW_BARS)
            v->bar_mask[i + 1] = (uint32_t)(mask >> 32);
    }
    APPLY(v, 0, header_rules);
    walk_caps(v);
}

static bool good_access(int64_t offset, int64_t size)
{
    return (size == 1 || size == 2 || size == 4) && offset >= 0 && offset + size <= 4096 && offset % size == 0;
}

static uint32_t ones(unsigned size)
{
    return size == 4 ? 0xffffffffu : (1u << 8 * size) - 1;
}

/* The 32-bit BAR register as the owner sees it. */
static uint32_t bar_value(struct pci_view *v, unsigned i)
{
    uint32_t real = v->read(v->hw, BAR0 + 4 * i, 4);
    if (!v->bar_mask[i])
        return 0;
    if (!v->sizing[i])
        return real;
    bool upper = i && (v->read(v->hw, BAR0 + 4 * (i - 1), 4) & 7) == 4 && v->bar_mask[i - 1];
    uint32_t flags = upper ? 0 : real & 1 ? 3 : 15;
    return (v->bar_mask[i] & ~flags) | (real & flags);
}

int pci_view_read(struct pci_view *v, int64_t offset, int64_t size, uint32_t *value)
{
    *value = 0;
    if (!good_access(offset, size))
        return XEN_PCI_ERR_invalid_offset;
    unsigned at = (unsigned)offset, n = (unsigned)size;
    if (at >= BAR0 && at < BAR_END)
        *value = bar_value(v, (at - BAR0) / 4) >> 8 * (at & 3) & ones(n);
    else if (at < ROM || at >= ROM_END)
        *value = v->read(v->hw, at, n) & ones(n);
    return XEN_PCI_ERR_success;
}

/* Whole-register writes only count for sizing; narrower ones end it. */
static void bar_write(struct pci_view *v, unsigned at, unsigned size, uint32_t value)
{
    unsigned i = (at - BAR0) / 4;
    v->sizing[i] = size == 4 && (value | 15) == 0xffffffffu;
}

int pci_view_write(struct pci_view *v, int64_t offset, int64_t size, uint32_t value)
{
    if (!good_access(offset, size))
        return XEN_PCI_ERR_invalid_offset;
    unsigned at = (unsigned)offset, n = (unsigned)size;
    uint32_t writable = 0, w1c = 0;
    if (at >= BAR0 && at < BAR_END) {
        bar_write(v, at, n, value);
        return XEN_PCI_ERR_success;
    }
    for (unsigned b = 0; at < CONFIG && b < n; b++) {
        writable |= (uint32_t)v->writable[at + b] << 8 * b;
        w1c |= (uint32_t)v->w1c[at + b] << 8 * b;
    }
    if (!writable)
        return XEN_PCI_ERR_success;
    /* A one-clears bit that the owner did not write must go out as zero, whatever is read. */
    uint32_t old = v->read(v->hw, at, n) & ~writable & ~w1c;
    v->write(v->hw, at, n, (old | (value & writable)) & ones(n));
    return XEN_PCI_ERR_success;
}
