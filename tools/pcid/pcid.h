/* SPDX-License-Identifier: MIT */
/*
 * pcid: the PCI service of the control domain. config.c knows the functions of the machine (libpci); reset.c resets one;
 * assign.c gives functions to domains and takes them back; main.c has the socket. One thread, one event loop.
 * Protocol of the socket and of pciif: docs/interfaces.md; policy: docs/toolstack.md.
 */
#ifndef TOOLS_PCID_H
#define TOOLS_PCID_H
#include "backends/pci/pciback.h"
#include "tools/lib/store.h"

#define MAX_FNS 256u
#define NO_OWNER 0xffffffffu

struct pci_dev;

struct bar {
    uint64_t addr, size; /* size 0 = none */
    bool io;
};

struct fn {
    uint32_t sbdf;
    struct pci_dev *dev;
    uint32_t owner; /* domain or NO_OWNER */
    struct bar bar[PCI_VIEW_BARS];
    struct pci_view view;
};

/* config.c */
extern struct fn fns[MAX_FNS];
extern unsigned nr_fns;
int config_open(struct err *e); /* finds every function; 0 or -1 */
struct fn *config_find(uint32_t sbdf);
bool config_is_endpoint(const struct fn *f); /* header type 0 and not a bridge class */
uint32_t config_read(const struct fn *f, unsigned offset, unsigned size);
void config_write(const struct fn *f, unsigned offset, unsigned size, uint32_t value);
unsigned config_cap(const struct fn *f, uint8_t id); /* offset, 0 = none */
/* Sizes the BARs, with decoding off meanwhile; the owner must not run. */
void config_size_bars(struct fn *f);
void config_view(struct fn *f); /* sets f->view up; BARs are sized */

/* reset.c: returns what was done: "FLR", "AF FLR", "PM", or "none" (only silenced); NULL with e when the function did not
 * come back. Memory decoding and bus mastering are off afterwards; header registers are as before. */
const char *fn_reset(struct fn *f, struct err *e);

/* assign.c */
int assign_start(struct handles *h); /* picks up what an earlier pcid assigned */
int fn_assign(uint32_t domid, uint32_t sbdf, bool unsafe, struct err *e);
/* One function, or all of the domain's (sbdf NULL). */
int fn_release(uint32_t domid, const uint32_t *sbdf, struct err *e);
#endif
