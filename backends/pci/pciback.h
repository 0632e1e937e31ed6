/* SPDX-License-Identifier: MIT */
/*
 * pciif backend (xen/io/pciif.h): serves one domain's configuration space accesses, filtered by pci_view.
 *
 * Uses host.h alone. The front may come again at any time, with or without having closed: whenever its state becomes
 * Initialised its page is mapped anew and its port bound anew, which is what a restart in place of the front's domain needs.
 * The page is hostile: a request is copied once, checked, answered; nothing in it is believed later.
 * Operations: conf_read, conf_write. All others are answered with XEN_PCI_ERR_not_implemented.
 */
#ifndef BACKENDS_PCI_PCIBACK_H
#define BACKENDS_PCI_PCIBACK_H
#include "backends/core/host.h"
#include "backends/pci/view.h"

#define PCIBACK_MAX 16u

struct xen_pci_sharedinfo;

struct pciback_fn {
    uint32_t vsbdf; /* as the front names it */
    struct pci_view *view;
};

struct pciback {
    uint16_t domid;
    struct pciback_fn fn[PCIBACK_MAX];
    unsigned nr_fns;
    struct host_map map;
    int port; /* -1 = not connected */
};

/* Watches the front at /local/domain/DOMID/device/pci/0. b->domid, fn and nr_fns are set. 0 or positive errno. */
int pciback_start(struct pciback *b);
void pciback_stop(struct pciback *b);
/* Answers the request in the page, if there is one. true if there was. For tests, and used on every event. */
bool pciback_serve(struct pciback *b, struct xen_pci_sharedinfo *page);
#endif
