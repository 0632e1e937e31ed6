/* SPDX-License-Identifier: MIT */
/* boot/acpi.c on handmade tables: what is read from good ones, and that bad ones are named and left out. */
#include "boot/boot.h"
#include "lib/machine.h"
#include "lib/time.h"
#include "hv/fake_hv.h"
#include <string.h>
#include "suite.h"

struct boot_info boot_info;
uint64_t now_ns(void) { return 0; } /* for switching the machine off, which no test does */

static uint8_t area[16384] __attribute__((aligned(16)));
static unsigned used;
static uint64_t roots[16];
static unsigned nr_roots;

static uint64_t phys(const void *p) { return (uint64_t)p - DIRECT_MAP; }

static void fix_sum(uint8_t *t, unsigned len, unsigned at)
{
    uint8_t sum = 0;
    t[at] = 0;
    for (unsigned i = 0; i < len; i++)
        sum += t[i];
    t[at] = (uint8_t)-sum;
}

static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static void put64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

static uint8_t *new_table(const char *signature, unsigned len)
{
    uint8_t *t = area + used;
    used += (len + 15) & ~15u;
    memset(t, 0, len);
    memcpy(t, signature, 4);
    put32(t + 4, len);
    return t;
}

static void finish(uint8_t *t, bool root)
{
    uint32_t len;
    memcpy(&len, t + 4, 4);
    fix_sum(t, len, 9);
    if (root)
        roots[nr_roots++] = phys(t);
}

static void start(void)
{
    memset(area, 0xcc, sizeof(area));
    used = nr_roots = 0;
    memset(&boot_info, 0, sizeof(boot_info));
    boot_info.ram[0] = (struct mem_range){phys(area), phys(area) + sizeof(area)};
    boot_info.nr_ram = 1;
    fake_log_reset();
}

/* Writes XSDT and RSDP behind the tables and runs the parser. */
static int run(void)
{
    uint8_t *x = new_table("XSDT", 36 + 8 * nr_roots);
    for (unsigned i = 0; i < nr_roots; i++)
        put64(x + 36 + 8 * i, roots[i]);
    finish(x, false);
    uint8_t *r = area + used;
    memset(r, 0, 48);
    memcpy(r, "RSD PTR ", 8);
    r[15] = 2;
    put32(r + 20, 36);
    put64(r + 24, phys(x));
    fix_sum(r, 20, 8);
    fix_sum(r, 36, 32);
    boot_info.rsdp = phys(r);
    return acpi_init();
}

static const uint8_t two_cpus[] = {
    0, 8, 0, 0, 1, 0, 0, 0,                          /* APIC id 0 */
    0, 8, 1, 2, 1, 0, 0, 0,                          /* 2 */
    0, 8, 2, 3, 0, 0, 0, 0,                          /* 3, disabled */
    9, 16, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* 2 again, x2APIC form */
    9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* 256 */
    1, 12, 5, 0, 0, 0, 0xc0, 0xfe, 24, 0, 0, 0,      /* I/O APIC 5, base 24 */
    2, 10, 0, 0, 2, 0, 0, 0, 0, 0,                   /* ISA 0 -> GSI 2 */
    2, 10, 0, 9, 9, 0, 0, 0, 0x0f, 0,                /* ISA 9: level, low */
    2, 10, 0, 77, 9, 0, 0, 0, 0x0f, 0,               /* no such ISA interrupt */
};

static void add_madt(const uint8_t *entries, unsigned n)
{
    uint8_t *t = new_table("APIC", 44 + n);
    memcpy(t + 44, entries, n);
    finish(t, true);
}

static void test_madt(void)
{
    start();
    add_madt(two_cpus, sizeof(two_cpus));
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_EQUAL(acpi_info.nr_cpus, 3);
    CU_ASSERT_EQUAL(acpi_info.apic_id[1], 2);
    CU_ASSERT_EQUAL(acpi_info.apic_id[2], 256);
    CU_ASSERT_EQUAL(acpi_info.nr_ioapic, 1);
    CU_ASSERT_EQUAL(acpi_info.ioapic[0].id, 5);
    CU_ASSERT_EQUAL(acpi_info.ioapic[0].address, 0xfec00000);
    CU_ASSERT_EQUAL(acpi_info.ioapic[0].gsi_base, 24);
    CU_ASSERT_EQUAL(acpi_info.isa[0].gsi, 2);
    CU_ASSERT(!acpi_info.isa[0].level && !acpi_info.isa[0].low);
    CU_ASSERT(acpi_info.isa[9].level && acpi_info.isa[9].low);
    CU_ASSERT_EQUAL(acpi_info.isa[4].gsi, 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "ISA interrupt 77"));
}

static void test_madt_bad_lengths(void)
{
    static const uint8_t bad[][4] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 9, 0, 0}, {1, 255, 0, 0}};
    for (unsigned i = 0; i < 4; i++) {
        uint8_t e[12];
        memcpy(e, two_cpus, 8);
        memcpy(e + 8, bad[i], 4);
        start();
        add_madt(e, sizeof(e));
        CU_ASSERT_EQUAL(run(), 0);
        CU_ASSERT_EQUAL(acpi_info.nr_cpus, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "bad length"));
    }
    start();
    add_madt(two_cpus, 0);
    CU_ASSERT_EQUAL(run(), -ENODEV); /* no CPU */
}

static void test_too_many(void)
{
    static uint8_t e[80 * 8 + 12 * 12];
    memset(e, 0, sizeof(e));
    for (unsigned i = 0; i < 80; i++)
        memcpy(e + i * 8, (uint8_t[]){0, 8, 0, (uint8_t)i, 1, 0, 0, 0}, 8);
    for (unsigned i = 0; i < 12; i++)
        memcpy(e + 640 + i * 12, (uint8_t[]){1, 12, (uint8_t)i, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}, 12);
    start();
    add_madt(e, sizeof(e));
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_EQUAL(acpi_info.nr_cpus, MAX_CPUS);
    CU_ASSERT_EQUAL(acpi_info.nr_ioapic, 8);
}

/* A FADT of revision 6 with `aml` behind the header of its DSDT. */
static uint8_t *add_fadt(const uint8_t *aml, unsigned n)
{
    uint8_t *d = new_table("DSDT", 36 + n);
    memcpy(d + 36, aml, n);
    finish(d, false);
    uint8_t *t = new_table("FACP", 268);
    put32(t + 64, 0x604);
    put32(t + 76, 0x608);
    t[91] = 4;
    put32(t + 112, 1 << 10 | 1 << 8);
    t[116] = 1;
    put64(t + 120, 0xcf9);
    t[128] = 6;
    put64(t + 140, phys(d));
    finish(t, true);
    return t;
}

static const uint8_t s5[] = {0x10, 0x20, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x00, 0x00, 0x00};

static void test_fadt(void)
{
    start();
    add_madt(two_cpus, 8);
    add_fadt(s5, sizeof(s5));
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_EQUAL(machine.pm1a_cnt, 0x604);
    CU_ASSERT_EQUAL(machine.s5_type_a, 5);
    CU_ASSERT_EQUAL(acpi_info.pm_timer_port, 0x608);
    CU_ASSERT(acpi_info.pm_timer_32bit);
    CU_ASSERT_EQUAL(machine.reset_space, 1);
    CU_ASSERT_EQUAL(machine.reset_addr, 0xcf9);
    CU_ASSERT_EQUAL(machine.reset_value, 6);
}

static void test_extended_blocks(void)
{
    start();
    add_madt(two_cpus, 8);
    uint8_t *t = add_fadt(s5, sizeof(s5));
    t[172] = 1;
    put64(t + 176, 0xb004);
    t[208] = 1;
    put64(t + 212, 0x123456789); /* no port: no timer */
    finish(t, false);
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_EQUAL(machine.pm1a_cnt, 0xb004);
    CU_ASSERT_EQUAL(acpi_info.pm_timer_port, 0);
}

static void add_ssdt(const uint8_t *aml, unsigned n)
{
    uint8_t *d = new_table("SSDT", 36 + n);
    memcpy(d + 36, aml, n);
    finish(d, true);
}

/* In the second of two SSDTs, before or behind the FADT; the DSDT's own counts before theirs. */
static void test_s5_in_ssdt(void)
{
    static const uint8_t nothing[] = {0x10, 0x20, 0x08, 'A', 'B', 'C', '_', 0x00};
    static const uint8_t seven[] = {0x10, 0x20, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x07, 0x00, 0x00, 0x00};
    for (unsigned order = 0; order < 3; order++) {
        start();
        add_madt(two_cpus, 8);
        if (order == 0)
            add_fadt(nothing, sizeof(nothing));
        add_ssdt(nothing, sizeof(nothing));
        add_ssdt(seven, sizeof(seven));
        if (order == 1)
            add_fadt(nothing, sizeof(nothing));
        if (order == 2)
            add_fadt(s5, sizeof(s5));
        CU_ASSERT_EQUAL(run(), 0);
        CU_ASSERT_EQUAL(machine.pm1a_cnt, 0x604);
        CU_ASSERT_EQUAL(machine.s5_type_a, order == 2 ? 5 : 7);
    }
}

static void test_s5_truncated(void)
{
    for (unsigned n = 1; n < 12; n++) { /* cut before the value: never found, never read past the end */
        start();
        add_madt(two_cpus, 8);
        add_fadt(s5, n);
        CU_ASSERT_EQUAL(run(), 0);
        CU_ASSERT_EQUAL(machine.pm1a_cnt, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "_S5_"));
    }
    static const uint8_t longer[] = {0x08, '\\', '_', 'S', '5', '_', 0x12, 0xc6, 0x00, 0x00, 0x00, 0x04, 0x01, 0x0a, 0x07};
    start();
    add_madt(two_cpus, 8);
    add_fadt(longer, sizeof(longer));
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_EQUAL(machine.s5_type_a, 1);
    CU_ASSERT_EQUAL(machine.pm1a_cnt, 0x604);
}

static void test_small_tables(void)
{
    start();
    add_madt(two_cpus, 8);
    uint8_t *m = new_table("MCFG", 60);
    put64(m + 44, 0xb0000000);
    m[55] = 255;
    finish(m, true);
    uint8_t *h = new_table("HPET", 56);
    put64(h + 44, 0xfed00000);
    finish(h, true);
    uint8_t *d = new_table("DMAR", 48);
    finish(d, true);
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_EQUAL(machine.mcfg_base, 0xb0000000);
    CU_ASSERT_EQUAL(acpi_info.hpet, 0xfed00000);
    CU_ASSERT_PTR_EQUAL(acpi_info.dmar, d);
}

static void test_bad_tables(void)
{
    start();
    add_madt(two_cpus, 8);
    uint8_t *d = new_table("DMAR", 48); /* checksum */
    finish(d, true);
    d[40] ^= 1;
    uint8_t *m = new_table("MCFG", 60); /* longer than what is mapped */
    put64(m + 44, 0xb0000000);
    put32(m + 4, sizeof(area));
    roots[nr_roots++] = phys(m);
    uint8_t *h = new_table("HPET", 56); /* shorter than a header */
    put32(h + 4, 35);
    roots[nr_roots++] = phys(h);
    roots[nr_roots++] = 0;
    roots[nr_roots++] = ~0ull;
    roots[nr_roots++] = phys(area + sizeof(area) - 8);
    CU_ASSERT_EQUAL(run(), 0);
    CU_ASSERT_PTR_NULL(acpi_info.dmar);
    CU_ASSERT_EQUAL(machine.mcfg_base, 0);
    CU_ASSERT_EQUAL(acpi_info.hpet, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "table DMAR"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "table MCFG"));
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "not mapped"));
}

static void test_bad_root(void)
{
    start();
    boot_info.rsdp = phys(area); /* no signature */
    CU_ASSERT_EQUAL(acpi_init(), -ENODEV);
    boot_info.rsdp = 0x123400000000; /* not mapped */
    CU_ASSERT_EQUAL(acpi_init(), -ENODEV);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"MADT", test_madt},
        {"MADT entries of bad length", test_madt_bad_lengths},
        {"more CPUs and I/O APICs than we keep", test_too_many},
        {"FADT", test_fadt},
        {"FADT with extended blocks", test_extended_blocks},
        {"S5 in an SSDT", test_s5_in_ssdt}, {"S5 cut short", test_s5_truncated},
        {"MCFG, HPET, DMAR", test_small_tables},
        {"bad tables are left out", test_bad_tables},
        {"bad root pointer", test_bad_root},
        CU_TEST_INFO_NULL,
    };
    return suite_run("acpi", NULL, tests);
}
