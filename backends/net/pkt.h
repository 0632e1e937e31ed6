/* SPDX-License-Identifier: MIT */
/*
 * Ethernet frames in the memory of a net domain, and what is done to them in software.
 *
 * Interface: pkt_pool() once; pkt_new(), pkt_hold(), pkt_put(); pkt_parse() and what needs its result below it.
 * Rules: data is contiguous; a small packet lies within one page, a big one starts on a page boundary or, by pkt_shift(), so that
 * its pages are those of the front it came from: then a grant copy of it is one operation for each page. Nothing here trusts a
 * byte of the frame.
 */
#ifndef BACKENDS_PKT_H
#define BACKENDS_PKT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PKT_PAGE 4096u
#define PKT_SMALL 2048u
#define PKT_BIG_PAGES 17u
#define PKT_MAX 65535u        /* bytes of one packet */
#define PKT_ETH 14u           /* bytes of an Ethernet header */
#define PKT_MSS_MIN 88u       /* smaller segments are refused: they cost more than they carry */
#define PKT_TCP 6
#define PKT_UDP 17

struct pkt {
    uint8_t *data, *base; /* base: of the buffer that it lies in */
    uint32_t len;
    unsigned refs;
    bool big;
    uint16_t vlan;   /* VLAN identifier, which is not in the data; 0 = untagged */
    bool csum_blank; /* the TCP or UDP checksum field holds the pseudo header's sum only */
    bool validated;  /* the checksum was found right, or the data never left this machine */
    bool joined;     /* made of segments by pkt_join(): pkt_seal() has to finish it */
    uint8_t gso;     /* 0, or 4 or 6: a TCP packet over IPv4 or IPv6 still to be cut into segments of mss bytes */
    uint16_t mss;
    /* of pkt_parse() */
    uint8_t ip, proto;              /* 4 or 6; PKT_TCP or PKT_UDP */
    uint16_t l3, l4, csum, payload; /* offsets: IP header, TCP or UDP header, its checksum field, what follows it */
    struct pkt *next;               /* in the pool, or in one queue by its holder */
};

int pkt_pool(unsigned small, unsigned big); /* 0 or -ENOMEM */
struct pkt *pkt_new(uint32_t len);          /* len <= PKT_MAX, flags cleared, contents undefined; NULL = none left */
/* Let a big packet, still without contents, start this many bytes later, less than a page. */
static inline void pkt_shift(struct pkt *p, uint32_t bytes) { p->data = p->base + bytes; }
struct pkt *pkt_hold(struct pkt *p);
void pkt_put(struct pkt *p);
unsigned pkt_free_small(void);
unsigned pkt_free_big(void);

/* Find IP (behind at most two VLAN tags) and TCP or UDP. false: it is something else, a fragment, or it lies; ip stays 0. */
bool pkt_parse(struct pkt *p);
/* After pkt_parse(): put the pseudo header's sum into the checksum field; length as told (segmenting cards want 0). */
void pkt_pseudo(struct pkt *p, uint32_t length);
void pkt_ip4_sum(struct pkt *p); /* after pkt_parse(): the sum of an IPv4 header */
/* Compute a blank checksum. Needs pkt_parse(); without csum_blank nothing happens. */
void pkt_checksum(struct pkt *p);
/* Cut a packet with gso into small ones with blank checksums; each is emit()ted, who owns it. p stays as it is.
 * -ENOMEM: the pool ran out, the rest is lost. */
int pkt_segment(const struct pkt *p, void (*emit)(struct pkt *s, void *arg), void *arg);
/* What cutting undoes: *head with the TCP segment p behind it, as one packet that gso says how to cut into just these again. Both parsed, validated,
 * of one holder, p received after *head. *head may become another packet, a big one; p is used up. false: they stay as they are. */
bool pkt_join(struct pkt **head, struct pkt *p);
void pkt_seal(struct pkt *p); /* before anybody looks at a joined packet: its lengths and sums */
bool pkt_same_flow(const struct pkt *a, const struct pkt *b); /* of two that are parsed */
/* A number that stays the same for all packets of a flow. */
uint32_t pkt_flow(struct pkt *p);
#endif
