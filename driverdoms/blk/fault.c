/* SPDX-License-Identifier: MIT */
/* Faults on purpose (driverdoms/base/fault.h): a layer over each disk's submit. Not there unless asked for. */
#include "driverdoms/blk/options.h"
#include "backends/blk/disk.h"
#include "rt/rt.h"

static const struct disk_ops *real; /* all whole disks have the same */
static struct disk_ops faulty;

static int submit(struct disk *d, struct disk_req *r)
{
    fault_step();
    if (fault_now == FAULT_STALL)
        return 0; /* taken and forgotten */
    for (unsigned i = 0; fault_now == FAULT_WILDDMA && i < r->nsegs; i++)
        r->seg[i].addr = (void *)(uintptr_t)(FAULT_WILD + i * RT_PAGE);
    return real->submit(d, r);
}

static void disk_changed(struct disk *d, const char *why)
{
    if (why || d->parent || d->ops == &faulty)
        return;
    real = d->ops;
    faulty = *real;
    faulty.submit = submit;
    d->ops = &faulty;
}

void fault_install(const struct options *o)
{
    if (fault_start(&o->fault))
        disk_listen(disk_changed);
}
