/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's virtual local APIC (Intel SDM vol. 3 ch. 11): x2APIC MSRs 800h-83Fh, or the page of registers of xAPIC mode. State
 * only: what must happen outside (send an IPI, set a timer, wake a vCPU) is returned to the caller. x2APIC mode is on from reset;
 * a guest changes the mode by IA32_APIC_BASE, along the arrows of 11.12.5. The page stays at its address.
 * irr is set by any CPU (atomic); all else belongs to the CPU that runs the vCPU.
 */
#ifndef IRQ_VLAPIC_H
#define IRQ_VLAPIC_H
#include "lib/types.h"

struct vlapic {
    uint32_t id;               /* x2APIC id = 2 * vcpu id; its low 8 bits in xAPIC mode */
    uint64_t base;             /* IA32_APIC_BASE: BSP, EXTD, EN */
    uint32_t svr, tpr;
    uint32_t esr;              /* low half: as the guest reads it; high half: errors since its last write */
    uint64_t icr;              /* last value written, its high half as the mode has it */
    uint32_t ldr, dfr;         /* xAPIC mode only: the guest chooses its logical id */
    uint32_t lvt_timer, lvt_lint0, lvt_lint1, lvt_err, lvt_perf, lvt_thermal, lvt_cmci;
    uint32_t timer_initial, timer_divide;
    uint64_t timer_start_ns;   /* when the count was written */
    uint64_t timer_deadline_ns;/* next expiry in system time; 0 = off. The caller keeps a sched timer at it */
    uint64_t tsc_deadline;     /* MSR 6E0h as the guest wrote it */
    uint64_t irr[4], isr[4], tmr[4];
};
enum vlapic_ipi_kind { IPI_NONE, IPI_FIXED, IPI_INIT, IPI_SIPI, IPI_NMI };
struct vlapic_ipi {
    enum vlapic_ipi_kind kind;
    uint8_t vector;            /* of FIXED; page number of SIPI */
    bool self, all, others;    /* shorthand; else by dest */
    bool logical;
    uint32_t dest;
};
#define VLAPIC_MIN_PERIOD_NS 50000u /* a periodic timer is delivered no more often than this */
/* and stands still while its last interrupt has not been taken or cannot be: so it costs time only as its vCPU runs. */
#define VLAPIC_TIMER_NS 10u    /* one tick of the timer at divide 1: 100 MHz */
#define VLAPIC_PAGE 0xfee00000ull /* guest physical, one page */
void vlapic_reset(struct vlapic *l, uint32_t id, bool bsp);
void vlapic_init(struct vlapic *l); /* what INIT does: all but the id and the mode as after reset */
/* MSR 1Bh, 6E0h, 800h-83Fh. -EINVAL: inject #GP. `now` in ns; `tsc_to_ns` conversion is the caller's: tsc deadlines are given
 * back in l->tsc_deadline with *timer_changed. *ipi is filled for ICR writes. */
int vlapic_msr_read(struct vlapic *l, uint32_t msr, uint64_t now, uint64_t *value);
int vlapic_msr_write(struct vlapic *l, uint32_t msr, uint64_t value, uint64_t now, bool *timer_changed, struct vlapic_ipi *ipi);
/* xAPIC mode: is the page of registers there, and a 32-bit access at a multiple of 16 in it. As on real ones, reserved bits
 * are dropped and a register that does not exist reads 0. */
bool vlapic_has_page(const struct vlapic *l);
uint32_t vlapic_mmio_read(struct vlapic *l, unsigned offset, uint64_t now);
void vlapic_mmio_write(struct vlapic *l, unsigned offset, uint32_t value, uint64_t now, bool *timer_changed, struct vlapic_ipi *ipi);
bool vlapic_match(const struct vlapic *l, const struct vlapic_ipi *ipi); /* is this APIC addressed by dest/logical */
bool vlapic_set_irr(struct vlapic *l, uint8_t vector); /* false if it was pending already. Vectors < 16 are ignored,
                                                        * and all while the guest has the APIC disabled in SVR (11.4.7.2) */
int vlapic_highest(const struct vlapic *l);            /* deliverable vector above the processor priority, or -1 */
void vlapic_ack(struct vlapic *l, uint8_t vector);     /* it is being injected: irr -> isr */
void vlapic_timer_expired(struct vlapic *l, uint64_t now); /* sets irr, and the next deadline when periodic */
/* A CPU that delivers interrupts and takes their ends itself (VT-x) may do so while vlapic_direct(): x2APIC mode, switched on in SVR. It has TPR,
 * ISR and IRR in a page of registers from _give, which empties irr and returns the highest vector that is requested (low byte) and the one in
 * service (high byte), to _take. What others set in irr meanwhile it gets at the next _give. */
bool vlapic_direct(const struct vlapic *l);
uint16_t vlapic_give(struct vlapic *l, uint32_t *page);
void vlapic_take(struct vlapic *l, const uint32_t *page);
bool vlapic_timer_resume(struct vlapic *l, uint64_t now); /* an interrupt has been taken. True: there is a new deadline */
#endif
