/* SPDX-License-Identifier: MIT */
/* Faults on purpose, for tests (options.h): a layer over each disk's submit. Not there unless asked for. */
#include "driverdoms/blk/options.h"
#include "backends/blk/disk.h"
#include "rt/rt.h"

#define WILD 0x40000000u /* guest physical 1 GiB: no small domain has memory there */

static const struct options *options;
static const struct disk_ops *real; /* all whole disks have the same */
static uint64_t requests;

static int submit(struct disk *d, struct disk_req *r)
{
    if (++requests < options->fault_at || (requests > options->fault_at && options->fault != FAULT_STALL))
        return real->submit(d, r);
    rt_log("fault on purpose at request %lu", (unsigned long)requests);
    switch (options->fault) {
    case FAULT_HANG:
        for (;;)
            __asm__ volatile("pause");
    case FAULT_CRASH:
        rt_crash("crash on purpose");
    case FAULT_WILDDMA:
        for (unsigned i = 0; i < r->nsegs; i++)
            r->seg[i].addr = (void *)(uintptr_t)(WILD + i * RT_PAGE);
        return real->submit(d, r);
    default:
        return 0; /* stalled: taken and forgotten */
    }
}

static const struct disk_ops faulty = {.submit = submit};

static void disk_changed(struct disk *d, const char *why)
{
    if (why || d->parent || d->ops == &faulty)
        return;
    real = d->ops;
    d->ops = &faulty;
}

void fault_install(const struct options *o)
{
    if (o->fault == FAULT_NONE || o->fault == FAULT_NORETURN || (rt_incarnation > 1 && !o->fault_always))
        return;
    options = o;
    disk_listen(disk_changed);
}
