/* SPDX-License-Identifier: MIT */
/*
 * netback and its switch against a fake host, card and fronts: negotiation, delivery, offloads, hostile fronts, adoption
 * after a death at every step. Each case runs in a process of its own: the backend keeps its devices for life.
 */
#define _GNU_SOURCE
#include "netback_case.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- cases --- */

static void negotiation(void)
{
    fake_init();
    a = nf_new(3, 1);
    start();
    CHECK(!strcmp(back(a, "feature-rx-copy"), "1") && !strcmp(back(a, "feature-sg"), "1"));
    CHECK(!strcmp(back(a, "feature-gso-tcpv6"), "1") && !strcmp(back(a, "multi-queue-max-queues"), "4"));
    connect_front(a, false);
    CHECK(fake_mapped() == 2);
    nf_state(a, 5);
    fake_settle();
    CHECK(nf_back_state(a) == 5 && fake_mapped() == 0);
    nf_state(a, 6);
    fake_settle();
    CHECK(nf_back_state(a) == 6);
    nf_state(a, 1);
    fake_settle();
    connect_front(a, false);
    CHECK(sent(a, outside, 60) && wire.sent == 1 && a->tx_ok == 1);
    set(a->back, "online", "0");
    set(a->back, "state", "5");
    fake_settle();
    nf_state(a, 6);
    fake_settle();
    CHECK(nf_back_state(a) == 6 && fake_mapped() == 0);
}

static void bad_nodes(void)
{
    static const struct { const char *node, *value; } bad[] = {
        {"tx-ring-ref", "-1"}, {"tx-ring-ref", "999"}, {"rx-ring-ref", ""}, {"rx-ring-ref", "4294967296"},
        {"event-channel", "0x3"}, {"event-channel", "31000"}, {"event-channel-tx", "3"}, {"request-rx-copy", "0"},
        {"multi-queue-num-queues", "0"}, {"multi-queue-num-queues", "5"}, {"multi-queue-num-queues", "2"},
        {"feature-sg", "yes"}, {"feature-gso-tcpv4", "2"},
    };
    fake_init();
    a = nf_new(3, 1);
    start();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char node[120];
        CHECK(nf_back_state(a) == 2);
        nf_publish(a, false);
        set(a->path, bad[i].node, bad[i].value);
        fake_settle();
        CHECK(nf_back_state(a) == 5 && back(a, "error") && fake_mapped() == 0);
        nf_state(a, 6);
        fake_settle();
        snprintf(node, sizeof(node), "%s/%s", a->path, bad[i].node);
        fake_remove(node);
        nf_state(a, 1);
        fake_settle();
        fake->now += 1000000000; /* a front that tries once a second is no nuisance */
    }
    connect_front(a, false);
    struct netfront *c = nf_new(5, 3);
    set(c->back, "mac", "01:16:3e:00:00:03");
    fake_settle();
    CHECK(nf_back_state(c) == 1 && strstr(back(c, "error"), "mac"));
}

static void switching(void)
{
    start_two();
    CHECK(sent(a, b->mac, 60) && b->packets == 1 && b->last_len == 60 && !memcmp(b->last, frame, 60) && wire.sent == 0);
    CHECK(sent(b, a->mac, 9000) && a->packets == 1 && a->last_len == 9000 && !memcmp(a->last, frame, 9000));
    CHECK(sent(a, outside, 1514) && wire.sent == 1 && wire.last.len == 1514 && !memcmp(wire.data, frame, 1514));
    CHECK(sent(a, outside, 1519) && wire.sent == 1); /* too long for the wire */
    CHECK(sent(a, all, 60) && wire.sent == 2 && b->packets == 2 && a->packets == 1);
    CHECK(sent(a, a->mac, 60) && a->packets == 1 && wire.sent == 2);
    make_frame(outside, b->mac, 60, false); /* a speaks with b's address */
    CHECK(nf_send(a, frame, 60, 0, 0, 0));
    settle();
    CHECK(wire.sent == 2 && a->tx_ok == 6 && a->wrong == 0); /* answered, not passed on */
    make_frame(b->mac, outside, 60, false);
    from_wire(frame, 60);
    settle();
    CHECK(b->packets == 3 && a->packets == 1 && (b->last_flags & NETRXF_data_validated));
    make_frame(outside, (const uint8_t *)"\x02\0\0\0\0\1", 60, false);
    from_wire(frame, 60); /* of others on the wire */
    make_frame(b->mac, a->mac, 60, false);
    from_wire(frame, 60); /* somebody outside speaks as a */
    settle();
    CHECK(b->packets == 3 && a->packets == 1);
    make_frame(all, outside, 60, false);
    from_wire(frame, 60);
    settle();
    CHECK(b->packets == 4 && a->packets == 2 && pkt_free_small() == 256 && pkt_free_big() == 16);
}

static void isolated(void)
{
    struct netfront *c;
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    c = nf_new(5, 3);
    set(a->back, "isolated", "1");
    set(b->back, "isolated", "1");
    set(c->back, "isolated", "0");
    start();
    connect_front(a, false);
    connect_front(b, false);
    connect_front(c, false);
    CHECK(sent(a, b->mac, 60) && b->packets == 0 && wire.sent == 0 && a->tx_ok == 1);
    CHECK(sent(a, all, 60) && b->packets == 0 && wire.sent == 1);
    nf_receive(c);
    CHECK(c->packets == 1 && sent(a, c->mac, 60));
    nf_receive(c);
    CHECK(c->packets == 2);
    make_frame(all, outside, 60, false);
    from_wire(frame, 60);
    settle();
    CHECK(a->packets == 1 && b->packets == 1);
}

static void mcast_extra(struct netfront *f, const uint8_t *addr, uint8_t type)
{
    struct netif_tx_request *r = nf_slot(f, 0, 60);
    r->flags = NETTXF_extra_info;
    struct netif_extra_info *x = (void *)nf_slot(f, 1, 0);
    memset(x, 0, 12);
    f->tx_extra[(f->tx_prod + 1) % NF_BUFFERS] = true;
    x->type = type;
    memcpy(x->u.mcast.addr, addr, 6);
    nf_push(f, 2);
    settle();
}

static void multicast(void)
{
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    set(b->path, "request-multicast-control", "1");
    start();
    connect_front(a, false);
    connect_front(b, false);
    CHECK(sent(a, group, 60) && b->packets == 0 && wire.sent == 1);
    CHECK(sent(a, all, 60) && b->packets == 1);
    mcast_extra(b, group, XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
    CHECK(b->tx_ok == 1 && sent(a, group, 60) && b->packets == 2);
    mcast_extra(b, group, XEN_NETIF_EXTRA_TYPE_MCAST_DEL);
    CHECK(b->tx_ok == 2 && sent(a, group, 60) && b->packets == 2 && b->wrong == 0);
}

static void offloads(void)
{
    start_two();
    make_frame(b->mac, a->mac, 60000, true);
    CHECK(nf_send(a, frame, 60000, NETTXF_csum_blank | NETTXF_data_validated, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
    settle();
    CHECK(b->packets == 1 && b->last_len == 60000 && b->last_gso.u.gso.size == 1448 && !memcmp(b->last, frame, 60000));
    CHECK(b->last_gso.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4 && (b->last_flags & NETRXF_csum_blank));
    a->head = 54; /* each page of it is one copy, here and there, wherever the first one starts */
    unsigned copies = fake->copies;
    CHECK(nf_send(a, frame, 60000, NETTXF_csum_blank | NETTXF_data_validated, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
    settle();
    CHECK(b->packets == 2 && b->last_len == 60000 && !memcmp(b->last, frame, 60000));
    CHECK(fake->copies - copies == 2 + 15 + 1 + 15);
    make_frame(outside, a->mac, 30000, true);
    CHECK(nf_send(a, frame, 30000, NETTXF_csum_blank | NETTXF_data_validated, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
    settle();
    CHECK(wire.sent == 1 && wire.last.gso == 4 && wire.last.len == 30000 && wire.last.csum_blank);
    wire.nic.tso4 = wire.nic.csum = false;
    CHECK(nf_send(a, frame, 30000, NETTXF_csum_blank | NETTXF_data_validated, XEN_NETIF_GSO_TYPE_TCPV4, 1448));
    settle();
    CHECK(wire.sent == 1 + (30000 - 54 + 1447) / 1448 && !wire.last.csum_blank);
    make_frame(b->mac, a->mac, 500, true);
    CHECK(nf_send(a, frame, 500, NETTXF_csum_blank | NETTXF_data_validated, 0, 0));
    settle();
    CHECK(b->packets == 3 && b->last_len == 500 && (b->last_flags & NETRXF_csum_blank) && b->last[50] == 0 && b->last[51] == 0);
    CHECK(a->wrong == 0 && b->wrong == 0 && a->tx_error == 0 && pkt_free_small() == 256 && pkt_free_big() == 16);
}

/* Segment number k, of 1000 bytes, of a TCP stream from the wire to b. */
static void segment_comes(uint8_t port, unsigned k)
{
    make_frame(b->mac, outside, 1054, true);
    frame[20] = 0x40;
    frame[35] = port;
    frame[40] = (uint8_t)(k * 1000 >> 8);
    frame[41] = (uint8_t)(k * 1000);
    frame[47] = 0x10;
    on_wire(frame, 1054);
}

static void joining(void)
{
    start_two();
    for (unsigned k = 0; k < 60; k++)
        segment_comes((uint8_t)(k % 2), k / 2); /* two streams */
    nic_settle();
    settle();
    CHECK(b->packets == 2 && b->last_len == 54 + 30000 && b->last_gso.u.gso.size == 1000 && (b->last_flags & NETRXF_csum_blank));
    CHECK(b->last[16] == 30040 >> 8 && b->last[17] == (30040 & 255) && !memcmp(b->last + 54 + 29000, frame + 54, 1000));
    for (unsigned k = 0; k < 4; k++)
        segment_comes(0, k * 2); /* each second one is lost */
    nic_settle();
    settle();
    CHECK(b->packets == 6 && b->last_len == 1054 && !memcmp(b->last, frame, 1054));
    for (unsigned k = 0; k < 66; k++)
        segment_comes(0, k); /* one more than a packet holds */
    nic_settle();
    settle();
    CHECK(b->packets == 8 && b->last_len == 1054 && b->wrong == 0 && pkt_free_small() == 256 && pkt_free_big() == 16);
}

/* A front that takes nothing but plain frames gets them summed and cut. */
static void plain_front(void)
{
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    start();
    connect_front(a, false);
    nf_publish(b, false);
    set(b->path, "feature-gso-tcpv4", "0");
    set(b->path, "feature-sg", "0");
    set(b->path, "feature-no-csum-offload", "1");
    fake_settle();
    make_frame(b->mac, a->mac, 10054, true);
    CHECK(nf_send(a, frame, 10054, NETTXF_csum_blank | NETTXF_data_validated, XEN_NETIF_GSO_TYPE_TCPV4, 1000));
    settle();
    CHECK(b->packets == 10 && b->last_len == 1054 && !(b->last_flags & NETRXF_csum_blank) && (b->last[50] | b->last[51]));
    for (unsigned k = 0; k < 4; k++)
        segment_comes(0, k); /* nothing is joined for it */
    nic_settle();
    settle();
    CHECK(b->packets == 14 && b->last_len == 1054);
    CHECK(sent(a, b->mac, 4096) && b->packets == 15 && sent(a, b->mac, 4097) && b->packets == 15 && b->wrong == 0);
}

/* A front without buffers: others go on, and what waits is bounded and comes later. */
static void slow_front(void)
{
    struct netfront *c;
    start_two();
    c = nf_new(5, 3);
    fake_settle();
    connect_front(c, false);
    for (unsigned i = 0; i < 600; i++) { /* b does not look */
        make_frame(b->mac, a->mac, i % 2 ? 60 : 9000, false);
        nf_send(a, frame, i % 2 ? 60 : 9000, 0, 0, 0);
        fake_settle();
        nf_collect(a);
    }
    CHECK(a->tx_prod == a->tx_cons && pkt_free_big() > 0 && pkt_free_small() > 64);
    make_frame(c->mac, a->mac, 9000, false);
    CHECK(nf_send(a, frame, 9000, 0, 0, 0));
    fake_settle();
    nf_receive(c);
    CHECK(c->packets == 1 && c->last_len == 9000);
    settle();
    CHECK(b->packets > 30 && b->wrong == 0 && pkt_free_small() == 256 && pkt_free_big() == 16);
}

/* A full wire stops a front, and nothing is lost. */
static void full_wire(void)
{
    start_two();
    wire.full = 1;
    for (unsigned i = 0; i < 10; i++) {
        make_frame(outside, a->mac, 100 + i, false);
        CHECK(nf_send(a, frame, 100 + i, 0, 0, 0));
    }
    settle();
    CHECK(wire.sent == 0 && a->tx_cons == 0);
    wire.full = 0;
    nic_resume(&wire.nic);
    settle();
    CHECK(wire.sent == 10 && a->tx_ok == 10 && a->tx_cons == a->tx_prod && wire.last.len == 109);
    nic_lost(&wire.nic, "for the test");
    fake_settle();
    CHECK(!strcmp(fake_get("control/failed"), "for the test"));
    CHECK(nf_back_state(a) == 5 && strstr(back(a, "error"), "for the test") && fake_mapped() == 0);
}

/* --- hostile fronts --- */

struct lie { unsigned slots, size[3], offset[3], flags, gso, mss, extra_type; bool no_grant; };

static void tell(const struct lie *l)
{
    unsigned n = 0;
    for (unsigned i = 0; i < l->slots; i++) {
        struct netif_tx_request *r = nf_slot(a, n, l->size[i]);
        r->offset = (uint16_t)l->offset[i];
        r->flags = (uint16_t)((i ? 0 : l->flags) | (i + 1 < l->slots ? NETTXF_more_data : 0));
        if (l->no_grant)
            r->gref = 9999;
        if (!i)
            memcpy(fake_page(a->tx_buf[(a->tx_prod + n) % NF_BUFFERS]), frame, 4096);
        n++;
        if (!i && (l->flags & NETTXF_extra_info)) {
            struct netif_extra_info *x = (void *)nf_slot(a, n, 0);
            memset(x, 0, 12);
            a->tx_extra[(a->tx_prod + n) % NF_BUFFERS] = true;
            x->type = (uint8_t)(l->extra_type ? l->extra_type : XEN_NETIF_EXTRA_TYPE_GSO);
            x->u.gso.type = (uint8_t)l->gso;
            x->u.gso.size = (uint16_t)l->mss;
            n++;
        }
    }
    nf_push(a, n);
    settle();
}

static void lies(void)
{
    static const struct lie told[] = {
        {.slots = 1, .size = {0}}, {.slots = 1, .size = {13}}, {.slots = 1, .size = {60}, .offset = {4090}},
        {.slots = 1, .size = {60}, .offset = {65500}}, {.slots = 1, .size = {4097}}, {.slots = 1, .size = {65535}},
        {.slots = 2, .size = {100, 100}}, {.slots = 2, .size = {100, 101}}, {.slots = 2, .size = {100, 65535}},
        {.slots = 3, .size = {40, 65535, 65535}}, {.slots = 3, .size = {200, 0, 100}},
        {.slots = 2, .size = {5000, 4097}}, {.slots = 2, .size = {5000, 1000}, .offset = {97, 0}},
        {.slots = 2, .size = {5000, 904}, .offset = {0, 4095}}, {.slots = 1, .size = {60}, .no_grant = true},
        {.slots = 2, .size = {600, 100}, .no_grant = true},
        {.slots = 1, .size = {60}, .flags = NETTXF_extra_info, .extra_type = 77},
        {.slots = 1, .size = {600}, .flags = NETTXF_extra_info, .gso = 9, .mss = 1000},
        {.slots = 1, .size = {600}, .flags = NETTXF_extra_info, .gso = 1, .mss = 1},
        {.slots = 1, .size = {600}, .flags = NETTXF_extra_info, .gso = 1, .mss = 0},
    };
    start_two();
    for (unsigned i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        unsigned errors = a->tx_error;
        make_frame(b->mac, a->mac, 4096, false);
        tell(&told[i]);
        CHECK(a->tx_error == errors + told[i].slots && a->wrong == 0 && b->packets == 0 && wire.sent == 0);
    }
    /* what is no TCP is not cut, what has no checksum field gets none: answered, but not passed on */
    tell(&(struct lie){.slots = 1, .size = {600}, .flags = NETTXF_extra_info, .gso = 1, .mss = 500});
    tell(&(struct lie){.slots = 1, .size = {600}, .flags = NETTXF_csum_blank});
    make_frame(b->mac, a->mac, 4096, true);
    tell(&(struct lie){.slots = 1, .size = {600}, .flags = NETTXF_extra_info, .gso = 2, .mss = 500}); /* TCP, not IPv6 */
    frame[17] = frame[16] = 255; /* IP's length lies */
    tell(&(struct lie){.slots = 1, .size = {600}, .flags = NETTXF_extra_info, .gso = 1, .mss = 500});
    CHECK(b->packets == 0 && wire.sent == 0 && a->wrong == 0);
    CHECK(nf_back_state(a) == 4 && sent(a, b->mac, 100) && b->packets == 1);
    CHECK(pkt_free_small() == 256 && pkt_free_big() == 16);
}

static void (*breakage)(void);
static void jump(void) { nf_tx(a)->req_prod += 300; fake->to_back[a->tx_port] = true; }
static void backwards(void) { nf_tx(a)->req_prod -= 2; fake->to_back[a->tx_port] = true; }
static void rx_jump(void) { nf_rx(a)->req_prod += 300; make_frame(a->mac, outside, 60, false); from_wire(frame, 60); }
static void incomplete(void) { nf_slot(a, 0, 100)->flags = NETTXF_more_data; nf_push(a, 1); }
static void no_extra(void) { nf_slot(a, 0, 100)->flags = NETTXF_extra_info; nf_push(a, 1); }
static void too_many(void)
{
    for (unsigned i = 0; i < 30; i++)
        nf_slot(a, i, i ? 10 : 1000)->flags = NETTXF_more_data;
    nf_push(a, 30);
}
static void many_extras(void)
{
    nf_slot(a, 0, 100)->flags = NETTXF_extra_info;
    for (unsigned i = 1; i < 30; i++) {
        struct netif_extra_info *x = (void *)nf_slot(a, i, 0);
        x->type = XEN_NETIF_EXTRA_TYPE_HASH;
        x->flags = XEN_NETIF_EXTRA_FLAG_MORE;
    }
    nf_push(a, 30);
}

static void broken(void)
{
    start_two();
    CHECK(sent(a, b->mac, 60) && sent(a, b->mac, 60) && b->packets == 2);
    breakage();
    fake_settle();
    CHECK(nf_back_state(a) == 5 && strstr(back(a, "error"), "ring protocol") && nf_back_state(b) == 4);
    CHECK(fake_mapped() == 2 && sent(b, outside, 60) && wire.sent == 1 && sent(b, all, 60) && b->wrong == 0);
    nf_state(a, 6); /* and it may come back */
    fake_settle();
    nf_state(a, 1);
    fake_settle();
    connect_front(a, false);
    CHECK(sent(a, b->mac, 60) && b->packets == 3);
}

static void test_broken(void)
{
    void (*all_of_them[])(void) = {jump, backwards, rx_jump, incomplete, no_extra, too_many, many_extras};
    for (unsigned i = 0; i < sizeof(all_of_them) / sizeof(all_of_them[0]); i++) {
        breakage = all_of_them[i];
        CU_ASSERT_EQUAL(in_child(broken), 0);
    }
}

/* Random slots and indices, for long: nobody else is hurt, nothing leaks. */
/* A front that only makes events rests; then its packets pass. */
static void nuisance(void)
{
    start_two();
    for (unsigned i = 0; i < 2000 && !fake->muted[a->tx_port]; i++) {
        fake->to_back[a->tx_port] = true;
        fake_settle();
        fake->now += 1000;
    }
    CHECK(fake->muted[a->tx_port] && !fake->muted[b->tx_port]);
    unsigned before = b->packets;
    make_frame(b->mac, a->mac, 60, false);
    CHECK(nf_send(a, frame, 60, 0, 0, 0));
    settle();
    CHECK(b->packets == before);
    fake->now += 100000000;
    settle();
    CHECK(b->packets == before + 1 && !fake->muted[a->tx_port]);
}

static void noise(void)
{
    unsigned seed = 7, connects = 0;
    start_two();
    for (unsigned i = 0; i < 3000; i++) {
        uint8_t *slots = (uint8_t *)&nf_tx(a)->ring[0];
        for (unsigned k = 0; k < 40; k++) {
            seed = seed * 1103515245 + 12345;
            slots[(a->tx_prod * 12 + (seed >> 8) % 240) % 3072] = (uint8_t)(seed >> 16 & (k % 2 ? 15 : 255));
        }
        nf_tx(a)->req_prod += (seed >> 8) % 9;
        a->tx_prod = nf_tx(a)->req_prod;
        fake->to_back[a->tx_port] = true;
        fake_settle();
        if (nf_back_state(a) != 4) {
            nf_state(a, 6);
            fake_settle();
            nf_state(a, 1);
            fake_settle();
            fake->now += 1000000000;
            connect_front(a, false);
            connects++;
        }
        nf_receive(b);
    }
    CHECK(connects > 10 && b->wrong == 0 && nf_back_state(b) == 4);
    make_frame(b->mac, outside, 60, false);
    unsigned before = b->packets;
    from_wire(frame, 60);
    settle();
    CHECK(b->packets == before + 1 && pkt_free_small() == 256 && pkt_free_big() == 16);
}

/* --- adoption --- */

#define JOBS 60u
static struct job { unsigned sent, last_seen, seen; } *job;

static void check_numbered(struct netfront *f)
{
    uint32_t number;
    memcpy(&number, f->last + 60, 4);
    CHECK(number > job->last_seen && number <= JOBS);
    job->last_seen = number;
    job->seen++;
    for (unsigned i = 64; i < f->last_len; i++)
        CHECK(f->last[i] == (uint8_t)(i * 7 + f->last_len));
}

static bool send_numbered(void)
{
    uint32_t number = job->sent + 1;
    unsigned len = number % 3 == 0 ? 100 : number % 3 == 1 ? 20000 : 5000;
    bool gso = number % 3 == 1;
    make_frame(b->mac, a->mac, len, gso);
    memcpy(frame + 60, &number, 4);
    return nf_send(a, frame, len, gso ? NETTXF_csum_blank : 0, gso ? XEN_NETIF_GSO_TYPE_TCPV4 : 0, 1400);
}

static void life(void)
{
    unsigned idle = 0, writes = fake->writes;
    bool were_connected = nf_back_state(a) == 4 && nf_back_state(b) == 4;
    CHECK(pkt_pool(256, 16) == 0);
    wire_new();
    b->received = check_numbered;
    CHECK(netback_start() == 0);
    while (idle < 50) {
        bool busy = fake_run();
        for (struct netfront *f = a; f; f = f == a ? b : NULL) {
            char state[100];
            snprintf(state, sizeof(state), "%s/state", f->path);
            if (nf_back_state(f) == 2 && !strcmp(fake_get(state), "1"))
                nf_publish(f, f == b);
            if (nf_back_state(f) == 4) {
                nf_collect(f);
                nf_receive(f);
                CHECK(f->wrong == 0 && f->rx_error == 0 && f->tx_error == 0);
            }
        }
        if (nf_back_state(a) == 4 && nf_back_state(b) == 4 && job->sent < JOBS && send_numbered())
            job->sent++;
        idle = busy ? 0 : idle + 1;
    }
    CHECK(job->sent == JOBS && a->tx_cons == a->tx_prod && nf_back_state(a) == 4 && nf_back_state(b) == 4);
    CHECK(pkt_free_small() == 256 && pkt_free_big() == 16);
    if (were_connected)
        CHECK(fake->writes == writes);
}

static bool die_at(unsigned at)
{
    fake_init();
    memset(job, 0, sizeof(*job));
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    fake->crash_at = at;
    for (int lives = 1;; lives++) {
        int rc = in_child(life);
        if (rc == 0) {
            CU_ASSERT(job->seen + 40 * (unsigned)lives >= JOBS);
            return lives > 1;
        }
        CU_ASSERT_EQUAL(rc, FAKE_CRASHED);
        if (rc != FAKE_CRASHED) {
            fprintf(stderr, "death at step %u, life %d\n", at, lives);
            return false;
        }
        fake_next_incarnation();
        fake->crash_at = lives == 1 ? 1 + at * 7 % 61 : 0;
    }
}

static void test_adoption(void)
{
    unsigned at = 1;
    while (die_at(at))
        at++;
    CU_ASSERT(at > 100);
}

CASE(negotiation)
CASE(bad_nodes)
CASE(switching)
CASE(isolated)
CASE(multicast)
CASE(offloads)
CASE(joining)
CASE(plain_front)
CASE(slow_front)
CASE(full_wire)
CASE(lies)
CASE(nuisance)
CASE(noise)

int main(void)
{
    CU_TestInfo tests[] = {
        {"negotiation, close, reconnect, detach", test_negotiation},
        {"front's nodes: each bad value is refused", test_bad_nodes},
        {"switching and anti-spoofing", test_switching},
        {"isolated interfaces", test_isolated},
        {"multicast control", test_multicast},
        {"checksums and segmentation are passed on or done", test_offloads},
        {"segments from the wire are joined", test_joining},
        {"a front without offloads", test_plain_front},
        {"a front that does not take its packets", test_slow_front},
        {"a full wire, a lost card", test_full_wire},
        {"packets that lie", test_lies},
        {"rings that are broken cost one device", test_broken},
        {"a front that wastes time rests", test_nuisance},
        {"noise", test_noise},
        {"adoption after a death at every step", test_adoption},
        CU_TEST_INFO_NULL,
    };
    job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return suite_run("netback", NULL, tests);
}
