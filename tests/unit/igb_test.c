/* SPDX-License-Identifier: MIT */
/* The 82576's drivers, of the physical function and of virtual ones, against a card of our own (fake_igb.h). The switch is the card's. */
#include "fake_igb.h"
#include "driverdoms/net/card_hw.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PF FAKE_VFS /* number and index of the physical function */
#define MS 1000000ull

static struct card *card[FAKE_VFS + 1];
static unsigned free_before;

static struct card *begin(unsigned n, bool again)
{
    const struct card_ops *ops = n == PF ? &igb_card : &igbvf_card;
    card[n] = calloc(1, ops->size);
    CU_ASSERT_EQUAL_FATAL(card_begin(card[n], ops, n == PF ? NULL : &igb.vf[n], n, again, true), 0);
    return card[n];
}

static struct card *up(unsigned n, bool again)
{
    begin(n, again);
    CU_ASSERT_EQUAL_FATAL(card_finish(card[n]), 0);
    return card[n];
}

/* The domain of a function ends, by death or otherwise: what it held is gone, the card is as it was. */
static void end(unsigned n)
{
    card_rings_reset(card[n]);
    free((void *)card[n]->rx);
    free((void *)card[n]->tx);
    free(card[n]);
    card[n] = NULL;
    igb.fn[n].card = NULL;
    igb.fn[n].timer = 0;
    igb.fn[n].interrupt = false;
    igb.fn[n].dma = false;
}

static void new_machine(unsigned vfs)
{
    igb_new(vfs);
    free_before = pkt_free_small();
}

static void over(void)
{
    for (unsigned n = 0; n <= PF; n++)
        if (card[n])
            end(n);
    CU_ASSERT_EQUAL(pkt_free_small(), free_before);
    CU_ASSERT_EQUAL(pkt_free_big(), 8);
}

static struct pkt *packet(unsigned len)
{
    struct pkt *p = pkt_new(len);
    if (!p)
        abort();
    for (unsigned i = 0; i < len; i++)
        p->data[i] = (uint8_t)(i * 13 + len);
    return p;
}

static void send(unsigned n, struct pkt *p)
{
    memset(&igb.sent, 0, sizeof(igb.sent));
    CU_ASSERT_TRUE(card_nic_ops.room(&card[n]->nic));
    CU_ASSERT_EQUAL(card_nic_ops.send(&card[n]->nic, p), 0);
    card_nic_ops.flush(&card[n]->nic);
}

/* A small frame from one address to another; who is the last byte of each, 02:00:00:00:00:who. */
static void send_to(unsigned n, unsigned from, unsigned to)
{
    struct pkt *p = packet(100);
    memset(p->data, 0, 12);
    p->data[0] = p->data[6] = 2;
    p->data[5] = (uint8_t)to;
    p->data[11] = (uint8_t)from;
    send(n, p);
}

static void want(unsigned n, unsigned first, unsigned count)
{
    memset(wanted[n], 0, sizeof(wanted[n]));
    for (unsigned i = 0; i < count; i++) {
        wanted[n][i][0] = 2;
        wanted[n][i][5] = (uint8_t)(first + i);
    }
    card_nic_ops.addresses(&card[n]->nic);
}

/* Which pools get a frame from the wire to 02:00:00:00:00:to. */
static unsigned gets(unsigned to)
{
    uint8_t frame[100] = {2, 0, 0, 0, 0, (uint8_t)to, 2, 0, 0, 0, 0, 99};
    unsigned pools = igb_from_wire(frame, sizeof(frame));
    igb_run(MS);
    return pools;
}

/* --- a card without virtual functions --- */

static void test_start(void)
{
    new_machine(0);
    begin(PF, false);
    CU_ASSERT(!igb.fn[PF].dma && igb.resets == 1);
    CU_ASSERT_EQUAL_FATAL(card_finish(card[PF]), 0);
    struct nic *n = &card[PF]->nic;
    CU_ASSERT(!memcmp(n->mac, "\x52\x54\x00\x12\x34\x56", 6) && taken[PF].registered == 1 && n->csum && n->tso4 && n->tso6);
    CU_ASSERT(!strcmp(n->name, "igb7") && igb.autonegs == 1 && *igb_reg(IGB_MRQC) == 0);
    uint32_t rctl = *igb_reg(IGB_RCTL);
    CU_ASSERT((rctl & IGB_RCTL_EN) && (rctl & IGB_RCTL_UPE) && (rctl & IGB_RCTL_MPE) && (rctl & IGB_RCTL_SECRC));
    CU_ASSERT(*igb_reg(IGB_RX_QUEUE(0) + IGB_Q_TAIL) == CARD_RX - 1 && *igb_reg(IGB_EIMS) == 1 && *igb_reg(IGB_EIAC) == 1);
    CU_ASSERT((*igb_reg(IGB_IVAR0) & 0xffff) == 0x8080 && *igb_reg(IGB_EITR0) == 51 << 2);
    CU_ASSERT((*igb_reg(CARD_CTRL) & IGB_CTRL_SLU) && (*igb_reg(CARD_CTRL) & IGB_CTRL_VME) && !(*igb_reg(CARD_CTRL) & IGB_CTRL_LRST));
    over();
    struct igb g;
    igb.absent = true;
    CU_ASSERT(card_begin(&g.card, &igb_card, NULL, 1, false, true) == -ENODEV && strstr(g.card.why, "gone"));
    igb.absent = false;
    igb.stuck_reset = true;
    uint64_t before = igb.now;
    CU_ASSERT(card_begin(&g.card, &igb_card, NULL, 1, false, true) == -EIO && strstr(g.card.why, "reset"));
    CU_ASSERT(igb.now - before < 1000 * MS);
}

static void test_receive(void)
{
    uint8_t data[2048];
    new_machine(0);
    up(PF, false);
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 3);
    for (unsigned i = 0; i < 1000; i++) { /* round the ring, in bursts */
        CU_ASSERT(igb_deliver(0, data, 60 + i, IGB_RX_EOP | (i % 2 ? IGB_RX_L4CS : 0), 60 + i, 0));
        if (i % 100 == 99)
            igb_run(MS);
    }
    CU_ASSERT(taken[PF].received == 1000 && taken[PF].len == 1059 && taken[PF].validated && !memcmp(taken[PF].data, data, 1059));
    unsigned n = 0;
    while (igb_deliver(0, data, 60, IGB_RX_EOP, 60, 0)) /* more than there are buffers */
        n++;
    igb_run(MS);
    CU_ASSERT(n == CARD_RX - 1 && taken[PF].received == 1000 + n);
    CU_ASSERT(igb_deliver(0, data, 60, IGB_RX_EOP | IGB_RX_L4CS | 1u << 30, 60, 0)); /* a wrong checksum: delivered, not vouched for */
    igb_run(MS);
    CU_ASSERT(taken[PF].received == 1001 + n && !taken[PF].validated);
    CU_ASSERT(igb_deliver(0, data, 60, IGB_RX_EOP | IGB_RX_VP, 60, 0xe005)); /* priority 7, VLAN 5 */
    igb_run(MS);
    CU_ASSERT_EQUAL(taken[PF].vlan, 5);
    CU_ASSERT(igb_deliver(0, data, 60, IGB_RX_EOP, 60, 0xe005));
    igb_run(MS);
    CU_ASSERT_EQUAL(taken[PF].vlan, 0);
    over();
}

static void test_receive_hostile(void)
{
    static const unsigned lengths[] = {0, 13, 2049, 65535};
    uint8_t data[2048] = {0};
    new_machine(0);
    up(PF, false);
    for (unsigned i = 0; i < 4; i++)
        igb_deliver(0, data, 60, IGB_RX_EOP, lengths[i], 0);
    igb_deliver(0, data, 60, IGB_RX_EOP | IGB_RX_ERROR, 60, 0);
    igb_deliver(0, data, 2048, 0, 2048, 0); /* a frame over three buffers */
    igb_deliver(0, data, 2048, 0, 2048, 0);
    igb_deliver(0, data, 100, IGB_RX_EOP, 100, 0);
    igb_run(MS);
    CU_ASSERT(taken[PF].received == 0 && card[PF]->rx_bad == 8);
    igb_deliver(0, data, 60, IGB_RX_EOP, 60, 0);
    igb_run(MS);
    CU_ASSERT_EQUAL(taken[PF].received, 1);
    /* every descriptor "done" at once, again and again: bounded work, no buffer twice */
    volatile struct igb_rx *ring = (volatile void *)card[PF]->rx;
    for (unsigned k = 0; k < 5; k++) {
        for (unsigned i = 0; i < CARD_RX; i++) {
            ring[i].len = 100;
            ring[i].status = IGB_RX_DD | IGB_RX_EOP;
        }
        card_interrupt(card[PF]);
    }
    over();
}

static struct pkt *tcp_packet(unsigned len)
{
    struct pkt *p = packet(len);
    memcpy(p->data + 12, "\x08\x00\x45\x00", 4);
    p->data[16] = (uint8_t)((len - 14) >> 8);
    p->data[17] = (uint8_t)(len - 14);
    p->data[20] = p->data[21] = 0;
    p->data[23] = 6;
    p->data[46] = 0x50;
    CU_ASSERT_FATAL(pkt_parse(p) && p->payload == 54);
    p->csum_blank = true;
    return p;
}

static void test_send(void)
{
    new_machine(0);
    up(PF, false);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned len = 60 + i % 1400;
        send(PF, packet(len));
        CU_ASSERT(igb.frames == i + 1 && igb.sent.len == len && igb.sent.data[len - 1] == (uint8_t)((len - 1) * 13 + len) &&
                  !igb.sent.has_context && igb.sent.pieces == 1 && (igb.sent.cmd & IGB_TX_IFCS));
    }
    igb_run(MS);
    CU_ASSERT(card[PF]->tx_done == card[PF]->tx_next && taken[PF].resumed >= 1);
    send(PF, tcp_packet(1000));
    CU_ASSERT(igb.sent.has_context && igb.sent.context.where == (14u << 9 | 20) && (igb.sent.context.cmd & IGB_TX_TCP) &&
              (igb.sent.context.cmd & IGB_TX_IP4) && igb.sent.context.sizes == 0);
    CU_ASSERT((igb.sent.opts & IGB_TX_TXSM) && !(igb.sent.opts & IGB_TX_IXSM) && !(igb.sent.cmd & IGB_TX_TSE));
    struct pkt *p = tcp_packet(30054);
    p->gso = 4;
    p->mss = 1448;
    send(PF, p);
    CU_ASSERT(igb.sent.pieces == 8 && igb.sent.len == 30054 && (igb.sent.cmd & IGB_TX_TSE));
    CU_ASSERT(igb.sent.context.sizes == (1448u << 16 | 20 << 8) && igb.sent.opts >> IGB_TX_BYTES == 30000);
    CU_ASSERT((igb.sent.opts & IGB_TX_TXSM) && (igb.sent.opts & IGB_TX_IXSM));
    CU_ASSERT(!igb.sent.data[16] && !igb.sent.data[17] && !igb.sent.data[24] && !igb.sent.data[25]);
    p = packet(100);
    p->vlan = 4094;
    send(PF, p); /* a tag needs a context, and the next packet has none */
    CU_ASSERT(igb.sent.has_context && igb.sent.context.where >> 16 == 4094 && (igb.sent.cmd & IGB_TX_VLE) && !(igb.sent.opts & IGB_TX_TXSM));
    send(PF, packet(100));
    CU_ASSERT(!igb.sent.has_context && !(igb.sent.cmd & IGB_TX_VLE));
    over();
}

/* A successor stops the queues and leaves the rest of the card as it is, unless they do not stop. */
static void test_again(void)
{
    new_machine(0);
    up(PF, false);
    *igb_reg(IGB_TX_QUEUE(5) + IGB_Q_DCTL) = IGB_DCTL_ENABLE; /* whatever the predecessor did */
    end(PF);
    begin(PF, true);
    for (unsigned i = 0; i < IGB_QUEUES; i++)
        CU_ASSERT(!*igb_reg(IGB_RX_QUEUE(i) + IGB_Q_DCTL) && !*igb_reg(IGB_TX_QUEUE(i) + IGB_Q_DCTL));
    CU_ASSERT(igb.resets == 1 && card_finish(card[PF]) == 0 && igb.resets == 1 && igb.autonegs == 1);
    send(PF, packet(100));
    CU_ASSERT(igb.frames == 1 && igb_deliver(0, "", 1, IGB_RX_EOP, 60, 0));
    igb_run(MS);
    CU_ASSERT_EQUAL(taken[PF].received, 1);
    end(PF);
    igb.stuck_queue = true;
    begin(PF, true);
    CU_ASSERT_EQUAL(igb.resets, 2);
    igb.stuck_queue = false;
    CU_ASSERT(card_finish(card[PF]) == 0 && igb.autonegs == 2);
    over();
}

static void test_stuck(void)
{
    new_machine(0);
    up(PF, false);
    igb.dead = true;
    send(PF, packet(100));
    igb_run(1900 * MS);
    CU_ASSERT_EQUAL(igb.resets, 1);
    igb_run(1500 * MS);
    CU_ASSERT(igb.resets == 2 && card[PF]->tx_done == card[PF]->tx_next && !card[PF]->nic.gone);
    igb.dead = false;
    send(PF, packet(100));
    CU_ASSERT_EQUAL(igb.frames, 1);
    igb_run(1000 * MS);
    CU_ASSERT_EQUAL(card[PF]->resets, 0);
    igb.dead = true;
    for (unsigned i = 0; i < CARD_RESETS_MAX + 1; i++) {
        send(PF, packet(100));
        igb_run(3500 * MS);
    }
    CU_ASSERT(card[PF]->nic.gone && taken[PF].lost == 1 && igb.resets == 2 + CARD_RESETS_MAX && strstr(card[PF]->why, "resets"));
    over();
}

/* --- with virtual functions --- */

static void test_virtual(void)
{
    new_machine(2);
    up(0, false);
    igb_run(500 * MS);
    CU_ASSERT(!card[0]->link); /* there is no physical function's driver yet */
    send_to(0, 1, 2);
    CU_ASSERT(igb.frames == 0 && !card_nic_ops.busy(&card[0]->nic));
    up(PF, false);
    up(1, false);
    igb_run(100 * MS);
    CU_ASSERT(card[0]->link && card[1]->link && card[PF]->link);
    CU_ASSERT(!memcmp(card[0]->nic.mac, "\x52\x54\x00\x92\x34\x56", 6) && !memcmp(card[1]->nic.mac, "\x52\x54\x00\x82\x34\x56", 6));
    CU_ASSERT_EQUAL(*igb_reg(IGB_DTXSWC), 0x80000003);
    want(0, 10, 2);
    want(1, 20, 1);
    want(PF, 30, 1);
    igb_run(200 * MS);
    CU_ASSERT(gets(10) == 1 && gets(11) == 1 && gets(20) == 2 && gets(30) == 1u << IGB_POOL);
    CU_ASSERT(taken[0].received == 2 && taken[1].received == 1 && taken[PF].received == 1);
    CU_ASSERT_EQUAL(gets(99), 1u << IGB_POOL); /* whom nobody knows is the physical function's, which is promiscuous */
    send_to(0, 10, 20); /* the card switches */
    igb_run(MS);
    CU_ASSERT(igb.sent.pool == 0 && taken[1].received == 2 && taken[1].len == 100);
    send_to(1, 20, 30);
    igb_run(MS);
    CU_ASSERT(igb.sent.pool == 1 && taken[PF].received == 3);
    want(0, 12, 1); /* what it does not want any more is the physical function's */
    igb_run(200 * MS);
    CU_ASSERT(gets(10) == 1u << IGB_POOL && gets(12) == 1);
    uint8_t all[60];
    memset(all, 0xff, sizeof(all));
    CU_ASSERT_EQUAL(igb_from_wire(all, sizeof(all)), 1u << IGB_POOL | 3);
    over();
}

/* A virtual function gets no address that is not its own to have, and no more than its share. */
static void test_refusals(void)
{
    new_machine(2);
    up(PF, false);
    up(0, false);
    up(1, false);
    want(PF, 30, 1);
    want(1, 20, 1);
    igb_run(200 * MS);
    want(0, 30, 1); /* the physical function's */
    igb_run(200 * MS);
    CU_ASSERT_EQUAL(gets(30), 1u << IGB_POOL);
    want(0, 20, 1); /* its neighbour's */
    igb_run(200 * MS);
    CU_ASSERT_EQUAL(gets(20), 2);
    memcpy(wanted[0][0], card[PF]->nic.mac, 6);
    memcpy(wanted[0][1], "\x03\0\0\0\0\1", 6);
    card_nic_ops.addresses(&card[0]->nic);
    igb_run(200 * MS);
    CU_ASSERT_EQUAL(igb_from_wire(card[PF]->nic.mac, 60), 1u << IGB_POOL);
    want(0, 40, 8);
    igb_run(500 * MS);
    unsigned has = 0;
    for (unsigned i = 0; i < 8; i++)
        has += gets(40 + i) == 1;
    CU_ASSERT_EQUAL(has, 7); /* of 8, with its own */
    CU_ASSERT(gets(20) == 2 && gets(30) == 1u << IGB_POOL);
    over();
}

/* Write a message of a virtual function by hand, and run until the answer is there. */
static uint32_t ask(unsigned vf, uint32_t word0, uint32_t word1)
{
    void *hw = &igb.vf[vf];
    card_hw_write(hw, IGBVF_V2P, IGB_V2P_VFU);
    card_hw_write(hw, IGBVF_MAIL, word0);
    card_hw_write(hw, IGBVF_MAIL + 4, word1);
    card_hw_write(hw, IGBVF_V2P, IGB_V2P_REQ);
    igb_run(MS);
    return card_hw_read(hw, IGBVF_V2P) & IGB_V2P_PFSTS ? card_hw_read(hw, IGBVF_MAIL) : 0;
}

static void test_mailbox(void)
{
    new_machine(1);
    up(PF, false);
    igb_run(MS);
    CU_ASSERT(ask(0, IGB_MSG_MULTICAST, 0) & IGB_MSG_NACK); /* before its reset */
    CU_ASSERT_EQUAL(ask(0, IGB_MSG_RESET, 0), IGB_MSG_RESET | IGB_MSG_ACK);
    CU_ASSERT_EQUAL(*igb_reg(IGB_MAIL0 + 4), 0x92005452);
    CU_ASSERT_EQUAL(ask(0, IGB_MSG_MULTICAST | 3 << 16, 7), IGB_MSG_MULTICAST | 3 << 16 | IGB_MSG_ACK | IGB_MSG_CTS);
    CU_ASSERT(ask(0, IGB_MSG_LPE, 1522) & IGB_MSG_ACK);
    CU_ASSERT(ask(0, IGB_MSG_LPE, 9000) & IGB_MSG_NACK);
    *igb_reg(IGB_MAIL0 + 8) = 0;
    CU_ASSERT(ask(0, IGB_MSG_MAC, 0x92005452) & IGB_MSG_NACK); /* half of its own address */
    CU_ASSERT(ask(0, IGB_MSG_MAC | 7 << 16, 0) & IGB_MSG_NACK);
    for (uint32_t i = 4; i < 40; i++)
        if (i != IGB_MSG_LPE)
            CU_ASSERT(ask(0, i, i) & IGB_MSG_NACK);
    CU_ASSERT_EQUAL(ask(0, IGB_MSG_RESET | IGB_MSG_ACK, 0), 0); /* no question */
    card_hw_write(&igb.vf[0], IGBVF_V2P, IGB_V2P_VFU); /* it holds the mailbox for ever: the physical function takes it */
    *igb_reg(IGB_MAIL0) = IGB_MSG_RESET;
    card_hw_write(&igb.vf[0], IGBVF_V2P, IGB_V2P_VFU | IGB_V2P_REQ);
    igb_run(MS);
    CU_ASSERT(*igb_reg(IGB_MAIL0) & IGB_MSG_ACK);
    for (unsigned i = 0; i < 20000; i++) { /* anything at all: it answers and goes on */
        uint32_t word = (uint32_t)rand();
        *igb_reg(IGB_MAIL0 + 8) = (uint32_t)rand();
        ask(0, i % 2 ? word : word & 0x3000f, (uint32_t)rand());
    }
    CU_ASSERT(!card[PF]->nic.gone && gets(99) == 1u << IGB_POOL);
    over();
}

/* The driver domain of the physical function dies: the virtual ones go on, and so does the new one. */
static void test_pf_again(void)
{
    new_machine(2);
    up(PF, false);
    up(0, false);
    want(0, 10, 1);
    igb_run(200 * MS);
    end(PF);
    send_to(0, 10, 99);
    CU_ASSERT(igb.frames == 1 && gets(10) == 1 && taken[0].received == 1);
    up(1, false); /* one that comes meanwhile waits */
    igb_run(300 * MS);
    CU_ASSERT(card[0]->link && !card[1]->link);
    unsigned resets = igb.resets, at = card[0]->rx_next;
    up(PF, true);
    want(PF, 30, 1);
    igb_run(300 * MS);
    CU_ASSERT(igb.resets == resets && card[0]->link && card[1]->link && card[0]->rx_next == at);
    CU_ASSERT(gets(10) == 1 && gets(30) == 1u << IGB_POOL);
    send_to(1, 20, 10);
    igb_run(MS);
    CU_ASSERT_EQUAL(taken[0].received, 3);
    over();
}

/* The card is reset, since the physical function does not send: the virtual ones begin anew by themselves. */
static void test_pf_reset(void)
{
    new_machine(1);
    up(PF, false);
    up(0, false);
    want(0, 10, 1);
    igb_run(200 * MS);
    CU_ASSERT_EQUAL(gets(10), 1);
    igb.dead = true;
    send(PF, packet(100));
    igb_run(2600 * MS);
    CU_ASSERT_EQUAL(igb.resets, 2);
    igb.dead = false;
    igb_run(500 * MS);
    CU_ASSERT(card[0]->link && gets(10) == 1 && taken[0].received == 2 && taken[0].lost == 0);
    send_to(0, 10, 99);
    CU_ASSERT_EQUAL(igb.frames, 1);
    over();
}

/* The driver domain of a virtual function dies, and another; then one of it is unplugged. */
static void test_vf_again(void)
{
    new_machine(2);
    up(PF, false);
    up(0, false);
    up(1, false);
    want(0, 10, 1);
    want(1, 20, 1);
    igb_run(200 * MS);
    for (unsigned i = 1; i < 4; i++) {
        end(0);
        begin(0, true);
        igb_run(MS);
        CU_ASSERT(gets(10) == 1u << IGB_POOL && gets(20) == 2 && !(*igb_reg(IGB_VFTE) & 1));
        CU_ASSERT_EQUAL_FATAL(card_finish(card[0]), 0);
        igb_run(100 * MS);
        want(0, 10, 1);
        igb_run(100 * MS);
        CU_ASSERT(card[0]->link && gets(10) == 1 && taken[0].received == i && card[1]->link);
    }
    igb.absent = true;
    igb_run(600 * MS);
    CU_ASSERT(card[0]->nic.gone && card[PF]->nic.gone && strstr(card[0]->why, "gone from the bus"));
    igb.absent = false;
    over();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"reset, then DMA, then rings", test_start},
        {"receiving", test_receive},
        {"a card that lies", test_receive_hostile},
        {"sending, with contexts", test_send},
        {"after a predecessor", test_again},
        {"a stuck card", test_stuck},
        {"virtual functions", test_virtual},
        {"addresses refused", test_refusals},
        {"mailbox messages", test_mailbox},
        {"the physical function's domain dies", test_pf_again},
        {"the physical function is reset", test_pf_reset},
        {"a virtual function's domain dies", test_vf_again},
        CU_TEST_INFO_NULL,
    };
    return pkt_pool(4096, 8) ? 2 : suite_run("igb", NULL, tests);
}
