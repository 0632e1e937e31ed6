/* SPDX-License-Identifier: MIT */
/*
 * version: who the hypervisor says it is. CPUID leaves, the hypercall page, xen_version, and what all hypercalls
 * must refuse: unknown numbers, unknown sub-operations, pointers to nowhere.
 */
#include "tests/guest/lib.h"
#include <xen/arch-x86/cpuid.h>
#include <xen/features.h>
#include <xen/version.h>

static long xen_version(unsigned cmd, void *arg)
{
    return rt_hypercall2(__HYPERVISOR_xen_version, cmd, arg);
}

static bool memchr_zero(const char *s, size_t n)
{
    while (n--)
        if (!*s++)
            return true;
    return false;
}

static void cpuid_leaves(long version)
{
    uint32_t r[4];
    test_cpuid(1, 0, r);
    check(r[2] >> 31, "CPUID.1 ECX bit 31: under a hypervisor");
    test_cpuid(0x40000000, 0, r);
    check(r[1] == XEN_CPUID_SIGNATURE_EBX && r[2] == XEN_CPUID_SIGNATURE_ECX && r[3] == XEN_CPUID_SIGNATURE_EDX,
          "signature at 40000000h");
    check(r[0] >= 0x40000004 && r[0] < 0x40000100, "highest leaf %x", r[0]);
    test_cpuid(0x40000001, 0, r);
    IS(r[0], version);
    test_cpuid(0x40000002, 0, r);
    IS(r[0], 1);
    check(r[1] >> 30 == 1, "hypercall MSR %x is in the hypervisor range", r[1]);
    test_cpuid(0x40000004, 0, r);
    check(r[0] & XEN_HVM_CPUID_VCPU_ID_PRESENT && r[1] == 0, "leaf 4 tells the vCPU's id, 0");
    check(r[0] & XEN_HVM_CPUID_DOMID_PRESENT && r[2] == rt_domid, "leaf 4 tells the domain's id, %u", r[2]);
}

static void versions(void)
{
    xen_extraversion_t extra;
    xen_capabilities_info_t caps;
    xen_feature_info_t features = { .submap_idx = 0 };

    memset(extra, 'x', sizeof(extra));
    IS(xen_version(XENVER_extraversion, extra), 0);
    check(memchr_zero(extra, sizeof(extra)), "extraversion is terminated");
    memset(caps, 'x', sizeof(caps));
    IS(xen_version(XENVER_capabilities, caps), 0);
    check(memchr_zero(caps, sizeof(caps)), "capabilities are terminated: %.60s", caps);
    IS(xen_version(XENVER_pagesize, NULL), 4096);
    IS(xen_version(XENVER_get_features, &features), 0);
    check(features.submap & 1u << XENFEAT_hvm_callback_vector, "feature hvm_callback_vector (%x)", features.submap);
    check(features.submap & 1u << XENFEAT_hvm_safe_pvclock, "feature hvm_safe_pvclock");
    check(features.submap & 1u << XENFEAT_auto_translated_physmap, "feature auto_translated_physmap");
    features.submap_idx = XENFEAT_NR_SUBMAPS;
    REFUSED(xen_version(XENVER_get_features, &features));
}

/* A hypercall number beyond the page: enter behind an entry's `mov $nr, %eax`. */
static long hypercall_by_number(uint64_t nr)
{
    long ret;
    __asm__ volatile("call *%1" : "=a"(ret) : "r"(hypercall_page + 5), "0"(nr), "D"(0), "S"(0), "d"(0)
                     : "rcx", "r11", "memory");
    return ret;
}

static void refusals(void)
{
    IS(rt_hypercall1(63, 0), -XEN_ENOSYS);
    if ((uint8_t)hypercall_page[0] == 0xb8) {
        IS(hypercall_by_number(64), -XEN_ENOSYS);
        IS(hypercall_by_number(0x7fffffff), -XEN_ENOSYS);
        IS(hypercall_by_number(0xffffffff), -XEN_ENOSYS);
    } else {
        skip("numbers beyond the page: entries do not begin with mov");
    }
    IS(xen_version(1000, NULL), -XEN_ENOSYS);
    IS(xen_version(XENVER_extraversion, BAD_POINTER), -XEN_EFAULT);
    IS(xen_version(XENVER_extraversion, (void *)0x7ffffffff000), -XEN_EFAULT);
    IS(xen_version(XENVER_extraversion, (void *)0x8000000000000000), -XEN_EFAULT);
    IS(xen_version(XENVER_extraversion, (void *)0xfffffffffffffff8), -XEN_EFAULT);
}

void domain_main(const char *cmdline)
{
    long version = xen_version(XENVER_version, NULL);
    check(version >= 0x40011, "version %ld.%ld, at least 4.17", version >> 16, version & 0xffff);
    cpuid_leaves(version);
    versions();
    refusals();
    test_done();
}
