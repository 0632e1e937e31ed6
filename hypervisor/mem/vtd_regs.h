/* SPDX-License-Identifier: MIT */
/*
 * Registers and in-memory structures of Intel VT-d (architecture specification 3.x; section numbers beside each).
 * Encoders only: no state, no access; so that tests can compare each bit with the specification.
 */
#ifndef MEM_VTD_REGS_H
#define MEM_VTD_REGS_H
#include "lib/types.h"

/* Registers (11.4), byte offsets. */
enum {
    VTD_VER = 0x00, VTD_CAP = 0x08, VTD_ECAP = 0x10, VTD_GCMD = 0x18, VTD_GSTS = 0x1c, VTD_RTADDR = 0x20, VTD_FSTS = 0x34,
    VTD_FECTL = 0x38, VTD_FEDATA = 0x3c, VTD_FEADDR = 0x40, VTD_FEUADDR = 0x44, VTD_PMEN = 0x64, VTD_IQH = 0x80,
    VTD_IQT = 0x88, VTD_IQA = 0x90, VTD_IRTA = 0xb8,
};
/* Global command and status: the status of each command sits at the same bit. */
#define VTD_G_TE BIT(31)
#define VTD_G_SRTP BIT(30)
#define VTD_G_QIE BIT(26)
#define VTD_G_IRE BIT(25)
#define VTD_G_SIRTP BIT(24)
#define VTD_G_CFI BIT(23)
#define VTD_G_ONE_SHOT (BIT(30) | BIT(29) | BIT(27) | BIT(24)) /* must not be written back from the status */
#define VTD_PMEN_EPM BIT(31)
#define VTD_PMEN_PRS BIT(0)
#define VTD_FECTL_MASK BIT(31)
#define VTD_FSTS_IQE BIT(4)
#define VTD_FSTS_CLEAR (BIT(0) | BIT(4) | BIT(5) | BIT(6)) /* PFO, IQE, ICE, ITE: write 1 to clear */

/* Capability register. */
static inline unsigned vtd_cap_domains(uint64_t c) { return 1u << (4 + 2 * (c & 7)); } /* ND; 7 is reserved */
static inline bool vtd_cap_write_buffer(uint64_t c) { return c >> 4 & 1; }             /* RWBF */
static inline bool vtd_cap_protected_mem(uint64_t c) { return c >> 5 & 3; }            /* PLMR, PHMR */
static inline bool vtd_cap_caching_mode(uint64_t c) { return c >> 7 & 1; }             /* CM */
static inline bool vtd_cap_levels(uint64_t c, unsigned levels) { return c >> (8 + levels - 2) & 1; } /* SAGAW */
static inline unsigned vtd_cap_fault_offset(uint64_t c) { return (c >> 24 & 0x3ff) * 16; } /* FRO, bytes */
static inline unsigned vtd_cap_large(uint64_t c) { return c >> 34 & 15; }              /* SLLPS: bit 0 2M, bit 1 1G */
static inline bool vtd_cap_page_selective(uint64_t c) { return c >> 39 & 1; }          /* PSI */
static inline unsigned vtd_cap_nr_faults(uint64_t c) { return (c >> 40 & 0xff) + 1; }  /* NFR */
static inline unsigned vtd_cap_max_mask(uint64_t c) { return c >> 48 & 0x3f; }         /* MAMV */
static inline bool vtd_cap_drain_write(uint64_t c) { return c >> 54 & 1; }
static inline bool vtd_cap_drain_read(uint64_t c) { return c >> 55 & 1; }
/* Extended capability register. */
static inline bool vtd_ecap_coherent(uint64_t e) { return e & 1; }
static inline bool vtd_ecap_queue(uint64_t e) { return e >> 1 & 1; }
static inline bool vtd_ecap_interrupts(uint64_t e) { return e >> 3 & 1; }
static inline bool vtd_ecap_x2apic(uint64_t e) { return e >> 4 & 1; }
static inline unsigned vtd_ecap_tlb_offset(uint64_t e) { return (e >> 8 & 0x3ff) * 16; } /* IRO, bytes */

/* Any 128-bit structure in memory. */
struct vtd_pair { uint64_t lo, hi; };

/* Root entry (9.1) and context entry (9.3), legacy mode: second-stage translation of untranslated requests. */
static inline struct vtd_pair vtd_root_entry(mfn_t context_table)
{
    return (struct vtd_pair){mfn_to_mpa(context_table).v | 1, 0};
}
static inline struct vtd_pair vtd_context_entry(mfn_t table, unsigned levels, uint16_t did)
{
    return (struct vtd_pair){mfn_to_mpa(table).v | 1, (uint64_t)did << 8 | (levels - 2)};
}
static inline uint16_t vtd_context_did(struct vtd_pair e) { return (uint16_t)(e.hi >> 8); }

/* Interrupt remapping entry (9.10): fixed delivery, physical destination. `check`: source-validation 01, all 16 bits. */
static inline struct vtd_pair vtd_irte(uint8_t vector, uint32_t apic_id, bool x2apic, bool level, bool check, uint16_t source)
{
    uint64_t dest = x2apic ? apic_id : (apic_id & 0xff) << 8;
    return (struct vtd_pair){dest << 32 | (uint64_t)vector << 16 | (uint64_t)level << 4 | 1, check ? 1ull << 18 | source : 0};
}

/* Invalidation descriptors (6.5.2), 128 bits each. */
static inline struct vtd_pair vtd_inv_context_all(void) { return (struct vtd_pair){1 | 1 << 4, 0}; }
static inline struct vtd_pair vtd_inv_context(uint16_t did, uint16_t source)
{
    return (struct vtd_pair){1 | 3 << 4 | (uint64_t)did << 16 | (uint64_t)source << 32, 0};
}
static inline struct vtd_pair vtd_inv_tlb_all(bool dr, bool dw)
{
    return (struct vtd_pair){2 | 1 << 4 | (uint64_t)dw << 6 | (uint64_t)dr << 7, 0};
}
static inline struct vtd_pair vtd_inv_tlb_domain(uint16_t did, bool dr, bool dw)
{
    return (struct vtd_pair){2 | 2 << 4 | (uint64_t)dw << 6 | (uint64_t)dr << 7 | (uint64_t)did << 16, 0};
}
static inline struct vtd_pair vtd_inv_tlb_pages(uint16_t did, bool dr, bool dw, uint64_t page, unsigned mask)
{
    return (struct vtd_pair){2 | 3 << 4 | (uint64_t)dw << 6 | (uint64_t)dr << 7 | (uint64_t)did << 16, page << 12 | mask};
}
static inline struct vtd_pair vtd_inv_irte_all(void) { return (struct vtd_pair){4, 0}; }
static inline struct vtd_pair vtd_inv_irte(uint16_t index) { return (struct vtd_pair){4 | 1 << 4 | (uint64_t)index << 32, 0}; }
/* Wait: writes `value` at physical address `status` when all before it is complete; FN fences. */
static inline struct vtd_pair vtd_inv_wait(uint32_t value, uint64_t status)
{
    return (struct vtd_pair){5 | 1 << 5 | 1 << 6 | (uint64_t)value << 32, status};
}
/* Smallest power of two of pages, naturally aligned, that holds [page, page + count). */
static inline unsigned vtd_cover(uint64_t page, uint64_t count)
{
    unsigned m = 0;
    while (m < 52 && (page >> m) != ((page + count - 1) >> m))
        m++;
    return m;
}

/* Fault recording register (11.4.14). */
static inline bool vtd_fault_valid(struct vtd_pair f) { return f.hi >> 63; }
static inline bool vtd_fault_read(struct vtd_pair f) { return f.hi >> 62 & 1; }
static inline uint8_t vtd_fault_reason(struct vtd_pair f) { return (uint8_t)(f.hi >> 32); }
static inline uint16_t vtd_fault_source(struct vtd_pair f) { return (uint16_t)f.hi; }
static inline bool vtd_fault_interrupt(struct vtd_pair f) { return vtd_fault_reason(f) >= 0x20 && vtd_fault_reason(f) < 0x30; }
/* The page's address of a DMA fault, the entry's index of an interrupt's. */
static inline uint64_t vtd_fault_address(struct vtd_pair f) { return vtd_fault_interrupt(f) ? f.lo >> 48 : f.lo & PAGE_MASK; }
#endif
