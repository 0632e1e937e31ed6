/* SPDX-License-Identifier: MIT */
/*
 * What netback decides about packets beyond where they go: the rules of an interface, its figures, and when a queue that stands still
 * is reported. Each case runs in a process of its own.
 */
#include "netback_case.h"

#include <stdio.h>
#include <string.h>

/* Live-lock: a ring that stands still is noticed, unless the card is at work and its driver watches it. */
static bool wire_busy(struct nic *n) { return wire.busy; }
static void live_lock(void)
{
    start_two();
    struct nic_ops ops = *wire.nic.ops;
    ops.busy = wire_busy;
    wire.nic.ops = &ops;
    progress_start(900000000);
    CHECK(!gives_up_within(2000));
    wire.full = wire.busy = 1;
    make_frame(outside, a->mac, 100, false);
    CHECK(nf_send(a, frame, 100, 0, 0, 0));
    CHECK(!gives_up_within(3000));
    wire.busy = 0;
    CHECK(gives_up_within(910) && strstr(fake->last_log, "vif3.0"));
    wire.full = 0;
    nic_resume(&wire.nic);
    settle();
    CHECK(!gives_up_within(2000) && a->tx_ok == 1);
    for (unsigned i = 0; i < 100; i++) { /* b has no buffers left for them: that is b's affair */
        make_frame(b->mac, a->mac, 60, false);
        CHECK(nf_send(a, frame, 60, 0, 0, 0));
        fake_settle();
        nf_collect(a);
    }
    CHECK(!gives_up_within(3000));
}

/* The first packet is passed on at once, others within the time, and none is forgotten; then events are asked for again. */
static void moderation(void)
{
    start_two();
    netback_moderate(50000);
    CHECK(sent(a, outside, 60) && wire.sent == 1);
    for (unsigned i = 0; i < 5; i++) {
        make_frame(outside, a->mac, 60, false);
        CHECK(nf_send(a, frame, 60, 0, 0, 0) && !fake->to_back[a->tx_port]);
    }
    fake_settle();
    CHECK(wire.sent == 1);
    fake->now += 50000;
    settle();
    CHECK(wire.sent == 6 && a->tx_ok == 6);
    fake->now += 50000;
    settle();
    make_frame(outside, a->mac, 60, false);
    CHECK(nf_send(a, frame, 60, 0, 0, 0) && fake->to_back[a->tx_port]);
    settle();
    CHECK(wire.sent == 7);
    make_frame(outside, a->mac, 60, false);
    CHECK(nf_send(a, frame, 60, 0, 0, 0));
    nf_state(a, 6); /* it goes while it is waited for */
    fake_settle();
    fake->now += 50000;
    settle();
    CHECK(wire.sent == 7 && fake_mapped() == 2 && sent(b, outside, 60) && wire.sent == 8);
}

/* --- rules --- */

static const struct { const char *node, *value; } bad[] = {
    {"vlan", "0"}, {"vlan", "4095"}, {"vlan", "x"}, {"vlan", "5p"}, {"vlan", ""}, {"ip", "10.0.0.256"}, {"ip", "10.0.0.1,10.0.0.2"},
    {"ip", "nobody"}, {"rate", "10Mb/s"}, {"rate", "0,50000"}, {"rate", "1000"}, {"rate", "1000,0"},
};
static unsigned which;

static void bad_rule(void)
{
    fake_init();
    a = nf_new(3, 1);
    set(a->back, bad[which].node, bad[which].value);
    start();
    CHECK(nf_back_state(a) == 1 && !strncmp(back(a, "error"), bad[which].node, strlen(bad[which].node)));
}

static void test_bad_rules(void)
{
    for (which = 0; which < sizeof(bad) / sizeof(bad[0]); which++)
        CU_ASSERT_EQUAL(in_child(bad_rule), 0);
}

/* A front gets through what its rate allows, late but whole, and others what they want. */
static void rate(void)
{
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    set(a->back, "rate", "10000,50000"); /* 200 kB/s */
    start();
    connect_front(a, false);
    connect_front(b, false);
    progress_start(900000000);
    uint64_t bytes = 0, begin = fake->now;
    for (unsigned ms = 0; ms < 10000; ms++) {
        fake->now = begin + ms * 1000000ull;
        make_frame(outside, a->mac, 1514, false);
        while (nf_send(a, frame, 1514, 0, 0, 0))
            bytes += 1514;
        if (ms % 100 == 0)
            CHECK(sent(b, outside, 60)); /* b is not held up */
        fake_settle();
        nf_collect(a);
    }
    CHECK(b->tx_ok == 100 && a->tx_error == 0 && a->tx_dropped == 0 && fake->gave_up == 0);
    uint64_t through = a->tx_ok * 1514ull;
    CHECK(through >= 1960000 && through <= 2020000 && bytes - through <= NF_BUFFERS * 1514);
    CHECK(wire.sent == a->tx_ok + b->tx_ok);
    nf_state(a, 6); /* its timer goes with it */
    fake_settle();
    fake->now += 1000000000;
    fake_settle();
    CHECK(fake_mapped() == 2 && sent(b, outside, 60));
}

static void large_debt(void)
{
    fake_init();
    a = nf_new(3, 1);
    set(a->back, "rate", "1000,1000"); /* 1 MB/s */
    start();
    connect_front(a, false);
    make_frame(outside, a->mac, 60054, true);
    CHECK(nf_send(a, frame, 60054, NETTXF_csum_blank | NETTXF_data_validated, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
    settle();
    CHECK(wire.sent == 1 && sent(a, outside, 60) && wire.sent == 1);
    for (unsigned ms = 0; ms < 59; ms++) {
        fake->now += 1000000;
        settle();
    }
    CHECK(wire.sent == 1);
    fake->now += 3000000;
    settle();
    CHECK(wire.sent == 2 && a->tx_cons == a->tx_prod);
}

static void in_vlan(struct netfront *f, const char *vlan)
{
    set(f->back, "vlan", vlan);
}

static void from_vlan(unsigned vlan, const uint8_t *to, const uint8_t *from)
{
    make_frame(to, from, 60, false);
    struct pkt *p = pkt_new(60);
    memcpy(p->data, frame, 60);
    p->vlan = (uint16_t)vlan;
    nic_received(&wire.nic, p);
    nic_settle();
    settle();
}

static void vlan(void)
{
    struct netfront *c;
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    c = nf_new(5, 3);
    in_vlan(a, "5");
    in_vlan(b, "5");
    start();
    connect_front(a, false);
    connect_front(b, false);
    connect_front(c, false);
    CHECK(sent(a, b->mac, 60) && b->packets == 1 && wire.sent == 0);
    CHECK(sent(a, c->mac, 60) && c->packets == 0 && wire.sent == 1 && wire.last.vlan == 5); /* c is on no network of a's */
    CHECK(sent(c, b->mac, 60) && b->packets == 1 && wire.sent == 2 && wire.last.vlan == 0);
    CHECK(sent(a, all, 60) && b->packets == 2 && wire.sent == 3);
    from_vlan(5, a->mac, outside);
    from_vlan(0, a->mac, outside);
    from_vlan(6, a->mac, outside);
    CHECK(a->packets == 1);
    from_vlan(5, all, outside);
    nf_receive(c);
    CHECK(a->packets == 2 && b->packets == 3 && c->packets == 0);
    from_vlan(0, c->mac, outside);
    from_vlan(5, c->mac, outside);
    nf_receive(c);
    CHECK(c->packets == 1);
    CHECK(sent(a, outside, 1514) && wire.sent == 4 && sent(a, outside, 1515) && wire.sent == 4); /* the tag takes four bytes */
    /* tags of their own, from inside and outside */
    for (unsigned i = 0; i < 2; i++) {
        make_frame(outside, c->mac, 60, false);
        memcpy(frame + 12, i ? "\x88\xa8\x00\x05" : "\x81\x00\x00\x05", 4);
        CHECK(nf_send(c, frame, 60, 0, 0, 0));
        settle();
        make_frame(c->mac, outside, 60, false);
        memcpy(frame + 12, i ? "\x88\xa8\x00\x05" : "\x81\x00\x00\x05", 4);
        from_wire(frame, 60);
        settle();
    }
    nf_collect(c);
    nf_receive(c);
    CHECK(wire.sent == 4 && c->packets == 1 && c->tx_ok == 3 && a->wrong + b->wrong + c->wrong == 0);
    make_frame(outside, a->mac, 30000, true); /* cut in software, each segment has the tag */
    wire.nic.tso4 = false;
    CHECK(nf_send(a, frame, 30000, NETTXF_csum_blank | NETTXF_data_validated, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
    settle();
    CHECK(wire.sent == 4 + (30000 - 54 + 1447) / 1448 && wire.last.vlan == 5);
}

static void ip(void)
{
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    set(a->back, "ip", "10.0.0.1 10.0.0.2");
    start();
    connect_front(a, false);
    connect_front(b, false);
    for (unsigned i = 0; i < 5; i++) {
        make_frame(b->mac, a->mac, 60, true);
        memcpy(frame + 26, "\x0a\0\0", 3);
        frame[29] = (uint8_t)i;
        CHECK(nf_send(a, frame, 60, 0, 0, 0));
        settle();
    }
    CHECK(b->packets == 2 && b->last[29] == 2 && a->tx_ok == 5);
    CHECK(sent(a, all, 60) && b->packets == 2 && wire.sent == 0); /* neither IP nor ARP */
    CHECK(sent(b, a->mac, 60) && a->packets == 1);                /* b may send what it likes */
}

/* --- several cards --- */

/* A segment without a card joins those that name it; a number that is no segment's is refused. */
static void segments(void)
{
    static const char *const bad[] = {"wire256", "wire99999999999999999999", "4294967296"};
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    set(a->back, "bridge", "private10");
    set(b->back, "bridge", "xenbr010");
    start();
    connect_front(a, false);
    CHECK(strstr(fake->last_log, "on wire10 (no card"));
    connect_front(b, false);
    CHECK(sent(a, b->mac, 60) && b->packets == 1 && sent(a, outside, 60) && wire.sent == 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct netfront *c = nf_new((uint16_t)(5 + i), 3);
        set(c->back, "bridge", bad[i]);
        fake_settle();
        CHECK(nf_back_state(c) == 1 && strstr(back(c, "error"), "bridge"));
    }
}

static unsigned sent2;
static int send2(struct nic *n, struct pkt *p)
{
    sent2++;
    pkt_put(p);
    return 0;
}
static void flush2(struct nic *n) { }
static bool room2(struct nic *n) { return true; }

/* Each card is a segment; one that is lost takes its own interfaces with it, and no others. */
static void cards(void)
{
    static const struct nic_ops ops2 = {.send = send2, .flush = flush2, .room = room2};
    static struct nic second = {.ops = &ops2, .number = 1, .frame_max = 1518};
    struct netfront *c;
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    c = nf_new(5, 3);
    set(b->back, "bridge", "wire1");
    set(c->back, "bridge", "xenbr1");
    start();
    nic_register(&second);
    connect_front(a, false);
    connect_front(b, false);
    connect_front(c, false);
    CHECK(sent(a, outside, 60) && wire.sent == 1 && sent2 == 0);
    CHECK(sent(b, outside, 60) && wire.sent == 1 && sent2 == 1);
    CHECK(sent(a, b->mac, 60) && b->packets == 0 && wire.sent == 2); /* another segment: outside */
    CHECK(sent(b, c->mac, 60) && sent(b, all, 60) && a->packets == 0 && sent2 == 2);
    nf_receive(c);
    CHECK(c->packets == 2);
    make_frame(all, outside, 60, false);
    from_wire(frame, 60);
    settle();
    CHECK(a->packets == 1 && b->packets == 0);
    make_frame(b->mac, a->mac, 60, false); /* both cards on one network outside: a reaches b by it, and nothing goes round */
    struct pkt *p = pkt_new(60);
    memcpy(p->data, frame, 60);
    nic_received(&second, p);
    nic_settle();
    settle();
    CHECK(b->packets == 1 && a->packets == 1 && wire.sent == 2 && sent2 == 2);
    nic_lost(&second, "for the test");
    fake_settle();
    CHECK(nf_back_state(b) == 5 && nf_back_state(c) == 5 && nf_back_state(a) == 4);
    CHECK(sent(a, outside, 60) && wire.sent == 3 && sent2 == 2);
}

/* --- figures --- */

static void statistics(void)
{
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    set(a->back, "ip", "10.0.0.1");
    start();
    connect_front(a, false);
    connect_front(b, false);
    CHECK(sent(b, a->mac, 100) && sent(b, a->mac, 200) && sent(b, all, 60));
    CHECK(sent(a, b->mac, 60)); /* not IP: dropped */
    nf_slot(a, 0, 13);
    nf_push(a, 1);
    settle();
    set(a->back, "statistics", "?");
    set(b->back, "statistics", "?");
    settle();
    CHECK(!strcmp(back(a, "statistics"), "incarnation=1 tx_packets=1 tx_bytes=60 tx_errors=1 tx_dropped=1 "
                  "rx_packets=3 rx_bytes=360 rx_errors=0 rx_dropped=0"));
    CHECK(strstr(back(b, "statistics"), " tx_packets=3 tx_bytes=360 tx_errors=0 tx_dropped=0 rx_packets=0 "));
    set(a->back, "statistics", "what?"); /* anything else is nobody's question */
    settle();
    CHECK(!strcmp(back(a, "statistics"), "what?"));
    struct netfront *c = nf_new(5, 3); /* before it is connected */
    settle();
    set(c->back, "statistics", "?");
    settle();
    CHECK(strstr(back(c, "statistics"), " tx_packets=0 "));
}

CASE(live_lock)
CASE(moderation)
CASE(rate)
CASE(large_debt)
CASE(vlan)
CASE(ip)
CASE(statistics)
CASE(cards)
CASE(segments)

int main(void)
{
    CU_TestInfo tests[] = {
        {"live-lock is seen", test_live_lock},
        {"event moderation", test_moderation},
        {"rules that are none", test_bad_rules},
        {"rate", test_rate},
        {"rate and large packets", test_large_debt},
        {"VLANs", test_vlan},
        {"IP addresses", test_ip},
        {"statistics", test_statistics},
        {"several cards", test_cards},
        {"segments without a card", test_segments},
        CU_TEST_INFO_NULL,
    };
    return suite_run("netback_rules", NULL, tests);
}
