/* SPDX-License-Identifier: MIT */
/*
 * What the drivers of network cards ask of the place they run in; `hw` is what card_begin() was given. Implemented by net_pci.c
 * on a PCI function, and by the unit tests' cards. Memory: pointer = DMA address.
 */
#ifndef DRIVERDOMS_CARD_HW_H
#define DRIVERDOMS_CARD_HW_H
#include <stdint.h>

struct card;
uint32_t card_hw_read(void *hw, unsigned offset);
void card_hw_write(void *hw, unsigned offset, uint32_t value);
int card_hw_dma_on(void *hw);                     /* let DMA through; 0 or -errno */
int card_hw_interrupt(void *hw, struct card *c);  /* MSI-X vector 0 calls card_interrupt(c); 0 or -errno */
void *card_hw_pages(unsigned pages);              /* zeroed, contiguous; NULL = none left */
uint64_t card_hw_now(void);                       /* ns */
void card_hw_relax(void);                         /* once in each turn of a bounded wait: microseconds */
void card_hw_timer(void *hw, uint64_t when);      /* card_check() at that time; re-arms */
void card_hw_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
