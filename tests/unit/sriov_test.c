/* SPDX-License-Identifier: MIT */
/*
 * pcid's virtual functions (tools/pcid/sriov.c) on a configuration space of our own: a physical function with the capability, a neighbour, a
 * bridge. config.c, xenstore and the memory map are this file.
 */
#include "tools/pcid/pcid.h"
#include "suite.h"

#include <pci/header.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CAP 0x160u
#define VF_SIZE 0x4000u

struct fn fns[MAX_FNS];
unsigned nr_fns;
static uint8_t space[MAX_FNS][4096];
static unsigned writes, sleeps;
static char kept[256];
static struct e820entry ram[3];
static int ram_entries;
static struct handles handles;
static struct err e;
static struct fn *pf, *neighbour, *bridge;

/* --- what sriov.c asks for --- */

static uint8_t *at(const struct fn *f, unsigned offset)
{
    return &space[f - fns][offset];
}

static uint32_t get(const struct fn *f, unsigned offset, unsigned size)
{
    uint32_t v = 0;
    memcpy(&v, at(f, offset), size);
    return v;
}

static void put(const struct fn *f, unsigned offset, unsigned size, uint32_t v)
{
    memcpy(at(f, offset), &v, size);
}

uint32_t config_read(const struct fn *f, unsigned offset, unsigned size)
{
    return get(f, offset, size);
}

/* Only what the capability lets change; its BARs 0 and 3 are 64 bits wide, and are written while virtual functions are off. */
void config_write(const struct fn *f, unsigned offset, unsigned size, uint32_t value)
{
    unsigned reg = offset - CAP - PCI_IOV_BAR_BASE;
    writes++;
    CU_ASSERT_PTR_EQUAL_FATAL(f, pf);
    if (offset == CAP + PCI_IOV_CTRL || offset == CAP + PCI_IOV_NUMVF) {
        put(f, offset, size, value);
    } else {
        CU_ASSERT_FATAL(reg < 24 && size == 4 && !(get(f, CAP + PCI_IOV_CTRL, 2) & PCI_IOV_CTRL_VFE));
        if (reg == 0 || reg == 12)
            put(f, offset, 4, (value & ~(VF_SIZE - 1)) | 0xc);
        else if (reg == 4 || reg == 16)
            put(f, offset, 4, value);
    }
}

uint32_t config_size_mask(const struct fn *f, unsigned reg)
{
    uint32_t old = get(f, reg, 4);
    config_write(f, reg, 4, 0xffffffff);
    uint32_t mask = get(f, reg, 4);
    config_write(f, reg, 4, old);
    return mask;
}

unsigned config_ext_cap(const struct fn *f, uint16_t id) { return f == pf && id == PCI_EXT_CAP_ID_SRIOV ? CAP : 0; }
bool config_is_endpoint(const struct fn *f) { return f != bridge; }
void config_size_bars(struct fn *f) { (void)f; }
struct fn *config_find(uint32_t sbdf)
{
    for (unsigned i = 0; i < nr_fns; i++)
        if (fns[i].sbdf == sbdf && !fns[i].gone)
            return &fns[i];
    return NULL;
}
struct fn *config_add(const struct fn *of, uint8_t devfn)
{
    for (unsigned i = 0; i < nr_fns; i++)
        if (fns[i].sbdf == ((of->sbdf & ~0xffu) | devfn))
            return &fns[i];
    fns[nr_fns] = (struct fn){.sbdf = (of->sbdf & ~0xffu) | devfn, .owner = NO_OWNER};
    return &fns[nr_fns++];
}
int xc_get_machine_memory_map(xc_interface *xc, struct e820entry entries[], uint32_t max)
{
    memcpy(entries, ram, sizeof(ram));
    return ram_entries;
}
int store_write(struct handles *h, const char *path, const char *value)
{
    snprintf(kept, sizeof(kept), "%s", value);
    return 0;
}
char *store_read(struct handles *h, const char *fmt, ...) { return kept[0] ? strdup(kept) : NULL; }
int store_rm(struct handles *h, const char *path)
{
    kept[0] = 0;
    return 0;
}
int nanosleep(const struct timespec *t, struct timespec *rest)
{
    sleeps++;
    return 0;
}
void host_log(const char *fmt, ...) { (void)fmt; }

/* --- cases --- */

static struct fn *add(uint32_t sbdf, uint64_t addr, uint64_t size)
{
    struct fn *f = &fns[nr_fns++];
    *f = (struct fn){.sbdf = sbdf, .owner = NO_OWNER, .bar = {{.addr = addr, .size = size}}};
    return f;
}

static void start(void)
{
    memset(space, 0, sizeof(space));
    nr_fns = writes = sleeps = 0;
    kept[0] = 0;
    pf = add(0x60, 0xfebe0000, 0x20000);
    neighbour = add(0x20, 0xfebd0000, 0x4000);
    bridge = add(0x10, 0, 0);
    put(bridge, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE);
    put(bridge, PCI_MEMORY_BASE, 4, 0xfea0fe90); /* FE900000h to FEAFFFFFh */
    put(bridge, PCI_PREF_MEMORY_BASE, 4, 0x0000fff0); /* none */
    put(pf, CAP + PCI_IOV_TOTALVF, 2, 8);
    put(pf, CAP + PCI_IOV_OFFSET, 2, 0x80);
    put(pf, CAP + PCI_IOV_STRIDE, 2, 2);
    put(pf, CAP + PCI_IOV_DID, 2, 0x10ca);
    put(pf, CAP + PCI_IOV_BAR_BASE, 4, 0xc);
    put(pf, CAP + PCI_IOV_BAR_BASE + 12, 4, 0xc);
    ram[0] = (struct e820entry){.addr = 0, .size = 0x80000000};
    ram[1] = (struct e820entry){.addr = 0xb0000000, .size = 0x10000000};
    ram[2] = (struct e820entry){.addr = 1ull << 32, .size = 1ull << 30};
    ram_entries = 3;
    CU_ASSERT_EQUAL(sriov_start(&handles), 0);
}

static uint64_t bar_of(unsigned vf, unsigned bar)
{
    struct fn *f = config_find(0xe0 + 2 * vf);
    return f ? f->bar[bar].addr : 0;
}

static void test_enable(void)
{
    start();
    CU_ASSERT(!sriov_enable(pf, 0, &e) && !writes); /* nothing asked for */
    CU_ASSERT_EQUAL_FATAL(sriov_enable(pf, 3, &e), 0);
    CU_ASSERT_EQUAL(nr_fns, 6);
    CU_ASSERT((get(pf, CAP + PCI_IOV_CTRL, 2) & 9) == 9 && get(pf, CAP + PCI_IOV_NUMVF, 2) == 3 && sleeps == 1);
    /* the highest places beside the others' BARs and the bridge's window */
    CU_ASSERT(bar_of(0, 0) == 0xfebd4000 && bar_of(1, 0) == 0xfebd8000 && bar_of(2, 0) == 0xfebdc000);
    CU_ASSERT(bar_of(0, 3) == 0xfebc4000 && bar_of(2, 3) == 0xfebcc000);
    CU_ASSERT_EQUAL(get(pf, CAP + PCI_IOV_BAR_BASE, 4), 0xfebd400c);
    for (unsigned i = 0; i < 3; i++) {
        const struct fn *f = config_find(0xe0 + 2 * i);
        CU_ASSERT_FATAL(f != NULL);
        CU_ASSERT(f->pf == pf && f->vf_device == 0x10ca && f->owner == NO_OWNER && f->bar[0].flags == 0xc && f->bar[0].size == VF_SIZE && !f->bar[1].size);
    }
    sriov_disable(pf);
    CU_ASSERT(!(get(pf, CAP + PCI_IOV_CTRL, 2) & 9) && !config_find(0xe0) && !get(pf, CAP + PCI_IOV_NUMVF, 2) && !kept[0]);
    CU_ASSERT(!sriov_enable(pf, 1, &e) && config_find(0xe0) && !config_find(0xe2) && nr_fns == 6);
}

static void test_place(void)
{
    start();
    neighbour->bar[0] = (struct bar){.addr = 0xfeb00000, .size = 0x100000}; /* all between the window and the top */
    CU_ASSERT_EQUAL(sriov_enable(pf, 2, &e), 0);
    CU_ASSERT(bar_of(0, 0) == 0xfe8f8000 && bar_of(1, 0) == 0xfe8fc000); /* below the window */
    start();
    neighbour->bar[0] = (struct bar){.addr = 0xc0000000, .size = 0x40000000 - 0x1400000};
    CU_ASSERT_EQUAL(sriov_enable(pf, 2, &e), 0);
    CU_ASSERT_EQUAL(bar_of(0, 0), 0xb0000000 - 2 * VF_SIZE); /* below what the memory map has */
    start();
    neighbour->bar[0] = (struct bar){.addr = 0x80000000, .size = 0x80000000};
    CU_ASSERT(sriov_enable(pf, 2, &e) == -1 && strstr(e.text, "no room"));
    CU_ASSERT(!(get(pf, CAP + PCI_IOV_CTRL, 2) & 9) && !config_find(0xe0));
    start();
    put(pf, CAP + PCI_IOV_BAR_BASE, 4, 0xd000000c); /* firmware has placed it */
    CU_ASSERT(!sriov_enable(pf, 2, &e) && bar_of(1, 0) == 0xd0004000);
}

static void test_refuse(void)
{
    start();
    CU_ASSERT(sriov_enable(pf, 9, &e) == -1 && strstr(e.text, "at most 8"));
    CU_ASSERT(sriov_enable(neighbour, 1, &e) == -1 && strstr(e.text, "at most 0"));
    ram_entries = -1;
    CU_ASSERT(sriov_enable(pf, 1, &e) == -1 && strstr(e.text, "memory map"));
    ram_entries = 3;
    CU_ASSERT_EQUAL(writes, 0);
    pf->sbdf = 0x80; /* 00:10.0: the first would be 01:00.0 */
    CU_ASSERT(sriov_enable(pf, 1, &e) == -1 && strstr(e.text, "another bus"));
    CU_ASSERT(!(get(pf, CAP + PCI_IOV_CTRL, 2) & 9) && !get(pf, CAP + PCI_IOV_NUMVF, 2));
    pf->sbdf = 0x60;
    neighbour->sbdf = 0xe2;
    CU_ASSERT(sriov_enable(pf, 2, &e) == -1 && strstr(e.text, "where another function is"));
    CU_ASSERT(!(get(pf, CAP + PCI_IOV_CTRL, 2) & 9) && !config_find(0xe0));
}

/* While somebody owns one, they stay as they are. */
static void test_busy(void)
{
    start();
    CU_ASSERT(!sriov_enable(pf, 2, &e) && !sriov_busy(pf));
    config_find(0xe2)->owner = 5;
    unsigned before = writes;
    CU_ASSERT(sriov_busy(pf) && !sriov_enable(pf, 2, &e) && !sriov_enable(pf, 0, &e));
    CU_ASSERT(sriov_enable(pf, 3, &e) == -1 && strstr(e.text, "2 virtual functions are in use"));
    CU_ASSERT(sriov_enable(config_find(0xe0), 1, &e) == -1);
    CU_ASSERT(writes == before && (get(pf, CAP + PCI_IOV_CTRL, 2) & 9) == 9);
}

/* A pcid that starts again. */
static void test_adopt(void)
{
    start();
    CU_ASSERT_EQUAL(sriov_enable(pf, 3, &e), 0);
    nr_fns = 3;
    unsigned before = writes;
    CU_ASSERT(!sriov_start(&handles) && nr_fns == 6 && writes == before);
    CU_ASSERT(bar_of(2, 0) == 0xfebdc000 && bar_of(2, 3) == 0xfebcc000 && config_find(0xe4)->bar[3].size == VF_SIZE);
    nr_fns = 3;
    snprintf(kept, sizeof(kept), "4000 0 0 what");
    CU_ASSERT(!sriov_start(&handles) && nr_fns == 3);
    kept[0] = 0;
    CU_ASSERT(!sriov_start(&handles) && nr_fns == 3 && writes == before);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"enable and disable", test_enable},
        {"a place for their BARs", test_place},
        {"refusals", test_refuse},
        {"while one is owned", test_busy},
        {"after an earlier pcid", test_adopt},
        CU_TEST_INFO_NULL,
    };
    return suite_run("sriov", NULL, tests);
}
