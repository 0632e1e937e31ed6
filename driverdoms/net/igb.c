/* SPDX-License-Identifier: MIT */
/*
 * Driver for the 82576 as a physical function: see igb.h and card.h.
 * A reset takes the link down for half a second and more, and takes virtual functions along. So what a predecessor left
 * is stopped by its queues alone; the whole card is reset the first time, when its queues do not stop, and when it does not send.
 */
#include "driverdoms/net/igb.h"
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

/* Section 4.2.1.6: everything off, no more bus accesses, reset, and the EEPROM's address is there again. */
static int reset(struct card *c)
{
    wr(c, IGB_IMC, 0xffffffffu);
    wr(c, IGB_EIMC, 0xffffffffu);
    wr(c, IGB_RCTL, 0);
    wr(c, IGB_TCTL, rd(c, IGB_TCTL) & ~(uint32_t)IGB_TCTL_EN);
    int rc = card_reset(c, IGB_RAH0, IGB_RAH_AV);
    if (rc)
        return rc;
    wr(c, IGB_IMC, 0xffffffffu);
    wr(c, IGB_EIMC, 0xffffffffu);
    rd(c, IGB_ICR);
    return 0;
}

static bool queues_stop(struct igb *g)
{
    for (unsigned n = 0; n < IGB_QUEUES; n++) {
        g->rx = IGB_RX_QUEUE(n);
        g->tx = IGB_TX_QUEUE(n);
        if (n % 8 >= g->vfs && !igb_queues_stop(g)) /* theirs go on */
            return false;
    }
    return true;
}

static int stop(struct card *c, bool again)
{
    struct igb *g = (struct igb *)c;
    if (!card_alive(c))
        return -ENODEV;
    g->vfs = rd(c, CARD_STATUS) >> IGB_STATUS_VFS & 15;
    g->vfs = g->vfs < IGB_VFS ? g->vfs : IGB_VFS;
    wr(c, IGB_EIMC, 1);
    if (!again || !queues_stop(g) || !(rd(c, IGB_RAH0) & IGB_RAH_AV)) {
        int rc = reset(c);
        if (rc)
            return rc;
        g->fresh = true;
    }
    card_read_mac(c, IGB_RAL0);
    g->rx = IGB_RX_QUEUE(g->vfs ? IGB_POOL : 0);
    g->tx = IGB_TX_QUEUE(g->vfs ? IGB_POOL : 0);
    c->rx_tail = g->rx + IGB_Q_TAIL;
    c->tx_tail = g->tx + IGB_Q_TAIL;
    return 0;
}

/* A PHY whose negotiation does not run by itself after a reset. */
static void start_link(struct card *c)
{
    wr(c, CARD_CTRL, (rd(c, CARD_CTRL) & ~(uint32_t)(CARD_CTRL_MASTER_OFF | IGB_CTRL_LRST)) | IGB_CTRL_SLU | IGB_CTRL_VME);
    if (rd(c, CARD_STATUS) & CARD_STATUS_LU)
        return;
    uint32_t control = IGB_MDIC_PHY1 | IGB_PHY_CONTROL << IGB_MDIC_REG;
    wr(c, IGB_MDIC, control | IGB_MDIC_READ);
    card_wait(c, IGB_MDIC, IGB_MDIC_READY, IGB_MDIC_READY);
    uint32_t value = rd(c, IGB_MDIC) & 0xffff;
    wr(c, IGB_MDIC, control | IGB_MDIC_WRITE | value | IGB_PHY_AUTONEG | IGB_PHY_RESTART);
    card_wait(c, IGB_MDIC, IGB_MDIC_READY, IGB_MDIC_READY);
}

static void start_receiver(struct card *c)
{
    wr(c, IGB_RFCTL, 0);
    wr(c, IGB_RXCSUM, 1u << 8 | 1u << 9); /* check IP, TCP and UDP */
    wr(c, IGB_RLPML, CARD_FRAME + 4);
    igb_pools_start((struct igb *)c);
    wr(c, IGB_RCTL, IGB_RCTL_EN | IGB_RCTL_UPE | IGB_RCTL_MPE | IGB_RCTL_BAM | IGB_RCTL_SECRC);
    igb_queue_start_rx((struct igb *)c);
}

/* Vector 0 for everything; causes clear themselves when it fires (7.3). The link has no interrupt: card_check() looks at it. */
static void start_interrupts(struct card *c)
{
    wr(c, IGB_GPIE, IGB_GPIE_MSIX | IGB_GPIE_NSICR | IGB_GPIE_PBA);
    unsigned queue = ((struct igb *)c)->vfs ? IGB_POOL : 0;
    wr(c, IGB_IVAR0 + 4 * queue, IGB_IVAR_VALID | IGB_IVAR_VALID << 8); /* receive and transmit; the upper half is queue + 8 */
    wr(c, IGB_EITR0, CARD_ITR_US << 2);
    wr(c, IGB_EIAC, 1);
    wr(c, IGB_EIMS, 1);
}

static void start(struct card *c)
{
    start_link(c);
    start_interrupts(c);
    wr(c, IGB_TCTL, rd(c, IGB_TCTL) | IGB_TCTL_EN);
    igb_queue_start_tx((struct igb *)c);
    start_receiver(c);
    igb_vfs_start((struct igb *)c);
}

static void silence(struct card *c)
{
    wr(c, IGB_EIMC, 1);
    igb_queues_stop((struct igb *)c);
}

static void attend(struct card *c)
{
    struct igb *g = (struct igb *)c;
    if (g->vfs && (rd(c, IGB_ICR) & IGB_ICR_VMMB))
        igb_vfs_serve(g);
}

const struct card_ops igb_card = {
    .name = "igb", .vendor = 0x8086, .device = 0x10c9, .size = sizeof(struct igb), .registers = 0x20000,
    .stop = stop, .start = start, .silence = silence, .link = card_link, .attend = attend, .addresses = igb_own_addresses, IGB_DESCRIPTORS,
};
