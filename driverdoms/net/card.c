/* SPDX-License-Identifier: MIT */
/* A network card's life: stop, start, interrupts, and what to do when it is stuck. See card.h. */
#include "driverdoms/net/card.h"
#include "driverdoms/net/card_hw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint32_t card_read(struct card *c, unsigned offset)
{
    return card_hw_read(c->hw, offset);
}

void card_write(struct card *c, unsigned offset, uint32_t value)
{
    card_hw_write(c->hw, offset, value);
}

bool card_wait(struct card *c, unsigned offset, uint32_t mask, uint32_t value)
{
    uint64_t end = card_hw_now() + CARD_WAIT_NS;
    while ((card_read(c, offset) & mask) != value) {
        if (card_hw_now() > end)
            return false;
        card_hw_relax();
    }
    return true;
}

bool card_alive(struct card *c)
{
    if (card_read(c, CARD_STATUS) != 0xffffffffu)
        return true;
    snprintf(c->why, sizeof(c->why), "its registers cannot be read: it is gone from the bus");
    return false;
}

int card_reset(struct card *c, unsigned offset, uint32_t ready)
{
    card_write(c, CARD_CTRL, card_read(c, CARD_CTRL) | CARD_CTRL_MASTER_OFF);
    card_wait(c, CARD_STATUS, CARD_STATUS_MASTER, 0); /* a card that goes on is stopped by the reset all the same */
    card_write(c, CARD_CTRL, card_read(c, CARD_CTRL) | CARD_CTRL_RST);
    card_hw_relax();
    if (card_wait(c, CARD_CTRL, CARD_CTRL_RST, 0) && card_wait(c, offset, ready, ready))
        return 0;
    snprintf(c->why, sizeof(c->why), "it does not come out of its reset");
    return -EIO;
}

void card_read_mac(struct card *c, unsigned low)
{
    uint64_t mac = card_read(c, low) | (uint64_t)card_read(c, low + 4) << 32;
    for (unsigned i = 0; i < 6; i++)
        c->nic.mac[i] = (uint8_t)(mac >> 8 * i);
}

bool card_link(struct card *c)
{
    return card_read(c, CARD_STATUS) & CARD_STATUS_LU;
}

void card_look_at_link(struct card *c)
{
    bool up = c->ops->link(c);
    if (up == c->link)
        return;
    card_hw_log("%s: link is %s", c->nic.name, up ? "up" : "down");
    c->link = up;
    nic_resume(&c->nic);
}

static void start(struct card *c)
{
    card_rings_reset(c);
    c->link = true; /* card_check() looks: it may take a moment to come up */
    c->progress = card_hw_now();
    c->ops->start(c);
}

int card_begin(struct card *c, const struct card_ops *ops, void *hw, unsigned number, bool again, bool tso)
{
    memset(c, 0, ops->size);
    c->ops = ops;
    c->hw = hw;
    c->tso = tso;
    c->check_ns = CARD_CHECK_NS;
    c->nic.number = number;
    snprintf(c->nic.name, sizeof(c->nic.name), "%s%u", ops->name, number);
    return ops->stop(c, again);
}

int card_finish(struct card *c)
{
    c->rx = card_hw_pages(CARD_RX * sizeof(*c->rx) / 4096);
    c->tx = card_hw_pages(CARD_TX * sizeof(*c->tx) / 4096);
    if (!c->rx || !c->tx) {
        snprintf(c->why, sizeof(c->why), "no memory for its rings");
        return -ENOMEM;
    }
    int rc = card_hw_dma_on(c->hw);
    if (!rc)
        rc = card_hw_interrupt(c->hw, c);
    if (rc) {
        snprintf(c->why, sizeof(c->why), "DMA or its interrupt cannot be enabled (%d)", rc);
        return rc;
    }
    c->nic.ops = &card_nic_ops;
    c->nic.frame_max = CARD_FRAME;
    c->nic.csum = true;
    c->nic.tso4 = c->nic.tso6 = c->tso;
    start(c);
    nic_register(&c->nic);
    card_hw_timer(c->hw, card_hw_now() + c->check_ns);
    return 0;
}

void card_interrupt(struct card *c)
{
    if (c->nic.gone)
        return;
    bool sent = card_tx_reclaim(c);
    card_rx_drain(c);
    nic_settle();
    if (sent)
        nic_resume(&c->nic);
    c->ops->attend(c);
}

static void give_up(struct card *c)
{
    c->ops->silence(c);
    card_rings_reset(c);
    nic_lost(&c->nic, c->why);
}

static void again(struct card *c)
{
    card_hw_log("%s: it does not send, reset %u", c->nic.name, ++c->resets);
    snprintf(c->why, sizeof(c->why), "%u resets did not make it send", CARD_RESETS_MAX);
    if (c->resets > CARD_RESETS_MAX || c->ops->stop(c, false)) {
        give_up(c);
        return;
    }
    start(c);
    nic_resume(&c->nic);
}

void card_check(struct card *c)
{
    uint64_t now = card_hw_now();
    if (c->nic.gone)
        return;
    bool sent = card_tx_reclaim(c);
    if (card_rx_drain(c))
        nic_settle();
    if (!card_alive(c)) {
        give_up(c);
        return;
    }
    c->ops->attend(c);
    card_look_at_link(c);
    if (sent || c->tx_done == c->tx_next || !c->link)
        c->progress = now;
    if (now - c->progress > CARD_STUCK_NS)
        again(c);
    else if (sent)
        nic_resume(&c->nic);
    card_hw_timer(c->hw, now + c->check_ns);
}
