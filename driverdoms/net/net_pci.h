/* SPDX-License-Identifier: MIT */
/* The network cards among the PCI functions that this domain owns. */
#ifndef DRIVERDOMS_NET_PCI_H
#define DRIVERDOMS_NET_PCI_H
#include <stdbool.h>
#include <stddef.h>

#define NET_PCI_MAX 4
/* Stop them all, then bring them up: wire0, wire1... in the order of their functions. Returns how many live, *found how
 * many there are; what went wrong last is in why[size]. */
unsigned net_pci_start(bool tso, unsigned *found, char *why, size_t size);
#endif
