/* SPDX-License-Identifier: MIT */
/*
 * The fixed data out of the ACPI tables (ACPI 6.4 chapter 5): RSDP, RSDT or XSDT, MADT, MCFG, DMAR, HPET, FADT, and the
 * package \_S5_ that a scan of the DSDT, or of the SSDTs, finds; no AML is interpreted.
 * Firmware is not trusted to be right: each pointer is checked against what is mapped, each length against its container,
 * each table against its checksum. A table that fails is named in the log and left out.
 */
#include "boot/boot.h"
#include "lib/log.h"
#include "lib/machine.h"
#include "lib/string.h"
#include "lib/x86.h"

struct acpi_info acpi_info;

#define HEADER 36u               /* bytes of the common table header */
#define MAX_TABLE (16u << 20)    /* no real table is larger */
#define FADT_RESET_SUPPORTED BIT(10)
#define FADT_TIMER_32BIT BIT(8)

static uint16_t get16(const uint8_t *p) { uint16_t v; memcpy(&v, p, sizeof(v)); return v; }
static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, sizeof(v)); return v; }
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, sizeof(v)); return v; }

/* The direct map holds the first 4 GiB and all RAM. NULL when [a, a + len) leaves it. */
static const uint8_t *mapped(uint64_t a, uint64_t len)
{
    if (!a || a + len < a)
        return NULL;
    if (a + len <= BIT(32))
        return mpa_to_virt(mpa(a));
    for (unsigned i = 0; i < boot_info.nr_ram; i++)
        if (a >= boot_info.ram[i].start && a + len <= boot_info.ram[i].end)
            return mpa_to_virt(mpa(a));
    return NULL;
}

static bool sum_is_zero(const uint8_t *p, uint32_t len)
{
    uint8_t sum = 0;
    while (len--)
        sum += *p++;
    return sum == 0;
}

/* A whole table with a good checksum at address `a`, or NULL (said in the log). */
static const uint8_t *table_at(uint64_t a)
{
    const uint8_t *t = mapped(a, HEADER);
    if (!t) {
        log_warn("ACPI: table address %#lx is not mapped memory: ignored", (unsigned long)a);
        return NULL;
    }
    uint32_t len = get32(t + 4);
    if (len < HEADER || len > MAX_TABLE || !mapped(a, len)) {
        log_warn("ACPI: table %.4s at %#lx: bad length %u: ignored", (const char *)t, (unsigned long)a, len);
        return NULL;
    }
    if (!sum_is_zero(t, len)) {
        log_warn("ACPI: table %.4s at %#lx: bad checksum: ignored", (const char *)t, (unsigned long)a);
        return NULL;
    }
    return t;
}

static bool rsdp_valid(const uint8_t *p)
{
    return p && !memcmp(p, "RSD PTR ", 8) && sum_is_zero(p, 20);
}

/* 5.2.5.1: on a 16-byte boundary in the first KiB of the extended BIOS data area, or in E0000h-FFFFFh. */
static const uint8_t *rsdp_find(void)
{
    if (boot_info.rsdp) {
        const uint8_t *p = mapped(boot_info.rsdp, HEADER); /* of a 2.0 root pointer: also 36 bytes */
        return rsdp_valid(p) ? p : NULL;
    }
    uint64_t ebda = (uint64_t)get16(mapped(0x40e, 2)) << 4;
    if (ebda >= 0x400 && ebda < 0xa0000)
        for (uint64_t a = ebda; a < ebda + 1024; a += 16)
            if (rsdp_valid(mapped(a, 20)))
                return mapped(a, 20);
    for (uint64_t a = 0xe0000; a < 0x100000; a += 16)
        if (rsdp_valid(mapped(a, 20)))
            return mapped(a, 20);
    return NULL;
}

static void add_cpu(uint32_t id, uint32_t flags)
{
    struct acpi_info *i = &acpi_info;
    if (!(flags & 1)) /* not enabled */
        return;
    for (unsigned n = 0; n < i->nr_cpus; n++)
        if (i->apic_id[n] == id)
            return;
    if (i->nr_cpus == MAX_CPUS) {
        log_warn("ACPI: MADT: more than %u CPUs: APIC id %u is left out", MAX_CPUS, id);
        return;
    }
    unsigned at = i->nr_cpus++;
    for (; at && i->apic_id[at - 1] > id; at--) /* in order, so that CPUs are numbered depth first (cpu/topology.h) */
        i->apic_id[at] = i->apic_id[at - 1];
    i->apic_id[at] = id;
}

static void add_ioapic(uint8_t id, uint32_t address, uint32_t gsi_base)
{
    struct acpi_info *i = &acpi_info;
    if (i->nr_ioapic == ARRAY_SIZE(i->ioapic)) {
        log_warn("ACPI: MADT: too many I/O APICs: id %u is left out", id);
        return;
    }
    i->ioapic[i->nr_ioapic].id = id;
    i->ioapic[i->nr_ioapic].address = address;
    i->ioapic[i->nr_ioapic++].gsi_base = gsi_base;
}

/* 5.2.12.5: polarity in bits 0-1 (3 = low), trigger in bits 2-3 (3 = level); "as the bus" is high and edge for ISA. */
static void add_override(uint8_t source, uint32_t gsi, uint16_t flags)
{
    if (source >= ARRAY_SIZE(acpi_info.isa)) {
        log_warn("ACPI: MADT: override of ISA interrupt %u: ignored", source);
        return;
    }
    acpi_info.isa[source].gsi = gsi;
    acpi_info.isa[source].low = (flags & 3) == 3;
    acpi_info.isa[source].level = (flags >> 2 & 3) == 3;
}

static void parse_madt(const uint8_t *t)
{
    uint32_t len = get32(t + 4);
    for (uint32_t at = 44; at + 2 <= len; at += t[at + 1]) {
        const uint8_t *e = t + at;
        if (e[1] < 2 || e[1] > len - at) {
            log_warn("ACPI: MADT: entry at %u (type %u): bad length %u: the rest is ignored", at, e[0], e[1]);
            return;
        }
        if (e[0] == 0 && e[1] >= 8)
            add_cpu(e[3], get32(e + 4));
        else if (e[0] == 1 && e[1] >= 12)
            add_ioapic(e[2], get32(e + 4), get32(e + 8));
        else if (e[0] == 2 && e[1] >= 10)
            add_override(e[3], get32(e + 4), get16(e + 8));
        else if (e[0] == 9 && e[1] >= 16)
            add_cpu(get32(e + 4), get32(e + 8));
    }
}

/* PCI firmware specification 4.1.2: allocations of 16 bytes from offset 44; segment 0 from bus 0 is the one kept. */
static void parse_mcfg(const uint8_t *t)
{
    uint32_t len = get32(t + 4);
    for (uint32_t at = 44; at + 16 <= len; at += 16)
        if (get16(t + at + 8) == 0 && t[at + 10] == 0) {
            machine.mcfg_base = get64(t + at);
            machine.mcfg_buses = mapped(machine.mcfg_base, (t[at + 11] + 1ull) << 20) ? t[at + 11] + 1u : 0;
            return;
        }
}

static void parse_hpet(const uint8_t *t)
{
    if (get32(t + 4) < 52 || t[40] != SPACE_MEMORY)
        return;
    uint64_t a = get64(t + 44);
    if (mapped(a, 1024))
        acpi_info.hpet = a;
    else
        log_warn("ACPI: HPET: address %#lx is not mapped: ignored", (unsigned long)a);
}

/* 20.2.4: a package length is 1 to 4 bytes; bits 6-7 of the first say how many follow. */
static const uint8_t *skip_pkg_length(const uint8_t *p, const uint8_t *end)
{
    return p < end && (unsigned)(end - p) > 1u + (*p >> 6) ? p + 1 + (*p >> 6) : NULL;
}

/* A small AML integer: ZeroOp, OneOp, OnesOp or BytePrefix (20.2.3). -1 for anything else. */
static int small_integer(const uint8_t **p, const uint8_t *end)
{
    if (*p >= end)
        return -1;
    uint8_t op = *(*p)++;
    if (op == 0x00 || op == 0x01)
        return op;
    if (op == 0x0a && *p < end)
        return *(*p)++;
    return -1;
}

static bool s5_found;

/* Name (\_S5_, Package () {type for PM1a, type for PM1b, ...}): 7.4.2. */
static bool parse_s5(const uint8_t *t)
{
    const uint8_t *end = t + get32(t + 4);
    for (const uint8_t *p = t + HEADER + 1; p + 6 < end; p++) {
        if (memcmp(p, "_S5_", 4) || p[4] != 0x12)
            continue;
        if (p[-1] != 0x08 && !(p[-1] == '\\' && p[-2] == 0x08))
            continue;
        const uint8_t *q = skip_pkg_length(p + 5, end);
        if (!q || *q++ < 1)
            continue;
        int a = small_integer(&q, end), b = small_integer(&q, end);
        if (a < 0 || a > 7)
            continue;
        machine.s5_type_a = (uint8_t)a;
        machine.s5_type_b = b < 0 || b > 7 ? 0 : (uint8_t)b;
        return true;
    }
    return false;
}

static void parse_reset_register(const uint8_t *t)
{
    uint8_t space = t[116];
    uint64_t a = get64(t + 120);
    if (!(get32(t + 112) & FADT_RESET_SUPPORTED))
        return;
    if (space > SPACE_PCI || (space == SPACE_IO && a > 0xffff) || (space == SPACE_MEMORY && !mapped(a, 1))) {
        log_warn("ACPI: FADT: reset register in space %u at %#lx: ignored", space, (unsigned long)a);
        return;
    }
    machine.reset_space = space;
    machine.reset_addr = a;
    machine.reset_value = t[128];
}

/* A register block: the extended (generic address) form when the table has it and it names a port, else the old field. */
static uint16_t fadt_port(const uint8_t *t, unsigned old, unsigned extended)
{
    uint64_t x = get32(t + 4) >= extended + 12 && t[extended] == SPACE_IO ? get64(t + extended + 4) : 0;
    uint64_t port = x ? x : get32(t + old);
    return port <= 0xfffc ? (uint16_t)port : 0;
}

static void parse_fadt(const uint8_t *t)
{
    uint32_t len = get32(t + 4);
    if (len < 116) {
        log_warn("ACPI: FADT: %u bytes are too few: ignored", len);
        return;
    }
    machine.pm1a_cnt = fadt_port(t, 64, 172);
    machine.pm1b_cnt = fadt_port(t, 68, 184);
    if (t[91] == 4) {
        acpi_info.pm_timer_port = fadt_port(t, 76, 208);
        acpi_info.pm_timer_32bit = get32(t + 112) & FADT_TIMER_32BIT;
    }
    machine.smi_cmd = get32(t + 48) <= 0xffff ? (uint16_t)get32(t + 48) : 0;
    machine.acpi_enable = t[52];
    if (len >= 129)
        parse_reset_register(t);
    uint64_t x_dsdt = len >= 148 ? get64(t + 140) : 0;
    const uint8_t *dsdt = table_at(x_dsdt ? x_dsdt : get32(t + 40));
    if (dsdt && !memcmp(dsdt, "DSDT", 4) && parse_s5(dsdt)) /* whatever an SSDT has said */
        s5_found = true;
}

static void parse_ssdt(const uint8_t *t)
{
    if (!s5_found)
        s5_found = parse_s5(t);
}

static void parse_dmar(const uint8_t *t) { acpi_info.dmar = t; }

static const struct { char signature[5]; void (*parse)(const uint8_t *t); } parsers[] = {
    {"APIC", parse_madt}, {"MCFG", parse_mcfg}, {"HPET", parse_hpet}, {"FACP", parse_fadt}, {"DMAR", parse_dmar},
    {"SSDT", parse_ssdt},
};

/* Tables are taken in the order of the root table; of two with one signature the first counts, but of SSDTs there are many. */
static void parse_tables(const uint8_t *root, unsigned entry_size)
{
    unsigned seen = 0;
    uint32_t len = get32(root + 4);
    for (uint32_t at = HEADER; at + entry_size <= len; at += entry_size) {
        uint64_t a = entry_size == 8 ? get64(root + at) : get32(root + at);
        const uint8_t *t = table_at(a);
        for (unsigned i = 0; t && i < ARRAY_SIZE(parsers); i++)
            if (!memcmp(t, parsers[i].signature, 4) && !(seen & BIT(i))) {
                seen |= parsers[i].parse == parse_ssdt ? 0 : (unsigned)BIT(i);
                parsers[i].parse(t);
            }
    }
}

/* Fills acpi_info and machine. -ENODEV without a root table or without a CPU in it. */
int acpi_init(void)
{
    memset(&acpi_info, 0, sizeof(acpi_info));
    machine = (struct machine){.cmdline = machine.cmdline, .ram_end = machine.ram_end};
    for (unsigned i = 0; i < ARRAY_SIZE(acpi_info.isa); i++)
        acpi_info.isa[i].gsi = i;
    const uint8_t *rsdp = rsdp_find();
    if (!rsdp) {
        log_error("ACPI: no root pointer found");
        return -ENODEV;
    }
    const uint8_t *root = NULL;
    unsigned entry_size = 8;
    if (rsdp[15] >= 2 && sum_is_zero(rsdp, 36) && get64(rsdp + 24))
        root = table_at(get64(rsdp + 24));
    if (!root) {
        entry_size = 4;
        root = table_at(get32(rsdp + 16));
    }
    if (!root || memcmp(root, entry_size == 8 ? "XSDT" : "RSDT", 4)) {
        log_error("ACPI: no usable RSDT or XSDT");
        return -ENODEV;
    }
    s5_found = false;
    parse_tables(root, entry_size);
    if (!s5_found) {
        log_warn("ACPI: no \\_S5_ in the DSDT or an SSDT: the machine cannot be powered off");
        machine.pm1a_cnt = machine.pm1b_cnt = 0;
    }
    log_info("ACPI: %u CPUs, %u I/O APICs, HPET %#lx, PM timer port %#x, %s DMAR", acpi_info.nr_cpus, acpi_info.nr_ioapic,
             (unsigned long)acpi_info.hpet, acpi_info.pm_timer_port, acpi_info.dmar ? "with" : "no");
    return acpi_info.nr_cpus ? 0 : -ENODEV;
}
