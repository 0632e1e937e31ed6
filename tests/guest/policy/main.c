/* SPDX-License-Identifier: MIT */
/*
 * policy: what a guest is shown of the CPU and what it may touch. No nested virtualization, no unknown MSR, no
 * privileged ports; the FPU state is its own.
 */
#include "tests/guest/lib.h"

#define GP 13

static void cpuid(void)
{
    uint32_t r[4];
    test_cpuid(0, 0, r);
    check(r[0] >= 1 && r[0] < 0x100, "highest basic leaf %x", r[0]);
    test_cpuid(1, 0, r);
    check(!(r[2] & 1u << 5), "no VMX");
    check(!(r[2] & 1u << 3), "no MONITOR");
    check(r[2] & 1u << 21, "x2APIC");
    check((r[3] & (1u << 0 | 1u << 4 | 1u << 8 | 1u << 25 | 1u << 26)) == (1u << 0 | 1u << 4 | 1u << 8 | 1u << 25 | 1u << 26),
          "FPU, TSC, CX8, SSE, SSE2");
    test_cpuid(0x80000001, 0, r);
    check(!(r[2] & 1u << 2), "no SVM");
    check(r[3] & 1u << 29, "long mode");
    check(r[3] & 1u << 20, "NX");
    test_cpuid(0x8000000a, 0, r);
    check(r[0] == 0 && r[3] == 0, "the SVM leaf is empty");
    test_cpuid(0x80000008, 0, r);
    check((r[0] & 0xff) >= 36 && (r[0] & 0xff) <= 52, "%u physical address bits", r[0] & 0xff);
}

static void refused_msr(uint32_t msr, const char *name)
{
    uint64_t v;
    int read = try_rdmsr(msr, &v), write = try_wrmsr(msr, 1);
    check(read == GP, "reading %s (%x) faults (%d)", name, msr, read);
    check(write == GP, "writing %s (%x) faults (%d)", name, msr, write);
}

static void msrs(void)
{
    uint64_t v, efer;
    refused_msr(0xc0010117, "VM_HSAVE_PA");
    refused_msr(0x480, "VMX_BASIC");
    refused_msr(0x12345, "an MSR that does not exist");
    refused_msr(0xc0012345, "an AMD MSR that does not exist");
    refused_msr(0xffffffff, "the last MSR number");
    check(try_wrmsr(0x48a, 0) == GP, "writing a VMX capability faults");
    check(try_rdmsr(0xc0000080, &efer) == -1 && efer & 1u << 10 && !(efer & 1u << 12), "EFER: long mode, SVME off (%lx)", efer);
    check(try_wrmsr(0xc0000080, efer | 1u << 12) == GP, "setting EFER.SVME faults");
    check(try_wrmsr(0xc0000080, efer | 1u << 5) == GP, "setting a reserved bit of EFER faults");
    check(try_rdmsr(0x1b, &v) == -1 && v & 1u << 11 && v & 1u << 8, "APIC base: on, boot processor (%lx)", v);
    check(try_rdmsr(0x277, &v) == -1, "PAT is readable (%lx)", v);
    check(try_wrmsr(0xc0000102, 0x1234) == -1 && try_rdmsr(0xc0000102, &v) == -1 && v == 0x1234, "KernelGSBase keeps its value");
    check(try_wrmsr(0xc0000082, 0xffff800000001000) == -1, "LSTAR takes a canonical address");
}

/* Routines of one instruction each; data is not executable, so they are made here. */
__asm__(".pushsection .text\n"
        "insn_vmrun: vmrun; ret\n"
        "insn_vmload: vmload; ret\n"
        "insn_vmsave: vmsave; ret\n"
        "insn_clgi: clgi; ret\n"
        "insn_vmxoff: vmxoff; ret\n"
        "insn_ud2: ud2; ret\n"
        ".popsection");
extern const char insn_vmrun[], insn_vmload[], insn_vmsave[], insn_clgi[], insn_vmxoff[], insn_ud2[];

static void instructions(void)
{
    const struct { const char *code, *name; } insn[] = { { insn_vmrun, "vmrun" }, { insn_vmload, "vmload" },
        { insn_vmsave, "vmsave" }, { insn_clgi, "clgi" }, { insn_vmxoff, "vmxoff" }, { insn_ud2, "ud2" } };
    for (unsigned i = 0; i < sizeof(insn) / sizeof(insn[0]); i++) {
        int vector = try_code(insn[i].code);
        check(vector == 6 || vector == 13, "%s faults (exception %d)", insn[i].name, vector);
    }
}

static void ports(void)
{
    uint32_t v = 0;
    __asm__ volatile("outl %0, %1" : : "a"(0x80000000u), "Nd"((uint16_t)0xcf8));
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"((uint16_t)0xcfc));
    check(true, "configuration ports answer %x", v);
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"((uint16_t)0x1234));
    check(v == ~0u, "a port that does not exist reads as all ones (%x)", v);
    uint32_t small = 0;
    __asm__ volatile("inb %1, %b0" : "+a"(small) : "Nd"((uint16_t)0x1234));
    check((small & 0xff) == 0xff, "so does a byte of it");
}

static void fpu(void)
{
    uint64_t a = 0x123456789abcdef0, b = 0;
    unsigned same = 0;
    for (unsigned i = 0; i < 20; i++, a = a * 3 + 1) {
        rt_time_arm(rt_now() + 200000);
        __asm__ volatile("movq %1, %%xmm7; sti; hlt; cli; movq %%xmm7, %0" : "=r"(b) : "r"(a) : "xmm7", "memory");
        same += a == b;
        rt_events_run();
    }
    check(same == 20, "an SSE register survives 20 halts (%u)", same);
}

void domain_main(const char *cmdline)
{
    cpuid();
    msrs();
    instructions();
    ports();
    fpu();
    test_done();
}
