/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for partition tables: the input is laid over the start and the end of a small disk. Every partition that
 * is found must lie on the disk and on no other, and the scan must end after a bounded number of reads.
 * With clang: make build/fuzz/part. Short runs are part of `make test` (tests/unit/part_fuzz_test.c).
 */
#include "driverdoms/blk/part.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS 256u
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t image[SECTORS * DISK_SECTOR];

static void judge(const struct disk *d, const struct part_list *list)
{
    if (list->n > PART_MAX)
        abort();
    for (unsigned i = 0; i < list->n; i++) {
        const struct part_entry *e = &list->entry[i];
        if (!e->sectors || !e->start || e->start >= d->sectors || e->sectors > d->sectors - e->start)
            abort();
        for (unsigned j = 0; j < i; j++)
            if (e->start < list->entry[j].start + list->entry[j].sectors && list->entry[j].start < e->start + e->sectors)
                abort();
    }
}

/* The header's CRCs are made right if asked for, or nothing behind them would ever be reached. */
static void repair(const struct disk *d)
{
    uint8_t *h = image + d->logical, keep[4];
    uint64_t size = h[12] | (unsigned)h[13] << 8;
    uint64_t count = h[80], entry = h[84] | (unsigned)h[85] << 8, at = h[72];
    memcpy(h, "EFI PART\0\0\1\0", 12);
    if (at * d->logical + count * entry <= sizeof(image)) {
        uint32_t crc = part_crc32(image + at * d->logical, count * entry);
        memcpy(h + 88, &crc, 4);
    }
    memset(h + 16, 0, 4);
    if (size <= d->logical) {
        uint32_t crc = part_crc32(h, size);
        memcpy(keep, &crc, 4);
        memcpy(h + 16, keep, 4);
    }
}

static void gpt(const struct disk *d, const uint8_t *block, uint64_t at)
{
    struct part_list list = {.n = 0};
    struct gpt g;
    if (part_gpt_header(block, d, at, &g))
        return;
    if (g.count > PART_BUFFER / g.size || (g.entries * d->logical) + (uint64_t)g.count * g.size > sizeof(image))
        abort();
    part_gpt_entries(image + g.entries * d->logical, d, &g, &list);
    judge(d, &list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct part_list list = {.n = 0};
    struct disk d = {.sectors = SECTORS, .logical = 512};
    uint64_t extended, next;
    if (size < 2)
        return 0;
    uint8_t how = *data++;
    size--;
    d.logical = how & 1 ? 4096 : 512;
    memset(image, 0, sizeof(image));
    memcpy(image, data, size < sizeof(image) ? size : sizeof(image));
    if (how & 2) {
        image[510] = 0x55;
        image[511] = 0xaa;
    }
    if (how & 4)
        repair(&d);
    if (part_mbr(image, &d, &list, &extended) == PART_MBR)
        for (unsigned hop = 0; extended && hop < PART_HOPS; hop++, extended = next) {
            if (extended >= SECTORS * DISK_SECTOR / d.logical)
                break;
            part_ebr(image + extended * d.logical, &d, extended, extended, 5 + hop, &list, &next);
        }
    judge(&d, &list);
    gpt(&d, image + d.logical, 1);
    gpt(&d, image + sizeof(image) - d.logical, SECTORS * DISK_SECTOR / d.logical - 1);
    return 0;
}
