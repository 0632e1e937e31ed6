/* SPDX-License-Identifier: MIT */
/* A short run of tests/fuzz/xenstore.c on random steps, mostly near to what is valid. */
#include "xenstore_fake.h"
#include <string.h>
#include "suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS 6000

/* A step that is nearly right: a known operation on one of few paths. */
static size_t sane(uint8_t *p)
{
    static const char *const words[] = { "/a", "/a/b", "/local/domain/5", "x", "x/y", "@releaseDomain", "T", "F", "n5", "b0",
                                         "5", "7", "/", "tok", "domains", "quota", "set", "nodes", "3", "" };
    size_t n = 2;

    p[2] = (uint8_t)(rand() % 28);
    p[3] = (uint8_t)(rand() % 4);
    for (int i = rand() % 4; i >= 0; i--) {
        const char *w = words[(size_t)rand() % (sizeof(words) / sizeof(words[0]))];

        strcpy((char *)p + 2 + n, w);
        n += strlen(w) + 1;
    }
    p[0] = (uint8_t)(1 + 4 * (rand() % 3));
    p[1] = (uint8_t)n;
    return n + 2;
}

static size_t wild(uint8_t *p)
{
    p[0] = (uint8_t)rand();
    p[1] = (uint8_t)(rand() % 40);
    for (int i = 0; i < p[1]; i++)
        p[2 + i] = (uint8_t)rand();
    return p[1] + 2u;
}

static void test_random(void)
{
    static uint8_t data[8000];

    srand(5);
    for (int run = 0; run < RUNS; run++) {
        size_t n = 0;

        while (n < 1500 && rand() % 100)
            n += rand() % 8 ? sane(data + n) : wild(data + n);
        CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(data, n), 0);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"random steps", test_random},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore random bytes", NULL, tests);
}
