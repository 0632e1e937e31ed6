/* SPDX-License-Identifier: MIT */
/* I/O APICs: only the serial port's interrupt is used by the hypervisor; all other pins stay masked. */
#ifndef IRQ_IOAPIC_H
#define IRQ_IOAPIC_H
#include "lib/types.h"

void ioapic_add(uint8_t id, uint64_t address, uint32_t gsi_base); /* from MADT: maps nothing, direct map covers it */
/* Route a GSI to this CPU's `vector` (through interrupt remapping when on). -ENOENT without a pin for it. */
int ioapic_route(uint32_t gsi, uint8_t vector, bool level, bool active_low);
bool ioapic_among(mfn_t first, uint64_t count); /* registers of one are in these pages: no domain may map them */
#endif
