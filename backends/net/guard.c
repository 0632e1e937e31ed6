/* SPDX-License-Identifier: MIT */
/* From which IP addresses an interface may send: see guard.h. */
#include "backends/net/bytes.h"
#include "backends/net/guard.h"

#include <string.h>

#define ETH 14u

enum { ICMP6_MLD_REPORT = 131, ICMP6_MLD_DONE = 132, ICMP6_ROUTER_ADVERT = 134, ICMP6_SOLICIT = 135, ICMP6_ADVERT = 136,
       ICMP6_REDIRECT = 137, ICMP6_MLD2_REPORT = 143 };

static const uint8_t none[16];

/* --- text --- */

static int digit(char c, unsigned base)
{
    int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
    return v < (int)base ? v : -1;
}

static bool number(const char **p, unsigned base, unsigned max, unsigned *v)
{
    const char *s = *p;
    for (*v = 0; digit(*s, base) >= 0 && *v <= max; s++)
        *v = *v * base + (unsigned)digit(*s, base);
    bool good = s != *p && *v <= max;
    *p = s;
    return good;
}

static bool parse_ip4(const char **p, uint8_t addr[16])
{
    unsigned v;
    for (unsigned i = 0; i < 4; i++) {
        if ((i && *(*p)++ != '.') || !number(p, 10, 255, &v))
            return false;
        addr[i] = (uint8_t)v;
    }
    return true;
}

/* Groups of hex digits, "::" once for as many zeros as are missing. */
static bool parse_ip6(const char **p, uint8_t addr[16])
{
    int gap = -1;
    unsigned n = 0, v;
    bool colon = false; /* the last thing was one: a group must follow, but after "::" */
    while (n < 8) {
        if ((*p)[0] == ':' && (*p)[1] == ':' && gap < 0) {
            *p += 2;
            gap = (int)n;
            colon = false;
        } else if (digit(**p, 16) >= 0) {
            if (!number(p, 16, 0xffff, &v))
                return false;
            addr[2 * n] = (uint8_t)(v >> 8);
            addr[2 * n++ + 1] = (uint8_t)v;
            colon = n < 8 && (*p)[0] == ':' && (*p)[1] != ':';
            *p += colon;
            if (!colon && **p != ':')
                break;
        } else {
            break;
        }
    }
    if (colon || (gap < 0) != (n == 8))
        return false;
    if (gap >= 0) {
        unsigned tail = 2 * (n - (unsigned)gap);
        memmove(addr + 16 - tail, addr + 2 * gap, tail);
        memset(addr + 2 * gap, 0, 16 - tail - 2 * (unsigned)gap);
    }
    return true;
}

bool guard_parse(struct guard *g, const char *text)
{
    memset(g, 0, sizeof(*g));
    for (;;) {
        while (*text == ' ')
            text++;
        if (!*text)
            return true;
        if (g->n == GUARD_MAX)
            return false;
        const char *p = text;
        uint8_t *addr = g->allowed[g->n].addr;
        if (parse_ip4(&p, addr) && (!*p || *p == ' ')) {
            g->allowed[g->n].family = 4;
        } else {
            p = text;
            if (!parse_ip6(&p, addr) || (*p && *p != ' '))
                return false;
            g->allowed[g->n].family = 6;
        }
        g->n++;
        text = p;
    }
}

/* --- packets --- */

static bool listed(const struct guard *g, unsigned family, const uint8_t *addr)
{
    for (unsigned i = 0; i < g->n; i++)
        if (g->allowed[i].family == family && !memcmp(g->allowed[i].addr, addr, family == 4 ? 4 : 16))
            return true;
    return false;
}

static bool arp(const struct guard *g, const uint8_t *mac, const uint8_t *p, uint32_t len)
{
    if (len < 28 || memcmp(p, "\x00\x01\x08\x00\x06\x04", 6) || memcmp(p + 8, mac, 6))
        return false;
    return listed(g, 4, p + 14) || (get16(p + 6) == 1 && !memcmp(p + 14, none, 4));
}

static bool ip4(const struct guard *g, const uint8_t *p, uint32_t len)
{
    if (len < 20 || p[0] >> 4 != 4)
        return false;
    if (listed(g, 4, p + 12))
        return true;
    uint32_t header = (p[0] & 15u) * 4;
    bool udp = header >= 20 && len >= header + 8 && p[9] == 17 && !(get16(p + 6) & 0x3fff);
    return udp && !memcmp(p + 12, none, 4) && get16(p + header) == 68 && get16(p + header + 2) == 67;
}

/* Link-local with an interface identifier made of the MAC. */
static bool of_mac(const struct guard *g, const uint8_t *mac, const uint8_t *addr)
{
    const uint8_t own[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
    bool any = false;
    for (unsigned i = 0; i < g->n; i++)
        any |= g->allowed[i].family == 6;
    return any && !memcmp(own, addr, 16);
}

/* What follows the extension headers: offset of an ICMPv6 message, 0 for anything else; false: the chain is no chain. */
static bool find_icmp6(const uint8_t *p, uint32_t len, uint32_t *at)
{
    uint8_t next = p[6];
    *at = 40;
    for (unsigned hops = 0; next == 0 || next == 43 || next == 60; hops++) { /* hop-by-hop, routing, destination options */
        if (hops == 8 || len < *at + 8)
            return false;
        next = p[*at];
        *at += (p[*at + 1] + 1u) * 8;
    }
    if (next != 58) {
        *at = 0; /* fragments too: nobody heeds neighbour discovery in fragments (RFC 6980) */
        return true;
    }
    return len >= *at + 8;
}

static bool ip6(const struct guard *g, const uint8_t *mac, const uint8_t *p, uint32_t len)
{
    uint32_t at;
    if (len < 40 || p[0] >> 4 != 6 || !find_icmp6(p, len, &at))
        return false;
    const uint8_t *from = p + 8;
    bool target = at && len >= at + 24 && (listed(g, 6, p + at + 8) || of_mac(g, mac, p + at + 8));
    unsigned type = at ? p[at] : 0;
    if (listed(g, 6, from) || of_mac(g, mac, from))
        return type != ICMP6_ROUTER_ADVERT && type != ICMP6_REDIRECT && (type != ICMP6_ADVERT || target);
    if (memcmp(from, none, 16))
        return false;
    return (type == ICMP6_SOLICIT && target) || type == ICMP6_MLD_REPORT || type == ICMP6_MLD_DONE || type == ICMP6_MLD2_REPORT;
}

bool guard_allows(const struct guard *g, const uint8_t mac[6], const uint8_t *frame, uint32_t len)
{
    if (!g->n)
        return true;
    if (len < ETH)
        return false;
    const uint8_t *p = frame + ETH;
    switch (get16(frame + 12)) {
    case 0x0806: return arp(g, mac, p, len - ETH);
    case 0x0800: return ip4(g, p, len - ETH);
    case 0x86dd: return ip6(g, mac, p, len - ETH);
    default: return false;
    }
}
