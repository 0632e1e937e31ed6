/* SPDX-License-Identifier: MIT */
/* bhd's pure parts: the console ring against hostile indices, and restart storms. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/io/console.h>
#include "tools/bhd/conring.h"
#include "tools/bhd/storm.h"
#include "suite.h"

static struct xencons_interface ring;
static char buf[CONRING_OUT];
static bool bad;

static void fresh(uint32_t index)
{
    memset(&ring, 0, sizeof(ring));
    ring.in_cons = ring.in_prod = ring.out_cons = ring.out_prod = index;
}

static void guest_says(const char *s)
{
    for (; *s; s++)
        ring.out[ring.out_prod++ & (CONRING_OUT - 1)] = *s;
}

static void test_read(void)
{
    const uint32_t starts[] = {0, 2040, 0xfffffffc};
    for (unsigned i = 0; i < 3; i++) {
        fresh(starts[i]);
        CU_ASSERT_EQUAL(conring_read(&ring, buf, &bad), 0);
        guest_says("hello, hull");
        CU_ASSERT_EQUAL(conring_read(&ring, buf, &bad), 11);
        CU_ASSERT_EQUAL(memcmp(buf, "hello, hull", 11), 0);
        CU_ASSERT_EQUAL(ring.out_cons, ring.out_prod);
        CU_ASSERT_FALSE(bad);
    }
    fresh(7);
    ring.out_prod = 7 + CONRING_OUT; /* full */
    CU_ASSERT_EQUAL(conring_read(&ring, buf, &bad), CONRING_OUT);
    CU_ASSERT_FALSE(bad);
}

static void test_hostile_read(void)
{
    fresh(0);
    ring.out_prod = CONRING_OUT + 1;
    CU_ASSERT_EQUAL(conring_read(&ring, buf, &bad), 0);
    CU_ASSERT_TRUE(bad);
    CU_ASSERT_EQUAL(ring.out_cons, ring.out_prod); /* and goes on from there */
    guest_says("x");
    CU_ASSERT_EQUAL(conring_read(&ring, buf, &bad), 1);
    CU_ASSERT_FALSE(bad);
    ring.out_prod = ring.out_cons - 1; /* backwards */
    CU_ASSERT_EQUAL(conring_read(&ring, buf, &bad), 0);
    CU_ASSERT_TRUE(bad);
    for (unsigned i = 0; i < 100000; i++) { /* ASan watches */
        ring.out_prod = (uint32_t)rand() << 16 ^ (uint32_t)rand();
        if (i & 1)
            ring.out_cons = ring.out_prod - (uint32_t)rand() % 4096;
        CU_ASSERT_TRUE(conring_read(&ring, buf, &bad) <= CONRING_OUT);
    }
}

static void test_write(void)
{
    char in[1100];
    memset(in, 'i', sizeof(in));
    fresh(0xffffff00);
    CU_ASSERT_EQUAL(conring_write(&ring, in, 1100, &bad), sizeof(ring.in));
    CU_ASSERT_EQUAL(ring.in_prod - ring.in_cons, sizeof(ring.in));
    CU_ASSERT_EQUAL(conring_write(&ring, in, 1, &bad), 0);
    CU_ASSERT_FALSE(bad);
    ring.in_cons += 3;
    CU_ASSERT_EQUAL(conring_write(&ring, "abcd", 4, &bad), 3);
    CU_ASSERT_EQUAL(ring.in[(ring.in_prod - 1) & (sizeof(ring.in) - 1)], 'c');
    ring.in_cons = ring.in_prod + 1;
    CU_ASSERT_EQUAL(conring_write(&ring, in, 10, &bad), 0);
    CU_ASSERT_TRUE(bad);
}

static void test_storm(void)
{
    const uint64_t ms = 1000000, wait[] = {0, 10, 100, 1000, 1000, 1000, 1000, 1000, 1000, 1000};
    struct storm s = {0, 0};
    uint64_t now = 5000 * ms, delay;
    for (unsigned i = 0; i < STORM_LIMIT; i++) {
        CU_ASSERT_EQUAL(storm_calm(&s, now), i == 0);
        CU_ASSERT_TRUE(storm_death(&s, now, false, &delay));
        CU_ASSERT_EQUAL(delay, wait[i] * ms);
        now += delay;
        storm_started(&s, now);
        now += 999 * ms; /* almost healthy */
    }
    CU_ASSERT_TRUE(storm_death(&s, now, true, &delay)); /* ordered: never counts */
    CU_ASSERT_EQUAL(delay, 0);
    CU_ASSERT_FALSE(storm_death(&s, now, false, &delay));
    storm_started(&s, now);
    now += 1000 * ms;
    CU_ASSERT_TRUE(storm_death(&s, now, false, &delay)); /* a healthy second: forgiven */
    CU_ASSERT_EQUAL(delay, 0);
    CU_ASSERT_EQUAL(s.deaths, 1);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"console output", test_read},
        {"console output with hostile indices", test_hostile_read},
        {"console input", test_write},
        {"restart storms", test_storm},
        CU_TEST_INFO_NULL,
    };
    return suite_run("bhd", NULL, tests);
}
