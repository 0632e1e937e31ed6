/* SPDX-License-Identifier: MIT */
/* pciif backend; see pciback.h. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/io/pciif.h>
#include <xen/io/xenbus.h>
#include "backends/pci/pciback.h"

static int operate(struct pciback *b, const struct xen_pci_op *op, uint32_t *value)
{
    if (op->cmd != XEN_PCI_OP_conf_read && op->cmd != XEN_PCI_OP_conf_write)
        return XEN_PCI_ERR_not_implemented;
    for (unsigned i = 0; i < b->nr_fns; i++) {
        uint32_t vsbdf = b->fn[i].vsbdf;
        if (op->domain != vsbdf >> 16 || op->bus != (vsbdf >> 8 & 0xff) || op->devfn != (vsbdf & 0xff))
            continue;
        if (op->cmd == XEN_PCI_OP_conf_read)
            return pci_view_read(b->fn[i].view, op->offset, op->size, value);
        return pci_view_write(b->fn[i].view, op->offset, op->size, op->value);
    }
    return XEN_PCI_ERR_dev_not_found;
}

bool pciback_serve(struct pciback *b, struct xen_pci_sharedinfo *page)
{
    struct xen_pci_op op;
    uint32_t value = 0;
    if (!(__atomic_load_n(&page->flags, __ATOMIC_ACQUIRE) & XEN_PCIF_active))
        return false;
    memcpy(&op, &page->op, offsetof(struct xen_pci_op, msix_entries));
    __asm__ __volatile__("" : "+m"(op) : : "memory"); /* the copy is what is checked */
    int err = operate(b, &op, &value);
    if (op.cmd == XEN_PCI_OP_conf_read)
        page->op.value = err ? 0xffffffffu : value;
    page->op.err = err;
    __atomic_fetch_and(&page->flags, ~(uint32_t)XEN_PCIF_active, __ATOMIC_SEQ_CST);
    return true;
}

static void on_event(void *arg)
{
    struct pciback *b = arg;
    if (pciback_serve(b, b->map.addr))
        host_event_send(b->port);
}

/* --- the handshake --- */

static void front_path(const struct pciback *b, const char *node, char *path, size_t size)
{
    snprintf(path, size, "/local/domain/%u/device/pci/0/%s", b->domid, node);
}

static void set_state(const struct pciback *b, int state)
{
    char path[96], text[4];
    snprintf(path, sizeof(path), "/local/domain/%u/backend/pci/%u/0/state", host_domid(), b->domid);
    snprintf(text, sizeof(text), "%d", state);
    int err = host_xs_write(0, path, text);
    if (err)
        host_log("pciif domain %u: cannot write %s: %s", b->domid, path, strerror(err));
}

/* A number of the front's: digits only, at most max. 0 or -1. */
static int front_number(const struct pciback *b, const char *node, unsigned long max, uint32_t *n)
{
    char path[96], *rest;
    front_path(b, node, path, sizeof(path));
    char *text = host_xs_read(0, path);
    if (!text)
        return -1;
    errno = 0;
    unsigned long v = strtoul(text, &rest, 10);
    int bad = text[0] < '0' || text[0] > '9' || *rest || errno || v > max;
    host_free(text);
    if (!bad)
        *n = (uint32_t)v;
    return bad ? -1 : 0;
}

static void disconnect(struct pciback *b)
{
    if (b->port >= 0)
        host_event_close(b->port);
    b->port = -1;
    host_unmap(&b->map);
}

static int connect_front(struct pciback *b)
{
    uint32_t ref, port;
    if (front_number(b, "pci-op-ref", 0xffffffff, &ref) || front_number(b, "event-channel", 0xffffffff, &port)) {
        host_log("pciif domain %u: front has no good pci-op-ref and event-channel", b->domid);
        return -1;
    }
    int rc = host_map(&b->map, b->domid, &ref, 1, false);
    if (rc) {
        host_log("pciif domain %u: cannot map pci-op-ref %u: %s", b->domid, ref, strerror(-rc));
        return -1;
    }
    b->port = host_event_bind(b->domid, port, on_event, b);
    if (b->port < 0) {
        host_log("pciif domain %u: cannot bind event-channel %u: %s", b->domid, port, strerror(-b->port));
        disconnect(b);
        return -1;
    }
    return 0;
}

static void front_changed(const char *path, void *arg)
{
    struct pciback *b = arg;
    uint32_t state;
    if (front_number(b, "state", 8, &state))
        return;
    switch (state) {
    case XenbusStateInitialising:
        disconnect(b);
        set_state(b, XenbusStateInitWait);
        break;
    case XenbusStateConnected:
        if (b->port >= 0)
            break; /* else: this pcid is new, the front is not */
        /* FALLTHROUGH */
    case XenbusStateInitialised:
        disconnect(b);
        if (connect_front(b)) {
            set_state(b, XenbusStateClosing);
            break;
        }
        set_state(b, XenbusStateConnected);
        on_event(b); /* what was asked before we listened */
        break;
    case XenbusStateClosing:
    case XenbusStateClosed:
        disconnect(b);
        set_state(b, XenbusStateClosed);
        break;
    default:
        break;
    }
}

int pciback_start(struct pciback *b)
{
    char path[96];
    b->port = -1;
    b->map.addr = NULL;
    b->map.n = 0;
    front_path(b, "state", path, sizeof(path));
    return host_xs_watch(path, front_changed, b);
}

void pciback_stop(struct pciback *b)
{
    char path[96];
    front_path(b, "state", path, sizeof(path));
    host_xs_unwatch(path, front_changed, b);
    disconnect(b);
}
