/* SPDX-License-Identifier: MIT */
/* The disk domain's command line: every word that is understood, and that no other is. */
#include "driverdoms/blk/options.h"
#include "suite.h"

#include <string.h>

static struct options o;
static char bad[32];

static void test_good(void)
{
    CU_ASSERT_TRUE(options_parse(&o, "", bad));
    CU_ASSERT(o.watchdog == 2 && o.bench == BENCH_NONE && o.fault == FAULT_NONE);
    CU_ASSERT_TRUE(options_parse(&o, "  watchdog=30   bench=read ", bad));
    CU_ASSERT(o.watchdog == 30 && o.bench == BENCH_READ);
    CU_ASSERT_TRUE(options_parse(&o, "watchdog=0 bench=1 fault=hang@17", bad));
    CU_ASSERT(o.watchdog == 0 && o.bench == BENCH_ALL && o.fault == FAULT_HANG && o.fault_at == 17 && !o.fault_always);
    CU_ASSERT_TRUE(options_parse(&o, "fault=crash@4294967295*", bad));
    CU_ASSERT(o.fault == FAULT_CRASH && o.fault_at == 4294967295u && o.fault_always);
    CU_ASSERT_TRUE(options_parse(&o, "fault=stall@1", bad) && o.fault == FAULT_STALL);
    CU_ASSERT_TRUE(options_parse(&o, "fault=wilddma@2", bad) && o.fault == FAULT_WILDDMA);
    CU_ASSERT_TRUE(options_parse(&o, "service=80 rate=3000", bad) && o.service == 80 && o.rate == 3000);
    CU_ASSERT_TRUE(options_parse(&o, "fault=noreturn", bad) && o.fault == FAULT_NORETURN);
}

static void test_bad(void)
{
    static const char *const lines[] = {
        "x", "service=", "service=1000001", "service=1us", "rate=0", "rate=-3",
        "watchdog", "watchdog=", "watchdog=x", "watchdog=-1", "watchdog=3601", "watchdog=99999999999999999999",
        "bench=2", "bench=", "fault=", "fault=hang", "fault=hang@", "fault=hang@0", "fault=hang@1x", "fault=hang@*",
        "fault=hang@4294967296", "fault=boom@1", "fault=noreturn@1", "watchdog=1,bench=1",
        "a-word-that-is-much-longer-than-what-is-kept-of-it",
    };
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        CU_ASSERT_FALSE(options_parse(&o, lines[i], bad));
        CU_ASSERT_EQUAL(strncmp(bad, lines[i], strlen(bad)), 0);
        CU_ASSERT(strlen(bad) > 0);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"understood", test_good},
        {"refused", test_bad},
        CU_TEST_INFO_NULL,
    };
    return suite_run("diskopts", NULL, tests);
}
