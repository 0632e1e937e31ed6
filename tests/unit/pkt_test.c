/* SPDX-License-Identifier: MIT */
/*
 * Packets in software: headers found, checksums against a plain sum of our own, segmentation against the packet it came
 * from, and random bytes that must do no harm (ASan watches).
 */
#include "backends/core/host.h"
#include "backends/net/pkt.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>

/* What pkt.c asks of the host. */
void *host_alloc(size_t bytes) { return calloc(1, bytes); }
void *host_alloc_pages(unsigned pages) { return aligned_alloc(4096, pages * 4096ul); }

static unsigned seed = 1;
static unsigned rnd(void)
{
    seed = seed * 1103515245 + 12345;
    return seed >> 8;
}

/* RFC 1071 in its plainest form, over a copy with the pseudo header in front. */
static unsigned plain_sum(const uint8_t *p, size_t n)
{
    unsigned s = 0;
    for (size_t i = 0; i < n; i++)
        s += i % 2 ? p[i] : p[i] << 8;
    while (s > 0xffff)
        s = (s >> 16) + (s & 0xffff);
    return s;
}

static unsigned l4_sum(const struct pkt *p, unsigned ip)
{
    static uint8_t all[70000];
    const uint8_t *h = p->data + p->l3;
    unsigned n = ip == 4 ? 8 : 32, len = p->len - p->l4;
    memcpy(all, h + (ip == 4 ? 12 : 8), n);
    memset(all + n, 0, 2);
    all[n + 1] = p->proto;
    all[n + 2] = (uint8_t)(len >> 8);
    all[n + 3] = (uint8_t)len;
    memcpy(all + n + 4, p->data + p->l4, len);
    return plain_sum(all, n + 4 + len);
}

/* A TCP packet with `bytes` of payload; tags: VLAN tags; opts: bytes of TCP options. */
static struct pkt *tcp(unsigned ip, unsigned tags, unsigned opts, unsigned bytes)
{
    unsigned l3 = 14 + 4 * tags, l4 = l3 + (ip == 4 ? 20 : 40), payload = l4 + 20 + opts;
    struct pkt *p = pkt_new(payload + bytes);
    memset(p->data, 0, payload);
    for (unsigned i = 0; i < 12; i++)
        p->data[i] = (uint8_t)(i * 2);
    for (unsigned i = 0; i < tags; i++)
        p->data[12 + 4 * i] = 0x81;
    p->data[l3 - 2] = ip == 4 ? 0x08 : 0x86;
    p->data[l3 - 1] = ip == 4 ? 0x00 : 0xdd;
    uint8_t *h = p->data + l3, *t = p->data + l4;
    unsigned total = p->len - l3;
    if (ip == 4) {
        h[0] = 0x45;
        h[2] = (uint8_t)(total >> 8);
        h[3] = (uint8_t)total;
        h[4] = 0xff;
        h[5] = 0xfe; /* its number wraps */
        h[9] = 6;
        memcpy(h + 12, "\x0a\x00\x02\x0f\x0a\x00\x02\x02", 8);
    } else {
        h[0] = 0x60;
        h[4] = (uint8_t)((total - 40) >> 8);
        h[5] = (uint8_t)(total - 40);
        h[6] = 6;
        for (unsigned i = 8; i < 40; i++)
            h[i] = (uint8_t)rnd();
    }
    t[4] = t[5] = t[6] = 0xff; /* the sequence number wraps */
    t[12] = (uint8_t)((20 + opts) / 4 << 4);
    t[13] = 0x80 | 0x10 | 0x08 | 0x01;
    for (unsigned i = payload; i < p->len; i++)
        p->data[i] = (uint8_t)rnd();
    return p;
}

static void test_checksums(void)
{
    for (unsigned i = 0; i < 200; i++) {
        unsigned ip = i % 2 ? 4 : 6, tags = i % 3, opts = i % 4 * 4;
        struct pkt *p = tcp(ip, tags, opts, rnd() % (i < 100 ? 1400 : 60000));
        CU_ASSERT_FATAL(pkt_parse(p));
        CU_ASSERT(p->ip == ip && p->proto == PKT_TCP && p->l3 == 14 + 4 * tags && p->payload == p->l4 + 20 + opts);
        pkt_pseudo(p, p->len - p->l4);
        p->csum_blank = true;
        pkt_checksum(p);
        CU_ASSERT(!p->csum_blank && p->validated);
        CU_ASSERT_EQUAL(l4_sum(p, ip), 0xffff);
        pkt_put(p);
    }
}

static struct { const struct pkt *whole; unsigned n, bytes, last_flags; } cut;

static void segment(struct pkt *s, void *arg)
{
    const struct pkt *w = cut.whole;
    unsigned bytes = s->len - s->payload, ip = w->ip;
    struct pkt again = *s;
    const uint8_t *h = s->data + s->l3, *t = s->data + s->l4;
    bool last = cut.bytes + bytes == w->len - w->payload;
    CU_ASSERT(arg == &cut && pkt_parse(&again) && again.payload == s->payload && again.csum == s->csum);
    CU_ASSERT(last || bytes == w->mss);
    CU_ASSERT(!memcmp(s->data + s->payload, w->data + w->payload + cut.bytes, bytes));
    uint32_t seq = (uint32_t)t[4] << 24 | (uint32_t)t[5] << 16 | (uint32_t)t[6] << 8 | t[7];
    CU_ASSERT_EQUAL(seq, 0xffffff00u + cut.bytes);
    CU_ASSERT_EQUAL(t[13], 0x10 | (last ? 0x09 : 0) | (cut.bytes ? 0 : 0x80));
    if (ip == 4) {
        CU_ASSERT_EQUAL(plain_sum(h, 20), 0xffff);
        CU_ASSERT_EQUAL((h[4] << 8 | h[5]), (0xfffe + cut.n) & 0xffff);
    }
    CU_ASSERT(s->csum_blank);
    pkt_checksum(s);
    CU_ASSERT_EQUAL(l4_sum(s, ip), 0xffff);
    cut.n++;
    cut.bytes += bytes;
    pkt_put(s);
}

static void test_segments(void)
{
    for (unsigned i = 0; i < 60; i++) {
        unsigned bytes = 1 + rnd() % 60000, mss = PKT_MSS_MIN + rnd() % 3000;
        struct pkt *p = tcp(i % 2 ? 4 : 6, i % 3, 12, bytes);
        CU_ASSERT_FATAL(pkt_parse(p));
        p->gso = p->ip;
        p->mss = (uint16_t)mss;
        cut.whole = p;
        cut.n = cut.bytes = 0;
        CU_ASSERT_EQUAL(pkt_segment(p, segment, &cut), 0);
        CU_ASSERT(cut.bytes == bytes && cut.n == (bytes + mss - 1) / mss);
        pkt_put(p);
    }
    CU_ASSERT(pkt_free_small() == 64 && pkt_free_big() == 4);
}

static void keep(struct pkt *s, void *arg)
{
    struct pkt **list = arg;
    s->next = *list;
    *list = s;
}

static void test_exhaustion(void)
{
    struct pkt *p = tcp(4, 0, 0, 60000), *list = NULL;
    CU_ASSERT_FATAL(pkt_parse(p));
    p->gso = 4;
    p->mss = 100;
    CU_ASSERT(pkt_segment(p, keep, &list) < 0); /* 600 of them, 64 there */
    CU_ASSERT_EQUAL(pkt_free_small(), 0);
    CU_ASSERT_PTR_NULL(pkt_new(60));
    while (list) {
        struct pkt *next = list->next;
        pkt_put(list);
        list = next;
    }
    pkt_put(p);
    CU_ASSERT(pkt_free_small() == 64 && pkt_free_big() == 4);
    CU_ASSERT_PTR_NULL(pkt_new(PKT_MAX + 1));
    p = pkt_hold(pkt_new(100));
    pkt_put(p);
    CU_ASSERT_EQUAL(pkt_free_small(), 63);
    pkt_put(p);
    CU_ASSERT_EQUAL(pkt_free_small(), 64);
}

/* A sound packet, some bytes of its headers changed, cut short somewhere. What parses keeps to its length. */
static void test_lies(void)
{
    unsigned parsed = 0;
    for (unsigned i = 0; i < 100000; i++) {
        struct pkt *p = tcp(i % 2 ? 4 : 6, i % 3, i % 40 & ~3u, rnd() % 300);
        uint8_t *exact;
        for (unsigned k = rnd() % 4; k; k--)
            p->data[rnd() % 90 % p->len] = (uint8_t)rnd();
        if (rnd() % 2)
            p->len = rnd() % p->len;
        struct pkt q = *p;
        exact = malloc(p->len ? p->len : 1);
        memcpy(exact, p->data, p->len);
        q.data = exact; /* ASan sees each byte too many */
        (void)pkt_flow(&q);
        if (pkt_parse(&q)) {
            parsed++;
            CU_ASSERT(q.l3 < q.l4 && q.l4 < q.csum && q.csum + 2u <= q.payload && q.payload <= q.len);
            pkt_pseudo(&q, q.len - q.l4);
            q.csum_blank = true;
            pkt_checksum(&q);
        }
        free(exact);
        pkt_put(p);
    }
    CU_ASSERT(parsed > 1000 && parsed < 99000);
}

/* --- joining --- */

enum { JOIN_MAX = 40 };
static struct { struct pkt *seg[JOIN_MAX]; unsigned n; } cuts;
static struct { uint8_t data[JOIN_MAX][PKT_SMALL]; uint32_t len[JOIN_MAX]; unsigned n, seen; } sent;

static void collect(struct pkt *s, void *arg)
{
    (void)arg;
    cuts.seg[cuts.n++] = s;
}

/* What is left of the lie is only what the sums do not cover: the card has found them right. */
static void sums(struct pkt *p)
{
    if (p->ip == 4)
        pkt_ip4_sum(p);
    pkt_pseudo(p, p->len - p->l4);
    p->csum_blank = true;
    pkt_checksum(p);
}

/* Must be the next of those sent, byte for byte; an identification that nobody needs may be another. */
static void compare(struct pkt *s, void *arg)
{
    (void)arg;
    uint8_t *want = sent.data[sent.seen];
    pkt_checksum(s);
    if (s->ip == 4 && (want[s->l3 + 6] & 0x40)) {
        memcpy(s->data + s->l3 + 4, want + s->l3 + 4, 2);
        pkt_ip4_sum(s);
    }
    CU_ASSERT(sent.seen < sent.n && s->len == sent.len[sent.seen] && !memcmp(s->data, want, s->len));
    sent.seen++;
    pkt_put(s);
}

/* No more comes behind it. */
static void close_head(struct pkt *head)
{
    if (!head)
        return;
    if (!head->joined) {
        compare(head, NULL);
        return;
    }
    pkt_seal(head);
    struct pkt again = *head;
    CU_ASSERT(pkt_parse(&again) && again.payload == head->payload && head->len - head->payload > head->mss);
    CU_ASSERT(pkt_segment(head, compare, NULL) == 0);
    pkt_put(head);
}

static void one_joining(unsigned i, bool lie, unsigned *joined)
{
    struct pkt *whole = tcp(i % 2 ? 4 : 6, 0, i % 4 * 4, 200 + rnd() % 12000), *head = NULL;
    whole->data[14 + (i % 2 ? 20 : 40) + 13] = 0x10 | (i % 3 ? 0x08 : 0);
    if (i % 2)
        whole->data[20] = (uint8_t)(rnd() % 2 ? 0x40 : 0);
    CU_ASSERT_FATAL(pkt_parse(whole));
    whole->gso = whole->ip;
    whole->mss = (uint16_t)(400 + rnd() % 1000);
    cuts.n = sent.n = sent.seen = 0;
    CU_ASSERT_FATAL(pkt_segment(whole, collect, NULL) == 0);
    pkt_put(whole);
    unsigned lies = lie ? rnd() % cuts.n : JOIN_MAX;
    for (unsigned k = 0; k < cuts.n; k++) {
        struct pkt *s = cuts.seg[k];
        if (k == lies)
            s->data[rnd() % s->payload] ^= (uint8_t)(1u << rnd() % 8);
        if (!pkt_parse(s) || s->proto != PKT_TCP) { /* it is none that anybody would join */
            pkt_put(s);
            continue;
        }
        sums(s);
        memcpy(sent.data[sent.n], s->data, s->len);
        sent.len[sent.n++] = s->len;
        if (head && pkt_same_flow(head, s) && pkt_join(&head, s)) {
            ++*joined;
            continue;
        }
        close_head(head);
        head = s;
    }
    close_head(head);
    CU_ASSERT_EQUAL(sent.seen, sent.n);
}

static void test_joining(void)
{
    unsigned joined = 0, all = 0;
    for (unsigned i = 0; i < 300; i++) {
        one_joining(i, false, &joined);
        all += cuts.n - 1;
    }
    CU_ASSERT_EQUAL(joined, all);
    for (unsigned i = 0; i < 30000; i++)
        one_joining(i, true, &joined);
    CU_ASSERT(pkt_free_small() == 64 && pkt_free_big() == 4);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"checksums", test_checksums},
        {"segmentation", test_segments},
        {"the pool runs out", test_exhaustion},
        {"headers that lie", test_lies},
        {"joining", test_joining},
        CU_TEST_INFO_NULL,
    };
    if (pkt_pool(64, 4))
        return 2;
    return suite_run("pkt", NULL, tests);
}
