/* SPDX-License-Identifier: MIT */
/* Ring pages: bytes in order over the wrap, impossible indices, reconnection. */
#include "xenstore/transport/ring.h"
#include <stdlib.h>
#include <string.h>
#include "suite.h"

static struct xenstore_domain_interface page;
static struct ring ring;

static void begin(void)
{
    memset(&page, 0xee, sizeof(page));
    page.req_cons = page.req_prod = page.rsp_cons = page.rsp_prod = 0;
    page.connection = XENSTORE_CONNECTED;
    ring_start(&ring, &page, 3);
}

static void test_start(void)
{
    begin();
    CU_ASSERT_EQUAL(page.server_features, 3);
    CU_ASSERT_EQUAL(page.error, XENSTORE_ERROR_NONE);
    CU_ASSERT_FALSE(ring_wants_reset(&ring));
}

static void test_stream(void)
{
    unsigned char in = 0, out = 0, buf[1500];

    begin();
    page.req_cons = page.req_prod = 0xfffffe00u; /* the indices wrap too */
    srand(1);
    for (int i = 0; i < 2000; i++) {
        uint32_t room = XENSTORE_RING_SIZE - (page.req_prod - page.req_cons);
        uint32_t put = room ? (uint32_t)rand() % (room + 1) : 0;

        for (uint32_t k = 0; k < put; k++)
            page.req[MASK_XENSTORE_IDX(page.req_prod++)] = (char)in++;
        ring_begin(&ring);
        long got = ring_read(&ring, buf, (size_t)rand() % sizeof(buf));
        ring_end(&ring);
        CU_ASSERT_FATAL(got >= 0);
        for (long k = 0; k < got; k++)
            CU_ASSERT_EQUAL(buf[k], out++);
    }
    CU_ASSERT(ring.moved);
    in = out = 0;
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < 700; k++)
            buf[k] = (unsigned char)(in + k);
        long put = ring_write(&ring, buf, 700);
        CU_ASSERT_FATAL(put >= 0);
        in = (unsigned char)(in + put);
        CU_ASSERT(page.rsp_prod - page.rsp_cons <= XENSTORE_RING_SIZE);
        for (int k = rand() % 900; k && page.rsp_cons != page.rsp_prod; k--)
            CU_ASSERT_EQUAL((unsigned char)page.rsp[MASK_XENSTORE_IDX(page.rsp_cons++)], out++);
    }
    page.rsp_cons = page.rsp_prod - XENSTORE_RING_SIZE;
    CU_ASSERT_EQUAL(ring_write(&ring, buf, 1), 0); /* full */
}

static void test_hostile(void)
{
    static const uint32_t bad[] = { 1025, 4096, 0x80000000u, 0xffffffffu };
    char buf[64];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        page.req_prod = bad[i];
        CU_ASSERT(ring_read(&ring, buf, sizeof(buf)) < 0);
        CU_ASSERT_EQUAL(page.req_cons, 0);
        begin();
        page.rsp_cons = 0u - bad[i];
        CU_ASSERT(ring_write(&ring, buf, sizeof(buf)) < 0);
        CU_ASSERT_EQUAL(page.rsp_prod, 0);
        CU_ASSERT_EQUAL((unsigned char)page.rsp[0], 0xee);
    }
}

static void test_reconnect(void)
{
    char buf[64] = "x";

    begin();
    page.req_prod = 5000;
    ring_stop(&ring, XENSTORE_ERROR_RINGIDX);
    CU_ASSERT_EQUAL(page.error, XENSTORE_ERROR_RINGIDX);
    CU_ASSERT_EQUAL(ring_read(&ring, buf, sizeof(buf)), 0);
    CU_ASSERT_EQUAL(ring_write(&ring, buf, 1), 0);
    page.connection = XENSTORE_RECONNECT;
    CU_ASSERT(ring_wants_reset(&ring));
    ring_reset(&ring);
    CU_ASSERT_EQUAL(page.connection, XENSTORE_CONNECTED);
    CU_ASSERT_EQUAL(page.error, XENSTORE_ERROR_NONE);
    CU_ASSERT_EQUAL(page.req_prod | page.req_cons | page.rsp_prod | page.rsp_cons, 0);
    CU_ASSERT_EQUAL(ring_write(&ring, buf, 1), 1);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"start", test_start},
        {"bytes in order", test_stream},
        {"impossible indices", test_hostile},
        {"reconnection", test_reconnect},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore ring", NULL, tests);
}
