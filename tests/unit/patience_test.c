/* SPDX-License-Identifier: MIT */
/* backends/core/patience.c: the share that a front can waste, whatever it does with it. */
#include "backends/core/patience.h"
#include "suite.h"

/* For `total` ns: work of `cost` ns, then `pause` ns, while there is patience; resting otherwise. What was wasted. */
static uint64_t waste(uint64_t cost, uint64_t pause, uint64_t total)
{
    struct patience p = {0};
    uint64_t now = 5, wasted = 0, end = now + total;
    while (now < end) {
        if (patience_lost(&p, now)) {
            CU_ASSERT(patience_when(&p) > now);
            now = patience_when(&p);
            CU_ASSERT_FALSE(patience_lost(&p, now));
            continue;
        }
        wasted += cost;
        now += cost;
        patience_spend(&p, now, cost);
        now += pause;
    }
    return wasted;
}

static void share(void)
{
    static const uint64_t cost[] = {40, 200, 1000, 30000, 500000, 3000000, 100000000};
    for (unsigned i = 0; i < sizeof(cost) / sizeof(cost[0]); i++) {
        uint64_t total = 10000000000ull, wasted = waste(cost[i], 0, total);
        CU_ASSERT(wasted >= total / (PATIENCE_SHARE + 10));
        CU_ASSERT(wasted <= total / PATIENCE_SHARE + PATIENCE_NS + cost[i]);
    }
}

static void little_waste_is_free(void)
{
    struct patience p = {0};
    for (uint64_t now = 0; now < 1000000000; now += 200000) {
        patience_spend(&p, now, 1000); /* half a percent */
        CU_ASSERT_FALSE(patience_lost(&p, now));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {{"the share that can be wasted", share}, {"a little waste is free", little_waste_is_free}, CU_TEST_INFO_NULL};
    return suite_run("patience", NULL, tests);
}
