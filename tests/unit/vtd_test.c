/* SPDX-License-Identifier: MIT */
/* The DMAR parser against good and hostile tables, and each encoder of vtd_regs.h against the specification's bit numbers. */
#include "hv/fake_hv.h"
#include "mem/dmar.h"
#include "mem/vtd_regs.h"
#include <stdlib.h>
#include <string.h>
#include "suite.h"

static uint8_t table[8192];
static unsigned used;
static struct dmar dmar;

/* A bridge 00:1c.0 with buses 3-5 below it, and 03:00.0 with bus 4 alone. */
uint8_t iommu_pci_read8(uint8_t bus, uint8_t devfn, uint8_t reg)
{
    if (bus == 0 && devfn == 0xe0)
        return reg == 0x19 ? 3 : 5;
    if (bus == 3 && devfn == 0)
        return 4;
    return 0xff;
}

static void start(void)
{
    memset(table, 0, sizeof(table));
    memcpy(table, "DMAR", 4);
    table[36] = 38;
    table[37] = 1;
    used = 48;
    fake_log_reset();
}

static void add(const void *bytes, unsigned n)
{
    if (n)
        memcpy(table + used, bytes, n);
    used += n;
}

/* Parses an exact copy on the heap, so that a read past the end is caught. */
static int parse(void)
{
    uint8_t *copy = malloc(used);
    memcpy(table + 4, &used, 4);
    memcpy(copy, table, used);
    int rc = dmar_parse(copy, &dmar);
    free(copy);
    return rc;
}

static void add_unit(uint8_t flags, uint16_t segment, uint64_t base, const uint8_t *scopes, unsigned n)
{
    uint8_t e[16] = {0, 0, (uint8_t)(16 + n), (uint8_t)((16 + n) >> 8), flags, 0, (uint8_t)segment};
    memcpy(e + 8, &base, 8);
    add(e, 16);
    add(scopes, n);
}

static const uint8_t endpoint[] = {1, 8, 0, 0, 0, 0, 2, 0};               /* 00:02.0 */
static const uint8_t bridge[] = {2, 8, 0, 0, 0, 0, 0x1c, 0};              /* 00:1c.0 and buses 3-5 */
static const uint8_t behind[] = {1, 12, 0, 0, 0, 0, 0x1c, 0, 0, 0, 5, 1}; /* 00:1c.0 -> 03:00.0 -> 04:05.1 */
static const uint8_t io_apic[] = {3, 8, 0, 0, 7, 0xff, 0, 0};

static void test_units(void)
{
    start();
    add_unit(0, 0, 0xfed91000, endpoint, sizeof(endpoint));
    add_unit(1, 0, 0xfed90000, io_apic, sizeof(io_apic));
    add("\7\0\6\0??", 6); /* a type that nobody knows */
    add_unit(0, 1, 0xfed92000, NULL, 0);
    CU_ASSERT_EQUAL(parse(), 0);
    CU_ASSERT(dmar.interrupts);
    CU_ASSERT_EQUAL(dmar.nr_units, 3);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x0010), 0); /* 00:02.0 */
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x0011), 1);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0xff00), 1);  /* the I/O APIC's scope names no function */
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x10010), -1); /* segment 1: not all of it, and no scope */
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x20010), -1);
    const struct dmar_scope *s = &dmar.scope[dmar.unit[1].scopes.first];
    CU_ASSERT(s->type == SCOPE_IOAPIC && s->id == 7 && s->bus == 0xff && s->devfn == 0);
}

static void test_bridges(void)
{
    start();
    add_unit(0, 0, 0xfed91000, bridge, sizeof(bridge));
    add_unit(0, 0, 0xfed92000, behind, sizeof(behind));
    CU_ASSERT_EQUAL(parse(), 0);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x00e0), 0);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x0310), 0);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x0500), 0);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x0600), -1);
    start();
    add_unit(0, 0, 0xfed92000, behind, sizeof(behind));
    CU_ASSERT_EQUAL(parse(), 0);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x0429), 0);
    CU_ASSERT_EQUAL(dmar_unit_of(&dmar, 0x0428), -1);
}

static void test_reserved(void)
{
    uint8_t r[24] = {1, 0, 32};
    uint64_t first = 0x7b800000, last = 0x7fffffff;
    memcpy(r + 8, &first, 8);
    memcpy(r + 16, &last, 8);
    start();
    add_unit(1, 0, 0xfed90000, NULL, 0);
    add(r, 24);
    add(endpoint, 8);
    CU_ASSERT_EQUAL(parse(), 0);
    CU_ASSERT_EQUAL(dmar.region[0].first, first);
    CU_ASSERT_EQUAL(dmar.region[0].last, last);
    CU_ASSERT(dmar_reserved(&dmar, 0x0010));
    CU_ASSERT(!dmar_reserved(&dmar, 0x0011));
    CU_ASSERT(!dmar_reserved(&dmar, 0x10010));
}

static void refuse(int error, const char *why)
{
    CU_ASSERT_EQUAL(parse(), error);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, why));
    start();
}

static void test_hostile(void)
{
    start();
    CU_ASSERT_EQUAL(parse(), -ENODEV);
    used = 40;
    refuse(-EINVAL, "too short");
    add("\0\0\0\0", 4); /* length 0 would never end */
    refuse(-EINVAL, "bad length 0");
    add("\0\0\3", 3);
    refuse(-EINVAL, "bad length");
    add("\0\0\x40\0????", 8); /* longer than the table */
    refuse(-EINVAL, "bad length 64");
    add("\0\0\10\0????", 8); /* no room for a unit */
    refuse(-EINVAL, "unit: length 8");
    add("\1\0\20\0????????????", 16);
    refuse(-EINVAL, "region: length 16");
    add_unit(1, 0, 0xfed90800, NULL, 0);
    refuse(-EINVAL, "register base");
    add_unit(1, 0, 0, NULL, 0);
    refuse(-EINVAL, "register base");
    add_unit(1, 0, 0xfed90000, NULL, 0);
    add_unit(1, 0, 0xfed90000, NULL, 0);
    refuse(-EINVAL, "two remapping units");
    for (uint64_t i = 1; i < 10; i++)
        add_unit(1, 0, i << 12, NULL, 0);
    refuse(-E2BIG, "more than 8");
}

static void test_hostile_scopes(void)
{
    static const uint8_t bad[][8] = {
        {1, 0, 0, 0, 0, 0, 2, 0}, {1, 6, 0, 0, 0, 0, 2, 0}, {1, 7, 0, 0, 0, 0, 2, 0}, {1, 10, 0, 0, 0, 0, 2, 0},
        {1, 8, 0, 0, 0, 0, 32, 0}, {1, 8, 0, 0, 0, 0, 0, 8}, {1, 255, 0, 0, 0, 0, 0, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        start();
        add_unit(0, 0, 0xfed90000, bad[i], 8);
        refuse(-EINVAL, "device scope");
    }
    add_unit(0, 0, 0xfed90000, endpoint, 5);
    refuse(-EINVAL, "device scope");
    add_unit(0, 3, 0xfed90000, bridge, sizeof(bridge)); /* only segment 0 can be followed */
    refuse(-EINVAL, "segment 3");
    static uint8_t many[129 * 8];
    for (unsigned i = 0; i < 129; i++)
        memcpy(many + 8 * i, endpoint, 8);
    add_unit(0, 0, 0xfed90000, many, sizeof(many));
    refuse(-E2BIG, "device scopes");
}

/* Every single byte of a good table changed to every value: no read past the end, no loop without end. */
static void test_every_byte(void)
{
    static uint8_t good[256];
    start();
    add_unit(0, 0, 0xfed91000, behind, sizeof(behind));
    add_unit(1, 0, 0xfed90000, io_apic, sizeof(io_apic));
    CU_ASSERT_EQUAL(parse(), 0);
    unsigned n = used, accepted = 0;
    memcpy(good, table, n);
    for (unsigned at = 48; at < n; at++)
        for (unsigned v = 0; v < 256; v++) {
            memcpy(table, good, n);
            table[at] = (uint8_t)v;
            fake_log_reset();
            used = n;
            int rc = parse();
            accepted += rc == 0;
            CU_ASSERT_FATAL(rc == 0 || rc == -EINVAL || rc == -ENODEV);
            CU_ASSERT_FATAL(rc != -EINVAL || fake_log[0]);
        }
    CU_ASSERT(accepted > 0);
}

static uint64_t bits(struct vtd_pair p, unsigned hi, unsigned lo)
{
    uint64_t v = lo >= 64 ? p.hi >> (lo - 64) : p.lo >> lo;
    return hi - lo == 63 ? v : v & ((1ull << (hi - lo + 1)) - 1);
}

static void test_tables(void)
{
    struct vtd_pair r = vtd_root_entry(mfn(0x12345));
    CU_ASSERT(bits(r, 0, 0) == 1 && bits(r, 63, 12) == 0x12345 && bits(r, 11, 1) == 0 && r.hi == 0);
    struct vtd_pair c = vtd_context_entry(mfn(0xabcde), 4, 0x1234);
    CU_ASSERT_EQUAL(bits(c, 0, 0), 1);            /* present */
    CU_ASSERT_EQUAL(bits(c, 1, 1), 0);            /* faults are recorded */
    CU_ASSERT_EQUAL(bits(c, 3, 2), 0);            /* untranslated requests only */
    CU_ASSERT_EQUAL(bits(c, 63, 12), 0xabcde);
    CU_ASSERT_EQUAL(bits(c, 66, 64), 2);          /* 48 bits, 4 levels */
    CU_ASSERT_EQUAL(bits(c, 87, 72), 0x1234);     /* domain id */
    CU_ASSERT_EQUAL(vtd_context_did(c), 0x1234);
    CU_ASSERT_EQUAL(bits(vtd_context_entry(mfn(1), 3, 1), 66, 64), 1); /* 39 bits */
}

static void test_irte(void)
{
    struct vtd_pair e = vtd_irte(0x55, 0x12, false, false, true, 0x0020);
    CU_ASSERT_EQUAL(bits(e, 0, 0), 1);
    CU_ASSERT_EQUAL(bits(e, 2, 2), 0);            /* physical destination */
    CU_ASSERT_EQUAL(bits(e, 4, 4), 0);            /* edge */
    CU_ASSERT_EQUAL(bits(e, 7, 5), 0);            /* fixed */
    CU_ASSERT_EQUAL(bits(e, 15, 15), 0);          /* not posted */
    CU_ASSERT_EQUAL(bits(e, 23, 16), 0x55);
    CU_ASSERT_EQUAL(bits(e, 63, 32), 0x1200);     /* xAPIC: bits 47:40 */
    CU_ASSERT_EQUAL(bits(e, 79, 64), 0x0020);
    CU_ASSERT_EQUAL(bits(e, 81, 80), 0);          /* all 16 bits compared */
    CU_ASSERT_EQUAL(bits(e, 83, 82), 1);          /* source-id verified */
    e = vtd_irte(0x55, 0x12345678, true, true, false, 0x0020);
    CU_ASSERT_EQUAL(bits(e, 63, 32), 0x12345678);
    CU_ASSERT_EQUAL(bits(e, 4, 4), 1);
    CU_ASSERT_EQUAL(bits(e, 83, 82), 0);
}

static void test_invalidations(void)
{
    struct vtd_pair d = vtd_inv_context(7, 0x0020);
    CU_ASSERT(bits(d, 3, 0) == 1 && bits(d, 5, 4) == 3 && bits(d, 31, 16) == 7 && bits(d, 47, 32) == 0x20 && bits(d, 49, 48) == 0);
    d = vtd_inv_context_all();
    CU_ASSERT(bits(d, 3, 0) == 1 && bits(d, 5, 4) == 1);
    d = vtd_inv_tlb_domain(7, true, true);
    CU_ASSERT(bits(d, 3, 0) == 2 && bits(d, 5, 4) == 2 && bits(d, 6, 6) == 1 && bits(d, 7, 7) == 1 && bits(d, 31, 16) == 7 && !d.hi);
    d = vtd_inv_tlb_pages(7, false, true, 0x1230, 4);
    CU_ASSERT(bits(d, 5, 4) == 3 && bits(d, 6, 6) == 1 && bits(d, 7, 7) == 0);
    CU_ASSERT(bits(d, 69, 64) == 4 && bits(d, 70, 70) == 0 && bits(d, 127, 76) == 0x1230);
    CU_ASSERT(bits(vtd_inv_tlb_all(false, false), 5, 4) == 1);
    d = vtd_inv_irte(0x123);
    CU_ASSERT(bits(d, 3, 0) == 4 && bits(d, 4, 4) == 1 && bits(d, 31, 27) == 0 && bits(d, 47, 32) == 0x123);
    CU_ASSERT(vtd_inv_irte_all().lo == 4);
    d = vtd_inv_wait(0xdeadbeef, 0x12345678);
    CU_ASSERT(bits(d, 3, 0) == 5 && bits(d, 4, 4) == 0 && bits(d, 5, 5) == 1 && bits(d, 6, 6) == 1);
    CU_ASSERT(bits(d, 63, 32) == 0xdeadbeef && d.hi == 0x12345678);
}

static void test_cover(void)
{
    CU_ASSERT_EQUAL(vtd_cover(5, 1), 0);
    CU_ASSERT_EQUAL(vtd_cover(4, 2), 1);
    CU_ASSERT_EQUAL(vtd_cover(5, 2), 2); /* 4-7 */
    CU_ASSERT_EQUAL(vtd_cover(7, 2), 4); /* 0-15 */
    CU_ASSERT_EQUAL(vtd_cover(512, 512), 9);
    for (unsigned n = 0; n < 10000; n++) {
        uint64_t page = (uint64_t)rand() % 5000, count = 1 + (uint64_t)rand() % 700;
        unsigned m = vtd_cover(page, count);
        CU_ASSERT_FATAL(page >> m << m <= page && (page >> m << m) + (1ull << m) >= page + count);
    }
}

static void test_capabilities(void)
{
    uint64_t cap = 0xd2008c22260206; /* QEMU 7.2's unit, 39 bits wide */
    CU_ASSERT_EQUAL(vtd_cap_domains(cap), 65536);
    CU_ASSERT(vtd_cap_levels(cap, 3) && !vtd_cap_levels(cap, 4));
    CU_ASSERT(vtd_cap_levels(0xd2008c222f0606, 4)); /* the same with aw-bits=48 */
    CU_ASSERT_EQUAL(vtd_cap_fault_offset(cap), 0x220);
    CU_ASSERT_EQUAL(vtd_cap_nr_faults(cap), 1);
    CU_ASSERT_EQUAL(vtd_cap_max_mask(cap), 0x12);
    CU_ASSERT_EQUAL(vtd_cap_large(cap), 3);
    CU_ASSERT(vtd_cap_page_selective(cap) && vtd_cap_drain_read(cap) && vtd_cap_drain_write(cap));
    CU_ASSERT(!vtd_cap_caching_mode(cap) && !vtd_cap_write_buffer(cap) && !vtd_cap_protected_mem(cap));
    uint64_t ecap = 0xf00f4a;
    CU_ASSERT(vtd_ecap_queue(ecap) && vtd_ecap_interrupts(ecap) && !vtd_ecap_x2apic(ecap) && !vtd_ecap_coherent(ecap));
    CU_ASSERT(vtd_ecap_queue(2) && vtd_ecap_interrupts(8) && vtd_ecap_x2apic(16) && vtd_ecap_coherent(1));
}

static void test_faults(void)
{
    struct vtd_pair f = {0x12345000, 1ull << 63 | 1ull << 62 | 6ull << 32 | 0x0020};
    CU_ASSERT(vtd_fault_valid(f) && vtd_fault_read(f) && !vtd_fault_interrupt(f));
    CU_ASSERT_EQUAL(vtd_fault_reason(f), 6);
    CU_ASSERT_EQUAL(vtd_fault_source(f), 0x20);
    CU_ASSERT_EQUAL(vtd_fault_address(f), 0x12345000);
    f = (struct vtd_pair){0x0123ull << 48, 1ull << 63 | 0x26ull << 32 | 0x0020};
    CU_ASSERT(vtd_fault_interrupt(f));
    CU_ASSERT_EQUAL(vtd_fault_address(f), 0x123);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"DMAR: units", test_units},
        {"DMAR: bridges", test_bridges},
        {"DMAR: reserved regions", test_reserved},
        {"DMAR: hostile structures", test_hostile},
        {"DMAR: hostile scopes", test_hostile_scopes},
        {"DMAR: every byte changed", test_every_byte},
        {"root and context entries", test_tables},
        {"interrupt entries", test_irte},
        {"invalidation descriptors", test_invalidations},
        {"invalidation masks", test_cover},
        {"capabilities", test_capabilities},
        {"fault records", test_faults},
        CU_TEST_INFO_NULL,
    };
    return suite_run("vtd", NULL, tests);
}
