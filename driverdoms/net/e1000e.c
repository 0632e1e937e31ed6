/* SPDX-License-Identifier: MIT */
/* Driver for the 82574L: see e1000e.h and card.h. */
#include "driverdoms/net/e1000e.h"
#include "driverdoms/net/card_hw.h"

#include <errno.h>

static uint32_t rd(struct card *c, unsigned offset)
{
    return card_read(c, offset);
}

static void wr(struct card *c, unsigned offset, uint32_t value)
{
    card_write(c, offset, value);
}

/* Section 4.6.3: interrupts off, units off, no more bus accesses, reset, EEPROM read again. */
static int stop(struct card *c, bool again)
{
    (void)again; /* a reset is quick, and nobody else uses the card */
    c->rx_tail = E1000E_RDT;
    c->tx_tail = E1000E_TDT;
    if (!card_alive(c))
        return -ENODEV;
    wr(c, E1000E_IMC, 0xffffffffu);
    wr(c, E1000E_RCTL, 0);
    wr(c, E1000E_TCTL, E1000E_TCTL_PSP);
    int rc = card_reset(c, E1000E_EECD, E1000E_EECD_AUTO_RD);
    if (rc)
        return rc;
    wr(c, E1000E_IMC, 0xffffffffu);
    rd(c, E1000E_ICR);
    card_read_mac(c, E1000E_RAL);
    return 0;
}

static void start_receiver(struct card *c)
{
    uint64_t ring = (uintptr_t)c->rx;
    wr(c, E1000E_RFCTL, 0);
    wr(c, E1000E_MRQC, 0);
    wr(c, E1000E_RXCSUM, 1u << 8 | 1u << 9); /* check IP, TCP and UDP */
    wr(c, E1000E_RDBAL, (uint32_t)ring);
    wr(c, E1000E_RDBAH, (uint32_t)(ring >> 32));
    wr(c, E1000E_RDLEN, CARD_RX * sizeof(struct e1000e_rx));
    wr(c, E1000E_RDH, 0);
    wr(c, E1000E_RDT, 0);
    for (unsigned i = 0; i < 128; i++)
        wr(c, E1000E_MTA + 4 * i, 0);
    wr(c, E1000E_RCTL, E1000E_RCTL_EN | E1000E_RCTL_UPE | E1000E_RCTL_MPE | E1000E_RCTL_BAM | E1000E_RCTL_SECRC);
    card_rx_start(c);
}

static void start_transmitter(struct card *c)
{
    uint64_t ring = (uintptr_t)c->tx;
    wr(c, E1000E_TDBAL, (uint32_t)ring);
    wr(c, E1000E_TDBAH, (uint32_t)(ring >> 32));
    wr(c, E1000E_TDLEN, CARD_TX * sizeof(struct e1000e_tx));
    wr(c, E1000E_TDH, 0);
    wr(c, E1000E_TDT, 0);
    wr(c, E1000E_TIPG, 8 | 8 << 10 | 6 << 20);
    wr(c, E1000E_TCTL, E1000E_TCTL_EN | E1000E_TCTL_PSP | 0xf << 4 | 0x3f << 12);
}

/* Vector 0 for everything; causes clear and mask themselves when it fires (section 7.4).
 * The link has no interrupt: card_check() looks at it. */
static void start_interrupts(struct card *c)
{
    wr(c, E1000E_IVAR, 0x8u | 0x8u << 8 | 0x8u << 16 | 1u << 31);
    wr(c, E1000E_CTRL_EXT, rd(c, E1000E_CTRL_EXT) | 1u << 31); /* clear pending bits by MSI-X */
    wr(c, E1000E_EITR0, CARD_ITR_US * 1000 / 256);
    wr(c, E1000E_EIAC, E1000E_INTS);
    wr(c, E1000E_IMS, E1000E_INTS);
}

static void start(struct card *c)
{
    wr(c, CARD_CTRL, (rd(c, CARD_CTRL) & ~(uint32_t)CARD_CTRL_MASTER_OFF) | E1000E_CTRL_SLU | E1000E_CTRL_VME);
    start_transmitter(c);
    start_receiver(c);
    start_interrupts(c);
}

static void silence(struct card *c)
{
    wr(c, E1000E_IMC, 0xffffffffu);
    wr(c, E1000E_RCTL, 0);
}

static void attend(struct card *c)
{
    wr(c, E1000E_IMS, E1000E_INTS); /* what came in between raises it again */
}

/* --- descriptors --- */

static volatile struct e1000e_rx *rx_at(const struct card *c, unsigned i)
{
    return (volatile struct e1000e_rx *)&c->rx[i];
}

static volatile struct e1000e_tx *tx_at(const struct card *c, unsigned i)
{
    return (volatile struct e1000e_tx *)&c->tx[i];
}

static void rx_give(struct card *c, unsigned i, uint64_t addr)
{
    rx_at(c, i)->status = 0;
    rx_at(c, i)->addr = addr;
}

static bool rx_done(const struct card *c, unsigned i, struct card_received *r)
{
    volatile struct e1000e_rx *d = rx_at(c, i);
    uint8_t status = d->status, errors = d->errors;
    if (!(status & E1000E_RX_DD))
        return false;
    r->len = d->len;
    r->vlan = status & E1000E_RX_VP ? d->vlan : 0;
    r->last = status & E1000E_RX_EOP;
    r->bad = errors & E1000E_RX_BADFRAME;
    r->validated = (status & E1000E_RX_TCPCS) && !(status & E1000E_RX_IXSM) && !(errors & E1000E_RX_BADSUM);
    return true;
}

static void put(struct card *c, unsigned i, uint64_t addr, uint32_t cmd, uint32_t opts)
{
    volatile struct e1000e_tx *d = tx_at(c, i);
    d->addr = addr;
    d->opts = opts;
    d->cmd = cmd;
}

/* Where the sums go and how a large packet is cut (section 7.2.10.1). */
static bool tx_context(struct card *c, unsigned i, const struct pkt *p)
{
    if (!p->csum_blank)
        return false;
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
    put(c, i, where, cmd, opts);
    return true;
}

static void tx_data(struct card *c, unsigned i, const struct pkt *p, uint32_t at, uint32_t bytes)
{
    uint32_t cmd = E1000E_TX_DATA | E1000E_TX_IFCS | bytes, opts = 0;
    if (p->csum_blank)
        opts |= E1000E_TX_TXSM;
    if (p->gso) {
        cmd |= E1000E_TX_TSE;
        opts |= p->ip == 4 ? E1000E_TX_IXSM : 0u;
    }
    if (p->vlan) {
        cmd |= E1000E_TX_VLE;
        opts |= (uint32_t)p->vlan << E1000E_TX_VLAN;
    }
    if (at + bytes == p->len)
        cmd |= E1000E_TX_EOP | E1000E_TX_RS;
    put(c, i, (uintptr_t)p->data + at, cmd, opts);
}

static bool tx_done(const struct card *c, unsigned i)
{
    return tx_at(c, i)->opts & E1000E_TX_DD;
}

const struct card_ops e1000e_card = {
    .name = "e1000e", .vendor = 0x8086, .device = 0x10d3, .size = sizeof(struct card), .registers = 0x20000,
    .stop = stop, .start = start, .silence = silence, .link = card_link, .attend = attend,
    .rx_give = rx_give, .rx_done = rx_done, .tx_context = tx_context, .tx_data = tx_data, .tx_done = tx_done,
};
