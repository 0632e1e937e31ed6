/* SPDX-License-Identifier: MIT */
/*
 * Faults on purpose, for tests (options.h): a layer over each disk's submit, and one over the controllers' registers. Not
 * there unless asked for.
 */
#include "driverdoms/blk/nvme.h"
#include "driverdoms/blk/options.h"
#include "backends/blk/disk.h"
#include "rt/rt.h"

#define WILD 0x40000000u /* guest physical 1 GiB: no small domain has memory there */

static const struct disk_ops *real; /* all whole disks have the same */
static bool stalled, stuck, gone;

static int submit(struct disk *d, struct disk_req *r)
{
    switch (rt_fault_due()) {
    case FAULT_STALL:
        stalled = true;
        break;
    case FAULT_STUCK:
        stuck = true;
        break;
    case FAULT_GONE:
        gone = true;
        break;
    case FAULT_WILDDMA:
        for (unsigned i = 0; i < r->nsegs; i++)
            r->seg[i].addr = (void *)(uintptr_t)(WILD + i * RT_PAGE);
        break;
    }
    return stalled ? 0 : real->submit(d, r); /* stalled: taken and forgotten */
}

bool fault_register(unsigned offset, const uint32_t *written)
{
    if (written && offset == NVME_CC && !(*written & NVME_CC_EN))
        stuck = false; /* the reset helps */
    return gone || (stuck && written && offset >= NVME_DOORBELL);
}

static const struct disk_ops faulty = {.submit = submit};

static void disk_changed(struct disk *d, const char *why)
{
    if (why || d->parent || d->ops == &faulty)
        return;
    real = d->ops;
    d->ops = &faulty;
}

void fault_install(struct options *o)
{
    if (!o->fault.kind && !o->fault.store)
        return;
    rt_fault_start(&o->fault);
    disk_listen(disk_changed);
}
