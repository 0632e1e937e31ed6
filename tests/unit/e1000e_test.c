/* SPDX-License-Identifier: MIT */
/*
 * The 82574L's driver against a card of our own: it reads descriptors from memory as the device would and aborts the test
 * where they break the datasheet. The switch is this file.
 */
#include "driverdoms/net/e1000e.h"
#include "driverdoms/net/card_hw.h"
#include "suite.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(c)                                                        \
    do {                                                               \
        if (!(c)) {                                                    \
            fprintf(stderr, "\ncard: %s (line %d)\n", #c, __LINE__);   \
            abort();                                                   \
        }                                                              \
    } while (0)

static struct {
    uint32_t reg[0x20000 / 4];
    bool dma, absent, stuck_reset, no_interrupt, dead; /* dead: sends nothing */
    unsigned resets, interrupts;
    uint64_t now, timer;
    unsigned tx_head;
    struct { uint8_t data[70000]; unsigned len; uint32_t cmd, opts; struct e1000e_tx context; bool has_context; unsigned pieces; } sent;
    unsigned frames;
} F;
static struct card *card;

/* --- the switch --- */

static struct { unsigned received, settled, resumed, registered; uint8_t data[2048]; unsigned len, vlan; bool validated; } S;

void nic_register(struct nic *n) { S.registered++; }
void nic_settle(void) { S.settled++; }
void nic_resume(struct nic *n) { S.resumed++; }
void nic_lost(struct nic *n, const char *why) { n->gone = true; }
void nic_received(struct nic *n, struct pkt *p)
{
    S.received++;
    S.len = p->len;
    S.vlan = p->vlan;
    S.validated = p->validated;
    memcpy(S.data, p->data, p->len);
    pkt_put(p);
}
void *host_alloc(size_t bytes);
void *host_alloc_pages(unsigned pages);
void *host_alloc(size_t bytes) { return calloc(1, bytes); }
void *host_alloc_pages(unsigned pages) { return aligned_alloc(4096, pages * 4096ul); }

/* --- the card --- */

static uint32_t *reg(unsigned offset)
{
    NEED(offset % 4 == 0 && offset < 0x20000);
    return &F.reg[offset / 4];
}

static void fetch_tx(void)
{
    struct e1000e_tx *ring = (void *)(uintptr_t)(*reg(E1000E_TDBAL) | (uint64_t)*reg(E1000E_TDBAH) << 32);
    NEED(F.dma && (*reg(E1000E_TCTL) & E1000E_TCTL_EN) && *reg(E1000E_TDLEN) == CARD_TX * 16);
    while (F.tx_head != *reg(E1000E_TDT) && !F.dead) {
        struct e1000e_tx *d = &ring[F.tx_head];
        NEED(d->cmd & 1u << 29);
        if (!(d->cmd & 1u << 20)) {
            F.sent.context = *d;
            F.sent.has_context = true;
        } else {
            unsigned bytes = d->cmd & 0xfffff;
            NEED(bytes && bytes <= 4096 && F.sent.len + bytes <= sizeof(F.sent.data));
            memcpy(F.sent.data + F.sent.len, (void *)d->addr, bytes);
            F.sent.len += bytes;
            F.sent.pieces++;
            F.sent.cmd = d->cmd;
            F.sent.opts = d->opts;
            if (d->cmd & E1000E_TX_RS)
                d->opts |= E1000E_TX_DD;
            if (d->cmd & E1000E_TX_EOP) {
                NEED(d->cmd & E1000E_TX_RS);
                F.frames++;
            }
        }
        F.tx_head = (F.tx_head + 1) % CARD_TX;
        *reg(E1000E_TDH) = F.tx_head;
    }
}

static void new_frame(void)
{
    memset(&F.sent, 0, sizeof(F.sent));
}

/* A frame from the wire, or whatever else a card may write. false: no descriptor. */
static bool deliver(const void *data, unsigned len, unsigned status, unsigned errors, unsigned told)
{
    struct e1000e_rx *ring = (void *)(uintptr_t)(*reg(E1000E_RDBAL) | (uint64_t)*reg(E1000E_RDBAH) << 32);
    unsigned head = *reg(E1000E_RDH);
    NEED(F.dma && *reg(E1000E_RDLEN) == CARD_RX * 16 && *reg(E1000E_RDT) < CARD_RX);
    if (head == *reg(E1000E_RDT))
        return false;
    NEED(ring[head].addr && !ring[head].status);
    memcpy((void *)ring[head].addr, data, len);
    ring[head].len = (uint16_t)told;
    ring[head].errors = (uint8_t)errors;
    ring[head].status = (uint8_t)(E1000E_RX_DD | status);
    *reg(E1000E_RDH) = (head + 1) % CARD_RX;
    return true;
}

static void do_reset(void)
{
    memset(F.reg, 0, sizeof(F.reg));
    *reg(CARD_STATUS) = CARD_STATUS_LU;
    *reg(E1000E_EECD) = E1000E_EECD_AUTO_RD;
    *reg(E1000E_RAL) = 0x12005452;
    *reg(E1000E_RAH) = 0x80005634;
    F.tx_head = 0;
    F.resets++;
}

uint32_t card_hw_read(void *hw, unsigned offset)
{
    return F.absent ? 0xffffffffu : *reg(offset);
}

void card_hw_write(void *hw, unsigned offset, uint32_t value)
{
    *reg(offset) = value;
    if (offset == CARD_CTRL && (value & CARD_CTRL_RST)) {
        if (!F.stuck_reset)
            do_reset();
    } else if (offset == E1000E_TDT && value != F.tx_head) {
        NEED(value < CARD_TX);
        fetch_tx();
    }
}

int card_hw_dma_on(void *hw)
{
    NEED(F.resets); /* after the reset, not before */
    F.dma = true;
    return 0;
}

int card_hw_interrupt(void *hw, struct card *c) { return F.no_interrupt ? -ENODEV : 0; }
void *card_hw_pages(unsigned pages) { return memset(aligned_alloc(4096, pages * 4096ul), 0, pages * 4096ul); }
uint64_t card_hw_now(void) { return F.now; }
void card_hw_relax(void) { F.now += 2000; }
void card_hw_timer(void *hw, uint64_t when) { F.timer = when; }
void card_hw_log(const char *fmt, ...) { (void)fmt; }

static void pass(uint64_t ns)
{
    for (uint64_t end = F.now + ns; F.timer && F.timer <= end;) {
        F.now = F.timer;
        F.timer = 0;
        card_check(card);
    }
}

static unsigned free_before;

static void start(void)
{
    memset(&F, 0, sizeof(F));
    memset(&S, 0, sizeof(S));
    F.now = 1000;
    *reg(CARD_STATUS) = CARD_STATUS_MASTER;
    free_before = pkt_free_small();
    card = calloc(1, sizeof(*card));
    CU_ASSERT_EQUAL_FATAL(card_begin(card, &e1000e_card, NULL, 0, false, true), 0);
    NEED(!F.dma && F.resets == 1);
    CU_ASSERT_EQUAL_FATAL(card_finish(card), 0);
}

static void stop(void)
{
    card_rings_reset(card);
    CU_ASSERT_EQUAL(pkt_free_small(), free_before);
    CU_ASSERT_EQUAL(pkt_free_big(), 8);
    free((void *)card->rx);
    free((void *)card->tx);
    free(card);
}

static struct pkt *packet(unsigned len)
{
    struct pkt *p = pkt_new(len);
    NEED(p);
    for (unsigned i = 0; i < len; i++)
        p->data[i] = (uint8_t)(i * 13 + len);
    return p;
}

/* --- cases --- */

static void test_start(void)
{
    start();
    CU_ASSERT(!memcmp(card->nic.mac, "\x52\x54\x00\x12\x34\x56", 6) && S.registered == 1 && card->nic.csum && card->nic.tso4);
    uint32_t rctl = *reg(E1000E_RCTL);
    CU_ASSERT((rctl & E1000E_RCTL_EN) && (rctl & E1000E_RCTL_UPE) && (rctl & E1000E_RCTL_MPE) && (rctl & E1000E_RCTL_SECRC));
    CU_ASSERT(*reg(E1000E_RDT) == CARD_RX - 1 && *reg(E1000E_IMS) == E1000E_INTS && *reg(E1000E_EIAC) == E1000E_INTS);
    CU_ASSERT(*reg(CARD_CTRL) & E1000E_CTRL_SLU);
    stop();
    struct card c;
    F.absent = true;
    CU_ASSERT(card_begin(&c, &e1000e_card, NULL, 1, false, true) == -ENODEV && strstr(c.why, "gone"));
    F.absent = false;
    F.stuck_reset = true;
    uint64_t before = F.now;
    CU_ASSERT(card_begin(&c, &e1000e_card, NULL, 1, false, true) == -EIO && strstr(c.why, "reset"));
    CU_ASSERT(F.now - before < 1000000000ull);
}

static void test_receive(void)
{
    uint8_t data[2048];
    start();
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 3);
    for (unsigned i = 0; i < 1000; i++) { /* round the ring, in bursts */
        unsigned len = 60 + i;
        CU_ASSERT(deliver(data, len, E1000E_RX_EOP | (i % 2 ? E1000E_RX_TCPCS : 0), 0, len));
        if (i % 100 == 99)
            card_interrupt(card);
    }
    CU_ASSERT(S.received == 1000 && S.len == 1059 && S.validated && !memcmp(S.data, data, 1059) && S.settled == 10);
    CU_ASSERT_EQUAL(*reg(E1000E_IMS), E1000E_INTS);
    unsigned n = 0;
    while (deliver(data, 60, E1000E_RX_EOP, 0, 60)) /* more than there are buffers */
        n++;
    card_interrupt(card);
    CU_ASSERT(n == CARD_RX - 1 && S.received == 1000 + n);
    CU_ASSERT(deliver(data, 60, E1000E_RX_EOP | E1000E_RX_TCPCS, 0x40, 60)); /* TCP checksum is wrong: delivered, not vouched for */
    CU_ASSERT(deliver(data, 60, E1000E_RX_EOP | E1000E_RX_TCPCS, 0x20, 60));
    card_interrupt(card);
    CU_ASSERT(S.received == 1002 + n && !S.validated);
    stop();
}

static void test_receive_hostile(void)
{
    uint8_t data[2048] = {0};
    start();
    deliver(data, 60, E1000E_RX_EOP, 0, 0);
    deliver(data, 60, E1000E_RX_EOP, 0, 13);
    deliver(data, 60, E1000E_RX_EOP, 0, 2049);
    deliver(data, 60, E1000E_RX_EOP, 0, 65535);
    deliver(data, 60, E1000E_RX_EOP, 0x01, 60); /* CRC */
    deliver(data, 60, E1000E_RX_EOP, 0x80, 60);
    deliver(data, 2048, 0, 0, 2048);            /* a frame over three buffers */
    deliver(data, 2048, 0, 0, 2048);
    deliver(data, 100, E1000E_RX_EOP, 0, 100);
    card_interrupt(card);
    CU_ASSERT(S.received == 0 && card->rx_bad == 9);
    deliver(data, 60, E1000E_RX_EOP, 0, 60);
    card_interrupt(card);
    CU_ASSERT_EQUAL(S.received, 1);
    /* every descriptor "done" at once, again and again: bounded work, no buffer twice */
    struct e1000e_rx *ring = (void *)(uintptr_t)card->rx;
    for (unsigned k = 0; k < 5; k++) {
        for (unsigned i = 0; i < CARD_RX; i++) {
            ring[i].len = 100;
            ring[i].status = E1000E_RX_DD | E1000E_RX_EOP;
        }
        card_interrupt(card);
    }
    stop();
}

static void test_send(void)
{
    start();
    for (unsigned i = 0; i < 2000; i++) {
        unsigned len = 60 + i % 1400;
        struct pkt *p = packet(len);
        new_frame();
        CU_ASSERT(card_nic_ops.room(&card->nic));
        CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, p), 0);
        card_nic_ops.flush(&card->nic);
        CU_ASSERT(F.frames == i + 1 && F.sent.len == len && F.sent.data[len - 1] == (uint8_t)((len - 1) * 13 + len) &&
                  !F.sent.has_context && F.sent.pieces == 1 && (F.sent.cmd & E1000E_TX_IFCS));
    }
    card_interrupt(card);
    CU_ASSERT(card->tx_done == card->tx_next && S.resumed >= 1);
    stop();
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
    NEED(pkt_parse(p) && p->payload == 54);
    p->csum_blank = true;
    return p;
}

static void test_offload(void)
{
    start();
    struct pkt *p = tcp_packet(1000);
    new_frame();
    CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, p), 0);
    card_nic_ops.flush(&card->nic);
    const uint8_t *c = (const uint8_t *)&F.sent.context;
    CU_ASSERT(F.sent.has_context && c[4] == 34 && c[5] == 50 && c[6] == 0 && c[7] == 0 && !(F.sent.context.cmd & E1000E_TX_TSE));
    CU_ASSERT((F.sent.opts & E1000E_TX_TXSM) && !(F.sent.opts & E1000E_TX_IXSM));
    p = tcp_packet(30054);
    p->gso = 4;
    p->mss = 1448;
    new_frame();
    CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, p), 0);
    card_nic_ops.flush(&card->nic);
    CU_ASSERT(F.sent.pieces == 8 && F.sent.len == 30054 && (F.sent.cmd & E1000E_TX_TSE));
    CU_ASSERT((F.sent.context.cmd & E1000E_TX_TSE) && (F.sent.context.cmd & E1000E_TX_TCP) && (F.sent.context.cmd & E1000E_TX_IP4));
    CU_ASSERT((F.sent.context.cmd & 0xfffff) == 30000 && F.sent.context.opts == (54u << 8 | 1448u << 16));
    CU_ASSERT((F.sent.opts & E1000E_TX_TXSM) && (F.sent.opts & E1000E_TX_IXSM));
    CU_ASSERT(!F.sent.data[16] && !F.sent.data[17] && !F.sent.data[24] && !F.sent.data[25]);
    stop();
}

/* The card puts tags in and takes them out. */
static void test_vlan(void)
{
    static const uint8_t data[60] = {2};
    start();
    CU_ASSERT_TRUE(*reg(CARD_CTRL) & E1000E_CTRL_VME);
    for (unsigned gso = 0; gso < 2; gso++) {
        struct pkt *p = tcp_packet(gso ? 30054 : 1000);
        p->gso = gso ? 4 : 0;
        p->mss = 1448;
        p->vlan = 4094;
        new_frame();
        CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, p), 0);
        card_nic_ops.flush(&card->nic);
        CU_ASSERT((F.sent.cmd & E1000E_TX_VLE) && F.sent.opts >> 16 == 4094 && (F.sent.opts & E1000E_TX_TXSM));
    }
    new_frame();
    CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, packet(100)), 0);
    card_nic_ops.flush(&card->nic);
    CU_ASSERT(!(F.sent.cmd & E1000E_TX_VLE) && F.sent.opts >> 16 == 0);
    for (unsigned i = 0; i < 2; i++) {
        struct e1000e_rx *ring = (void *)card->rx;
        ring[*reg(E1000E_RDH)].vlan = 0xe005; /* priority 7, VLAN 5 */
        CU_ASSERT_TRUE(deliver(data, 60, E1000E_RX_EOP | (i ? E1000E_RX_VP : 0), 0, 60));
        card_interrupt(card);
        CU_ASSERT(S.received == i + 1 && S.vlan == (i ? 5 : 0));
    }
    stop();
}

static void test_full(void)
{
    unsigned n = 0;
    start();
    F.dead = true;
    while (card_nic_ops.room(&card->nic)) {
        CU_ASSERT_EQUAL_FATAL(card_nic_ops.send(&card->nic, packet(100)), 0);
        n++;
    }
    CU_ASSERT(n > 300 && n < CARD_TX);
    struct pkt *p = packet(100);
    int rc;
    while ((rc = card_nic_ops.send(&card->nic, pkt_hold(p))) == 0)
        n++;
    CU_ASSERT(rc == -EBUSY && n < CARD_TX);
    pkt_put(p);
    pkt_put(p);
    F.dead = false;
    card_nic_ops.flush(&card->nic);
    *reg(E1000E_TDT) = card->tx_next;
    fetch_tx();
    card_interrupt(card);
    CU_ASSERT(F.frames == n && S.resumed >= 1 && card_nic_ops.room(&card->nic));
    stop();
}

static void test_stuck(void)
{
    start();
    F.dead = true;
    CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, packet(100)), 0);
    card_nic_ops.flush(&card->nic);
    pass(1500000000ull);
    CU_ASSERT_EQUAL(F.resets, 1);
    pass(1500000000ull);
    CU_ASSERT(F.resets == 2 && card->tx_done == card->tx_next && S.resumed >= 1 && !card->nic.gone);
    F.dead = false;
    new_frame();
    CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, packet(100)), 0);
    card_nic_ops.flush(&card->nic);
    CU_ASSERT_EQUAL(F.frames, 1);
    pass(1000000000ull);
    CU_ASSERT_EQUAL(card->resets, 0);
    F.dead = true;
    for (unsigned i = 0; i < CARD_RESETS_MAX + 1; i++) {
        CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, packet(100)), 0);
        card_nic_ops.flush(&card->nic);
        pass(3000000000ull);
    }
    CU_ASSERT(card->nic.gone && F.resets == 2 + CARD_RESETS_MAX && strstr(card->why, "resets"));
    stop();
}

/* Without a cable packets go nowhere, and nobody waits; what was gone from the bus is given up at once. */
static void test_link(void)
{
    start();
    *reg(CARD_STATUS) = 0;
    pass(600000000ull);
    CU_ASSERT(!card->link && S.resumed == 1);
    new_frame();
    for (unsigned i = 0; i < 2 * CARD_TX; i++) {
        CU_ASSERT_FATAL(card_nic_ops.room(&card->nic));
        CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, packet(100)), 0);
    }
    card_nic_ops.flush(&card->nic);
    CU_ASSERT(F.frames == 0 && !card_nic_ops.busy(&card->nic));
    *reg(CARD_STATUS) = CARD_STATUS_LU;
    pass(600000000ull);
    CU_ASSERT_EQUAL(card_nic_ops.send(&card->nic, packet(100)), 0);
    card_nic_ops.flush(&card->nic);
    CU_ASSERT(F.frames == 1 && S.resumed == 2);
    F.absent = true;
    pass(600000000ull);
    CU_ASSERT(card->nic.gone && strstr(card->why, "gone from the bus"));
    F.absent = false;
    stop();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"reset, then DMA, then rings", test_start},
        {"receiving", test_receive},
        {"a card that lies", test_receive_hostile},
        {"sending", test_send},
        {"checksum and segmentation contexts", test_offload},
        {"VLAN tags", test_vlan},
        {"a full ring", test_full},
        {"a stuck card", test_stuck},
        {"no link, no card", test_link},
        CU_TEST_INFO_NULL,
    };
    return pkt_pool(1024, 8) ? 2 : suite_run("e1000e", NULL, tests);
}
