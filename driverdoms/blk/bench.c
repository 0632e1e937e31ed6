/* SPDX-License-Identifier: MIT */
/*
 * The bare driver measured in the runtime it serves from: the "native" figure beside which blkback's are read.
 * One line a case: requests are kept `depth` deep for RUN_NS of rt_now(), the last ones are waited for. Before a case the line
 * "bench: next", and REST_NS of rest before and after it: whoever watches reads the domain's CPU time then (bench/native.sh).
 */
#include "driverdoms/blk/options.h"
#include "backends/blk/disk.h"
#include "rt/rt.h"
#include <xen/sched.h>

#define RUN_NS 100000000ull
#define REST_NS 250000000ull
#define DEPTH_MAX 32
#define SMALL 4096u
#define BIG (1u << 20)

static const struct bench_case { const char *name; enum disk_op op; uint32_t bytes; bool random; unsigned depth; } cases[] = {
    {"randread", DISK_READ, SMALL, true, 1}, {"randread", DISK_READ, SMALL, true, 8}, {"randread", DISK_READ, SMALL, true, 32},
    {"seqread", DISK_READ, BIG, false, 1}, {"seqread", DISK_READ, BIG, false, 8}, {"seqread", DISK_READ, BIG, false, 32},
    {"randwrite", DISK_WRITE, SMALL, true, 1}, {"randwrite", DISK_WRITE, SMALL, true, 8}, {"randwrite", DISK_WRITE, SMALL, true, 32},
    {"seqwrite", DISK_WRITE, BIG, false, 1}, {"seqwrite", DISK_WRITE, BIG, false, 8}, {"seqwrite", DISK_WRITE, BIG, false, 32},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static const struct options *options;
static struct disk *disk;
static struct disk_req req[DEPTH_MAX];
static struct disk_seg seg;        /* all requests use one buffer: it is the path that is measured */
static const struct bench_case *now;
static uint64_t started, ended, errors, next_sector, seed = 42;
static unsigned flying;
static struct rt_timer rest;

static uint64_t pick_sector(void)
{
    uint64_t unit = now->bytes / DISK_SECTOR, units = disk->sectors / unit;
    if (!now->random)
        return next_sector++ % units * unit;
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 20) % units * unit;
}

static void done(struct disk_req *r, int error);

static void fly(struct disk_req *r)
{
    *r = (struct disk_req){.op = now->op, .sector = pick_sector(), .sectors = now->bytes / DISK_SECTOR, .seg = &seg,
                           .nsegs = 1, .done = done};
    flying++;
    if (disk->ops->submit(disk, r)) {
        flying--; /* full: fewer in flight than asked for */
        errors++;
    }
}

static void report(void)
{
    uint64_t us = (rt_now() - started) / 1000;
    uint64_t kib = ended * now->bytes / 1024;
    us = us ? us : 1;
    rt_log("bench: %s %u B depth %u: %lu IOPS, %lu.%lu MB/s, %lu requests in %lu us, %lu errors", now->name, now->bytes,
           now->depth, ended * 1000000 / us, kib * 1024 / us, kib * 10240 / us % 10, ended, us, errors);
}

static void then(void (*fn)(void *arg))
{
    rest.fn = fn;
    rt_timer_set(&rest, rt_now() + REST_NS);
}

static void start_case(void *arg)
{
    seg.bytes = now->bytes;
    ended = errors = next_sector = 0;
    started = rt_now();
    for (unsigned i = 0; i < now->depth; i++)
        fly(&req[i]);
}

static void next_case(void *arg)
{
    do {
        now = now ? now + 1 : cases;
        if (now == cases + CASES) {
            rt_log("bench: done");
            rt_shutdown(SHUTDOWN_poweroff);
        }
    } while (options->bench == BENCH_READ && now->op == DISK_WRITE);
    rt_log("bench: next");
    then(start_case);
}

static void done(struct disk_req *r, int error)
{
    flying--;
    ended++;
    errors += error != 0;
    if (rt_now() < started + RUN_NS && !disk->gone) {
        fly(r);
    } else if (flying == 0) {
        report();
        then(next_case);
    }
}

void bench_start(const struct options *o)
{
    options = o;
    disk = disk_first();
    seg.addr = rt_alloc_pages(BIG / RT_PAGE);
    if (!disk || !seg.addr || disk->sectors < BIG / DISK_SECTOR)
        rt_crash("bench: %s", disk ? "no memory, or a disk under 1 MiB" : "no disk");
    rt_log("bench: %s, %lu sectors", disk->name, disk->sectors);
    next_case(NULL);
}
