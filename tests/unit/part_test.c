/* SPDX-License-Identifier: MIT */
/* Partition tables: good ones found on disks of both block sizes, bad ones refused, each field by itself. */
#include "driverdoms/blk/part.h"
#include "fake_host.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 4096u

static uint8_t *image;
static struct disk disk;
static unsigned block, finished, reads, disks;
static int fail_reads;

/* --- a disk over the image --- */

static int submit(struct disk *d, struct disk_req *r)
{
    uint64_t at = r->sector * DISK_SECTOR;
    reads++;
    if (r->op == DISK_FLUSH) {
        r->done(r, 0);
        return 0;
    }
    for (unsigned i = 0; i < r->nsegs; at += r->seg[i].bytes, i++) {
        if (at + r->seg[i].bytes > (uint64_t)BLOCKS * block)
            abort();
        memcpy(r->op == DISK_READ ? r->seg[i].addr : image + at, r->op == DISK_READ ? image + at : r->seg[i].addr,
               r->seg[i].bytes);
    }
    r->done(r, fail_reads ? -EIO : 0);
    return 0;
}
static const struct disk_ops ops = {.submit = submit};

static void start(unsigned size)
{
    static unsigned number;
    block = size;
    free(image);
    image = calloc(BLOCKS, block);
    memset(&disk, 0, sizeof(disk));
    disk.ops = &ops;
    disk.logical = disk.physical = block;
    disk.sectors = (uint64_t)BLOCKS * block / DISK_SECTOR;
    snprintf(disk.name, sizeof(disk.name), "d%u", number++);
    fail_reads = 0;
    reads = 0;
}

static void done(void *arg)
{
    finished++;
}

static void io_done(struct disk_req *r, int error)
{
    CU_ASSERT_EQUAL(error, 0);
}

static struct disk *part(unsigned n)
{
    char name[32];
    snprintf(name, sizeof(name), "%.20sp%u", disk.name, n);
    return disk_find(name);
}

static unsigned scan(void)
{
    unsigned before = 0, after = 0;
    for (struct disk *d = disk_first(); d; d = d->next)
        before++;
    finished = 0;
    part_scan(&disk, done, NULL);
    CU_ASSERT_EQUAL(finished, 1);
    for (struct disk *d = disk_first(); d; d = d->next)
        after++;
    disks = after - before;
    return disks;
}

/* --- building tables --- */

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void mbr_entry(uint64_t at, unsigned i, uint8_t type, uint32_t first, uint32_t n)
{
    uint8_t *s = image + at * block, *e = s + 446 + 16 * i;
    s[510] = 0x55;
    s[511] = 0xaa;
    e[4] = type;
    put(e + 8, first, 4);
    put(e + 12, n, 4);
}

struct table { uint64_t header, array; uint32_t count, size; };

static void sign(const struct table *t)
{
    uint8_t *h = image + t->header * block;
    put(h + 88, part_crc32(image + t->array * block, t->count * t->size), 4);
    put(h + 16, 0, 4);
    put(h + 16, part_crc32(h, 92), 4);
}

static void gpt_entry(const struct table *t, unsigned i, uint64_t first, uint64_t last)
{
    uint8_t *e = image + t->array * block + i * t->size;
    memset(e, 0xab, 16);
    put(e + 32, first, 8);
    put(e + 40, last, 8);
}

static void gpt_header(const struct table *t)
{
    uint8_t *h = image + t->header * block;
    memcpy(h, "EFI PART", 8);
    put(h + 8, 0x10000, 4);
    put(h + 12, 92, 4);
    put(h + 24, t->header, 8);
    put(h + 40, 40, 8);
    put(h + 48, BLOCKS - 40, 8);
    put(h + 72, t->array, 8);
    put(h + 80, t->count, 4);
    put(h + 84, t->size, 4);
    mbr_entry(0, 0, 0xee, 1, 0xffffffff);
    gpt_entry(t, 0, 64, 127);
    gpt_entry(t, 4, 128, 1000);
    sign(t);
}

static const struct table primary = {1, 2, 128, 128}, backup = {BLOCKS - 1, BLOCKS - 33, 128, 128};

/* --- cases --- */

static void test_crc(void)
{
    CU_ASSERT_EQUAL(part_crc32((const uint8_t *)"123456789", 9), 0xcbf43926);
    CU_ASSERT_EQUAL(part_crc32((const uint8_t *)"", 0), 0);
}

static void good_gpt(void)
{
    CU_ASSERT_EQUAL(scan(), 2);
    unsigned unit = block / 512;
    struct disk *p1 = part(1), *p5 = part(5);
    CU_ASSERT_FATAL(p1 && p5);
    CU_ASSERT(p1->sectors == 64 * unit && p5->sectors == 873 * unit && p1->parent == &disk);
    CU_ASSERT_PTR_NULL(part(2));
    static uint8_t buf[4096];
    struct disk_seg seg = {buf, block};
    struct disk_req r = {.op = DISK_WRITE, .sector = 2 * unit, .sectors = unit, .seg = &seg, .nsegs = 1};
    r.done = io_done;
    memset(buf, 0x77, block);
    CU_ASSERT_EQUAL(p5->ops->submit(p5, &r), 0);
    CU_ASSERT(image[130 * block] == 0x77 && image[130 * block - 1] == 0 && image[131 * block] == 0);
}

static void test_gpt(void)
{
    static const unsigned sizes[] = {512, 4096};
    for (unsigned i = 0; i < 2; i++) {
        start(sizes[i]);
        gpt_header(&primary);
        good_gpt();
        start(sizes[i]); /* the array far away */
        gpt_header(&(struct table){1, 2000, 128, 128});
        gpt_entry(&(struct table){1, 2000, 128, 128}, 4, 128, 1000);
        good_gpt();
        start(sizes[i]); /* entries of 256 bytes, not a whole block of them */
        gpt_header(&(struct table){1, 2, 9, 256});
        good_gpt();
        start(sizes[i]); /* only the backup is good */
        gpt_header(&backup);
        good_gpt();
        start(sizes[i]);
        gpt_header(&backup);
        gpt_header(&primary);
        image[block * 2 + 3]++; /* the primary's array is damaged */
        good_gpt();
        start(sizes[i]);
        gpt_header(&(struct table){BLOCKS - 1, 2000, 128, 128});
        good_gpt();
    }
}

/* Each field wrong by itself, its CRC right: refused with a word. */
static void test_bad_header(void)
{
    static const struct { unsigned at, bytes; uint64_t value; const char *word; } bad[] = {
        {0, 1, 'e', "signature"}, {8, 4, 0x20000, "revision"}, {12, 4, 91, "header size"}, {12, 4, 513, "header size"},
        {12, 4, 0xffffffff, "header size"}, {24, 8, 2, "where"}, {40, 8, BLOCKS, "usable"}, {48, 8, BLOCKS, "usable"},
        {48, 8, 39, "usable"}, {72, 8, 0, "array"}, {72, 8, BLOCKS - 31, "array"}, {72, 8, UINT64_MAX, "array"},
        {80, 4, 0, "size of"}, {80, 4, 257, "size of"}, {80, 4, 0xffffffff, "size of"}, {84, 4, 127, "size of"},
        {84, 4, 0, "size of"}, {84, 4, 192, "size of"}, {84, 4, 65536, "size of"}, {84, 4, 0x80000000, "size of"},
    };
    struct gpt g;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        start(512);
        gpt_header(&primary);
        uint8_t *h = image + block;
        CU_ASSERT_PTR_NULL(part_gpt_header(h, &disk, 1, &g));
        put(h + bad[i].at, bad[i].value, bad[i].bytes);
        put(h + 16, 0, 4);
        put(h + 16, part_crc32(h, 92), 4);
        const char *problem = part_gpt_header(h, &disk, 1, &g);
        CU_ASSERT_FATAL(problem != NULL);
        if (!strstr(problem, bad[i].word))
            fprintf(stderr, "%u: %s\n", i, problem);
        CU_ASSERT_PTR_NOT_NULL(strstr(problem, bad[i].word));
        CU_ASSERT_EQUAL(scan(), 0);
    }
    start(512);
    gpt_header(&primary);
    image[block + 50]++;
    CU_ASSERT_PTR_NOT_NULL(strstr(part_gpt_header(image + block, &disk, 1, &g), "CRC"));
}

static void test_bad_entries(void)
{
    static const struct { uint64_t first, last; bool good; } e[] = {
        {2000, 2000, true}, {2001, 2000, false}, {39, 50, false}, {1500, BLOCKS - 39, false}, {0, UINT64_MAX, false},
        {UINT64_MAX, UINT64_MAX, false}, {500, 1500, false}, {64, 64, false}, {1001, BLOCKS - 40, true},
    };
    for (unsigned i = 0; i < sizeof(e) / sizeof(e[0]); i++) {
        start(512);
        gpt_header(&primary);
        gpt_entry(&primary, 7, e[i].first, e[i].last);
        sign(&primary);
        CU_ASSERT_EQUAL(scan(), e[i].good ? 3 : 2);
    }
}

static void test_mbr(void)
{
    start(512);
    mbr_entry(0, 0, 0x83, 64, 100);
    mbr_entry(0, 2, 0x07, 200, 50);
    mbr_entry(0, 3, 0x0f, 1000, 1000);
    mbr_entry(1000, 0, 0x83, 10, 90);
    mbr_entry(1000, 1, 0x05, 300, 100);
    mbr_entry(1300, 0, 0x82, 10, 20);
    CU_ASSERT_EQUAL(scan(), 4);
    CU_ASSERT(part(1) && part(3) && part(5) && part(6) && !part(2) && !part(4));
    CU_ASSERT(part(1)->sectors == 100 && part(5)->sectors == 90 && part(6)->sectors == 20);
    start(4096);
    mbr_entry(0, 0, 0x83, 64, 100);
    CU_ASSERT_EQUAL(scan(), 1);
    CU_ASSERT_EQUAL(part(1)->sectors, 800);
    start(512); /* nothing there */
    CU_ASSERT_EQUAL(scan(), 0);
}

static void test_bad_mbr(void)
{
    start(512);
    mbr_entry(0, 0, 0x83, 64, 0xffffffff);      /* leaves the disk */
    mbr_entry(0, 1, 0x83, BLOCKS, 1);
    mbr_entry(0, 2, 0x83, 0, 10);               /* would hold the table */
    mbr_entry(0, 3, 0x83, 0xffffffff, 0xffffffff);
    CU_ASSERT_EQUAL(scan(), 0);
    start(512); /* a chain that bites its tail */
    mbr_entry(0, 0, 0x05, 100, 1000);
    mbr_entry(100, 0, 0x83, 1, 1);
    mbr_entry(100, 1, 0x05, 10, 1);
    mbr_entry(110, 1, 0x05, 10, 1);
    CU_ASSERT_EQUAL(scan(), 1);
    CU_ASSERT(reads <= PART_HOPS + 2);
    start(512); /* and one that leaves the disk */
    mbr_entry(0, 0, 0x05, 100, 1000);
    mbr_entry(100, 0, 0x83, 1, 1);
    mbr_entry(100, 1, 0x05, 0xfffffff0, 1);
    CU_ASSERT_EQUAL(scan(), 1);
    start(512); /* boot code with the signature is no table */
    mbr_entry(0, 0, 0x83, 64, 100);
    image[446] = 0x33;
    CU_ASSERT_EQUAL(scan(), 0);
    start(512);
    mbr_entry(0, 0, 0x83, 64, 100);
    fail_reads = 1;
    CU_ASSERT_EQUAL(scan(), 0);
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0"; /* disks are for life */
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"CRC", test_crc},
        {"GPT", test_gpt},
        {"GPT headers with one bad field", test_bad_header},
        {"GPT entries", test_bad_entries},
        {"MBR with logical partitions", test_mbr},
        {"bad MBRs", test_bad_mbr},
        CU_TEST_INFO_NULL,
    };
    fake_init();
    return suite_run("part", NULL, tests);
}
