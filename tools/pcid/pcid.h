/* SPDX-License-Identifier: MIT */
/*
 * pcid: the PCI service of the control domain. config.c knows the functions of the machine (libpci); reset.c resets one;
 * assign.c gives functions to domains and takes them back; sriov.c makes virtual functions; main.c has the socket. One thread, one event loop.
 * Protocol of the socket and of pciif: docs/interfaces.md; policy: docs/toolstack.md.
 */
#ifndef TOOLS_PCID_H
#define TOOLS_PCID_H
#include "backends/pci/pciback.h"
#include "tools/lib/devspec.h"
#include "tools/lib/store.h"

#define MAX_FNS 256u
#define NO_OWNER 0xffffffffu

struct pci_dev;

struct bar {
    uint64_t addr, size; /* size 0 = none */
    bool io;
    uint8_t flags; /* of a virtual function's: the type bits that its register would have */
};

struct fn {
    uint32_t sbdf;
    struct pci_dev *dev;
    uint32_t owner; /* domain or NO_OWNER */
    struct bar bar[PCI_VIEW_BARS];
    struct pci_view view;
    struct fn *pf;       /* of a virtual function: the physical one */
    uint16_t vf_device;  /* its device id */
    bool gone;           /* a virtual function that is not enabled (any more) */
};

/* config.c */
extern struct fn fns[MAX_FNS];
extern unsigned nr_fns;
int config_open(struct handles *h, struct err *e); /* finds every function; 0 or -1 */
struct fn *config_find(uint32_t sbdf); /* NULL: none, or gone */
bool config_is_endpoint(const struct fn *f); /* header type 0 and not a bridge class */
/* Offsets up to FFFh. A virtual function reads as if it were one of its own: with ids, BARs and memory decoding, which are in the physical one. */
uint32_t config_read(const struct fn *f, unsigned offset, unsigned size);
void config_write(const struct fn *f, unsigned offset, unsigned size, uint32_t value);
unsigned config_cap(const struct fn *f, uint8_t id); /* offset, 0 = none */
unsigned config_ext_cap(const struct fn *f, uint16_t id); /* the same above FFh */
uint32_t config_size_mask(const struct fn *f, unsigned reg); /* of a BAR register: what sticks of all ones */
struct fn *config_add(const struct fn *pf, uint8_t devfn); /* another function of pf's bus; NULL: no room */
/* Sizes the BARs, with decoding off meanwhile; the owner must not run. */
void config_size_bars(struct fn *f);
void config_view(struct fn *f); /* sets f->view up; BARs are sized */

/* reset.c: returns what was done: "FLR", "AF FLR", "PM", or "none" (only silenced); NULL with e when the function did not
 * come back. Memory decoding and bus mastering are off afterwards; header registers are as before. */
const char *fn_reset(struct fn *f, struct err *e);
void fn_silence(const struct fn *f); /* that only: no decoding, no bus mastering */

/* sriov.c: virtual functions (PCI Express 5.0, chapter 9) */
int sriov_start(struct handles *h); /* picks up what an earlier pcid enabled */
int sriov_enable(struct fn *pf, unsigned n, struct err *e); /* n of them; 0 or -1. The same n while some have an owner, nothing changes */
void sriov_disable(struct fn *pf); /* nobody owns one */
bool sriov_busy(const struct fn *pf); /* somebody owns one of its virtual functions */

/* assign.c */
int assign_start(struct handles *h); /* picks up what an earlier pcid assigned */
int fn_assign(uint32_t domid, const struct pci_spec *spec, struct err *e);
/* One function, or all of the domain's (sbdf NULL). */
int fn_release(uint32_t domid, const uint32_t *sbdf, struct err *e);
#endif
