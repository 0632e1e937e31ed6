/* SPDX-License-Identifier: MIT */
/*
 * What all drivers of network cards share, and the seam to each of them: a const struct card_ops.
 *
 * Interface: card_begin() stops the card (DMA is still blocked), card_finish() brings it up and registers it as a struct nic;
 * card_interrupt() and card_check() are called by the place it runs in. Files: card.c (life, interrupts, a stuck card),
 * card_ring.c (descriptor rings); drivers: e1000e.c (82574L), igb.c (82576).
 * Rules: one receive and one transmit queue, one MSI-X vector; descriptors of 16 bytes, of a form that only the driver knows;
 * a packet takes as many of them as it has pages, and a context where the card does work on it. What the card writes (lengths,
 * status) is hostile and checked here. A card that does not send is reset; after CARD_RESETS_MAX resets without a packet sent in between it is gone.
 */
#ifndef DRIVERDOMS_CARD_H
#define DRIVERDOMS_CARD_H
#include "backends/net/nic.h"

#define CARD_RX 256u           /* descriptors */
#define CARD_TX 512u
#define CARD_TX_ROOM 24u       /* descriptors of the largest packet: pages and a context, and the gap */
#define CARD_FRAME 1518u       /* with a VLAN tag, without FCS */
#define CARD_ITR_US 51u        /* least time between interrupts */
#define CARD_WAIT_NS 100000000ull  /* for a reset */
#define CARD_STUCK_NS 2000000000ull /* without progress while packets are out */
#define CARD_CHECK_NS 500000000ull
#define CARD_RESETS_MAX 3u

/* Where all of Intel's have it. */
enum { CARD_CTRL = 0x0000, CARD_CTRL_MASTER_OFF = 1u << 2, CARD_CTRL_RST = 1u << 26,
       CARD_STATUS = 0x0008, CARD_STATUS_LU = 1u << 1, CARD_STATUS_MASTER = 1u << 19 };

struct card;
struct card_desc { uint64_t word[2]; };
/* What a receive descriptor that the card has written says. */
struct card_received {
    uint16_t len, vlan; /* vlan: with its priority; 0 without a tag */
    bool last, bad;     /* last piece of its frame; a frame with errors */
    bool validated;     /* the card found its TCP or UDP checksum right */
};

struct card_ops {
    const char *name;         /* "e1000e": a card is called by it and its number */
    uint16_t vendor, device;
    unsigned size, registers; /* bytes of the driver's struct, which begins with struct card; of BAR 0 at least */
    /* Interrupts off, no DMA any more, nic.mac known if it can be; rx_tail and tx_tail set. again: a predecessor drove it, and
     * whatever may go on without us goes on. 0 or -errno with the reason in why. */
    int (*stop)(struct card *c, bool again);
    void (*start)(struct card *c);   /* from fresh rings: receive, send, interrupts */
    void (*silence)(struct card *c); /* it is given up */
    bool (*link)(struct card *c);    /* is the cable in? */
    void (*attend)(struct card *c);  /* after each look at the rings, by interrupt or timer */
    void (*addresses)(struct card *c); /* nic_addresses() says something else than before; NULL: it receives all there is */
    void (*rx_give)(struct card *c, unsigned i, uint64_t addr); /* descriptor i gets a buffer of PKT_SMALL bytes */
    bool (*rx_done)(const struct card *c, unsigned i, struct card_received *r); /* false: not written yet */
    bool (*tx_context)(struct card *c, unsigned i, const struct pkt *p); /* false: p needs none, nothing is written */
    void (*tx_data)(struct card *c, unsigned i, const struct pkt *p, uint32_t at, uint32_t bytes);
    bool (*tx_done)(const struct card *c, unsigned i); /* of the last descriptor of a packet */
};

struct card {
    struct nic nic;                /* first */
    const struct card_ops *ops;
    void *hw;
    volatile struct card_desc *rx, *tx;
    unsigned rx_tail, tx_tail;     /* registers */
    struct pkt *rx_pkt[CARD_RX];   /* NULL: the slot waits for a buffer */
    struct pkt *tx_pkt[CARD_TX];   /* at the last descriptor of its packet */
    uint16_t tx_last[CARD_TX];     /* at the first descriptor of a packet: its last */
    unsigned rx_next, rx_fill;     /* next to look at; next to give a buffer to */
    unsigned tx_next, tx_done, tx_told; /* next to write; oldest not done; as the tail register last said */
    bool receiving;                /* the receiver is on: buffers go to it */
    bool rx_skip;                  /* in the middle of a frame that does not fit one buffer */
    bool link, tso;
    uint64_t progress;             /* when a packet was last sent or the ring was empty */
    uint64_t check_ns;             /* between two checks */
    unsigned resets;
    char why[96];
    uint64_t rx_bad;               /* frames with errors or lengths that cannot be */
};

/* c has ops->size bytes. Stop it; nothing of DMA yet. 0 or -errno, reason in c->why. again: it was driven before, by a predecessor of
 * ours; tso: let the card cut large TCP packets. */
int card_begin(struct card *c, const struct card_ops *ops, void *hw, unsigned number, bool again, bool tso);
/* Let DMA through, bring it up, register the nic. */
int card_finish(struct card *c);
void card_interrupt(struct card *c);
void card_check(struct card *c); /* on the timer: a stuck card, missing buffers, the link */

/* --- for drivers --- */
extern const struct card_ops e1000e_card, igb_card, igbvf_card;
uint32_t card_read(struct card *c, unsigned offset);
void card_write(struct card *c, unsigned offset, uint32_t value);
bool card_wait(struct card *c, unsigned offset, uint32_t mask, uint32_t value); /* until the bits are so; false: not within CARD_WAIT_NS */
bool card_alive(struct card *c); /* false: its status reads all ones, the card is gone; c->why is set */
/* No more bus accesses, reset, and until the bits `ready` of that register are set: 0, or -EIO with c->why. Its units are off. */
int card_reset(struct card *c, unsigned offset, uint32_t ready);
void card_read_mac(struct card *c, unsigned low); /* nic.mac, from a pair of registers of which this is the lower */
bool card_link(struct card *c);                   /* ops->link of a card that says so in its status */
void card_look_at_link(struct card *c);
void card_rx_start(struct card *c);    /* the receiver is on: it gets its buffers, from now on */

/* --- between card.c and card_ring.c --- */
extern const struct nic_ops card_nic_ops;
void card_rings_reset(struct card *c); /* everything in them is dropped; descriptors as new */
bool card_rx_drain(struct card *c);    /* true: something came */
bool card_tx_reclaim(struct card *c);  /* true: something was sent */
#endif
