/* SPDX-License-Identifier: MIT */
/*
 * The seam between the switch of a net domain and a network card's driver. Drivers: driverdoms/net (card.h).
 * A driver fills in struct nic and registers it; it receives whatever is on the wire (promiscuous: the switch filters), or
 * where a card cannot, what is for the addresses of its interfaces, and all broadcast and multicast.
 * Pointer = DMA address. Everything runs from the host's event loop.
 */
#ifndef BACKENDS_NIC_H
#define BACKENDS_NIC_H
#include "backends/net/pkt.h"

struct nic;
struct nic_ops {
    /* Takes the packet (one reference) and sends it, or returns -EBUSY (no room) or -EINVAL and takes nothing.
     * vlan is the card's to insert, csum_blank is the card's to compute if nic->csum, gso the card's to cut if the family's tso flag is set; it may
     * write into the headers of a gso packet. What is sent shows on the wire after flush() at the latest. */
    int (*send)(struct nic *n, struct pkt *p);
    void (*flush)(struct nic *n);
    /* Whether a packet of any size can be sent now; if not, nic_resume() is called when it can. */
    bool (*room)(struct nic *n);
    /* Has the card packets to send, and the driver a time after which it does something about it? May be NULL: no. */
    bool (*busy)(struct nic *n);
    /* nic_addresses() says something else than before. May be NULL, of a card that receives whatever is on the wire. */
    void (*addresses)(struct nic *n);
};
struct nic {
    const struct nic_ops *ops;
    char name[16];        /* "e1000e0" */
    unsigned number;      /* vif's bridge=wireN */
    uint8_t mac[6];
    unsigned frame_max;   /* bytes of a frame without its FCS */
    bool csum, tso4, tso6;
    bool gone;
    struct nic *next;
};

/* The switch's side, called by drivers. */
void nic_register(struct nic *n);
void nic_received(struct nic *n, struct pkt *p); /* takes p: len, csum flags set */
void nic_settle(void);                           /* after a batch of nic_received(): deliver, notify, send */
void nic_resume(struct nic *n);                  /* room() may be true again */
void nic_lost(struct nic *n, const char *why);   /* given up: its interfaces are closed in order */
struct nic *nic_first(void);
struct nic *nic_find(unsigned number);           /* NULL = none */
unsigned nic_addresses(const struct nic *n, uint8_t mac[][6], unsigned max); /* of the interfaces on its wire that are up, each once; how many */
#endif
