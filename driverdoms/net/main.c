/* SPDX-License-Identifier: MIT */
/*
 * The net domain: drivers for network cards, the switch and netback on rt. Owns PCI functions, serves the fronts in
 * backend/vif. Without any card it is a switch between its guests only. Command line: options.h.
 * A card that does not come up or back is told in `control/failed`, and its fronts see an orderly Closing.
 */
#include "driverdoms/base/memory.h"
#include "driverdoms/net/net_pci.h"
#include "driverdoms/net/options.h"
#include "backends/core/progress.h"
#include "backends/net/netback.h"
#include "backends/net/nic.h"
#include "rt/rt.h"

#define POOL_SMALL 1536u /* 3 MiB */
#define POOL_BIG 48u     /* 3 MiB */

static struct net_options options;

static unsigned start_cards(unsigned *found, char *why, size_t size)
{
    if (options.fault.kind == FAULT_NORETURN && rt_incarnation > 1) {
        snprintf(why, size, "the cards do not come back (on purpose)");
        *found = NET_PCI_MAX;
        return 0;
    }
    return net_pci_start(options.tso, found, why, size);
}

void domain_main(const char *cmdline)
{
    char why[96], bad[32];
    unsigned found;
    uint64_t t0 = rt_now();
    if (!net_options_parse(&options, cmdline, bad))
        rt_crash("command line: %s is not understood", bad);
    rt_watchdog(options.watchdog);
    if (pkt_pool(POOL_SMALL, POOL_BIG))
        rt_crash("memory: %u KiB for packets are not there", (POOL_SMALL * PKT_SMALL + POOL_BIG * PKT_BIG_PAGES * PKT_PAGE) / 1024);
    unsigned live = start_cards(&found, why, sizeof(why));
    uint64_t t1 = rt_now();
    if (options.bench) {
        net_bench_start();
        return;
    }
    net_fault_install(&options);
    netback_moderate(options.moderation * 1000ull);
    int rc = netback_start();
    if (rc)
        rt_crash("xenstore: backend/vif cannot be watched (%d)", rc);
    for (unsigned i = 0; i < found; i++)
        if (!nic_find(i))
            netback_lost(i, why);
    rt_log("net: incarnation %u, %u card(s); up in %lu us, of them cards %lu", rt_incarnation, live,
           (rt_now() - t0) / 1000, (t1 - t0) / 1000);
    memory_tell();
    progress_start(options.watchdog * 1000000000ull);
}
