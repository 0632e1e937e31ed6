/* SPDX-License-Identifier: MIT */
/* The 82574L's descriptor rings: see e1000e.h. */
#include "driverdoms/net/e1000e.h"
#include "driverdoms/net/e1000e_hw.h"

#include <errno.h>
#include <string.h>

#define VLAN_ID 0xfffu /* of a tag; the rest is priority */

static inline void order(void)
{
    __asm__ volatile("" ::: "memory"); /* x86: stores and loads are in order for the device too */
}

void e1000e_rings_reset(struct e1000e *c)
{
    for (unsigned i = 0; i < E1000E_TX; i++) {
        if (c->tx_pkt[i])
            pkt_put(c->tx_pkt[i]);
        c->tx_pkt[i] = NULL;
    }
    for (unsigned i = 0; i < E1000E_RX; i++) {
        if (c->rx_pkt[i])
            pkt_put(c->rx_pkt[i]);
        c->rx_pkt[i] = NULL;
    }
    memset((void *)c->rx, 0, E1000E_RX * sizeof(*c->rx));
    memset((void *)c->tx, 0, E1000E_TX * sizeof(*c->tx));
    c->rx_next = c->rx_fill = c->tx_next = c->tx_done = c->tx_told = 0;
    c->rx_skip = false;
}

/* --- receiving --- */

/* Buffers for all descriptors but one: RDT never meets RDH. */
void e1000e_rx_fill(struct e1000e *c)
{
    unsigned old = c->rx_fill;
    while ((c->rx_fill + 1) % E1000E_RX != c->rx_next) {
        struct pkt *p = pkt_new(PKT_SMALL);
        if (!p)
            break; /* e1000e_check() comes back */
        volatile struct e1000e_rx *d = &c->rx[c->rx_fill];
        c->rx_pkt[c->rx_fill] = p;
        d->status = 0;
        d->addr = (uintptr_t)p->data;
        c->rx_fill = (c->rx_fill + 1) % E1000E_RX;
    }
    order();
    if (c->rx_fill != old)
        e1000e_hw_write(c->hw, E1000E_RDT, c->rx_fill);
}

/* One descriptor that the card has written. */
static void received(struct e1000e *c, unsigned i)
{
    volatile struct e1000e_rx *d = &c->rx[i];
    struct pkt *p = c->rx_pkt[i];
    uint8_t status = d->status, errors = d->errors;
    uint16_t len = d->len, tag = d->vlan;
    bool whole = (status & E1000E_RX_EOP) && !c->rx_skip;
    c->rx_pkt[i] = NULL;
    c->rx_skip = !(status & E1000E_RX_EOP);
    if (!whole || (errors & E1000E_RX_BADFRAME) || len < PKT_ETH || len > PKT_SMALL) {
        c->rx_bad++;
        pkt_put(p);
        return;
    }
    p->len = len;
    p->vlan = status & E1000E_RX_VP ? tag & VLAN_ID : 0; /* the card has taken it out */
    p->validated = (status & E1000E_RX_TCPCS) && !(status & E1000E_RX_IXSM) && !(errors & E1000E_RX_BADSUM);
    nic_received(&c->nic, p);
}

bool e1000e_rx_drain(struct e1000e *c)
{
    bool any = false;
    for (unsigned n = 0; n < E1000E_RX && c->rx_next != c->rx_fill && (c->rx[c->rx_next].status & E1000E_RX_DD); n++) {
        order();
        received(c, c->rx_next);
        c->rx_next = (c->rx_next + 1) % E1000E_RX;
        any = true;
        if (n % 64 == 63)
            e1000e_rx_fill(c);
    }
    e1000e_rx_fill(c);
    return any;
}

/* --- sending --- */

static unsigned tx_free(const struct e1000e *c)
{
    return (c->tx_done + E1000E_TX - c->tx_next - 1) % E1000E_TX;
}

bool e1000e_tx_reclaim(struct e1000e *c)
{
    bool any = false;
    while (c->tx_done != c->tx_next) {
        unsigned last = c->tx_last[c->tx_done];
        if (!(c->tx[last].opts & E1000E_TX_DD))
            break;
        pkt_put(c->tx_pkt[last]);
        c->tx_pkt[last] = NULL;
        c->tx_done = (last + 1) % E1000E_TX;
        any = true;
    }
    if (any)
        c->resets = 0;
    return any;
}

static unsigned put(struct e1000e *c, uint64_t addr, uint32_t cmd, uint32_t opts)
{
    unsigned at = c->tx_next;
    volatile struct e1000e_tx *d = &c->tx[at];
    d->addr = addr;
    d->opts = opts;
    d->cmd = cmd;
    c->tx_next = (at + 1) % E1000E_TX;
    return at;
}

/* Where the sums go and how a large packet is cut (section 7.2.10.1). */
static void put_context(struct e1000e *c, const struct pkt *p)
{
    uint64_t where = p->l3 | (uint64_t)(p->l3 + 10) << 8 | (uint64_t)(p->l4 - 1) << 16 |
                     (uint64_t)p->l4 << 32 | (uint64_t)p->csum << 40; /* the sum ends with the packet */
    uint32_t cmd = E1000E_TX_CONTEXT, opts = 0;
    if (p->proto == PKT_TCP)
        cmd |= E1000E_TX_TCP;
    if (p->ip == 4)
        cmd |= E1000E_TX_IP4;
    if (p->gso) {
        cmd |= E1000E_TX_TSE | (p->len - p->payload);
        opts = (uint32_t)p->payload << 8 | (uint32_t)p->mss << 16;
    }
    put(c, where, cmd, opts);
}

/* The card fills lengths in and wants the pseudo header without one (section 7.2.6). */
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
    struct e1000e *c = (struct e1000e *)n;
    uint32_t cmd = E1000E_TX_DATA | E1000E_TX_IFCS, opts = 0;
    if (!c->link) { /* as a cable that is not there: nobody waits for it */
        pkt_put(p);
        return 0;
    }
    if (tx_free(c) < E1000E_TX_ROOM) {
        e1000e_tx_reclaim(c);
        if (tx_free(c) < E1000E_TX_ROOM)
            return -EBUSY;
    }
    if (p->csum_blank && (p->csum > 255 || p->l4 > 255 || p->payload > 255))
        return -EINVAL; /* a context has a byte for each */
    unsigned first = c->tx_next, last = first;
    if (p->gso) {
        prepare_gso(p);
        cmd |= E1000E_TX_TSE;
        opts |= p->ip == 4 ? E1000E_TX_IXSM : 0u;
    }
    if (p->csum_blank) {
        put_context(c, p);
        opts |= E1000E_TX_TXSM;
    }
    if (p->vlan) {
        cmd |= E1000E_TX_VLE;
        opts |= (uint32_t)p->vlan << E1000E_TX_VLAN;
    }
    for (uint32_t at = 0; at < p->len;) {
        uint32_t left = p->len - at, bytes = left < PKT_PAGE ? left : PKT_PAGE;
        uint32_t end = bytes == left ? E1000E_TX_EOP | E1000E_TX_RS : 0u;
        last = put(c, (uintptr_t)p->data + at, cmd | end | bytes, opts);
        at += bytes;
    }
    c->tx_pkt[last] = p;
    c->tx_last[first] = (uint16_t)last;
    return 0;
}

static void flush(struct nic *n)
{
    struct e1000e *c = (struct e1000e *)n;
    if (c->tx_told == c->tx_next)
        return;
    c->tx_told = c->tx_next;
    order();
    e1000e_hw_write(c->hw, E1000E_TDT, c->tx_next);
}

static bool room(struct nic *n)
{
    struct e1000e *c = (struct e1000e *)n;
    e1000e_tx_reclaim(c);
    if (!c->link || tx_free(c) >= 4 * E1000E_TX_ROOM)
        return true;
    flush(n);
    return false;
}

static bool busy(struct nic *n)
{
    const struct e1000e *c = (const struct e1000e *)n;
    return c->tx_done != c->tx_next;
}

const struct nic_ops e1000e_ops = {.send = send, .flush = flush, .room = room, .busy = busy};
