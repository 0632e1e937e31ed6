/* SPDX-License-Identifier: MIT */
/* Short, repeatable runs of the fuzz target tests/fuzz/blkif.c: what hostile fronts do. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t seed = 1;

static uint8_t rnd(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint8_t)(seed >> 33);
}

static void test_blkif(void)
{
    uint8_t data[600];
    for (unsigned round = 0; round < 1500; round++) {
        size_t n = 1 + (rnd() | rnd() << 8) % sizeof(data);
        for (size_t i = 0; i < n; i++)
            data[i] = rnd();
        if (round % 4) /* most of them connect, with grants that work */
            data[0] = (uint8_t)((data[0] & 7) | 16);
        if (round % 3 == 0) /* and some do hardly anything but I/O */
            for (size_t i = 2; i < n; i += 2)
                data[i] |= 0x0f;
        CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(data, n), 0);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"hostile fronts", test_blkif},
        CU_TEST_INFO_NULL,
    };
    return suite_run("blkif_fuzz", NULL, tests);
}
