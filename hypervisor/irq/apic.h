/* SPDX-License-Identifier: MIT */
/*
 * The CPU's local APIC (Intel SDM vol. 3 ch. 11): x2APIC when there, else xAPIC by MMIO. Vectors of the host:
 */
#ifndef IRQ_APIC_H
#define IRQ_APIC_H
#include "lib/percpu.h"

#define VECTOR_FIRST_MSI 0x30   /* 0x30-0xdf: given out by irq/handles.c to devices */
#define VECTOR_LAST_MSI 0xdf
#define VECTOR_SERIAL 0xe0
#define VECTOR_IOMMU 0xe1
#define VECTOR_TIMER 0xf0
#define VECTOR_KICK 0xf1        /* leave the guest or the idle loop and look at softirqs */
#define VECTOR_SPURIOUS 0xff

EXTERN_PERCPU(uint32_t, apic_id);
void apic_init_cpu(void);                       /* enable on this CPU, timer off */
void apic_eoi(void);
void apic_kick(unsigned cpu);                   /* VECTOR_KICK to another CPU; to oneself: only sets nothing, no-op */
void apic_kick_self(void);                      /* the same to this CPU: its next entry into a guest ends at once */
void apic_send_init(uint32_t apic_id), apic_send_sipi(uint32_t apic_id, uint8_t page);
void apic_nmi(unsigned cpu);                    /* an NMI to that CPU, also to this one */
void apic_nmi_all_others(void);                 /* panic stops the others */
void apic_timer_calibrate(void);                /* BSP, after time_init */
void apic_timer_set(uint64_t deadline_ns);      /* one-shot on this CPU in system time; 0 = off; past = at once */
/* Called by the IDT stub for vectors >= 32, interrupts off (only in the window after a guest's exit or in idle). */
void irq_dispatch(uint8_t vector);
typedef void (*irq_fn)(uint8_t vector);
void irq_set_handler(uint8_t vector, irq_fn fn); /* the handler is called before EOI; it only sets bits and flags */
#endif
