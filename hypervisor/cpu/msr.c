/* SPDX-License-Identifier: MIT */
/*
 * MSR policy: what is not listed is refused (#GP). Registers that every kernel reads without asking, and that mean "nothing
 * here" when zero, read zero and drop writes.
 */
#include "cpu/cpu.h"
#include "lib/log.h"

static const uint32_t zero_msrs[] = {
    0x8b,       /* microcode revision */
    0x17,       /* platform id */
    0x179,      /* MCG_CAP */
    0x1d9,      /* DEBUGCTL */
    0xc0010010, /* SYSCFG */
    0xc0010015, /* HWCR */
    0xc0010055, /* interrupt pending message */
    0xc0011020, /* LS_CFG */
    0xc0011029, /* DE_CFG: LFENCE is told by CPUID */
};

static bool is_zero_msr(uint32_t msr)
{
    for (unsigned i = 0; i < ARRAY_SIZE(zero_msrs); i++)
        if (zero_msrs[i] == msr)
            return true;
    return false;
}

int msr_read(struct hvcpu *v, uint32_t msr, uint64_t *value)
{
    struct hv_state s;
    switch (msr) {
    case MSR_EFER:
        cpu->get_state(v, &s);
        *value = s.efer;
        return 0;
    case MSR_TSC:
        *value = rdtsc() + v->tsc_offset;
        return 0;
    case 0x1a0: /* MISC_ENABLE: fast strings; no performance monitoring */
        *value = BIT(0) | BIT(11) | BIT(12);
        return 0;
    }
    if (is_zero_msr(msr)) {
        *value = 0;
        return 0;
    }
    return -EINVAL;
}

/* EFER: only what CPUID offers; LMA follows LME and paging by itself, changing LME while paging is on is a fault. */
static int write_efer(struct hvcpu *v, uint64_t value)
{
    struct hv_state s;
    cpu->get_state(v, &s);
    const uint64_t allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | BIT(14);
    if ((value & ~allowed) || ((value ^ s.efer) & EFER_LME && (s.cr0 & CR0_PG)))
        return -EINVAL;
    return cpu->set_efer(v, (value & ~EFER_LMA) | (s.efer & EFER_LMA));
}

int msr_write(struct hvcpu *v, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_EFER:
        return write_efer(v, value);
    case MSR_TSC: /* one clock for all: a guest's idea of another time is kept by its own PV clock */
    case 0x1a0:
    case 0x79:    /* microcode update */
        return 0;
    }
    return is_zero_msr(msr) ? 0 : -EINVAL;
}
