/* SPDX-License-Identifier: MIT */
/*
 * Driver for a virtual function of the 82576: see igb.h and card.h.
 * Its queues work from the physical function's answer to its reset on, and so does its link. The answer may take as long as it likes: nobody
 * waits, packets go nowhere meanwhile, as without a cable. Then the physical function is told the addresses of the interfaces, one message
 * after the other. When the physical function was reset, all of it begins anew.
 */
#include "driverdoms/net/card_hw.h"
#include "driverdoms/net/igb.h"

#include <errno.h>
#include <string.h>

#define CHECK_NS 50000000ull    /* there is no interrupt for a physical function that was reset */
#define ANSWERED_NS 2000000ull  /* while an answer is awaited: its interrupt may not come (QEMU has none for vector 0) */
#define ANSWER_NS 1000000000ull /* for a message */

struct igbvf {
    struct igb igb;            /* first */
    enum { DOWN, ASKED, UP } state;
    uint32_t request;          /* unanswered message, 0 = none */
    uint64_t since;            /* when it was sent */
    uint64_t again;            /* not asked for a reset before */
    uint32_t seen;             /* of the mailbox register: bits that reading clears */
    unsigned told;             /* addresses of which the physical function has been told, 0 = the old ones are not cleared yet */
    bool telling;
    uint8_t mac[IGB_ADDRESSES][6];
    unsigned macs;
};

static uint32_t rd(struct card *c, unsigned offset)
{
    return card_read(c, offset);
}

static void wr(struct card *c, unsigned offset, uint32_t value)
{
    card_write(c, offset, value);
}

/* --- the mailbox --- */

static uint32_t look(struct igbvf *v)
{
    v->seen |= rd(&v->igb.card, IGBVF_V2P);
    return v->seen;
}

/* false: the physical function holds it; there is another time. */
static bool take(struct igbvf *v)
{
    v->seen &= ~(uint32_t)IGB_V2P_VFU;
    wr(&v->igb.card, IGBVF_V2P, IGB_V2P_VFU);
    return look(v) & IGB_V2P_VFU;
}

static bool ask(struct igbvf *v, uint32_t what, const uint8_t mac[6])
{
    struct card *c = &v->igb.card;
    uint32_t word[2] = {0, 0};
    if (!take(v))
        return false;
    if (mac)
        memcpy(word, mac, 6);
    wr(c, IGBVF_MAIL, what);
    wr(c, IGBVF_MAIL + 4, word[0]);
    wr(c, IGBVF_MAIL + 8, word[1]);
    wr(c, IGBVF_V2P, IGB_V2P_REQ);
    v->request = what;
    v->since = card_hw_now();
    return true;
}

/* --- life --- */

static int stop(struct card *c, bool again)
{
    struct igb *g = (struct igb *)c;
    (void)again;
    g->rx = IGBVF_RX;
    g->tx = IGBVF_TX;
    c->rx_tail = g->rx + IGB_Q_TAIL;
    c->tx_tail = g->tx + IGB_Q_TAIL;
    if (!card_alive(c))
        return -ENODEV;
    wr(c, IGB_EIMC, 7);
    wr(c, CARD_CTRL, CARD_CTRL_RST);
    card_hw_relax();
    igb_queues_stop(g); /* the reset has done it */
    return 0;
}

static void interrupts_on(struct card *c)
{
    wr(c, IGB_IVAR0, IGB_IVAR_VALID | IGB_IVAR_VALID << 8);
    wr(c, IGB_IVAR_MISC, IGB_IVAR_VALID); /* the mailbox; vector 0 for all three */
    wr(c, IGB_EITR0, CARD_ITR_US << 2);
    wr(c, IGB_EIAC, 1);
    wr(c, IGB_EIMS, 1);
}

static void down(struct igbvf *v)
{
    v->state = DOWN;
    v->request = 0;
    v->telling = false;
}

static void attend(struct card *c);

static void start(struct card *c)
{
    struct igbvf *v = (struct igbvf *)c;
    c->link = false;
    down(v);
    attend(c);
}

static void silence(struct card *c)
{
    wr(c, IGB_EIMC, 7);
    wr(c, CARD_CTRL, CARD_CTRL_RST);
    igb_queues_stop((struct igb *)c);
}

static bool link(struct card *c)
{
    return ((struct igbvf *)c)->state == UP && card_link(c);
}

/* The physical function was reset, and with it our queues. */
static void begin_anew(struct card *c)
{
    struct igbvf *v = (struct igbvf *)c;
    if (v->state == UP) {
        card_hw_log("%s: the physical function was reset", c->nic.name);
        igb_queues_stop(&v->igb);
        card_rings_reset(c);
    }
    down(v);
    card_look_at_link(c);
}

static void up(struct card *c, const uint32_t mac[2])
{
    struct igbvf *v = (struct igbvf *)c;
    memcpy(c->nic.mac, mac, 6);
    v->state = UP;
    c->progress = card_hw_now();
    igb_queue_start_tx(&v->igb);
    igb_queue_start_rx(&v->igb);
    card_look_at_link(c);
    c->ops->addresses(c);
}

/* --- addresses --- */

static void tell_next(struct igbvf *v)
{
    if (v->request || !v->telling)
        return;
    if (v->told > v->macs)
        v->telling = false;
    else if (!v->told)
        ask(v, IGB_MSG_MAC | IGB_MSG_CLEAR, NULL);
    else
        ask(v, IGB_MSG_MAC | IGB_MSG_ADD, v->mac[v->told - 1]);
}

static void addresses(struct card *c)
{
    struct igbvf *v = (struct igbvf *)c;
    v->macs = nic_addresses(&c->nic, v->mac, IGB_ADDRESSES);
    v->told = 0;
    v->telling = v->state == UP;
    tell_next(v);
}

/* An answer to MAC messages: the list may have changed meanwhile, then it was a CLEAR of the old one or an ADD that the next CLEAR takes back. */
static void told(struct igbvf *v, uint32_t request, bool good)
{
    const uint8_t *m = v->told ? v->mac[v->told - 1] : NULL;
    bool clear = (request & IGB_MSG_INFO) == IGB_MSG_CLEAR;
    if (clear != !v->told)
        return;
    if (!good && m)
        card_hw_log("%s: the physical function does not let it have %02x:%02x:%02x:%02x:%02x:%02x", v->igb.card.nic.name, m[0], m[1], m[2],
                    m[3], m[4], m[5]);
    v->told++;
}

/* --- what the physical function says --- */

static void message(struct card *c)
{
    struct igbvf *v = (struct igbvf *)c;
    if (!take(v))
        return;
    uint32_t word[3], request = v->request;
    for (unsigned i = 0; i < 3; i++)
        word[i] = rd(c, IGBVF_MAIL + 4 * i);
    v->seen &= ~(uint32_t)IGB_V2P_PFSTS;
    wr(c, IGBVF_V2P, IGB_V2P_ACK);
    if (!request || (word[0] & (IGB_MSG_KIND | IGB_MSG_INFO)) != request || !(word[0] & (IGB_MSG_ACK | IGB_MSG_NACK)))
        return; /* nothing that we have asked */
    v->request = 0;
    if (request != IGB_MSG_RESET)
        told(v, request, word[0] & IGB_MSG_ACK);
    else if (word[0] & IGB_MSG_ACK)
        up(c, word + 1);
    else
        v->again = card_hw_now() + ANSWER_NS; /* refused: not at once again */
}

static void attend(struct card *c)
{
    struct igbvf *v = (struct igbvf *)c;
    uint32_t seen = look(v);
    if (seen == 0xffffffffu)
        return; /* gone: card_check() sees it too */
    if (seen & (IGB_V2P_RSTI | IGB_V2P_RSTD))
        begin_anew(c);
    v->seen &= ~(uint32_t)(IGB_V2P_RSTI | IGB_V2P_RSTD | IGB_V2P_PFACK);
    if (seen & IGB_V2P_PFSTS)
        message(c);
    if (v->request && card_hw_now() - v->since > ANSWER_NS)
        v->request = 0; /* lost: say it again */
    if (v->state == ASKED && !v->request)
        v->state = DOWN;
    if (v->state == DOWN && !(seen & IGB_V2P_RSTI) && card_hw_now() >= v->again) {
        interrupts_on(c);
        if (ask(v, IGB_MSG_RESET, NULL))
            v->state = ASKED;
    }
    tell_next(v);
    c->check_ns = v->request ? ANSWERED_NS : CHECK_NS;
}

const struct card_ops igbvf_card = {
    .name = "igbvf", .vendor = 0x8086, .device = 0x10ca, .size = sizeof(struct igbvf), .registers = 0x4000,
    .stop = stop, .start = start, .silence = silence, .link = link, .attend = attend, .addresses = addresses, IGB_DESCRIPTORS,
};
