/* SPDX-License-Identifier: MIT */
/* The 82574L: reset, start, interrupts, and what to do when it is stuck. See e1000e.h. */
#include "driverdoms/net/e1000e.h"
#include "driverdoms/net/e1000e_hw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GONE "its registers cannot be read: it is gone from the bus"

static uint32_t rd(struct e1000e *c, unsigned offset)
{
    return e1000e_hw_read(c->hw, offset);
}

static void wr(struct e1000e *c, unsigned offset, uint32_t value)
{
    e1000e_hw_write(c->hw, offset, value);
}

/* Until (register & mask) == value, at most E1000E_RESET_NS. */
static bool wait_for(struct e1000e *c, unsigned offset, uint32_t mask, uint32_t value)
{
    uint64_t end = e1000e_hw_now() + E1000E_RESET_NS;
    while ((rd(c, offset) & mask) != value) {
        if (e1000e_hw_now() > end)
            return false;
        e1000e_hw_relax();
    }
    return true;
}

/* Section 4.6.3: interrupts off, units off, no more bus accesses, reset, EEPROM read again. */
static int reset(struct e1000e *c)
{
    if (rd(c, E1000E_STATUS) == 0xffffffffu) {
        snprintf(c->why, sizeof(c->why), "%s", GONE);
        return -ENODEV;
    }
    wr(c, E1000E_IMC, 0xffffffffu);
    wr(c, E1000E_RCTL, 0);
    wr(c, E1000E_TCTL, E1000E_TCTL_PSP);
    wr(c, E1000E_CTRL, rd(c, E1000E_CTRL) | E1000E_CTRL_MASTER_OFF);
    wait_for(c, E1000E_STATUS, E1000E_STATUS_MASTER, 0); /* a card that goes on is stopped by the reset all the same */
    wr(c, E1000E_CTRL, rd(c, E1000E_CTRL) | E1000E_CTRL_RST);
    e1000e_hw_relax();
    if (!wait_for(c, E1000E_CTRL, E1000E_CTRL_RST, 0) || !wait_for(c, E1000E_EECD, E1000E_EECD_AUTO_RD, E1000E_EECD_AUTO_RD)) {
        snprintf(c->why, sizeof(c->why), "it does not come out of its reset");
        return -EIO;
    }
    wr(c, E1000E_IMC, 0xffffffffu);
    rd(c, E1000E_ICR);
    return 0;
}

static void read_mac(struct e1000e *c)
{
    uint32_t low = rd(c, E1000E_RAL), high = rd(c, E1000E_RAH);
    for (unsigned i = 0; i < 4; i++)
        c->nic.mac[i] = (uint8_t)(low >> 8 * i);
    for (unsigned i = 0; i < 2; i++)
        c->nic.mac[4 + i] = (uint8_t)(high >> 8 * i);
}

static void start_receiver(struct e1000e *c)
{
    uint64_t ring = (uintptr_t)c->rx;
    wr(c, E1000E_RFCTL, 0);
    wr(c, E1000E_MRQC, 0);
    wr(c, E1000E_RXCSUM, 1u << 8 | 1u << 9); /* check IP, TCP and UDP */
    wr(c, E1000E_RDBAL, (uint32_t)ring);
    wr(c, E1000E_RDBAH, (uint32_t)(ring >> 32));
    wr(c, E1000E_RDLEN, E1000E_RX * sizeof(struct e1000e_rx));
    wr(c, E1000E_RDH, 0);
    wr(c, E1000E_RDT, 0);
    for (unsigned i = 0; i < 128; i++)
        wr(c, E1000E_MTA + 4 * i, 0);
    wr(c, E1000E_RCTL, E1000E_RCTL_EN | E1000E_RCTL_UPE | E1000E_RCTL_MPE | E1000E_RCTL_BAM | E1000E_RCTL_SECRC);
    e1000e_rx_fill(c);
}

static void start_transmitter(struct e1000e *c)
{
    uint64_t ring = (uintptr_t)c->tx;
    wr(c, E1000E_TDBAL, (uint32_t)ring);
    wr(c, E1000E_TDBAH, (uint32_t)(ring >> 32));
    wr(c, E1000E_TDLEN, E1000E_TX * sizeof(struct e1000e_tx));
    wr(c, E1000E_TDH, 0);
    wr(c, E1000E_TDT, 0);
    wr(c, E1000E_TIPG, 8 | 8 << 10 | 6 << 20);
    wr(c, E1000E_TCTL, E1000E_TCTL_EN | E1000E_TCTL_PSP | 0xf << 4 | 0x3f << 12);
}

/* Vector 0 for everything; causes clear and mask themselves when it fires (section 7.4).
 * The link has no interrupt: e1000e_check() looks at it. */
static void start_interrupts(struct e1000e *c)
{
    wr(c, E1000E_IVAR, 0x8u | 0x8u << 8 | 0x8u << 16 | 1u << 31);
    wr(c, E1000E_CTRL_EXT, rd(c, E1000E_CTRL_EXT) | 1u << 31); /* clear pending bits by MSI-X */
    wr(c, E1000E_EITR0, E1000E_ITR);
    wr(c, E1000E_EIAC, E1000E_INTS);
    wr(c, E1000E_IMS, E1000E_INTS);
}

static void look_at_link(struct e1000e *c)
{
    bool up = rd(c, E1000E_STATUS) & E1000E_STATUS_LU;
    if (up == c->link)
        return;
    e1000e_hw_log("%s: link is %s", c->nic.name, up ? "up" : "down");
    c->link = up;
    nic_resume(&c->nic);
}

static void start(struct e1000e *c)
{
    e1000e_rings_reset(c);
    wr(c, E1000E_CTRL, (rd(c, E1000E_CTRL) & ~(uint32_t)E1000E_CTRL_MASTER_OFF) | E1000E_CTRL_SLU | E1000E_CTRL_VME);
    start_transmitter(c);
    start_receiver(c);
    start_interrupts(c);
    c->link = true; /* e1000e_check() looks: it may take a moment to come up */
    c->progress = e1000e_hw_now();
}

int e1000e_begin(struct e1000e *c, void *hw, unsigned number, bool tso)
{
    memset(c, 0, sizeof(*c));
    c->hw = hw;
    c->tso = tso;
    c->nic.number = number;
    snprintf(c->nic.name, sizeof(c->nic.name), "e1000e%u", number);
    return reset(c);
}

int e1000e_finish(struct e1000e *c)
{
    c->rx = e1000e_hw_pages(E1000E_RX * sizeof(struct e1000e_rx) / 4096);
    c->tx = e1000e_hw_pages(E1000E_TX * sizeof(struct e1000e_tx) / 4096);
    if (!c->rx || !c->tx) {
        snprintf(c->why, sizeof(c->why), "no memory for its rings");
        return -ENOMEM;
    }
    int rc = e1000e_hw_dma_on(c->hw);
    if (!rc)
        rc = e1000e_hw_interrupt(c->hw, c);
    if (rc) {
        snprintf(c->why, sizeof(c->why), "DMA or its interrupt cannot be enabled (%d)", rc);
        return rc;
    }
    read_mac(c);
    c->nic.ops = &e1000e_ops;
    c->nic.frame_max = E1000E_FRAME;
    c->nic.csum = true;
    c->nic.tso4 = c->nic.tso6 = c->tso;
    start(c);
    nic_register(&c->nic);
    e1000e_hw_timer(c->hw, e1000e_hw_now() + E1000E_CHECK_NS);
    return 0;
}

void e1000e_interrupt(struct e1000e *c)
{
    if (c->nic.gone)
        return;
    bool sent = e1000e_tx_reclaim(c);
    e1000e_rx_drain(c);
    nic_settle();
    if (sent)
        nic_resume(&c->nic);
    wr(c, E1000E_IMS, E1000E_INTS); /* what came in between raises it again */
}

static void give_up(struct e1000e *c)
{
    wr(c, E1000E_IMC, 0xffffffffu);
    wr(c, E1000E_RCTL, 0);
    e1000e_rings_reset(c);
    nic_lost(&c->nic, c->why);
}

static void again(struct e1000e *c)
{
    e1000e_hw_log("%s: it does not send, reset %u", c->nic.name, ++c->resets);
    snprintf(c->why, sizeof(c->why), "%u resets did not make it send", E1000E_RESETS_MAX);
    if (c->resets > E1000E_RESETS_MAX || reset(c)) {
        give_up(c);
        return;
    }
    start(c);
    nic_resume(&c->nic);
}

void e1000e_check(struct e1000e *c)
{
    uint64_t now = e1000e_hw_now();
    if (c->nic.gone)
        return;
    bool sent = e1000e_tx_reclaim(c);
    if (e1000e_rx_drain(c))
        nic_settle();
    if (rd(c, E1000E_STATUS) == 0xffffffffu) {
        snprintf(c->why, sizeof(c->why), "%s", GONE);
        give_up(c);
        return;
    }
    look_at_link(c);
    if (sent || c->tx_done == c->tx_next || !c->link)
        c->progress = now;
    if (now - c->progress > E1000E_STUCK_NS)
        again(c);
    else if (sent)
        nic_resume(&c->nic);
    e1000e_hw_timer(c->hw, now + E1000E_CHECK_NS);
}
