/* SPDX-License-Identifier: MIT */
/*
 * MSI handles: one host vector on one CPU + one remapping entry checked against the function's source id.
 * Without interrupt remapping (unsafe assignment only) the message is in compatibility format.
 */
#ifndef IRQ_HANDLES_H
#define IRQ_HANDLES_H
#include "lib/list.h"
#include "lib/lock.h"

struct msi_handle {
    uint32_t sbdf;
    uint16_t index;      /* remapping entry; 0 without remapping */
    uint8_t vector;
    uint8_t cpu;
    bool blocked;        /* by msi_block: for good */
    uint64_t addr;       /* what the device is to be programmed with */
    uint32_t data;
    void (*fire)(void *arg); /* called with interrupts off from irq_dispatch; may send an event (LOCK_EVENT) */
    void *arg;
};
/* Fills *h, which stays where it is until msi_free. `cpu`: preferred; another is taken when its vectors are all in use.
 * -ENOSPC: no vector or remapping entry left; -ERANGE: a target that the message format cannot name. */
int msi_alloc(struct msi_handle *h, uint32_t sbdf, unsigned cpu, void (*fire)(void *), void *arg);
/* No fire() is running or will run after this returns. It waits for one: hold no lock that fire() takes (LOCK_EVENT). */
void msi_free(struct msi_handle *h);
/* While held back its messages are refused at the remapping entry, and lost. False: there is no entry to do it with. */
bool msi_hold(struct msi_handle *h, bool hold);
/* No handle of this function delivers any more (its owner loses it); each is still to be freed. */
void msi_block(uint32_t sbdf);

/* Remapping entries, for irq/ only: an index 1.. or -ENOSPC. Entry 0 stays empty, so that a zeroed message reaches nobody. */
int irte_alloc(void);
void irte_free(unsigned index);
#endif
