/* SPDX-License-Identifier: MIT */
/* The NVMe driver against a controller that checks what it is told: start, data of every shape, trouble. */
#include "driverdoms/blk/nvme.h"
#include "fake_nvme.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nvme_ctrl *c;
static unsigned numbers;
static int last_error;
static unsigned ended;

static void done(struct disk_req *r, int error)
{
    last_error = error;
    ended++;
}

/* A controller is for life, so each test has a new one; its memory is left to the end. */
static void start(unsigned namespaces, unsigned shift)
{
    fake_nvme_init(namespaces, shift);
    c = calloc(1, sizeof(*c));
    fake_nvme.csts = NVME_CSTS_RDY; /* as a predecessor left it */
    fake_nvme.cc = NVME_CC_EN;
    CU_ASSERT_EQUAL_FATAL(nvme_begin(c, &fake_nvme, numbers++), 0);
    CU_ASSERT_EQUAL_FATAL(fake_nvme.resets, 1);
    CU_ASSERT_EQUAL_FATAL(nvme_finish(c), 0);
    ended = 0;
}

static int run(struct disk *d, struct disk_req *r)
{
    r->done = done;
    last_error = 1;
    CU_ASSERT_EQUAL(d->ops->submit(d, r), 0);
    fake_nvme_run();
    return last_error;
}

static int rw(struct disk *d, enum disk_op op, uint64_t sector, struct disk_seg *seg, unsigned n, bool fua)
{
    static struct disk_req r;
    memset(&r, 0, sizeof(r));
    r.op = op;
    r.sector = sector;
    r.seg = seg;
    r.nsegs = n;
    r.fua = fua;
    for (unsigned i = 0; i < n; i++)
        r.sectors += seg[i].bytes / DISK_SECTOR;
    return run(d, &r);
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
}

static void test_start(void)
{
    start(3, 9);
    CU_ASSERT_EQUAL(c->n_ns, 3);
    CU_ASSERT_EQUAL(c->piece_max, 128 << 10);
    char name[32];
    snprintf(name, sizeof(name), "nvme%un2", c->number);
    struct disk *d = disk_find(name);
    CU_ASSERT_PTR_EQUAL_FATAL(d, &c->ns[1].disk);
    CU_ASSERT(d->sectors == FAKE_NVME_BLOCKS && d->logical == 512 && d->has_flush && d->has_discard && !d->readonly);
    fake_nvme_init(1, 9); /* NVMe 1.0 knows no list of namespaces */
    fake_nvme.vs = 0x10000;
    c = calloc(1, sizeof(*c));
    CU_ASSERT_EQUAL(nvme_begin(c, &fake_nvme, numbers++), 0);
    CU_ASSERT_EQUAL(nvme_finish(c), 0);
    CU_ASSERT_EQUAL(c->n_ns, 1);
    start(1, 12);
    CU_ASSERT(c->ns[0].disk.sectors == FAKE_NVME_BLOCKS * 8 && c->ns[0].disk.logical == 4096);
}

static void refuse(const char *word)
{
    c = calloc(1, sizeof(*c));
    int rc = nvme_begin(c, &fake_nvme, numbers++);
    if (!rc)
        rc = nvme_finish(c);
    CU_ASSERT(rc < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(c->why, word));
}

static void test_bad_start(void)
{
    fake_nvme_init(1, 9);
    fake_nvme.dead = true;
    refuse("all ones");
    fake_nvme_init(1, 9);
    fake_nvme.cap |= 1ull << 48;
    refuse("MPSMIN");
    fake_nvme_init(1, 9);
    fake_nvme.cap &= ~(1ull << 37);
    refuse("CSS");
    fake_nvme_init(1, 9);
    fake_nvme.cap &= ~0xffffull;
    refuse("MQES");
    fake_nvme_init(1, 9);
    fake_nvme.csts = NVME_CSTS_RDY;
    fake_nvme.cc = 1;
    fake_nvme.stuck_disable = true;
    refuse("RDY");
    CU_ASSERT(fake_nvme.now < 3000000000ull); /* CAP.TO is 1 s */
    CU_ASSERT_FALSE(fake_nvme.dma_on);
    fake_nvme_init(1, 9);
    fake_nvme.stuck_enable = true;
    refuse("RDY");
    fake_nvme_init(1, 9);
    fake_nvme.stuck_enable = fake_nvme.fatal = true;
    refuse("CFS");
    fake_nvme_init(1, 9);
    fake_nvme.silent_admin = true;
    refuse("no completion");
    fake_nvme_init(1, 9);
    fake_nvme.zero_identify = true;
    refuse("identify controller");
    fake_nvme_init(0, 9);
    refuse("namespace");
    fake_nvme_init(1, 16);
    refuse("namespace");
}

/* Every shape of buffer: offsets in pages, sizes over MDTS, segments that no PRP list can join. */
static void shapes(unsigned shift)
{
    start(1, shift);
    struct disk *d = &c->ns[0].disk;
    uint8_t *out = aligned_alloc(4096, 1 << 20), *in = aligned_alloc(4096, 1 << 20), *flat = malloc(1 << 20);
    unsigned seed = 42, unit = 1u << shift;
    for (unsigned round = 0; round < 400; round++) {
        struct disk_seg seg[32], back[32];
        unsigned n = 1 + (seed >> 8) % 32, total = 0;
        uint64_t sector = (seed >> 3) % 4096 / (unit / 512) * (unit / 512);
        fill(out, 1 << 20, seed);
        memset(in, 0, 1 << 20);
        for (unsigned i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            unsigned first = (seed >> 8) % 8, last = first + (seed >> 16) % (8 - first);
            if (round % 4 == 0 || unit == 4096) { /* as a real front's: full pages but for the ends */
                first = i == 0 && unit == 512 ? first : 0;
                last = i == n - 1 && unit == 512 ? last : 7;
            }
            seg[i].addr = out + i * 8192 * (i % 3 != 0) + i * 4096 * (i % 3 == 0) + first * 512;
            back[i].addr = in + i * 4096 + (round % 5 ? first * 512 : 0);
            seg[i].bytes = back[i].bytes = (last - first + 1) * 512;
            memcpy(flat + total, seg[i].addr, seg[i].bytes);
            total += seg[i].bytes;
        }
        CU_ASSERT_EQUAL(rw(d, DISK_WRITE, sector, seg, n, round & 1), 0);
        CU_ASSERT_EQUAL(memcmp(fake_nvme.data[0] + sector * 512, flat, total), 0);
        CU_ASSERT_EQUAL(rw(d, DISK_READ, sector, back, n, false), 0);
        unsigned at = 0, wrong = 0;
        for (unsigned i = 0; i < n; at += back[i].bytes, i++)
            wrong += memcmp(back[i].addr, flat + at, back[i].bytes) != 0;
        CU_ASSERT_EQUAL(wrong, 0);
        CU_ASSERT_EQUAL(c->io.used, 0);
    }
    CU_ASSERT(fake_nvme.fuas > 0 && fake_nvme.fuas <= fake_nvme.writes);
    struct disk_seg big = {.addr = out, .bytes = 1 << 20}; /* one segment of many pages, over MDTS */
    fill(out, 1 << 20, 7);
    CU_ASSERT_EQUAL(rw(d, DISK_WRITE, 0, &big, 1, false), 0);
    CU_ASSERT_EQUAL(memcmp(fake_nvme.data[0], out, 1 << 20), 0);
    CU_ASSERT_EQUAL(fake_nvme.largest, 128 << 10);
    free(out);
    free(in);
    free(flat);
}

static void test_shapes(void)
{
    shapes(9);
    shapes(12);
}

/* 4 KiB blocks that no command can describe end with an error, not with wrong data. */
static void test_unfit(void)
{
    start(1, 12);
    static uint8_t page[2][4096] __attribute__((aligned(4096)));
    struct disk_seg seg[2] = {{page[0] + 512, 1024}, {page[1] + 512, 3072}};
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_WRITE, 0, seg, 2, false), -EINVAL);
    CU_ASSERT_EQUAL(fake_nvme.writes, 0);
}

static void test_unlimited_mdts(void)
{
    fake_nvme_init(1, 9);
    fake_nvme.mdts = 0;
    c = calloc(1, sizeof(*c));
    CU_ASSERT_EQUAL(nvme_begin(c, &fake_nvme, numbers++), 0);
    CU_ASSERT_EQUAL(nvme_finish(c), 0);
    uint8_t *out = aligned_alloc(4096, 2 << 20);
    fill(out, 2 << 20, 3);
    struct disk_seg big = {.addr = out, .bytes = 2 << 20};
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_WRITE, 8, &big, 1, false), 0);
    CU_ASSERT_EQUAL(memcmp(fake_nvme.data[0] + 4096, out, 2 << 20), 0);
    CU_ASSERT_EQUAL(fake_nvme.largest, 1 << 20);
    free(out);
}

static void test_flush_discard(void)
{
    start(1, 9);
    struct disk_req r = {.op = DISK_FLUSH};
    CU_ASSERT_EQUAL(run(&c->ns[0].disk, &r), 0);
    CU_ASSERT_EQUAL(fake_nvme.flushes, 1);
    r = (struct disk_req){.op = DISK_DISCARD, .sector = 9, .sectors = 100};
    CU_ASSERT_EQUAL(run(&c->ns[0].disk, &r), 0);
    CU_ASSERT(fake_nvme.deallocated == 100 && fake_nvme.dsm == 1);
    start(1, 12);
    r = (struct disk_req){.op = DISK_DISCARD, .sector = 9, .sectors = 31}; /* blocks 2 to 4 are whole */
    CU_ASSERT_EQUAL(run(&c->ns[0].disk, &r), 0);
    CU_ASSERT_EQUAL(fake_nvme.deallocated, 3);
    r = (struct disk_req){.op = DISK_DISCARD, .sector = 9, .sectors = 7}; /* none is */
    CU_ASSERT_EQUAL(run(&c->ns[0].disk, &r), 0);
    CU_ASSERT_EQUAL(fake_nvme.dsm, 1);
    fake_nvme.fail = 1;
    fake_nvme.fail_status = 0x01;
    r = (struct disk_req){.op = DISK_DISCARD, .sector = 0, .sectors = 8};
    CU_ASSERT_EQUAL(run(&c->ns[0].disk, &r), -EOPNOTSUPP);
}

static unsigned told;
static void ready(struct disk *d, void *arg)
{
    told++;
}

/* More requests than slots, over two namespaces; one doorbell for a batch. */
static void test_depth(void)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    static struct disk_req req[512];
    static struct disk_seg seg = {page, 4096};
    unsigned busy = 0, taken = 0;
    start(2, 9);
    c->ns[0].disk.ready = ready;
    unsigned bells = fake_nvme.doorbells;
    for (unsigned i = 0; i < 512; i++) {
        struct disk *d = &c->ns[i % 2].disk;
        req[i] = (struct disk_req){.op = DISK_READ, .sector = i, .sectors = 8, .seg = &seg, .nsegs = 1, .done = done};
        if (d->ops->submit(d, &req[i]) == -EBUSY)
            busy++;
        else
            taken++;
    }
    CU_ASSERT_EQUAL(taken, NVME_IO_DEPTH - 1);
    CU_ASSERT_EQUAL(busy, 512 - taken);
    CU_ASSERT_EQUAL(fake_nvme.doorbells, bells);
    fake_nvme.deferred = false;
    nvme_bell(c);
    CU_ASSERT_EQUAL(fake_nvme.doorbells, bells + 1);
    fake_nvme_run();
    CU_ASSERT(ended == taken && told == 1 && c->io.used == 0);
}

static void test_retry(void)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    struct disk_seg seg = {page, 4096};
    start(1, 9);
    fake_nvme.fail = 3;
    fake_nvme.fail_status = 0x06; /* internal error: may pass */
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_READ, 0, &seg, 1, false), 0);
    fake_nvme.fail = 4;
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_READ, 0, &seg, 1, false), -EIO);
    fake_nvme.fail = 1;
    fake_nvme.fail_status = 0x4006; /* do not retry */
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_READ, 0, &seg, 1, false), -EIO);
    fake_nvme.fail = 1;
    fake_nvme.fail_status = 0x281; /* unrecovered read error */
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_READ, 0, &seg, 1, false), -EIO);
    CU_ASSERT_EQUAL(fake_nvme.resets, 1);
}

static void test_late(void)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    struct disk_seg seg = {page, 4096};
    start(1, 9);
    fake_nvme.hang = 1; /* swallowed, and the abort ends it */
    fake_nvme.abort_works = true;
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_READ, 0, &seg, 1, false), 1);
    fake_nvme_pass(NVME_TIMEOUT_NS - NVME_CHECK_NS);
    CU_ASSERT_EQUAL(fake_nvme.aborts, 0);
    fake_nvme_pass(2 * NVME_CHECK_NS);
    CU_ASSERT(fake_nvme.aborts == 1 && fake_nvme.resets == 1 && last_error == 0 && ended == 1);
    fake_nvme.abort_works = false;
    fake_nvme.hang = 1; /* the abort does not end it: reset, sent again */
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_WRITE, 0, &seg, 1, false), 1);
    fake_nvme_pass(2 * NVME_TIMEOUT_NS + 3 * NVME_CHECK_NS);
    CU_ASSERT(fake_nvme.resets == 2 && last_error == 0 && ended == 2 && c->state == NVME_LIVE && c->resets == 0);
    fake_nvme.no_interrupt = true; /* a lost interrupt is found by the check */
    CU_ASSERT_EQUAL(rw(&c->ns[0].disk, DISK_READ, 0, &seg, 1, false), 1);
    fake_nvme_pass(2 * NVME_CHECK_NS);
    CU_ASSERT(last_error == 0 && ended == 3 && fake_nvme.resets == 2);
}

static void test_fatal(void)
{
    static uint8_t page[8][4096] __attribute__((aligned(4096)));
    static struct disk_req req[8];
    struct disk_seg seg[8];
    start(1, 9);
    struct disk *d = &c->ns[0].disk;
    fake_nvme.hang = 3;
    for (unsigned i = 0; i < 8; i++) {
        memset(page[i], (int)i + 1, 4096);
        seg[i] = (struct disk_seg){page[i], 4096};
        req[i] = (struct disk_req){.op = DISK_WRITE, .sector = i * 8, .sectors = 8, .seg = &seg[i], .nsegs = 1, .done = done};
        CU_ASSERT_EQUAL(d->ops->submit(d, &req[i]), 0);
    }
    nvme_bell(c);
    fake_nvme.fatal = true; /* all eight were told, none ended */
    fake_nvme_pass(2 * NVME_CHECK_NS);
    CU_ASSERT(fake_nvme.resets == 2 && ended == 8 && last_error == 0);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(fake_nvme.data[0][i * 4096], i + 1);
    fake_nvme.wrong_cid = true; /* a completion that names nobody: not believed, reset */
    CU_ASSERT_EQUAL(rw(d, DISK_READ, 0, &seg[0], 1, false), 0);
    CU_ASSERT(fake_nvme.resets == 3 && c->state == NVME_LIVE);
}

static char gone_why[96];
static void listener(struct disk *d, const char *why)
{
    if (why && d == &c->ns[0].disk)
        snprintf(gone_why, sizeof(gone_why), "%s", why);
}

static void lose(void)
{
    static uint8_t page[4096] __attribute__((aligned(4096)));
    static struct disk_seg seg = {page, 4096};
    static struct disk_req req[200];
    unsigned taken = 0;
    struct disk *d = &c->ns[0].disk;
    gone_why[0] = 0;
    for (unsigned i = 0; i < 200; i++) {
        req[i] = (struct disk_req){.op = DISK_READ, .sector = i, .sectors = 8, .seg = &seg, .nsegs = 1, .done = done};
        taken += d->ops->submit(d, &req[i]) == 0;
    }
    fake_nvme_run();
    fake_nvme_pass(200000000000ull);
    CU_ASSERT(c->state == NVME_GONE && ended == taken && last_error == -ENXIO && d->gone && gone_why[0]);
    CU_ASSERT_EQUAL(rw(d, DISK_READ, 0, &seg, 1, false), -ENXIO);
}

static void test_gone(void)
{
    start(1, 9);
    disk_listen(listener);
    fake_nvme.hang_always = true;
    lose();
    CU_ASSERT(fake_nvme.resets <= NVME_RESETS_MAX + 2);
    start(1, 9);
    fake_nvme.hang_always = true;
    nvme_bell(c);
    fake_nvme.stuck_enable = true;
    lose();
    CU_ASSERT_PTR_NOT_NULL(strstr(gone_why, "RDY"));
    start(1, 9);
    fake_nvme.hang_always = true;
    nvme_bell(c);
    fake_nvme.dead = true;
    lose();
    CU_ASSERT_PTR_NOT_NULL(strstr(gone_why, "all ones"));
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"start", test_start},
        {"bad controllers are refused", test_bad_start},
        {"buffers of every shape", test_shapes},
        {"blocks no command can describe", test_unfit},
        {"no MDTS", test_unlimited_mdts},
        {"flush and discard", test_flush_discard},
        {"full queues, one doorbell a batch", test_depth},
        {"errors and retries", test_retry},
        {"late commands", test_late},
        {"fatal status", test_fatal},
        {"a controller that does not come back", test_gone},
        CU_TEST_INFO_NULL,
    };
    return suite_run("nvme", NULL, tests);
}
