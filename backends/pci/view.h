/* SPDX-License-Identifier: MIT */
/*
 * What the owner of a PCI function sees of its configuration space, and what of its writes reaches the function. Pure:
 * the function itself is behind two callbacks.
 *
 * Rules (PCI Local Bus 3.0 chapter 6, PCI Express 5.0 chapter 7):
 *  - everything may be read, but the expansion ROM shows as absent;
 *  - a BAR never moves: writes are remembered only so that all ones followed by a read show the size;
 *  - of the rest only the bits of a table reach the hardware: command, cache line, latency, interrupt line, PME bits,
 *    MSI and MSI-X control, MSI message, harmless PCIe device control bits. Power states and function-level reset stay
 *    with pcid, since they would lose the BARs. All else is read-only; such writes succeed and do nothing.
 */
#ifndef BACKENDS_PCI_VIEW_H
#define BACKENDS_PCI_VIEW_H
#include <stdbool.h>
#include <stdint.h>

#define PCI_VIEW_BARS 6u

struct pci_view {
    void *hw;
    uint32_t (*read)(void *hw, unsigned offset, unsigned size); /* size 1, 2, 4; all ones on failure */
    void (*write)(void *hw, unsigned offset, unsigned size, uint32_t value);
    uint8_t writable[256]; /* bits of each byte that reach the hardware */
    uint8_t w1c[256];      /* bits that a written one clears (a subset of writable) */
    uint32_t bar_mask[PCI_VIEW_BARS]; /* size mask of each BAR register; 0 = not implemented */
    bool sizing[PCI_VIEW_BARS];       /* all ones were written last */
};

/* hw, read and write must be set. bar_size: bytes of the memory or I/O BAR that starts at each register, 0 = none;
 * the upper half of a 64-bit BAR has 0. Walks the capabilities; loops in the list are cut off. */
void pci_view_init(struct pci_view *v, const uint64_t bar_size[PCI_VIEW_BARS]);
/* XEN_PCI_ERR_success or XEN_PCI_ERR_invalid_offset. offset 0..4095, size 1, 2, 4, aligned: anything else is refused. */
int pci_view_read(struct pci_view *v, int64_t offset, int64_t size, uint32_t *value);
int pci_view_write(struct pci_view *v, int64_t offset, int64_t size, uint32_t value);
#endif
