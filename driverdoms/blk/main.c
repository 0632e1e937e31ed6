/* SPDX-License-Identifier: MIT */
/*
 * The disk domain: NVMe driver, partitions and blkback on rt. Owns PCI functions of class NVMe, serves their
 * namespaces and partitions to the fronts in backend/vbd. Command line: options.h.
 * When no controller comes back, or one is given up, `control/failed` says why and the fronts see an orderly Closing.
 */
#include "driverdoms/base/memory.h"
#include "driverdoms/blk/nvme_pci.h"
#include "driverdoms/blk/options.h"
#include "driverdoms/blk/part.h"
#include "backends/blk/blkback.h"
#include "backends/core/progress.h"
#include "rt/rt.h"

static struct options options;
static unsigned scans;
static char why[96];

static void tell_failed(void *arg)
{
    rt_xs_write(0, "control/failed", arg);
}

static void failed(const char *reason)
{
    static char text[96];
    static struct rt_work tell = {.fn = tell_failed, .arg = text};
    rt_log("failed: %s", reason);
    snprintf(text, sizeof(text), "%s", reason);
    rt_defer_slow(&tell);
}

static void disk_changed(struct disk *d, const char *reason)
{
    if (reason && !d->parent)
        failed(reason);
}

static void scanned(void *arg)
{
    if (--scans == 0 && rt_incarnation > 1)
        blkback_lost(why[0] ? why : "it is not there after the restart");
}

/* Tables are read while fronts of whole disks are served already; each disk found later is told to blkback. */
static void scan_partitions(void)
{
    struct disk *whole[64], *d = disk_first();
    unsigned n = 0;
    for (; d && n < 64; d = d->next)
        whole[n++] = d;
    scans = n + 1;
    for (unsigned i = 0; i < n; i++)
        part_scan(whole[i], scanned, NULL);
    scanned(NULL);
}

static unsigned start_controllers(void)
{
    if (options.fault.kind == FAULT_NORETURN && rt_incarnation > 1) {
        snprintf(why, sizeof(why), "the controllers do not come back (on purpose)");
        return 0;
    }
    return nvme_pci_start(options.watchdog, options.timeout, why, sizeof(why));
}

void domain_main(const char *cmdline)
{
    char bad[32];
    uint64_t t0 = rt_now();
    if (!options_parse(&options, cmdline, bad))
        rt_crash("command line: %s is not understood", bad);
    rt_watchdog(options.watchdog);
    service_install(&options);
    fault_install(&options);
    disk_listen(disk_changed);
    unsigned live = start_controllers();
    uint64_t t1 = rt_now();
    if (options.bench) {
        bench_start(&options);
        return;
    }
    if (!live)
        failed(why);
    int rc = blkback_start();
    if (rc)
        rt_crash("xenstore: backend/vbd cannot be watched (%d)", rc);
    rt_log("disk: incarnation %u, %u controller(s); up in %lu us, of them controllers %lu", rt_incarnation, live,
           (rt_now() - t0) / 1000, (t1 - t0) / 1000);
    memory_tell();
    scan_partitions();
    progress_start(options.watchdog * 1000000000ull);
}
