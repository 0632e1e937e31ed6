/* SPDX-License-Identifier: MIT */
/*
 * Virtual functions; see pcid.h. Only here is the SR-IOV capability written (PCI Express 5.0, 9.3.3): no owner of a physical function
 * reaches it. Firmware places no BARs for virtual functions, so they are placed here, below the I/O APICs' 4 GiB - 20 MiB, where neither
 * memory nor another function is. The sizes of their BARs are kept in xenstore for a pcid that starts again, since only a physical function
 * without virtual ones can be asked for them.
 */
#include <errno.h>
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tools/pcid/pcid.h"

#define TOP 0xfec00000ull
#define FLOOR 0x1000000ull
#define MAX_E820 128u
#define BRIDGE_BAR 0x100000ull /* how much is left free at a bridge's own BAR, which nobody sizes */

static struct handles *h;
static struct e820entry map[MAX_E820];
static int map_entries;

/* --- where there is room --- */

struct range { uint64_t start, end; };

static bool overlaps(uint64_t start, uint64_t end, struct range with, struct range *found)
{
    if (with.end <= with.start || start >= with.end || end <= with.start)
        return false;
    *found = with;
    return true;
}

static bool bridge_overlaps(const struct fn *f, uint64_t start, uint64_t end, struct range *found)
{
    uint32_t memory = config_read(f, PCI_MEMORY_BASE, 4), prefetch = config_read(f, PCI_PREF_MEMORY_BASE, 4);
    struct range windows[2] = {{(uint64_t)(memory & 0xfff0) << 16, ((uint64_t)(memory >> 20) + 1) << 20},
                               {(uint64_t)(prefetch & 0xfff0) << 16, ((uint64_t)(prefetch >> 20) + 1) << 20}};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t bar = config_read(f, PCI_BASE_ADDRESS_0 + 4 * i, 4) & ~15u;
        if (overlaps(start, end, windows[i], found) || (bar && overlaps(start, end, (struct range){bar, bar + BRIDGE_BAR}, found)))
            return true;
    }
    return false;
}

static bool fn_overlaps(struct fn *f, uint64_t start, uint64_t end, struct range *found)
{
    if (f->gone)
        return false;
    if ((config_read(f, PCI_HEADER_TYPE, 1) & 0x7f) == PCI_HEADER_TYPE_BRIDGE)
        return bridge_overlaps(f, start, end, found);
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++)
        if (!f->bar[i].io && overlaps(start, end, (struct range){f->bar[i].addr, f->bar[i].addr + f->bar[i].size}, found))
            return true;
    return false;
}

static struct range placed[PCI_VIEW_BARS]; /* for the virtual functions that are being made */
static unsigned nr_placed;

static bool used(uint64_t start, uint64_t end, struct range *found)
{
    for (unsigned i = 0; i < nr_placed; i++)
        if (overlaps(start, end, placed[i], found))
            return true;
    for (int i = 0; i < map_entries; i++)
        if (overlaps(start, end, (struct range){map[i].addr, map[i].addr + map[i].size}, found))
            return true;
    for (unsigned i = 0; i < nr_fns; i++)
        if (fn_overlaps(&fns[i], start, end, found))
            return true;
    return false;
}

/* The highest free place of so many bytes, aligned (a power of two); 0 = none. */
static uint64_t place(uint64_t bytes, uint64_t align)
{
    struct range in_the_way;
    uint64_t at = (TOP - bytes) & ~(align - 1);
    while (at >= FLOOR && used(at, at + bytes, &in_the_way))
        at = in_the_way.start < FLOOR + bytes ? 0 : (in_the_way.start - bytes) & ~(align - 1);
    return at >= FLOOR ? at : 0;
}

/* --- the capability --- */

static uint32_t iov(const struct fn *pf, unsigned cap, unsigned reg, unsigned size)
{
    return config_read(pf, cap + reg, size);
}

/* One BAR of the virtual functions: its size by the sizing protocol, its place if it has none. Returns how many registers it takes, 0 with e. */
static unsigned place_bar(const struct fn *pf, unsigned cap, unsigned i, unsigned n, struct bar *b, struct err *e)
{
    unsigned reg = cap + PCI_IOV_BAR_BASE + 4 * i;
    uint32_t low = config_read(pf, reg, 4), mask = config_size_mask(pf, reg);
    *b = (struct bar){.flags = low & 15};
    if (!mask)
        return 1;
    bool wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 && i + 1 < PCI_VIEW_BARS;
    uint64_t high = wide ? config_size_mask(pf, reg + 4) : 0xffffffff;
    b->size = -(high << 32 | (mask & ~15u));
    b->addr = (low & ~15u) | (wide ? (uint64_t)config_read(pf, reg + 4, 4) << 32 : 0);
    if (!b->size || b->size & (b->size - 1) || b->size > TOP / n) {
        err_set(e, "vfs: BAR %u of its virtual functions has an impossible size (%#llx)", i, (unsigned long long)b->size);
        return 0;
    }
    if (!b->addr && !(b->addr = place(b->size * n, b->size > 4096 ? b->size : 4096))) {
        err_set(e, "vfs: no room for BAR %u of %u virtual functions below 4 GiB (%#llx bytes)", i, n, (unsigned long long)(b->size * n));
        return 0;
    }
    placed[nr_placed++] = (struct range){b->addr, b->addr + b->size * n};
    config_write(pf, reg, 4, (uint32_t)b->addr);
    if (wide)
        config_write(pf, reg + 4, 4, (uint32_t)(b->addr >> 32));
    return wide ? 2 : 1;
}

/* Makes pf's virtual functions known; first holds the BARs of the first of them. 0 or -1. */
static int make_known(struct fn *pf, unsigned cap, unsigned n, const struct bar first[PCI_VIEW_BARS], struct err *e)
{
    unsigned offset = iov(pf, cap, PCI_IOV_OFFSET, 2), stride = iov(pf, cap, PCI_IOV_STRIDE, 2), devfn = (pf->sbdf & 0xff) + offset;
    for (unsigned k = 0; k < n; k++, devfn += stride) {
        struct fn *known = devfn < 256 ? config_find((pf->sbdf & ~0xffu) | devfn) : NULL;
        if (devfn > 255 || (known && known->pf != pf))
            return err_set(e, "vfs: virtual function %u would be %s", k, known ? "where another function is" : "on another bus, which nothing leads to");
        struct fn *f = config_add(pf, (uint8_t)devfn);
        if (!f)
            return err_set(e, "vfs: more than %u functions", MAX_FNS);
        f->pf = pf;
        f->vf_device = (uint16_t)iov(pf, cap, PCI_IOV_DID, 2);
        f->gone = false;
        for (unsigned i = 0; i < PCI_VIEW_BARS; i++) {
            f->bar[i] = first[i];
            f->bar[i].addr += k * first[i].size;
        }
    }
    return 0;
}

static void sizes_path(const struct fn *pf, char path[48])
{
    snprintf(path, 48, "/tool/pcid/vfs/%08x", pf->sbdf);
}

static void keep_sizes(const struct fn *pf, const struct bar first[PCI_VIEW_BARS])
{
    char path[48], text[128] = "";
    size_t at = 0;
    for (unsigned i = 0; i < PCI_VIEW_BARS; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llx", i ? " " : "", (unsigned long long)first[i].size);
    sizes_path(pf, path);
    if (store_write(h, path, text))
        host_log("cannot write %s: %s: a pcid that starts again will not know the virtual functions", path, strerror(errno));
}

bool sriov_busy(const struct fn *pf)
{
    for (unsigned i = 0; i < nr_fns; i++)
        if (fns[i].pf == pf && !fns[i].gone && fns[i].owner != NO_OWNER)
            return true;
    return false;
}

static unsigned count(const struct fn *pf)
{
    unsigned n = 0;
    for (unsigned i = 0; i < nr_fns; i++)
        n += fns[i].pf == pf && !fns[i].gone;
    return n;
}

static void turn_off(struct fn *pf)
{
    char path[48];
    unsigned cap = config_ext_cap(pf, PCI_EXT_CAP_ID_SRIOV);
    config_write(pf, cap + PCI_IOV_CTRL, 2, iov(pf, cap, PCI_IOV_CTRL, 2) & ~(uint32_t)(PCI_IOV_CTRL_VFE | PCI_IOV_CTRL_MSE));
    nanosleep(&(struct timespec){1, 0}, NULL); /* 9.3.3.3.1 */
    config_write(pf, cap + PCI_IOV_NUMVF, 2, 0);
    for (unsigned i = 0; i < nr_fns; i++)
        if (fns[i].pf == pf)
            fns[i].gone = true;
    sizes_path(pf, path);
    store_rm(h, path);
    host_log("%06x: virtual functions off", pf->sbdf);
}

void sriov_disable(struct fn *pf)
{
    if (count(pf))
        turn_off(pf);
}

/* Off to on; what was placed stays, it does no harm. */
static int turn_on(struct fn *pf, unsigned cap, unsigned n, struct err *e)
{
    struct bar first[PCI_VIEW_BARS] = {{0}};
    map_entries = xc_get_machine_memory_map(h->xc, map, MAX_E820);
    if (map_entries <= 0)
        return err_set(e, "vfs: the machine's memory map cannot be read: %s", strerror(errno));
    for (unsigned i = 0; i < nr_fns; i++) /* what nobody owns has not been sized yet */
        if (fns[i].owner == NO_OWNER && !fns[i].gone && config_is_endpoint(&fns[i]))
            config_size_bars(&fns[i]);
    nr_placed = 0;
    for (unsigned i = 0; i < PCI_VIEW_BARS;) {
        unsigned took = place_bar(pf, cap, i, n, &first[i], e);
        if (!took)
            return -1;
        i += took;
    }
    config_write(pf, cap + PCI_IOV_NUMVF, 2, n);
    config_write(pf, cap + PCI_IOV_CTRL, 2, iov(pf, cap, PCI_IOV_CTRL, 2) | PCI_IOV_CTRL_VFE | PCI_IOV_CTRL_MSE);
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    int rc = make_known(pf, cap, n, first, e);
    keep_sizes(pf, first);
    if (rc)
        turn_off(pf);
    else
        host_log("%06x: %u virtual function(s)", pf->sbdf, n);
    return rc;
}

int sriov_enable(struct fn *pf, unsigned n, struct err *e)
{
    unsigned has = count(pf);
    if (has == n || (!n && sriov_busy(pf)))
        return 0;
    if (has)
        return err_set(e, "vfs: %u virtual functions are in use; it cannot have %u now", has, n);
    unsigned cap = pf->pf ? 0 : config_ext_cap(pf, PCI_EXT_CAP_ID_SRIOV), most = cap ? iov(pf, cap, PCI_IOV_TOTALVF, 2) : 0;
    if (n > most)
        return err_set(e, "vfs: it can have at most %u virtual function(s), not %u", most, n);
    return turn_on(pf, cap, n, e);
}

/* --- what an earlier pcid enabled --- */

static void adopt(struct fn *pf)
{
    struct bar first[PCI_VIEW_BARS] = {{0}};
    unsigned long long size[PCI_VIEW_BARS];
    char path[48];
    struct err e;
    unsigned cap = config_is_endpoint(pf) ? config_ext_cap(pf, PCI_EXT_CAP_ID_SRIOV) : 0;
    if (!cap || !(iov(pf, cap, PCI_IOV_CTRL, 2) & PCI_IOV_CTRL_VFE))
        return;
    sizes_path(pf, path);
    char *text = store_read(h, "%s", path);
    int n = text ? sscanf(text, "%llx %llx %llx %llx %llx %llx", &size[0], &size[1], &size[2], &size[3], &size[4], &size[5]) : 0;
    free(text);
    for (unsigned i = 0; n == (int)PCI_VIEW_BARS && i < PCI_VIEW_BARS; i++) {
        uint32_t low = iov(pf, cap, PCI_IOV_BAR_BASE + 4 * i, 4);
        bool wide = size[i] && (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 && i + 1 < PCI_VIEW_BARS;
        first[i] = (struct bar){.size = size[i], .addr = size[i] ? low & ~15u : 0, .flags = low & 15};
        if (wide)
            first[i].addr |= (uint64_t)iov(pf, cap, PCI_IOV_BAR_BASE + 4 * i + 4, 4) << 32;
    }
    if (n != (int)PCI_VIEW_BARS)
        host_log("%06x: its virtual functions are on, but their BAR sizes are not in xenstore: they are left alone", pf->sbdf);
    else if (make_known(pf, cap, iov(pf, cap, PCI_IOV_NUMVF, 2), first, &e))
        host_log("%06x: %s", pf->sbdf, e.text);
}

int sriov_start(struct handles *handles)
{
    unsigned n = nr_fns; /* the virtual ones come behind */
    h = handles;
    for (unsigned i = 0; i < n; i++)
        adopt(&fns[i]);
    return 0;
}
