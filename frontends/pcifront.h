/* SPDX-License-Identifier: MIT */
/*
 * pcifront: configuration space of the functions a domain owns, through the pciif ring (xen/io/pciif.h) to pcid.
 *
 * One operation at a time, synchronous; the answer is waited for at most PCIF_WAIT_NS. Front nodes below
 * device/pci/0: pci-op-ref, event-channel, magic, state. The functions are found in the backend's directory
 * (num_devs, dev-N, vdev-N). After a restart in place the front publishes a new ring and goes back to state
 * Initialised; pcid takes that as: drop the old ring, map the new one.
 */
#ifndef FRONTENDS_PCIFRONT_H
#define FRONTENDS_PCIFRONT_H
#include <stdbool.h>
#include <stdint.h>

#define PCIF_WAIT_NS 10000000000ull
#define PCIF_MAX_DEVS 16

struct pcif_function { uint32_t sbdf, vsbdf; }; /* as in bulkhead/ext.h: physical, and as the ring names it */

/* Connect, once. 0 or -errno (logged): -ENODEV when the domain has no pci device in xenstore. */
int pcif_connect(void);
/* The functions, at most PCIF_MAX_DEVS; how many, or -errno. Needs a connection. */
int pcif_list(struct pcif_function *list);
/* bytes = 1, 2, 4; offset aligned. 0 or -errno; on failure of a read *value is all ones. Connects on demand. */
int pcif_read(uint32_t vsbdf, unsigned offset, unsigned bytes, uint32_t *value);
int pcif_write(uint32_t vsbdf, unsigned offset, unsigned bytes, uint32_t value);
/* "ssss:bb:dd.f" (hex; leading zeros free) -> sbdf. False if it is anything else. */
bool pcif_parse(const char *text, uint32_t *sbdf);
#endif
