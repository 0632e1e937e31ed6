/* SPDX-License-Identifier: MIT */
/*
 * What the NVMe driver asks of the place it runs in; `hw` is what nvme_begin() was given. Implemented by nvme_pci.c
 * on a PCI function, and by the unit test's controller. Memory: pointer = DMA address.
 */
#ifndef DRIVERDOMS_NVME_HW_H
#define DRIVERDOMS_NVME_HW_H
#include <stdint.h>

struct nvme_ctrl;
uint32_t nvme_hw_read(void *hw, unsigned offset);
void nvme_hw_write(void *hw, unsigned offset, uint32_t value);
int nvme_hw_dma_on(void *hw);                  /* let DMA through; 0 or -errno */
/* Completion interrupts on vector 0 (admin) and the vector returned (I/O); -errno when there are none. */
int nvme_hw_interrupts(void *hw, struct nvme_ctrl *c);
void *nvme_hw_pages(unsigned pages);           /* zeroed, contiguous; NULL = none left */
void *nvme_hw_alloc(uint32_t bytes);           /* zeroed; not for the device */
uint64_t nvme_hw_now(void);                    /* ns */
void nvme_hw_relax(void);                      /* once in each turn of a bounded wait: microseconds, and stay alive */
void nvme_hw_defer(void *hw);                  /* nvme_bell() soon, after the events at hand */
void nvme_hw_timer(void *hw, uint64_t when);   /* nvme_check() at that time; re-arms */
void nvme_hw_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#endif
