/* SPDX-License-Identifier: MIT */
/*
 * driverdoms/pci: what a device driver of a small domain asks of its PCI functions.
 *
 * Configuration space goes through frontends/pcifront to pcid (the control domain filters it); BARs are mapped 1:1
 * and uncached by rt, so a BAR's bus address is its pointer; interrupts are MSI-X messages whose address and data
 * come from the hypervisor (BH_OP_msi_bind) and are written into the function's own table by this room.
 * DMA addresses are guest physical = virtual: rt_alloc_pages() memory and mapped grants may be handed to the device.
 *
 * Rules for drivers: after a restart in place the function still runs what the predecessor left. Stop and reset the
 * controller by its registers FIRST, then pci_dma_enable(), then set up queues and pci_msix_bind().
 * Single-threaded, as all of rt. Errors are negative errno of Xen (xen/errno.h) unless said otherwise.
 */
#ifndef DRIVERDOMS_PCI_H
#define DRIVERDOMS_PCI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_BARS 6

struct pci_dev {
    uint32_t sbdf;      /* physical: segment << 16 | bus << 8 | devfn; the name the hypervisor knows it by */
    uint32_t vsbdf;     /* as pcid shows it in the pciif ring */
    uint16_t vendor, device;
    uint32_t class;     /* 24 bits: base class << 16 | subclass << 8 | interface (NVMe: 010802h) */
    uint8_t revision;
    struct { void *addr; uint64_t size; bool io; } bar[PCI_BARS]; /* addr NULL = not implemented, or not mapped */
    uint16_t msix_cap;  /* offset of the capability, 0 = none */
    uint16_t msix_size; /* entries in the table, 0 = no MSI-X */
    volatile uint32_t *msix_table; /* 4 words an entry: address low, high, data, control */
    uint32_t *msix_port;           /* [msix_size] event-channel port of the entry, 0 = not bound */
    bool msix_on;
    struct pci_dev *next;
};

/* The functions that this domain owns. NULL when there is none (or pcid does not answer within 10 s; logged).
 * The first call connects pcifront and reads every header; it may wait. The list is kept for ever. */
struct pci_dev *pci_first(void);
#define pci_next(dev) ((dev)->next)

/* Configuration space, offset 0..4095 aligned to the size. Reads give all ones on any failure, as the bus does. */
uint8_t pci_read8(struct pci_dev *dev, unsigned offset);
uint16_t pci_read16(struct pci_dev *dev, unsigned offset);
uint32_t pci_read32(struct pci_dev *dev, unsigned offset);
int pci_write8(struct pci_dev *dev, unsigned offset, uint8_t value);
int pci_write16(struct pci_dev *dev, unsigned offset, uint16_t value);
int pci_write32(struct pci_dev *dev, unsigned offset, uint32_t value);
unsigned pci_find_cap(struct pci_dev *dev, uint8_t id); /* offset of a capability, 0 = none; loops are cut off */

/* Memory decoding and bus mastering on (DMA stays blocked until pci_dma_enable). */
int pci_enable(struct pci_dev *dev);
/* BAR n (0..5): its registers, uncached; *size in bytes (may be NULL). NULL = no such memory BAR. */
volatile void *pci_bar(struct pci_dev *dev, unsigned n, uint64_t *size);
/* MSI-X on, with every entry masked. n = entries wanted; returns how many there are to use (1..n) or an error. */
int pci_msix_enable(struct pci_dev *dev, unsigned n);
/* Entry (0-based) raises fn(arg) from rt's event loop. Unmasked on return. Binding again replaces the old handler. */
int pci_msix_bind(struct pci_dev *dev, unsigned entry, void (*fn)(void *arg), void *arg);
void pci_msix_unbind(struct pci_dev *dev, unsigned entry); /* masked, port closed */
/* Let the function reach memory (BH_OP_dma_enable): its own domain's, and grants while mapped. */
int pci_dma_enable(struct pci_dev *dev);
#endif
