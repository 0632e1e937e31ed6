/* SPDX-License-Identifier: MIT */
/* The NVMe controllers among the PCI functions that this domain owns. */
#ifndef DRIVERDOMS_NVME_PCI_H
#define DRIVERDOMS_NVME_PCI_H
#include <stddef.h>

#define NVME_PCI_MAX 4
/* Stop them all, then bring them up; their namespaces become disks. Returns how many live; what went wrong last is in
 * why[size]. `watchdog`: seconds that rt_watchdog() was given, kept fed while a controller takes its time;
 * `timeout`: seconds (1..) that a command may take before it is aborted. */
unsigned nvme_pci_start(unsigned watchdog, unsigned timeout, char *why, size_t size);
#endif
