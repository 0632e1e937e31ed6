/* SPDX-License-Identifier: MIT */
/* The net domain's command line: every word that is understood, and that no other is. */
#include "driverdoms/net/options.h"
#include "suite.h"

#include <string.h>

static struct net_options o;
static char bad[32];

static void test_good(void)
{
    CU_ASSERT_TRUE(net_options_parse(&o, "", bad));
    CU_ASSERT(o.watchdog == 2 && o.moderation == 50 && o.tso && o.fault.kind == FAULT_NONE && !o.fault.store);
    CU_ASSERT_TRUE(net_options_parse(&o, " watchdog=30  tso=0 fault=store bench=1 ", bad));
    CU_ASSERT(o.watchdog == 30 && !o.tso && o.bench && o.fault.store);
    CU_ASSERT_TRUE(net_options_parse(&o, "tso=1 watchdog=0 moderation=0 fault=stuck@12*", bad));
    CU_ASSERT(o.watchdog == 0 && o.moderation == 0 && o.tso && o.fault.kind == FAULT_STUCK && o.fault.at == 12 && o.fault.always);
}

static void test_bad(void)
{
    static const char *const lines[] = {
        "x", "watchdog", "watchdog=", "watchdog=3601", "watchdog=-1", "watchdog=1s", "tso", "tso=", "tso=2", "tso=10", "tso=no",
        "moderation=", "moderation=1001", "moderation=5us", "bench=2", "bench=", "fault=", "fault=crash", "fault=crash@0", "fault=crash@4294967296", "tso=1,watchdog=2",
        "a-word-that-is-much-longer-than-what-is-kept-of-it",
    };
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        CU_ASSERT_FALSE(net_options_parse(&o, lines[i], bad));
        CU_ASSERT(strlen(bad) > 0 && !strncmp(bad, lines[i], strlen(bad)));
    }
}

int main(void)
{
    CU_TestInfo tests[] = {{"understood", test_good}, {"refused", test_bad}, CU_TEST_INFO_NULL};
    return suite_run("netopts", NULL, tests);
}
