/* SPDX-License-Identifier: MIT */
/*
 * TCP segments that follow each other become one large packet on its way to a front: one packet's work for it instead of forty. See pkt.h.
 * Nothing that the segments said may be lost: headers have to be the same but for what pkt_segment() makes anew (lengths, sums, the
 * sequence number, an identification that counts up or that nobody needs, since fragments are forbidden: RFC 6864), all but the
 * last of one size, and only the last may have PSH. Anything else (SYN, FIN, URG, ECN's marks, new options) stays a packet by itself.
 */
#include "backends/net/bytes.h"
#include "backends/net/pkt.h"

#include <string.h>

enum { TCP_PSH = 0x08, TCP_ACK = 0x10, IP4_DF = 0x40, IP4_BYTES = 20, IP6_BYTES = 40, TCP_BYTES = 20 };

bool pkt_same_flow(const struct pkt *a, const struct pkt *b)
{
    if (a->ip != b->ip || a->proto != b->proto || a->vlan != b->vlan || memcmp(a->data + a->l4, b->data + b->l4, 4))
        return false;
    const uint8_t *x = a->data + a->l3, *y = b->data + b->l3;
    return a->ip == 4 ? !memcmp(x + 12, y + 12, 8) : !memcmp(x + 8, y + 8, 32);
}

/* A segment of data without anything that needs attention, and without bytes behind what IP carries. psh: may have PSH. */
static bool plain(const struct pkt *p, bool psh)
{
    const uint8_t *ip = p->data + p->l3, *tcp = p->data + p->l4;
    unsigned header = p->l4 - p->l3, flags = tcp[13] & ~(psh ? TCP_PSH : 0u);
    bool whole = p->joined || (p->ip == 4 ? get16(ip + 2) == p->len - p->l3 : get16(ip + 4) == p->len - p->l4);
    return p->proto == PKT_TCP && p->validated && p->refs == 1 && flags == TCP_ACK && !(tcp[12] & 15) && whole && p->len > p->payload &&
           header == (p->ip == 4 ? IP4_BYTES : IP6_BYTES) && p->l3 == PKT_ETH;
}

static bool same_ip(const struct pkt *head, const struct pkt *p, unsigned number)
{
    const uint8_t *a = head->data + head->l3, *b = p->data + p->l3;
    if (head->ip == 6)
        return !memcmp(a, b, 4) && !memcmp(a + 6, b + 6, 2); /* class and flow, next header and hops */
    bool id = (a[6] & IP4_DF) || get16(b + 4) == ((get16(a + 4) + number) & 0xffff);
    return id && !memcmp(a, b, 2) && !memcmp(a + 6, b + 6, 4); /* type of service; flags, time to live, protocol */
}

/* All but sequence number, flags and sum. */
static bool same_tcp(const struct pkt *head, const struct pkt *p)
{
    const uint8_t *a = head->data + head->l4, *b = p->data + p->l4;
    unsigned bytes = head->payload - head->l4;
    return p->payload == head->payload && !memcmp(a + 8, b + 8, 5) && !memcmp(a + 14, b + 14, 2) && !memcmp(a + 18, b + 18, 2) &&
           !memcmp(a + TCP_BYTES, b + TCP_BYTES, bytes - TCP_BYTES);
}

static bool follows(const struct pkt *head, const struct pkt *p)
{
    uint32_t has = head->len - head->payload, more = p->len - p->payload, mss = head->gso ? head->mss : has;
    if ((head->gso && !head->joined) || p->gso || has % mss || more > mss || mss < PKT_MSS_MIN || head->len + more > PKT_MAX)
        return false;
    return plain(head, false) && plain(p, true) && !memcmp(head->data, p->data, PKT_ETH) && same_ip(head, p, has / mss) && same_tcp(head, p) &&
           get32(p->data + p->l4 + 4) == get32(head->data + head->l4 + 4) + has;
}

/* The same in a buffer that has room for more. */
static struct pkt *enlarge(struct pkt *small)
{
    struct pkt *big = pkt_new(PKT_SMALL + 1);
    if (!big)
        return NULL;
    uint8_t *data = big->data, *base = big->base;
    memcpy(data, small->data, small->len);
    *big = *small;
    big->data = data;
    big->base = base;
    big->big = true;
    big->next = NULL;
    pkt_put(small);
    return big;
}

bool pkt_join(struct pkt **head, struct pkt *p)
{
    struct pkt *h = *head;
    if (!follows(h, p) || (!h->big && !(h = enlarge(h))))
        return false;
    uint32_t more = p->len - p->payload;
    if (!h->gso)
        h->mss = (uint16_t)(h->len - h->payload);
    h->gso = h->ip;
    h->joined = true;
    memcpy(h->data + h->len, p->data + p->payload, more);
    h->len += more;
    h->data[h->l4 + 13] |= p->data[p->l4 + 13] & TCP_PSH;
    pkt_put(p);
    *head = h;
    return true;
}

void pkt_seal(struct pkt *p)
{
    uint8_t *ip = p->data + p->l3;
    put16(ip + (p->ip == 4 ? 2 : 4), p->ip == 4 ? p->len - p->l3 : p->len - p->l4);
    if (p->ip == 4)
        pkt_ip4_sum(p);
    pkt_pseudo(p, p->len - p->l4);
    p->csum_blank = true;
    p->joined = false;
}
