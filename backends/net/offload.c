/* SPDX-License-Identifier: MIT */
/*
 * What cards do for hosts, in software: finding headers, checksums (RFC 1071) and TCP segmentation. See pkt.h.
 * Headers: IPv4 RFC 791, IPv6 RFC 8200, TCP RFC 9293, UDP RFC 768.
 */
#include "backends/net/bytes.h"
#include "backends/net/pkt.h"

#include <errno.h>
#include <string.h>

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

/* --- sums, in network order, not folded --- */

static uint64_t sum(const uint8_t *p, size_t n)
{
    uint64_t s = 0;
    for (; n >= 4; p += 4, n -= 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        s += __builtin_bswap32(word);
    }
    if (n >= 2) {
        s += get16(p);
        p += 2;
        n -= 2;
    }
    return n ? s + ((uint32_t)p[0] << 8) : s;
}

static uint16_t fold(uint64_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

/* --- headers --- */

static bool parse_ip4(struct pkt *p)
{
    const uint8_t *h = p->data + p->l3;
    if (p->len < p->l3 + 20u)
        return false;
    unsigned bytes = (h[0] & 15u) * 4, total = get16(h + 2);
    if (h[0] >> 4 != 4 || bytes < 20 || (get16(h + 6) & 0x3fff) || p->len < p->l3 + bytes)
        return false;
    if (total < bytes || total > p->len - p->l3)
        return false;
    p->ip = 4;
    p->proto = h[9];
    p->l4 = (uint16_t)(p->l3 + bytes);
    return true;
}

static bool parse_ip6(struct pkt *p)
{
    const uint8_t *h = p->data + p->l3;
    if (p->len < p->l3 + 40u || h[0] >> 4 != 6 || get16(h + 4) > p->len - p->l3 - 40)
        return false;
    uint8_t next = h[6];
    unsigned at = p->l3 + 40u;
    for (unsigned hops = 0; next == 0 || next == 43 || next == 60; hops++) { /* hop-by-hop, routing, destination */
        if (hops == 8 || p->len < at + 8)
            return false;
        next = p->data[at];
        at += (p->data[at + 1] + 1u) * 8;
    }
    if (at > p->len)
        return false;
    p->ip = 6;
    p->proto = next;
    p->l4 = (uint16_t)at;
    return true;
}

static bool parse(struct pkt *p)
{
    unsigned at = PKT_ETH - 2;
    for (unsigned tags = 0; tags < 2 && p->len >= at + 6 && (get16(p->data + at) == 0x8100 || get16(p->data + at) == 0x88a8); tags++)
        at += 4;
    p->l3 = (uint16_t)(at + 2);
    if (p->len < p->l3)
        return false;
    unsigned type = get16(p->data + at);
    if (!(type == 0x0800 ? parse_ip4(p) : type == 0x86dd && parse_ip6(p)))
        return false;
    const uint8_t *h = p->data + p->l4;
    unsigned bytes = 8;
    if (p->proto == PKT_TCP) {
        if (p->len < p->l4 + 20u)
            return false;
        bytes = (h[12] >> 4) * 4u;
        if (bytes < 20)
            return false;
        p->csum = (uint16_t)(p->l4 + 16);
    } else if (p->proto == PKT_UDP) {
        p->csum = (uint16_t)(p->l4 + 6);
    } else {
        return false;
    }
    p->payload = (uint16_t)(p->l4 + bytes);
    return p->len >= p->l4 + bytes;
}

bool pkt_parse(struct pkt *p)
{
    p->ip = p->proto = 0;
    if (parse(p))
        return true;
    p->ip = p->proto = 0; /* nobody takes offsets for found that are not */
    return false;
}

/* The end of what IP carries: padding may follow. */
static uint32_t ip_end(const struct pkt *p)
{
    const uint8_t *h = p->data + p->l3;
    return p->l3 + (p->ip == 4 ? get16(h + 2) : 40u + get16(h + 4));
}

void pkt_pseudo(struct pkt *p, uint32_t length)
{
    const uint8_t *h = p->data + p->l3;
    uint64_t s = p->ip == 4 ? sum(h + 12, 8) : sum(h + 8, 32);
    put16(p->data + p->csum, fold(s + p->proto + length));
}

void pkt_ip4_sum(struct pkt *p)
{
    uint8_t *ip = p->data + p->l3;
    put16(ip + 10, 0);
    put16(ip + 10, (uint16_t)~fold(sum(ip, p->l4 - p->l3)));
}

void pkt_checksum(struct pkt *p)
{
    if (!p->csum_blank)
        return;
    uint32_t end = ip_end(p);
    if (end > p->len || end < p->l4)
        end = p->len;
    uint16_t c = (uint16_t)~fold(sum(p->data + p->l4, end - p->l4));
    put16(p->data + p->csum, c == 0 && p->proto == PKT_UDP ? 0xffff : c);
    p->csum_blank = false;
    p->validated = true;
}

/* --- segmentation --- */

/* Headers of the segment that carries `bytes` from byte `from` of the payload on. */
static void fix_headers(struct pkt *s, unsigned number, uint32_t from, uint32_t bytes, bool last)
{
    uint8_t *ip = s->data + s->l3, *tcp = s->data + s->l4;
    if (s->ip == 4) {
        put16(ip + 2, s->len - s->l3);
        put16(ip + 4, get16(ip + 4) + number);
        pkt_ip4_sum(s);
    } else {
        put16(ip + 4, s->len - s->l3 - 40);
    }
    put32(tcp + 4, get32(tcp + 4) + from);
    if (from)
        tcp[13] &= (uint8_t)~TCP_CWR;
    if (!last)
        tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
    pkt_pseudo(s, s->len - s->l4);
}

int pkt_segment(const struct pkt *p, void (*emit)(struct pkt *s, void *arg), void *arg)
{
    uint32_t total = p->len - p->payload;
    unsigned number = 0;
    for (uint32_t from = 0; from < total; from += p->mss, number++) {
        uint32_t bytes = total - from < p->mss ? total - from : p->mss;
        struct pkt *s = pkt_new(p->payload + bytes);
        if (!s)
            return -ENOMEM;
        memcpy(s->data, p->data, p->payload);
        memcpy(s->data + p->payload, p->data + p->payload + from, bytes);
        s->ip = p->ip;
        s->proto = p->proto;
        s->l3 = p->l3;
        s->l4 = p->l4;
        s->csum = p->csum;
        s->payload = p->payload;
        s->vlan = p->vlan;
        s->csum_blank = s->validated = true;
        fix_headers(s, number, from, bytes, from + bytes == total);
        emit(s, arg);
    }
    return 0;
}

uint32_t pkt_flow(struct pkt *p)
{
    uint32_t h = 0;
    if (p->ip || pkt_parse(p)) {
        const uint8_t *ip = p->data + p->l3;
        h = fold(p->ip == 4 ? sum(ip + 12, 8) : sum(ip + 8, 32)) ^ get32(p->data + p->l4);
    } else if (p->len >= PKT_ETH) {
        h = get32(p->data + 2) ^ get32(p->data + 8);
    }
    return (h ^ h >> 16) * 0x9e3779b1u >> 8;
}
