/* SPDX-License-Identifier: MIT */
/* The 82576's queues and advanced descriptors: see igb.h. */
#include "driverdoms/net/igb.h"

#define THRESHOLDS (8u | 1u << 8) /* fetch ahead when fewer than 8 descriptors are left on the card, and at least one is there */

/* --- queues --- */

bool igb_queues_stop(struct igb *g)
{
    struct card *c = &g->card;
    card_write(c, g->rx + IGB_Q_DCTL, 0);
    card_write(c, g->tx + IGB_Q_DCTL, 0);
    return card_wait(c, g->rx + IGB_Q_DCTL, IGB_DCTL_ENABLE, 0) && card_wait(c, g->tx + IGB_Q_DCTL, IGB_DCTL_ENABLE, 0);
}

static void start(struct card *c, unsigned base, const volatile void *ring, unsigned entries)
{
    uint64_t at = (uintptr_t)ring;
    card_write(c, base + IGB_Q_BAL, (uint32_t)at);
    card_write(c, base + IGB_Q_BAH, (uint32_t)(at >> 32));
    card_write(c, base + IGB_Q_LEN, entries * (uint32_t)sizeof(struct card_desc));
    card_write(c, base + IGB_Q_HEAD, 0);
    card_write(c, base + IGB_Q_TAIL, 0);
    card_write(c, base + IGB_Q_DCTL, THRESHOLDS | IGB_DCTL_ENABLE);
    card_wait(c, base + IGB_Q_DCTL, IGB_DCTL_ENABLE, IGB_DCTL_ENABLE); /* one that does not start is a card that does not send */
}

void igb_queue_start_tx(struct igb *g)
{
    start(&g->card, g->tx, g->card.tx, CARD_TX);
}

void igb_queue_start_rx(struct igb *g)
{
    card_write(&g->card, g->rx + IGB_Q_SRRCTL, IGB_SRRCTL_2K | IGB_SRRCTL_ADVANCED | IGB_SRRCTL_DROP);
    start(&g->card, g->rx, g->card.rx, CARD_RX);
    card_rx_start(&g->card);
}

/* --- receive descriptors --- */

void igb_rx_give(struct card *c, unsigned i, uint64_t addr)
{
    volatile struct igb_rx *d = (volatile struct igb_rx *)&c->rx[i];
    d->status = 0; /* with len and vlan: the address of a header buffer, which there is none of */
    d->len = d->vlan = 0;
    d->addr = addr;
}

bool igb_rx_done(const struct card *c, unsigned i, struct card_received *r)
{
    volatile struct igb_rx *d = (volatile struct igb_rx *)&c->rx[i];
    uint32_t status = d->status;
    if (!(status & IGB_RX_DD))
        return false;
    r->len = d->len;
    r->vlan = status & IGB_RX_VP ? d->vlan : 0;
    r->last = status & IGB_RX_EOP;
    r->bad = status & IGB_RX_ERROR;
    r->validated = (status & IGB_RX_L4CS) && !(status & IGB_RX_BADSUM);
    return true;
}

/* --- transmit descriptors --- */

/* Where the headers lie, how a large packet is cut, and the tag (7.2.2.2). */
bool igb_tx_context(struct card *c, unsigned i, const struct pkt *p)
{
    volatile struct igb_context *d = (volatile struct igb_context *)&c->tx[i];
    uint32_t cmd = IGB_TX_CONTEXT, where = (uint32_t)p->vlan << 16, sizes = 0;
    if (!p->csum_blank && !p->vlan)
        return false;
    if (p->csum_blank) {
        where |= (uint32_t)p->l3 << 9 | (uint32_t)(p->l4 - p->l3);
        cmd |= (p->ip == 4 ? IGB_TX_IP4 : 0u) | (p->proto == PKT_TCP ? IGB_TX_TCP : 0u);
    }
    if (p->gso)
        sizes = (uint32_t)(p->payload - p->l4) << 8 | (uint32_t)p->mss << 16;
    d->where = where;
    d->seed = 0;
    d->sizes = sizes;
    d->cmd = cmd;
    return true;
}

void igb_tx_data(struct card *c, unsigned i, const struct pkt *p, uint32_t at, uint32_t bytes)
{
    volatile struct igb_tx *d = (volatile struct igb_tx *)&c->tx[i];
    uint32_t cmd = IGB_TX_DATA | IGB_TX_IFCS | bytes;
    uint32_t opts = (p->gso ? p->len - p->payload : p->len) << IGB_TX_BYTES;
    if (p->csum_blank)
        opts |= IGB_TX_TXSM;
    if (p->gso) {
        cmd |= IGB_TX_TSE;
        opts |= p->ip == 4 ? IGB_TX_IXSM : 0u;
    }
    if (p->vlan)
        cmd |= IGB_TX_VLE;
    if (at + bytes == p->len)
        cmd |= IGB_TX_EOP | IGB_TX_RS;
    d->addr = (uintptr_t)p->data + at;
    d->opts = opts;
    d->cmd = cmd;
}

bool igb_tx_done(const struct card *c, unsigned i)
{
    return ((volatile struct igb_tx *)&c->tx[i])->opts & IGB_TX_DD;
}
