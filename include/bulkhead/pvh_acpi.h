/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables of a PVH domain: RSDP, XSDT, FADT (hardware-reduced), an empty DSDT and a MADT.
 *
 * Used by the toolstack's domain builder and by the hypervisor's builder of the first domain, so that both
 * describe the same machine. Freestanding: no header but <stdint.h>, no call but memset and memcpy.
 * Tables: ACPI specification 6.4, sections 5.2.5 (RSDP), 5.2.8 (XSDT), 5.2.9 (FADT), 5.2.11 (DSDT), 5.2.12 (MADT).
 */
#ifndef BULKHEAD_PVH_ACPI_H
#define BULKHEAD_PVH_ACPI_H
#include <stdint.h>

#define PVH_ACPI_LAPIC_BASE 0xfee00000u
#define PVH_ACPI_MAX_VCPUS 4096u

/* Room the tables of nr_vcpus need, in bytes (an upper bound). */
#define PVH_ACPI_SIZE(nr_vcpus) (64u + 64u + 320u + 64u + 64u + 16u * (nr_vcpus))

struct pvh_acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed));

struct pvh_acpi_rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum; /* of the whole structure */
    uint8_t reserved[3];
} __attribute__((packed));

struct pvh_acpi_xsdt {
    struct pvh_acpi_header h;
    uint64_t entry[2]; /* FADT, MADT */
} __attribute__((packed));

/* FADT revision 6, minor 0: everything that hardware-reduced ACPI leaves out stays zero. */
struct pvh_acpi_fadt {
    struct pvh_acpi_header h;
    uint32_t firmware_ctrl;
    uint32_t dsdt;
    uint8_t legacy[61];      /* offsets 44..104: SMI, PM blocks, C-state latencies, RTC */
    uint8_t legacy_2[4];     /* 105..108 */
    uint16_t boot_arch;      /* 109 */
    uint8_t reserved;        /* 111 */
    uint32_t flags;          /* 112 */
    uint8_t reset[16];       /* 116..131: reset register, value, ARM flags, minor version */
    uint64_t x_firmware_ctrl; /* 132 */
    uint64_t x_dsdt;         /* 140 */
    uint8_t x_blocks[96];    /* 148..243: eight generic addresses */
    uint8_t sleep[24];       /* 244..267: sleep control and status registers */
    uint64_t hypervisor_id;  /* 268 */
} __attribute__((packed));

struct pvh_acpi_madt {
    struct pvh_acpi_header h;
    uint32_t lapic;
    uint32_t flags;
} __attribute__((packed));

struct pvh_acpi_madt_lapic { /* type 0 */
    uint8_t type, length, uid, apic_id;
    uint32_t flags;
} __attribute__((packed));

struct pvh_acpi_madt_x2apic { /* type 9 */
    uint8_t type, length;
    uint16_t reserved;
    uint32_t apic_id, flags, uid;
} __attribute__((packed));

_Static_assert(sizeof(struct pvh_acpi_header) == 36, "ACPI header");
_Static_assert(sizeof(struct pvh_acpi_rsdp) == 36, "RSDP");
_Static_assert(sizeof(struct pvh_acpi_fadt) == 276, "FADT");
_Static_assert(sizeof(struct pvh_acpi_madt) == 44, "MADT");

#define PVH_ACPI_FADT_NO_VGA (1u << 2)      /* boot_arch */
#define PVH_ACPI_FADT_NO_CMOS (1u << 5)     /* boot_arch */
#define PVH_ACPI_FADT_HW_REDUCED (1u << 20) /* flags */

/* APIC id of a virtual CPU; the hypervisor's virtual local APIC uses the same rule. */
static inline uint32_t pvh_acpi_apic_id(unsigned vcpu)
{
    return 2u * vcpu;
}

static inline uint8_t pvh_acpi_sum(const void *p, unsigned size)
{
    const uint8_t *byte = (const uint8_t *)p;
    uint8_t sum = 0;
    for (unsigned i = 0; i < size; i++)
        sum = (uint8_t)(sum + byte[i]);
    return (uint8_t)(0u - sum);
}

static inline void pvh_acpi_start(struct pvh_acpi_header *h, const char *signature, uint8_t revision)
{
    __builtin_memcpy(h->signature, signature, 4);
    h->revision = revision;
    __builtin_memcpy(h->oem_id, "BULKHD", 6);
    __builtin_memcpy(h->oem_table_id, "BULKHEAD", 8);
    h->oem_revision = 1;
    __builtin_memcpy(h->creator_id, "BLKH", 4);
    h->creator_revision = 1;
}

static inline void pvh_acpi_finish(struct pvh_acpi_header *h, unsigned length)
{
    h->length = length;
    h->checksum = 0;
    h->checksum = pvh_acpi_sum(h, length);
}

/* Writes one MADT entry for the vCPU at p; returns its length: local APIC where the ids fit 8 bits, else x2APIC. */
static inline unsigned pvh_acpi_cpu(void *p, unsigned vcpu)
{
    uint32_t id = pvh_acpi_apic_id(vcpu);
    if (id < 255) {
        struct pvh_acpi_madt_lapic e = {0, sizeof(e), (uint8_t)vcpu, (uint8_t)id, 1};
        __builtin_memcpy(p, &e, sizeof(e));
        return sizeof(e);
    }
    struct pvh_acpi_madt_x2apic e = {9, sizeof(e), 0, id, 1, vcpu};
    __builtin_memcpy(p, &e, sizeof(e));
    return sizeof(e);
}

/*
 * Writes all tables into buf (size bytes), which will lie at guest physical address gpa (16-byte aligned).
 * nr_vcpus: 1..PVH_ACPI_MAX_VCPUS. Returns the guest physical address of the RSDP, or 0 when size is too small
 * (PVH_ACPI_SIZE(nr_vcpus) always suffices), gpa is 0 or not aligned, or nr_vcpus is out of range; buf is then unharmed.
 */
static inline uint64_t pvh_acpi_build(void *buf, uint64_t gpa, unsigned size, unsigned nr_vcpus)
{
    enum { RSDP = 0, XSDT = 64, FADT = 128, DSDT = 448, MADT = 512 };
    uint8_t *b = (uint8_t *)buf;
    if (gpa == 0 || (gpa & 15) || nr_vcpus == 0 || nr_vcpus > PVH_ACPI_MAX_VCPUS || size < PVH_ACPI_SIZE(nr_vcpus))
        return 0;
    __builtin_memset(b, 0, PVH_ACPI_SIZE(nr_vcpus));

    struct pvh_acpi_header *dsdt = (struct pvh_acpi_header *)(void *)(b + DSDT);
    pvh_acpi_start(dsdt, "DSDT", 2);
    pvh_acpi_finish(dsdt, sizeof(*dsdt));

    struct pvh_acpi_fadt *fadt = (struct pvh_acpi_fadt *)(void *)(b + FADT);
    pvh_acpi_start(&fadt->h, "FACP", 6);
    if (gpa + DSDT < 0x100000000ull)
        fadt->dsdt = (uint32_t)(gpa + DSDT);
    fadt->x_dsdt = gpa + DSDT;
    fadt->boot_arch = PVH_ACPI_FADT_NO_VGA | PVH_ACPI_FADT_NO_CMOS;
    fadt->flags = PVH_ACPI_FADT_HW_REDUCED;
    pvh_acpi_finish(&fadt->h, sizeof(*fadt));

    struct pvh_acpi_madt *madt = (struct pvh_acpi_madt *)(void *)(b + MADT);
    unsigned length = sizeof(*madt);
    pvh_acpi_start(&madt->h, "APIC", 4);
    madt->lapic = PVH_ACPI_LAPIC_BASE;
    for (unsigned v = 0; v < nr_vcpus; v++)
        length += pvh_acpi_cpu(b + MADT + length, v);
    pvh_acpi_finish(&madt->h, length);

    struct pvh_acpi_xsdt *xsdt = (struct pvh_acpi_xsdt *)(void *)(b + XSDT);
    pvh_acpi_start(&xsdt->h, "XSDT", 1);
    xsdt->entry[0] = gpa + FADT;
    xsdt->entry[1] = gpa + MADT;
    pvh_acpi_finish(&xsdt->h, sizeof(*xsdt));

    struct pvh_acpi_rsdp *rsdp = (struct pvh_acpi_rsdp *)(void *)(b + RSDP);
    __builtin_memcpy(rsdp->signature, "RSD PTR ", 8);
    __builtin_memcpy(rsdp->oem_id, "BULKHD", 6);
    rsdp->revision = 2;
    rsdp->length = sizeof(*rsdp);
    rsdp->xsdt = gpa + XSDT;
    rsdp->checksum = pvh_acpi_sum(rsdp, 20);
    rsdp->extended_checksum = pvh_acpi_sum(rsdp, sizeof(*rsdp));
    return gpa + RSDP;
}
#endif
