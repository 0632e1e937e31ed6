/* SPDX-License-Identifier: MIT */
/* A network card's descriptor rings: see card.h. */
#include "driverdoms/net/card.h"
#include "driverdoms/net/card_hw.h"

#include <errno.h>
#include <string.h>

#define VLAN_ID 0xfffu /* of a tag; the rest is priority */

static inline void order(void)
{
    __asm__ volatile("" ::: "memory"); /* x86: stores and loads are in order for the device too */
}

void card_rings_reset(struct card *c)
{
    for (unsigned i = 0; i < CARD_TX; i++) {
        if (c->tx_pkt[i])
            pkt_put(c->tx_pkt[i]);
        c->tx_pkt[i] = NULL;
    }
    for (unsigned i = 0; i < CARD_RX; i++) {
        if (c->rx_pkt[i])
            pkt_put(c->rx_pkt[i]);
        c->rx_pkt[i] = NULL;
    }
    memset((void *)c->rx, 0, CARD_RX * sizeof(*c->rx));
    memset((void *)c->tx, 0, CARD_TX * sizeof(*c->tx));
    c->rx_next = c->rx_fill = c->tx_next = c->tx_done = c->tx_told = 0;
    c->rx_skip = c->receiving = false;
}

/* --- receiving --- */

/* Buffers for all descriptors but one: the tail never meets the head. */
static void fill(struct card *c)
{
    unsigned old = c->rx_fill;
    while (c->receiving && (c->rx_fill + 1) % CARD_RX != c->rx_next) {
        struct pkt *p = pkt_new(PKT_SMALL);
        if (!p)
            break; /* card_check() comes back */
        c->rx_pkt[c->rx_fill] = p;
        c->ops->rx_give(c, c->rx_fill, (uintptr_t)p->data);
        c->rx_fill = (c->rx_fill + 1) % CARD_RX;
    }
    order();
    if (c->rx_fill != old)
        card_hw_write(c->hw, c->rx_tail, c->rx_fill);
}

void card_rx_start(struct card *c)
{
    c->receiving = true;
    fill(c);
}

/* The buffer of descriptor i, of which the card says r. */
static void received(struct card *c, unsigned i, const struct card_received *r)
{
    struct pkt *p = c->rx_pkt[i];
    bool whole = r->last && !c->rx_skip;
    c->rx_pkt[i] = NULL;
    c->rx_skip = !r->last;
    if (!whole || r->bad || r->len < PKT_ETH || r->len > PKT_SMALL) {
        c->rx_bad++;
        pkt_put(p);
        return;
    }
    p->len = r->len;
    p->vlan = r->vlan & VLAN_ID; /* the card has taken it out */
    p->validated = r->validated;
    nic_received(&c->nic, p);
}

bool card_rx_drain(struct card *c)
{
    struct card_received r;
    bool any = false;
    for (unsigned n = 0; n < CARD_RX && c->rx_next != c->rx_fill && c->ops->rx_done(c, c->rx_next, &r); n++) {
        order();
        received(c, c->rx_next, &r);
        c->rx_next = (c->rx_next + 1) % CARD_RX;
        any = true;
        if (n % 64 == 63)
            fill(c);
    }
    fill(c);
    return any;
}

/* --- sending --- */

static unsigned tx_free(const struct card *c)
{
    return (c->tx_done + CARD_TX - c->tx_next - 1) % CARD_TX;
}

bool card_tx_reclaim(struct card *c)
{
    bool any = false;
    while (c->tx_done != c->tx_next) {
        unsigned last = c->tx_last[c->tx_done];
        if (!c->ops->tx_done(c, last))
            break;
        pkt_put(c->tx_pkt[last]);
        c->tx_pkt[last] = NULL;
        c->tx_done = (last + 1) % CARD_TX;
        any = true;
    }
    if (any)
        c->resets = 0;
    return any;
}

static unsigned took(struct card *c)
{
    unsigned at = c->tx_next;
    c->tx_next = (at + 1) % CARD_TX;
    return at;
}

/* The cards fill lengths in and want the pseudo header without one (82574 datasheet section 7.2.6, 82576 section 7.2.4). */
static void prepare_gso(struct pkt *p)
{
    uint8_t *ip = p->data + p->l3;
    memset(ip + (p->ip == 4 ? 2 : 4), 0, 2);
    if (p->ip == 4)
        memset(ip + 10, 0, 2);
    pkt_pseudo(p, 0);
}

static int send(struct nic *n, struct pkt *p)
{
    struct card *c = (struct card *)n;
    if (!c->link) { /* as a cable that is not there: nobody waits for it */
        pkt_put(p);
        return 0;
    }
    if (tx_free(c) < CARD_TX_ROOM) {
        card_tx_reclaim(c);
        if (tx_free(c) < CARD_TX_ROOM)
            return -EBUSY;
    }
    if (p->csum_blank && (p->csum > 255 || p->l4 > 255 || p->payload > 255 || p->l3 > 127))
        return -EINVAL; /* a context has a byte for each, or 7 bits */
    unsigned first = c->tx_next, last = first;
    if (p->gso)
        prepare_gso(p);
    if (c->ops->tx_context(c, c->tx_next, p))
        took(c);
    for (uint32_t at = 0; at < p->len; at += PKT_PAGE) {
        uint32_t left = p->len - at;
        last = took(c);
        c->ops->tx_data(c, last, p, at, left < PKT_PAGE ? left : PKT_PAGE);
    }
    c->tx_pkt[last] = p;
    c->tx_last[first] = (uint16_t)last;
    return 0;
}

static void flush(struct nic *n)
{
    struct card *c = (struct card *)n;
    if (c->tx_told == c->tx_next)
        return;
    c->tx_told = c->tx_next;
    order();
    card_hw_write(c->hw, c->tx_tail, c->tx_next);
}

static bool room(struct nic *n)
{
    struct card *c = (struct card *)n;
    card_tx_reclaim(c);
    if (!c->link || tx_free(c) >= 4 * CARD_TX_ROOM)
        return true;
    flush(n);
    return false;
}

static bool busy(struct nic *n)
{
    const struct card *c = (const struct card *)n;
    return c->tx_done != c->tx_next;
}

static void addresses(struct nic *n)
{
    struct card *c = (struct card *)n;
    if (c->ops->addresses)
        c->ops->addresses(c);
}

const struct nic_ops card_nic_ops = {.send = send, .flush = flush, .room = room, .busy = busy, .addresses = addresses};
