/* SPDX-License-Identifier: MIT */
/* bhd's pure parts: the console ring against hostile indices, what a console has said, and restart storms. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/io/console.h>
#include "tools/bhd/conring.h"
#include "tools/bhd/history.h"
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

static char said(size_t i) { return (char)('a' + i % 23); }

/* Adds bytes until there are `total`, in pieces of at most `piece`; then what is kept is the last of them. */
static void say_until(struct history *h, size_t total, size_t piece)
{
    char text[4096];
    while (h->total < total) {
        size_t n = total - h->total < piece ? total - h->total : piece;
        for (size_t i = 0; i < n; i++)
            text[i] = said(h->total + i);
        history_add(h, text, n);
    }
    const char *part[2];
    size_t len[2], at, wrong = 0;
    history_get(h, part, len);
    at = h->total - len[0] - len[1];
    for (unsigned k = 0; k < 2; k++)
        for (size_t i = 0; i < len[k]; i++)
            wrong += part[k][i] != said(at++);
    CU_ASSERT_EQUAL(at, h->total);
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(len[0] + len[1], h->total < HISTORY_MAX ? h->total : HISTORY_MAX);
}

/* A thousand quiet consoles must not take what one talkative one may. */
static void test_history_size(void)
{
    struct history h = {0};
    say_until(&h, 0, 1);
    CU_ASSERT_EQUAL(h.size, 0);
    say_until(&h, 500, 100);
    CU_ASSERT_EQUAL(h.size, HISTORY_FIRST);
    say_until(&h, HISTORY_FIRST + 1, 100);
    CU_ASSERT_EQUAL(h.size, 2 * HISTORY_FIRST);
    say_until(&h, 1000000, 2048);
    CU_ASSERT_EQUAL(h.size, HISTORY_MAX);
    history_free(&h);
    CU_ASSERT_PTR_NULL(h.text);
}

static void test_history_order(void)
{
    const size_t pieces[] = {1, 80, 1023, 2048, 4096};
    for (unsigned p = 0; p < 5; p++) {
        struct history h = {0};
        for (size_t total = 1; total < 5 * HISTORY_MAX / 2; total += total / 3 + 17)
            say_until(&h, total, pieces[p]);
        say_until(&h, HISTORY_MAX * 3, pieces[p]); /* it begins at the start again */
        history_free(&h);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"console output", test_read},
        {"console output with hostile indices", test_hostile_read},
        {"console input", test_write},
        {"history: as large as what was said", test_history_size},
        {"history: the last of it, in order", test_history_order},
        {"restart storms", test_storm},
        CU_TEST_INFO_NULL,
    };
    return suite_run("bhd", NULL, tests);
}
