/* SPDX-License-Identifier: MIT */
/* The rules of an interface by themselves: rates and their credit, address lists, and what passes them. */
#include "backends/net/guard.h"
#include "backends/net/rate.h"
#include "suite.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x12, 0x34, 0x56}, other[6] = {0x00, 0x16, 0x3e, 0, 0, 9};

/* --- rates --- */

static void test_rate_text(void)
{
    static const char *const bad[] = {"", "1", "1,", ",1", "0,1000", "1,0", "1,1000001", "4294967296,1", "-1,1", "1,1x", "1 ,1", "1,1,1",
                                      "99999999999999999999999,1", "10Mb/s"};
    struct rate r;
    CU_ASSERT_TRUE(rate_parse(&r, "62500,50000"));
    CU_ASSERT(r.bytes == 62500 && r.every_ns == 50000000);
    CU_ASSERT_TRUE(rate_parse(&r, "4294967295,1000000"));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_FALSE(rate_parse(&r, bad[i]));
        CU_ASSERT(r.bytes == 0 && rate_ready(&r, 5));
    }
}

/* Bytes that packets of one size get through in a time, by asking every `step` ns. */
static uint64_t through(struct rate *r, uint64_t from, uint64_t ns, uint64_t step, uint32_t packet)
{
    uint64_t bytes = 0;
    for (uint64_t t = from; t < from + ns; t += step)
        while (rate_ready(r, t)) {
            rate_charge(r, packet);
            bytes += packet;
        }
    return bytes;
}

static void test_rate_credit(void)
{
    static const struct { const char *text; uint64_t per_second; } rates[] = {
        {"62500,50000", 1250000}, {"20000,20000", 1000000}, {"1,1000", 1000}, {"4294967295,1000000", 4294967295}};
    static const uint32_t packets[] = {60, 1514, 65535};
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        for (unsigned k = 0; k < 3; k++) {
            struct rate r;
            if (rates[i].per_second / packets[k] > 100000)
                continue; /* takes too long to try */
            CU_ASSERT_TRUE(rate_parse(&r, rates[i].text));
            uint64_t s = 100, got = through(&r, 7777777777777ull, s * 1000000000, 1000003, packets[k]);
            CU_ASSERT(got >= s * rates[i].per_second * 98 / 100 && got <= (s + 1) * rates[i].per_second + packets[k]);
        }
    struct rate r; /* what is not used is not kept, a debt is */
    rate_parse(&r, "1000,1000");
    CU_ASSERT_TRUE(rate_ready(&r, 1000000));
    CU_ASSERT(through(&r, 900000000000ull, 1, 1, 100) == 1000);
    CU_ASSERT(!rate_ready(&r, 900000000001ull) && r.next_ns > 900000000001ull && r.next_ns <= 900001000001ull);
    CU_ASSERT_TRUE(rate_ready(&r, r.next_ns));
    rate_charge(&r, 5500);
    uint64_t paid = r.next_ns + 4000000;
    CU_ASSERT(!rate_ready(&r, paid - 1) && rate_ready(&r, paid));
}

/* --- lists --- */

static void test_lists(void)
{
    static const char *const good[] = {"10.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "2001:db8::", "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8", "2001:DB8:0:0:1::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
    static const char *const bad[] = {"10.0.0", "10.0.0.256", "10.0.0.1.", "10.0.0.1/24", "10..0.1", "a", ":", ":::", "1:2", "1::2::3",
        "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:", "::1:2:3:4:5:6:7:8", "12345::", "1::2:", ":1::2", "10.0.0.1,10.0.0.2", "10.0.0.1 x",
        "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1"};
    struct guard g;
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint8_t want[16];
        int family = strchr(good[i], ':') ? AF_INET6 : AF_INET;
        CU_ASSERT_EQUAL_FATAL(inet_pton(family, good[i], want), 1);
        CU_ASSERT_TRUE(guard_parse(&g, good[i]));
        CU_ASSERT(g.n == 1 && g.allowed[0].family == (family == AF_INET ? 4 : 6));
        CU_ASSERT_EQUAL(memcmp(g.allowed[0].addr, want, family == AF_INET ? 4 : 16), 0);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(guard_parse(&g, bad[i]));
    CU_ASSERT_TRUE(guard_parse(&g, "  10.0.0.1   fe80::1  10.0.0.3 "));
    CU_ASSERT(g.n == 3 && g.allowed[0].family == 4 && g.allowed[1].family == 6 && g.allowed[2].addr[3] == 3);
    CU_ASSERT_TRUE(guard_parse(&g, " ") && g.n == 0);
    CU_ASSERT_TRUE(guard_allows(&g, mac, mac, 6)); /* no list, no rule */
}

/* --- packets: `f` holds one of `n` bytes --- */

static uint8_t f[256];
static unsigned n;

static void frame(unsigned type, unsigned bytes)
{
    memset(f, 0, sizeof(f));
    memcpy(f + 6, mac, 6);
    f[12] = (uint8_t)(type >> 8);
    f[13] = (uint8_t)type;
    n = 14 + bytes;
}

static void arp(unsigned op, const uint8_t *tells, const char *ip)
{
    frame(0x0806, 28);
    memcpy(f + 14, "\x00\x01\x08\x00\x06\x04", 6);
    f[21] = (uint8_t)op;
    memcpy(f + 22, tells, 6);
    inet_pton(AF_INET, ip, f + 28);
}

static void ip4(const char *from, unsigned proto, unsigned sport, unsigned dport)
{
    frame(0x0800, 28);
    f[14] = 0x45;
    f[23] = (uint8_t)proto;
    inet_pton(AF_INET, from, f + 26);
    f[34] = (uint8_t)(sport >> 8);
    f[35] = (uint8_t)sport;
    f[36] = (uint8_t)(dport >> 8);
    f[37] = (uint8_t)dport;
}

/* Behind `headers` hop-by-hop headers; type 0: TCP */
static void ip6(const char *from, unsigned headers, unsigned type, const char *target)
{
    frame(0x86dd, 40 + 8 * headers + 24);
    f[14] = 0x60;
    f[20] = headers ? 0 : type ? 58 : 6;
    inet_pton(AF_INET6, from, f + 22);
    for (unsigned i = 0; i < headers; i++)
        f[54 + 8 * i] = i + 1 < headers ? 60 : type ? 58 : 6;
    f[54 + 8 * headers] = (uint8_t)type;
    if (target)
        inet_pton(AF_INET6, target, f + 54 + 8 * headers + 8);
}

#define PASSES(call) do { call; CU_ASSERT_TRUE(guard_allows(&g, mac, f, n)); } while (0)
#define STOPPED(call) do { call; CU_ASSERT_FALSE(guard_allows(&g, mac, f, n)); } while (0)

static void test_ip4(void)
{
    struct guard g;
    guard_parse(&g, "10.0.0.1 10.0.0.2");
    PASSES(ip4("10.0.0.1", 6, 1, 2));
    PASSES(ip4("10.0.0.2", 17, 1, 2));
    STOPPED(ip4("10.0.0.3", 6, 1, 2));
    STOPPED(ip4("0.0.0.0", 6, 68, 67));
    PASSES(ip4("0.0.0.0", 17, 68, 67));
    STOPPED(ip4("0.0.0.0", 17, 67, 68));
    STOPPED((ip4("0.0.0.0", 17, 68, 67), f[20] = 0x20)); /* a fragment */
    STOPPED((ip4("0.0.0.0", 17, 68, 67), f[14] = 0x4f)); /* a header beyond the end */
    STOPPED((ip4("10.0.0.1", 6, 1, 2), f[14] = 0x65));
    STOPPED((ip4("10.0.0.1", 6, 1, 2), n = 33));
    PASSES(arp(1, mac, "10.0.0.1"));
    PASSES(arp(2, mac, "10.0.0.2"));
    PASSES(arp(1, mac, "0.0.0.0"));
    STOPPED(arp(2, mac, "0.0.0.0"));
    STOPPED(arp(2, mac, "10.0.0.3"));
    STOPPED(arp(1, mac, "10.0.0.3"));
    STOPPED(arp(2, other, "10.0.0.1"));
    STOPPED((arp(1, mac, "10.0.0.1"), f[18] = 8));
    STOPPED((arp(1, mac, "10.0.0.1"), n = 41));
    STOPPED(ip6("fe80::216:3eff:fe12:3456", 0, 0, NULL)); /* no IPv6 at all */
    STOPPED(frame(0x88b5, 46));
    STOPPED(frame(0x8035, 46)); /* RARP */
    STOPPED((frame(0x0800, 46), n = 13));
}

static void test_ip6(void)
{
    struct guard g;
    guard_parse(&g, "2001:db8::5");
    PASSES(ip6("2001:db8::5", 0, 0, NULL));
    PASSES(ip6("2001:db8::5", 3, 0, NULL));
    STOPPED(ip6("2001:db8::6", 0, 0, NULL));
    PASSES(ip6("fe80::216:3eff:fe12:3456", 0, 135, "2001:db8::77")); /* asks for somebody */
    STOPPED(ip6("fe80::216:3eff:fe12:3457", 0, 135, "2001:db8::77"));
    PASSES(ip6("2001:db8::5", 0, 136, "2001:db8::5"));
    PASSES(ip6("2001:db8::5", 0, 136, "fe80::216:3eff:fe12:3456"));
    STOPPED(ip6("2001:db8::5", 0, 136, "2001:db8::77")); /* says to be somebody else */
    STOPPED(ip6("2001:db8::5", 2, 136, "2001:db8::77"));
    STOPPED(ip6("2001:db8::5", 0, 134, NULL));
    STOPPED(ip6("2001:db8::5", 1, 137, NULL));
    PASSES(ip6("::", 0, 135, "2001:db8::5"));
    STOPPED(ip6("::", 0, 135, "2001:db8::77"));
    PASSES(ip6("::", 1, 143, NULL));
    STOPPED(ip6("::", 0, 0, NULL));
    STOPPED(ip6("::", 0, 128, NULL));
    STOPPED((ip6("2001:db8::5", 9, 0, NULL)));
    STOPPED((ip6("2001:db8::5", 1, 136, "2001:db8::5"), f[55] = 200)); /* a chain beyond the end */
    STOPPED((ip6("2001:db8::5", 0, 136, "2001:db8::5"), n = 54 + 23));
    STOPPED((ip6("2001:db8::5", 0, 0, NULL), n = 53));
    STOPPED((ip6("2001:db8::5", 0, 0, NULL), f[14] = 0x45));
    STOPPED(ip4("10.0.0.1", 6, 1, 2));
    STOPPED(arp(1, mac, "10.0.0.1"));
}

/* Nothing is read beyond the end: every prefix of every packet, in a block of just that size (ASan watches). */
static void test_cut(void)
{
    struct guard g;
    guard_parse(&g, "10.0.0.1 2001:db8::5");
    for (unsigned kind = 0; kind < 4; kind++) {
        switch (kind) {
        case 0: arp(1, mac, "10.0.0.1"); break;
        case 1: ip4("0.0.0.0", 17, 68, 67); break;
        case 2: ip6("2001:db8::5", 2, 136, "2001:db8::5"); break;
        default: ip6("::", 1, 135, "2001:db8::5");
        }
        CU_ASSERT_TRUE(guard_allows(&g, mac, f, n));
        unsigned whole = n, passed = 0;
        for (n = 0; n < whole; n++) {
            uint8_t *block = malloc(n ? n : 1);
            memcpy(block, f, n);
            passed += guard_allows(&g, mac, block, n);
            free(block);
        }
        CU_ASSERT_EQUAL(passed, 0);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"rates, as text", test_rate_text}, {"credit over time", test_rate_credit}, {"lists, as text", test_lists},
        {"IPv4 and ARP", test_ip4},         {"IPv6 and its neighbours", test_ip6},  {"packets cut short", test_cut},
        CU_TEST_INFO_NULL,
    };
    return suite_run("netrules", NULL, tests);
}
