/* SPDX-License-Identifier: MIT */
/*
 * The net domain: drivers for network cards, the switch and netback on rt. Owns PCI functions, serves the fronts in
 * backend/vif. Without any card it is a switch between its guests only.
 * Command line, words separated by blanks:
 *   watchdog=SECONDS   the main loop must come round this often (2; 0 = no watchdog)
 *   tso=0|1            let cards cut large TCP packets (1)
 * A card that does not come up or back is told in `control/failed`, and its fronts see an orderly Closing.
 */
#include "driverdoms/net/net_pci.h"
#include "backends/net/netback.h"
#include "backends/net/nic.h"
#include "rt/rt.h"

#define POOL_SMALL 1536u /* 3 MiB */
#define POOL_BIG 48u     /* 3 MiB */

static unsigned watchdog = 2;
static bool tso = true;

static void parse(const char *line)
{
    for (const char *p = line; *p;) {
        char *end;
        if (*p == ' ') {
            p++;
        } else if (!strncmp(p, "watchdog=", 9)) {
            watchdog = (unsigned)strtoul(p + 9, &end, 10);
            if (end == p + 9 || (*end && *end != ' ') || watchdog > 3600)
                rt_crash("command line: watchdog: not a number of seconds up to 3600");
            p = end;
        } else if (!strncmp(p, "tso=", 4) && (p[4] == '0' || p[4] == '1') && (!p[5] || p[5] == ' ')) {
            tso = p[4] == '1';
            p += 5;
        } else {
            rt_crash("command line: %.32s is not understood", p);
        }
    }
}

void domain_main(const char *cmdline)
{
    char why[96];
    unsigned found;
    uint64_t t0 = rt_now();
    parse(cmdline);
    rt_watchdog(watchdog);
    if (pkt_pool(POOL_SMALL, POOL_BIG))
        rt_crash("memory: %u KiB for packets are not there", (POOL_SMALL * PKT_SMALL + POOL_BIG * PKT_BIG_PAGES * PKT_PAGE) / 1024);
    unsigned live = net_pci_start(tso, &found, why, sizeof(why));
    uint64_t t1 = rt_now();
    int rc = netback_start();
    if (rc)
        rt_crash("xenstore: backend/vif cannot be watched (%d)", rc);
    for (unsigned i = 0; i < found; i++)
        if (!nic_find(i))
            netback_lost(i, why);
    rt_log("net: incarnation %u, %u card(s); up in %lu us, of them cards %lu", rt_incarnation, live,
           (rt_now() - t0) / 1000, (t1 - t0) / 1000);
}
