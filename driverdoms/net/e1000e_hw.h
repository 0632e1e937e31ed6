/* SPDX-License-Identifier: MIT */
/*
 * What the 82574L driver asks of the place it runs in; `hw` is what e1000e_begin() was given. Implemented by net_pci.c
 * on a PCI function, and by the unit test's card. Memory: pointer = DMA address.
 */
#ifndef DRIVERDOMS_E1000E_HW_H
#define DRIVERDOMS_E1000E_HW_H
#include <stdint.h>

struct e1000e;
uint32_t e1000e_hw_read(void *hw, unsigned offset);
void e1000e_hw_write(void *hw, unsigned offset, uint32_t value);
int e1000e_hw_dma_on(void *hw);                 /* let DMA through; 0 or -errno */
int e1000e_hw_interrupt(void *hw, struct e1000e *c); /* MSI-X vector 0 calls e1000e_interrupt(c); 0 or -errno */
void *e1000e_hw_pages(unsigned pages);          /* zeroed, contiguous; NULL = none left */
uint64_t e1000e_hw_now(void);                   /* ns */
void e1000e_hw_relax(void);                     /* once in each turn of a bounded wait: microseconds */
void e1000e_hw_timer(void *hw, uint64_t when);  /* e1000e_check() at that time; re-arms */
void e1000e_hw_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
