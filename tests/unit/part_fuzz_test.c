/* SPDX-License-Identifier: MIT */
/* Short, repeatable runs of the fuzz target tests/fuzz/part.c: hostile partition tables. */
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

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    memcpy(p, &v, n);
}

static void test_part(void)
{
    static uint8_t data[1 + 20480];
    for (unsigned round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = rnd() & (round % 2 ? 0xff : 0x0f);
        data[0] = rnd();
        unsigned block = data[0] & 1 ? 4096 : 512, blocks = 131072 / block;
        uint8_t *h = data + 1 + block;
        if (round % 3) { /* a sound header, now and then with a byte changed */
            put(h + 12, 92, 4);
            put(h + 24, 1, 8);
            put(h + 40, 3, 8);
            put(h + 48, blocks - 2, 8);
            put(h + 72, 2, 8);
            put(h + 80, 1 + rnd() % 64, 4);
            put(h + 84, 128, 4);
            for (unsigned i = 0; i < 64; i++) {
                put(data + 1 + 2 * block + 128 * i + 32, rnd() % blocks, 8);
                put(data + 1 + 2 * block + 128 * i + 40, rnd() % blocks, 8);
            }
            if (round % 5 == 0)
                h[rnd() % 92] = rnd();
        } else { /* an MBR of small numbers */
            for (unsigned i = 0; i < 4; i++) {
                uint8_t *e = data + 1 + 446 + 16 * i;
                e[0] = 0;
                e[4] = i == 3 ? 5 : 0x83;
                put(e + 8, rnd(), 4);
                put(e + 12, rnd() % 32, 4);
            }
        }
        CU_ASSERT_EQUAL(LLVMFuzzerTestOneInput(data, sizeof(data)), 0);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"hostile partition tables", test_part},
        CU_TEST_INFO_NULL,
    };
    return suite_run("part_fuzz", NULL, tests);
}
