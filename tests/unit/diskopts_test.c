/* SPDX-License-Identifier: MIT */
/* The disk domain's command line: every word that is understood, and that no other is. */
#include "driverdoms/blk/options.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

static struct options o;
static char bad[32];

static void test_good(void)
{
    CU_ASSERT_TRUE(options_parse(&o, "", bad));
    CU_ASSERT(o.watchdog == 2 && o.timeout == 5 && o.bench == BENCH_NONE && o.fault.kind == FAULT_NONE);
    CU_ASSERT_TRUE(options_parse(&o, "  watchdog=30   bench=read ", bad));
    CU_ASSERT(o.watchdog == 30 && o.bench == BENCH_READ);
    CU_ASSERT_TRUE(options_parse(&o, "watchdog=0 bench=1 fault=hang@17", bad));
    CU_ASSERT(o.watchdog == 0 && o.bench == BENCH_ALL && o.fault.kind == FAULT_HANG && o.fault.at == 17 && !o.fault.always);
    CU_ASSERT_TRUE(options_parse(&o, "fault=crash@4294967295*", bad));
    CU_ASSERT(o.fault.kind == FAULT_CRASH && o.fault.at == 4294967295u && o.fault.always);
    CU_ASSERT_TRUE(options_parse(&o, "timeout=1", bad) && o.timeout == 1);
    CU_ASSERT_TRUE(options_parse(&o, "service=80 rate=3000", bad) && o.service == 80 && o.rate == 3000);
    CU_ASSERT_TRUE(options_parse(&o, "late=1000@100", bad) && o.late == 1000 && o.late_every == 100);
    CU_ASSERT_TRUE(options_parse(&o, "fault=noreturn", bad) && o.fault.kind == FAULT_NORETURN);
}

static void test_faults(void)
{
    static const struct { const char *word; enum fault_kind kind; } all[] = {
        {"crash", FAULT_CRASH}, {"wildptr", FAULT_WILDPTR}, {"stack", FAULT_STACK}, {"hang", FAULT_HANG}, {"loop", FAULT_LOOP},
        {"heap", FAULT_HEAP}, {"stall", FAULT_STALL}, {"wilddma", FAULT_WILDDMA}, {"stuck", FAULT_STUCK}, {"gone", FAULT_GONE},
    };
    char line[64];
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        snprintf(line, sizeof(line), "fault=%s@%u*", all[i].word, i + 1);
        CU_ASSERT_TRUE(options_parse(&o, line, bad));
        CU_ASSERT(o.fault.kind == all[i].kind && o.fault.at == i + 1 && o.fault.always && !o.fault.store);
    }
    CU_ASSERT_TRUE(options_parse(&o, "fault=store", bad) && o.fault.store && !o.fault.at);
    CU_ASSERT_TRUE(options_parse(&o, "fault=store fault=heap@7", bad));
    CU_ASSERT(o.fault.store && o.fault.kind == FAULT_HEAP && o.fault.at == 7 && !o.fault.always);
}

static void test_bad(void)
{
    static const char *const lines[] = {
        "x", "timeout=0", "timeout=", "timeout=9999", "service=", "service=1000001", "service=1us", "rate=0", "rate=-3",
        "late=", "late=80", "late=80@", "late=80@1", "late=@2", "late=0@2", "late=80@2@2", "late=80@2x",
        "watchdog", "watchdog=", "watchdog=x", "watchdog=-1", "watchdog=3601", "watchdog=99999999999999999999",
        "bench=2", "bench=", "fault=", "fault=hang", "fault=hang@", "fault=hang@0", "fault=hang@1x", "fault=hang@*",
        "fault=hang@4294967296", "fault=boom@1", "fault=noreturn@1", "fault=store@1", "fault=stack", "fault=stuckx@1", "fault=*", "fault=gone@2**", "watchdog=1,bench=1",
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
        {"faults", test_faults},
        {"refused", test_bad},
        CU_TEST_INFO_NULL,
    };
    return suite_run("diskopts", NULL, tests);
}
