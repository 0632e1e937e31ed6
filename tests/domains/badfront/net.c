/* SPDX-License-Identifier: MIT */
/* A hostile netif front: slots that lie about their packet, grants that are none, rings and nodes that lie. */
#include "tests/domains/badfront/front.h"

#include <xen/io/netif.h>

#define TX 0
#define RX 1
#define SLOTS 256u

static struct front f = {.nrings = 2, .ref_node = {"tx-ring-ref", "rx-ring-ref"}};
static uint8_t *data;
static int data_ref;
static unsigned okay, refused;

static union netif_tx_sring_entry *tx_slot(uint32_t index)
{
    return &((struct netif_tx_sring *)f.ring[TX])->ring[index % SLOTS];
}

static void put(uint16_t size, uint16_t offset, uint16_t flags, uint32_t ref)
{
    struct header *h = f.ring[TX];
    tx_slot(h->req_prod)->req = (struct netif_tx_request){.gref = ref, .offset = offset, .flags = flags, .id = 9, .size = size};
    __asm__ volatile("" ::: "memory");
    h->req_prod++;
}

static void put_extra(uint8_t type, uint8_t flags, uint16_t gso_size, uint8_t gso_type)
{
    struct header *h = f.ring[TX];
    struct netif_extra_info x = {.type = type, .flags = flags};
    x.u.gso.size = gso_size;
    x.u.gso.type = gso_type;
    memcpy(tx_slot(h->req_prod), &x, sizeof(x));
    __asm__ volatile("" ::: "memory");
    h->req_prod++;
}

/* What was put is answered; or, where that is as good, the device is stopped. */
static void expect(bool may_stop, const char *what, uint64_t value)
{
    struct header *h = f.ring[TX];
    uint32_t from = h->rsp_prod;
    uint64_t end = rt_now() + FRONT_WAIT_NS;
    front_kick(&f);
    for (int state = XenbusStateConnected; *(volatile uint32_t *)&h->rsp_prod != h->req_prod && state == XenbusStateConnected && rt_now() < end;) {
        rt_look_again((uint32_t)f.port);
        rt_sleep_until(rt_now() + 1000000);
        state = front_back_state(&f);
    }
    bool answered = *(volatile uint32_t *)&h->rsp_prod == h->req_prod;
    for (; answered && from != h->rsp_prod; from++)
        *(tx_slot(from)->rsp.status == NETIF_RSP_OKAY ? &okay : &refused) += 1;
    bool stopped = !answered && may_stop && front_has_error(&f, "ring");
    verdict(answered || stopped, "vif: %s = %lx: neither answered nor stopped", what, value);
    if (answered)
        return;
    front_close(&f, what);
    if (!front_open(&f))
        verdict(false, "vif: cannot connect again");
}

static void walk_fields(void)
{
    static const uint16_t sizes[] = {0, 1, 13, 14, 60, 1514, 4095, 4096, 4097, 32768, 65535};
    static const uint16_t offsets[] = {0, 1, 4000, 4095, 4096, 65535};
    static const uint32_t refs[] = {0, 1, 2, 500, 4096, 0x10000, 0x7fffffff, 0xffffffff};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (unsigned k = 0; k < sizeof(offsets) / sizeof(offsets[0]); k++) {
            put(sizes[i], offsets[k], 0, (uint32_t)data_ref);
            expect(false, "size and offset", (uint64_t)sizes[i] << 16 | offsets[k]);
        }
    for (unsigned i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        put(60, 0, 0, refs[i]);
        expect(false, "gref", refs[i]);
    }
    for (unsigned bit = 0; bit < 16; bit++) {
        put(60, 0, (uint16_t)(1u << bit), (uint32_t)data_ref);
        put(60, 0, 0, (uint32_t)data_ref); /* the rest of the packet, if that bit asks for more */
        expect(true, "flags", 1u << bit);
    }
}

/* Packets of many slots: sums that are wrong, too many, incomplete. */
static void walk_chains(void)
{
    static const uint16_t totals[] = {0, 14, 59, 60, 61, 119, 120, 121, 4096, 65535};
    for (unsigned i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        put(totals[i], 0, NETTXF_more_data, (uint32_t)data_ref);
        put(60, 0, 0, (uint32_t)data_ref);
        expect(false, "size of two slots", totals[i]);
    }
    for (unsigned n = 2; n < 40; n++) {
        for (unsigned k = 0; k < n; k++)
            put(k ? 100 : (uint16_t)(100 * n), 0, k + 1 < n ? NETTXF_more_data : 0, (uint32_t)data_ref);
        expect(true, "slots of a packet", n);
    }
    put(200, 0, NETTXF_more_data, (uint32_t)data_ref);
    expect(true, "an incomplete packet", 0);
    put(200, 0, NETTXF_extra_info, (uint32_t)data_ref);
    expect(true, "extra info that is missing", 0);
}

static void walk_extras(void)
{
    static const uint16_t mss[] = {0, 1, 7, 536, 1460, 65535};
    for (unsigned type = 0; type < 256; type += type < 8 ? 1 : 31) {
        put(1000, 0, NETTXF_extra_info, (uint32_t)data_ref);
        put_extra((uint8_t)type, 0, 1460, XEN_NETIF_GSO_TYPE_TCPV4);
        expect(true, "type of extra info", type);
    }
    for (unsigned i = 0; i < sizeof(mss) / sizeof(mss[0]); i++)
        for (unsigned type = 0; type < 5; type++) {
            put(3000, 0, NETTXF_extra_info | NETTXF_csum_blank, (uint32_t)data_ref);
            put_extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, mss[i], (uint8_t)type);
            expect(true, "segment size and type", (uint64_t)mss[i] << 8 | type);
        }
    for (unsigned n = 1; n < 12; n++) {
        put(1000, 0, NETTXF_extra_info, (uint32_t)data_ref);
        for (unsigned k = 0; k < n; k++)
            put_extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, k + 1 < n ? XEN_NETIF_EXTRA_FLAG_MORE : 0, (uint16_t)k, 0);
        expect(true, "number of extra infos", n);
    }
}

/* Buffers for what comes in that are no pages of ours, then random packets out of random slots. */
static void noise(void)
{
    struct netif_rx_sring *rx = f.ring[RX];
    uint64_t x = 88172645463325252ull;
    for (unsigned i = 0; i < SLOTS; i++)
        rx->ring[i].req = (struct netif_rx_request){.id = (uint16_t)i, .gref = i * 2654435761u};
    rx->req_prod += SLOTS;
    for (unsigned n = 0; n < 60; n++) {
        for (unsigned k = 0; k < 64; k++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            uint16_t flags = (uint16_t)(x >> 40) & (NETTXF_csum_blank | NETTXF_data_validated | (k == 63 ? 0 : NETTXF_more_data));
            put((uint16_t)(x >> 8), (uint16_t)(x >> 24) & 4095, flags, k & 1 ? (uint32_t)data_ref : (uint32_t)(x >> 32) & 1023);
        }
        expect(true, "noise", n);
        if (((struct header *)f.ring[RX])->req_prod < SLOTS) /* opened anew */
            continue;
    }
}

static void revoke(void)
{
    for (unsigned n = 0; n < 200; n++) {
        uint8_t *page = rt_alloc_pages(1);
        int ref = page ? rt_grant(f.dom, page, true) : -1;
        RT_ASSERT(ref > 0);
        put(1514, 0, 0, (uint32_t)ref);
        front_kick(&f);
        if (n & 1)
            rt_spin_ns(n * 1000);
        bool gone = rt_grant_end((uint32_t)ref) == 0;
        expect(false, "a grant that is revoked", n);
        if (!gone)
            gone = rt_grant_end((uint32_t)ref) == 0;
        verdict(gone, "vif: the backend keeps a page after its answer");
        if (gone)
            rt_free_pages(page, 1);
    }
}

/* --- storms --- */

static void fill(uint16_t size, uint32_t ref)
{
    for (unsigned i = 0; i < SLOTS / 2; i++)
        put(size, 0, 0, ref);
    front_burst(&f, TX);
}

static void storm_bad(void)
{
    fill(1514, 500);
}

static void storm_lies(void)
{
    fill(5, (uint32_t)data_ref);
}

static void storm_flood(void)
{
    fill(60, (uint32_t)data_ref);
}

static void storm_events(void)
{
    front_events(&f);
}

static void storm_idle(void)
{
    front_idle();
}

static void storm_states(void)
{
    front_state_walk(&f);
}

static void storm_handshake(void)
{
    front_handshake(&f);
}

static void storm_jump(void)
{
    front_jump(&f, TX);
}

static void storm_nodes(void)
{
    static const char *const values[] = {"x", "-", NULL};
    front_bad_node(&f, "tx-ring-ref", values);
}

static const struct storm storms[] = {
    {"vif.bad", true, storm_bad}, {"vif.lies", true, storm_lies}, {"vif.revoke", true, revoke}, {"vif.events", true, storm_events},
    {"vif.jump", false, storm_jump}, {"vif.handshake", false, storm_handshake}, {"vif.states", false, storm_states},
    {"vif.nodes", false, storm_nodes}, {"vif.flood", true, storm_flood}, {"vif.idle", true, storm_idle},
};

/* A frame that the switch lets pass: ours, to an address of the wire. */
static void make_frame(void)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/mac", f.path);
    char *mac = rt_xs_read(0, path, NULL, NULL);
    memcpy(data, "\x52\x55\x0a\x00\x02\x02", 6);
    for (unsigned i = 0; mac && i < 6; i++)
        data[6 + i] = (uint8_t)strtoul(mac + 3 * i, NULL, 16);
    data[12] = 0x88;
    data[13] = 0xb5;
    rt_free(mac);
}

void net_attack(const char *storm)
{
    static const char *const numbers[] = {"", "x", "-1", "4294967296", "77777", "-", NULL};
    static const char *const flags[] = {"2", "x", NULL}, *const queues[] = {"0", "99", "x", NULL}, *const must[] = {"0", "x", "-", NULL};
    if (!front_find(&f, "vif", 0) || !front_wait(&f, XenbusStateInitWait, XenbusStateInitWait)) {
        verdict(false, "vif: no backend");
        return;
    }
    data = rt_alloc_pages(1);
    data_ref = rt_grant(f.dom, data, false);
    RT_ASSERT(data && data_ref > 0);
    memset(data, 0xff, 12);
    front_write(&f, "request-rx-copy", "1");
    front_write(&f, "feature-sg", "1");
    if (storm) {
        make_frame();
        front_storm(&f, storms, sizeof(storms) / sizeof(storms[0]), storm);
        return;
    }
    if (!front_open(&f))
        verdict(false, "vif: cannot connect");
    walk_fields();
    walk_chains();
    walk_extras();
    noise();
    revoke();
    front_close(&f, "bad packets");
    rt_log("badfront: vif: %u slots okay, %u refused", okay, refused);
    front_abuse_ring(&f, TX, true);
    front_abuse_ring(&f, RX, false);
    front_state_walk(&f);
    front_bad_node(&f, "tx-ring-ref", numbers);
    front_bad_node(&f, "rx-ring-ref", numbers);
    front_bad_node(&f, "event-channel", numbers);
    front_bad_node(&f, "multi-queue-num-queues", queues);
    front_bad_node(&f, "feature-sg", flags);
    front_bad_node(&f, "request-rx-copy", must);
    front_write(&f, "request-rx-copy", "1");
    bool served = front_open(&f);
    put(60, 0, 0, (uint32_t)data_ref);
    front_kick(&f);
    verdict(served && front_answered(&f, TX), "vif: a good front is not served at the end");
    front_close(&f, "a good life");
}
