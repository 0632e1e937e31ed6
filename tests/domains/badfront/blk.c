/* SPDX-License-Identifier: MIT */
/* A hostile blkif front: every field of a request, grants that go away, rings and nodes that lie. */
#include "tests/domains/badfront/front.h"

#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

#define SLOTS 32u

static struct front f = {.nrings = 1, .ref_node = {"ring-ref"}};
static uint8_t *data;
static int data_ref, other_ref; /* other: a second page, where a list of segments must not be written over */
static uint64_t sectors;
static unsigned okay, refused;

static void put(const struct blkif_request *r)
{
    struct blkif_sring *s = f.ring[0];
    memcpy((void *)&s->ring[s->req_prod % SLOTS].req, r, sizeof(*r));
    __asm__ volatile("" ::: "memory");
    s->req_prod++;
}

static struct blkif_request good(uint8_t op)
{
    struct blkif_request r = {.operation = op, .nr_segments = 1, .id = 42, .sector_number = 8};
    for (unsigned i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        r.seg[i] = (struct blkif_request_segment){.gref = (uint32_t)data_ref, .first_sect = 0, .last_sect = 7};
    return r;
}

/* One request; 0 okay, an error of blkif, or 99 when there was no answer or one with another id. */
static int ask(const struct blkif_request *r)
{
    struct blkif_sring *s = f.ring[0];
    put(r);
    front_kick(&f);
    if (!front_answered(&f, 0))
        return 99;
    struct blkif_response rsp = s->ring[(s->rsp_prod - 1) % SLOTS].rsp;
    okay += rsp.status == BLKIF_RSP_OKAY;
    refused += rsp.status != BLKIF_RSP_OKAY;
    return rsp.id == r->id ? rsp.status : 99;
}

static void expect(const struct blkif_request *r, bool may, const char *what, uint64_t value)
{
    int status = ask(r);
    verdict(status != 99 && (may || status != BLKIF_RSP_OKAY), "vbd: %s = %lx: status %d", what, value, status);
}

static void walk_fields(void)
{
    static const uint64_t places[] = {1ull << 31, 1ull << 32, 1ull << 54, 1ull << 55, 1ull << 63, ~0ull, ~0ull - 7};
    static const uint32_t refs[] = {0, 1, 2, 500, 4096, 0x10000, 0x7fffffff, 0xffffffff};
    struct blkif_request r;
    for (unsigned op = 0; op < 256; op++) {
        r = good((uint8_t)op);
        expect(&r, true, "operation", op);
    }
    for (unsigned n = 0; n < 256; n++) {
        r = good(BLKIF_OP_READ);
        r.nr_segments = (uint8_t)n;
        expect(&r, n >= 1 && n <= BLKIF_MAX_SEGMENTS_PER_REQUEST, "nr_segments", n);
    }
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        r = good(i & 1 ? BLKIF_OP_WRITE : BLKIF_OP_READ);
        r.sector_number = places[i];
        expect(&r, false, "sector_number", places[i]);
    }
    for (uint64_t at = sectors - 7; at <= sectors + 1; at++) {
        r = good(BLKIF_OP_WRITE);
        r.sector_number = at;
        expect(&r, false, "sector_number beyond the end", at);
    }
    for (unsigned i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        r = good(BLKIF_OP_READ);
        r.seg[0].gref = refs[i];
        expect(&r, refs[i] == (uint32_t)f.ref[0], "gref", refs[i]);
    }
    for (unsigned first = 0; first < 256; first += 5)
        for (unsigned last = 0; last < 256; last += 17) {
            r = good(BLKIF_OP_READ);
            r.seg[0].first_sect = (uint8_t)first;
            r.seg[0].last_sect = (uint8_t)last;
            expect(&r, first <= last && last < 8, "first and last sector", first << 8 | last);
        }
}

static void walk_indirect(void)
{
    static const unsigned counts[] = {0, 1, 8, 256, 257, 512, 4096, 65535};
    struct blkif_request_segment *seg = (void *)data;
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (unsigned op = 0; op < 8; op++) {
            struct blkif_request raw = {.operation = BLKIF_OP_INDIRECT};
            struct blkif_request_indirect *r = (void *)&raw;
            for (unsigned k = 0; k < RT_PAGE / sizeof(*seg); k++) /* overlapping: all the same page, the list's own */
                seg[k] = (struct blkif_request_segment){.gref = (uint32_t)data_ref, .first_sect = 0, .last_sect = 7};
            r->indirect_op = (uint8_t)op;
            r->nr_segments = (uint16_t)counts[i];
            r->id = 7;
            for (unsigned k = 0; k < BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST; k++)
                r->indirect_grefs[k] = (uint32_t)data_ref;
            expect(&raw, counts[i] >= 1 && counts[i] <= 256 && op <= 1, "indirect segments and operation", counts[i] << 8 | op);
        }
}

static void noise(void)
{
    uint64_t x = 88172645463325252ull;
    struct blkif_request r;
    for (unsigned n = 0; n < 400; n++) {
        struct blkif_sring *s = f.ring[0];
        for (unsigned k = 0; k < SLOTS / 2; k++) {
            uint8_t *p = (void *)&r;
            for (unsigned i = 0; i < sizeof(r); i++) {
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                p[i] = (uint8_t)(x >> 32);
            }
            if (k & 1)
                r.operation = (uint8_t)(x % 7);
            put(&r);
        }
        front_kick(&f);
        if (front_answered(&f, 0) && s->rsp_prod == s->req_prod)
            continue;
        verdict(false, "vbd: noise is not answered");
        return;
    }
    verdict(true, "noise");
}

/* The grant goes away while its request waits or runs; then the same reference is another page, read-only. */
static void revoke(void)
{
    for (unsigned n = 0; n < 200; n++) {
        uint8_t *page = rt_alloc_pages(1);
        int ref = page ? rt_grant(f.dom, page, false) : -1;
        RT_ASSERT(ref > 0);
        struct blkif_request r = good(BLKIF_OP_READ);
        r.seg[0].gref = (uint32_t)ref;
        put(&r);
        front_kick(&f);
        if (n & 1)
            rt_spin_ns(n * 1000);
        bool gone = rt_grant_end((uint32_t)ref) == 0;
        int again = gone && n & 2 ? rt_grant(f.dom, page, true) : -1;
        if (!front_answered(&f, 0)) {
            verdict(false, "vbd: a request whose grant is revoked is not answered");
            return;
        }
        if (again > 0)
            gone = rt_grant_end((uint32_t)again) == 0;
        else if (!gone)
            gone = rt_grant_end((uint32_t)ref) == 0;
        if (gone)
            rt_free_pages(page, 1);
        verdict(gone, "vbd: the backend keeps a page after its answer");
    }
}

/* --- storms --- */

static void fill(const struct blkif_request *r)
{
    for (unsigned i = 0; i < SLOTS; i++)
        put(r);
    front_burst(&f, 0);
}

static void storm_bad(void)
{
    struct blkif_request r = good(BLKIF_OP_READ);
    r.seg[0].gref = 500;
    fill(&r);
}

/* Indirect requests of the most segments there can be, whose last is no grant of ours unless `valid`. */
static void indirect(bool valid)
{
    struct blkif_request_segment *seg = (void *)data;
    struct blkif_request raw = {.operation = BLKIF_OP_INDIRECT};
    struct blkif_request_indirect *r = (void *)&raw;
    for (unsigned k = 0; k < 256; k++)
        seg[k] = (struct blkif_request_segment){.gref = k < 255 || valid ? (uint32_t)other_ref : 500, .last_sect = 7};
    r->indirect_op = BLKIF_OP_READ;
    r->nr_segments = 256;
    r->id = 7;
    r->indirect_grefs[0] = (uint32_t)data_ref;
    fill(&raw);
}

static void storm_maps(void)
{
    indirect(false);
}

static void storm_big(void)
{
    indirect(true);
}

static void storm_flood(void)
{
    struct blkif_request r = good(BLKIF_OP_READ);
    fill(&r);
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
    front_jump(&f, 0);
}

static void storm_nodes(void)
{
    static const char *const values[] = {"x", "-", NULL};
    front_bad_node(&f, "ring-ref", values);
}

static const struct storm storms[] = {
    {"vbd.bad", true, storm_bad}, {"vbd.maps", true, storm_maps}, {"vbd.revoke", true, revoke}, {"vbd.events", true, storm_events},
    {"vbd.jump", false, storm_jump}, {"vbd.handshake", false, storm_handshake}, {"vbd.states", false, storm_states},
    {"vbd.nodes", false, storm_nodes}, {"vbd.flood", true, storm_flood}, {"vbd.idle", true, storm_idle}, {"vbd.big", true, storm_big},
};

void blk_attack(const char *storm)
{
    static const char *const numbers[] = {"", "x", "-1", "4294967296", "99999999999999999999", "3x", "77777", "-", NULL};
    static const char *const protocols[] = {"x86_32-abi", "", "a-protocol-that-is-much-longer-than-any-that-exists", NULL};
    static const char *const orders[] = {"9", "x", "-1", NULL}, *const queues[] = {"0", "99", "x", NULL}, *const flags[] = {"2", "x", NULL};
    char path[112];
    if (!front_find(&f, "vbd", 51712) || !front_wait(&f, XenbusStateInitWait, XenbusStateInitWait)) {
        verdict(false, "vbd: no backend");
        return;
    }
    snprintf(path, sizeof(path), "%s/sectors", f.back);
    rt_xs_read_u64(path, &sectors);
    data = rt_alloc_pages(1);
    data_ref = rt_grant(f.dom, data, false);
    other_ref = rt_grant(f.dom, rt_alloc_pages(1), false);
    RT_ASSERT(data && data_ref > 0 && other_ref > 0 && sectors > 64);
    if (storm) {
        front_storm(&f, storms, sizeof(storms) / sizeof(storms[0]), storm);
        return;
    }
    if (!front_open(&f))
        verdict(false, "vbd: cannot connect");
    walk_fields();
    walk_indirect();
    noise();
    revoke();
    front_close(&f, "bad requests");
    rt_log("badfront: vbd: %u requests okay, %u refused", okay, refused);
    front_abuse_ring(&f, 0, true);
    front_state_walk(&f);
    front_bad_node(&f, "ring-ref", numbers);
    front_bad_node(&f, "event-channel", numbers);
    front_bad_node(&f, "protocol", protocols);
    front_bad_node(&f, "ring-page-order", orders);
    front_bad_node(&f, "multi-queue-num-queues", queues);
    front_bad_node(&f, "feature-persistent", flags);
    verdict(front_open(&f) && ask(&(struct blkif_request){.operation = BLKIF_OP_READ, .nr_segments = 1, .id = 1,
            .seg = {{.gref = (uint32_t)data_ref, .last_sect = 7}}}) == BLKIF_RSP_OKAY, "vbd: a good front is not served at the end");
    front_close(&f, "a good life");
}
