/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells guests: the machine's own features without what guests do not get (nested virtualization, machine check,
 * performance counters, power management, memory protection keys, features with state that XCR0 here does not hold),
 * and Xen's leaves at 40000000h (xen/arch-x86/cpuid.h).
 */
#include <xen/arch-x86/cpuid.h>
#include "cpu/cpu.h"
#include "lib/time.h"
#include "lib/string.h"

static struct cpuid leaf1(struct cpuid r, const struct cpuid_context *c)
{
    r.b = (r.b & 0xff00) | (c->apic_id & 0xff) << 24 | (MIN(2 * c->nr_vcpus, 255u) << 16);
    r.c &= ~(BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(10) | BIT(11) | BIT(14) | BIT(15) | BIT(18) |
             BIT(24) | BIT(27));
    r.c |= BIT(21) | BIT(31); /* x2APIC, hypervisor */
    if (c->cr4 & CR4_OSXSAVE)
        r.c |= BIT(27);
    r.d &= ~(BIT(7) | BIT(12) | BIT(14) | BIT(18) | BIT(21) | BIT(22) | BIT(29) | BIT(31)); /* MCE MTRR MCA PSN DS ACPI TM PBE */
    r.d |= BIT(9) | BIT(28);
    if (c->nr_vcpus == 1)
        r.d &= ~BIT(28);
    return r;
}

static struct cpuid leaf7(struct cpuid r, uint32_t sub)
{
    if (sub == 0) {
        r.a = MIN(r.a, 1u);
        r.b &= ~(BIT(1) | BIT(2) | BIT(4) | BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(25)); /* TSC_ADJUST SGX HLE RTM PQM MPX PQE PT */
        r.c &= ~(BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(13) | BIT(16) | BIT(22) | BIT(23) | BIT(24) | BIT(29) | BIT(30) | BIT(31));
        r.d &= BIT(2) | BIT(3) | BIT(4) | BIT(8) | BIT(10) | BIT(14); /* AVX512 parts, FSRM, MD_CLEAR, SERIALIZE */
        return r;
    }
    return sub == 1 ? (struct cpuid){r.a & (BIT(4) | BIT(5) | BIT(10) | BIT(11) | BIT(12)), 0, 0, 0} : (struct cpuid){0};
}

/* The size of the compacted form (Intel SDM vol. 1, 13.4.3): legacy region and header, then the components one after the other. */
static uint32_t compacted_size(void)
{
    uint64_t xcr0 = xgetbv0();
    uint32_t size = 576;
    for (unsigned i = 2; i < 32; i++)
        if (xcr0 >> i & 1) {
            struct cpuid c = cpuid(0xd, i);
            size = (c.c & BIT(1) ? (size + 63) & ~63u : size) + c.a;
        }
    return size;
}

/* XSAVE: the host runs with the guest's own XCR0 at this moment, so the size for "enabled" components is right as it comes. That
 * of the compacted form is computed: guests have no supervisor components, and Bochs gives another. */
static struct cpuid leaf_xsave(struct cpuid r, uint32_t sub)
{
    const uint32_t states = 0xe7;
    if (sub == 0) {
        r.a &= states;
        r.d = 0;
    } else if (sub == 1) {
        r.a &= 7; /* XSAVEOPT, XSAVEC, XGETBV1; no XSAVES */
        r.b = r.a & BIT(1) ? compacted_size() : 0;
        r.c = r.d = 0;
    } else if (sub >= 32 || !(states >> sub & 1))
        memset(&r, 0, sizeof(r));
    return r;
}

/* Every vCPU is a core of its own: thread level of one bit (APIC id = 2 * vcpu), core level for the rest. */
static struct cpuid leaf_topology(uint32_t sub, const struct cpuid_context *c)
{
    if (sub == 0)
        return (struct cpuid){1, 1, 1 << 8, c->apic_id};
    if (sub == 1)
        return (struct cpuid){8, c->nr_vcpus, 2 << 8 | 1, c->apic_id};
    return (struct cpuid){0, 0, sub, c->apic_id};
}

static struct cpuid leaf_extended(uint32_t leaf, struct cpuid r)
{
    switch (leaf) {
    case 0x80000000:
        r.a = MIN(r.a, 0x80000008u);
        return r;
    case 0x80000001:
        r.c &= BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(16); /* LAHF LZCNT SSE4A MISALIGN PREFETCHW XOP FMA4 */
        r.d &= ~(BIT(7) | BIT(12) | BIT(14));
        return r;
    case 0x80000007:
        return (struct cpuid){0, 0, 0, BIT(8)}; /* invariant TSC: lib/time.c relies on it, so do guests */
    case 0x80000008:
        r.a = MIN(r.a & 0xff, 46u) | (r.a & 0xff00);
        r.b &= BIT(0) | BIT(2);
        r.c = r.d = 0;
        return r;
    }
    return leaf <= 0x80000006 ? r : (struct cpuid){0};
}

static struct cpuid leaf_xen(uint32_t leaf, uint32_t sub, const struct cpuid_context *c)
{
    uint32_t mul;
    switch (leaf - 0x40000000) {
    case 0:
        return (struct cpuid){0x40000005, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
    case 1:
        return (struct cpuid){4 << 16 | 17, 0, 0, 0};
    case 2:
        return (struct cpuid){1, 0x40000000, 0, 0};
    case 3:
        mul = (uint32_t)tsc_khz();
        if (sub == 0)
            return (struct cpuid){2, 0, mul, 1};
        if (sub == 2)
            return (struct cpuid){mul, 0, 0, 0};
        return (struct cpuid){0};
    case 4: /* a guest that takes its upcalls by its local APIC ends each by an EOI: to be recommended only where that is no exit */
        return (struct cpuid){XEN_HVM_CPUID_X2APIC_VIRT | XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT |
                                  (cpu_delivers ? XEN_HVM_CPUID_UPCALL_VECTOR : 0) | (c->iommu ? XEN_HVM_CPUID_IOMMU_MAPPINGS : 0),
                              c->vcpu_id, c->domid, 0};
    }
    return (struct cpuid){0};
}

struct cpuid cpuid_policy(uint32_t leaf, uint32_t sub, const struct cpuid_context *c)
{
    if (leaf >= 0x40000000 && leaf < 0x40000100)
        return leaf_xen(leaf, sub, c);
    struct cpuid r = cpuid(leaf, sub);
    if (leaf >= 0x80000000)
        return leaf_extended(leaf, r);
    if (leaf > 0xd)
        return (struct cpuid){0};
    switch (leaf) {
    case 0: r.a = MIN(r.a, 0xdu); return r;
    case 1: return leaf1(r, c);
    case 4: r.a &= 0x3fff; return r; /* caches: as if of one core */
    case 5: case 9: case 0xa: return (struct cpuid){0};
    case 6: return (struct cpuid){BIT(2), 0, 0, 0}; /* ARAT */
    case 7: return leaf7(r, sub);
    case 0xb: return leaf_topology(sub, c);
    case 0xd: return leaf_xsave(r, sub);
    }
    return r;
}
