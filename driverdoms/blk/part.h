/* SPDX-License-Identifier: MIT */
/*
 * Partition tables: MBR with logical partitions, and GPT (UEFI 2.x chapter 5), as disks over a disk.
 *
 * Interface: part_scan() reads a disk's table and registers DISKpN for each partition. The parsers below it take
 * bytes and give entries; they are for part.c, the unit test and the fuzz target.
 * Rules: a table is hostile: CRCs, bounds and counts are checked, chains are bounded, entries that leave the disk or
 * overlap an earlier one are left out; a bad primary GPT is replaced by the backup, never by the protective MBR.
 */
#ifndef DRIVERDOMS_PART_H
#define DRIVERDOMS_PART_H
#include "backends/blk/disk.h"

#include <stddef.h>

#define PART_MAX 128           /* partitions of a disk */
#define PART_BUFFER 32768u     /* bytes looked at in one go; no GPT entry array may be larger */
#define PART_HOPS 64           /* logical partitions followed */

struct part_entry { unsigned number; uint64_t start, sectors; }; /* in 512-byte sectors */
struct part_list { unsigned n; struct part_entry entry[PART_MAX]; };

struct gpt {
    uint64_t first, last;      /* usable blocks */
    uint64_t entries;          /* first block of the array */
    uint32_t count, size, crc; /* of the array */
};

/* done(arg) when the table was read and the partitions are registered (or there is none). */
void part_scan(struct disk *d, void (*done)(void *arg), void *arg);

/* --- parsers; blocks are of d->logical bytes --- */
enum part_kind { PART_NONE, PART_MBR, PART_GPT };
/* The MBR in sector[512]: primary partitions are added to `list`. *extended: first block of the extended one, or 0. */
enum part_kind part_mbr(const uint8_t *sector, const struct disk *d, struct part_list *list, uint64_t *extended);
/* One link of the chain, read at block `at`: adds the logical partition `number`; *next = next link or 0.
 * `base`: first block of the extended partition. */
void part_ebr(const uint8_t *sector, const struct disk *d, uint64_t base, uint64_t at, unsigned number,
              struct part_list *list, uint64_t *next);
/* The header in block[d->logical], read at block number `at`. NULL or what is wrong with it. */
const char *part_gpt_header(const uint8_t *block, const struct disk *d, uint64_t at, struct gpt *g);
/* The array in bytes[g->count * g->size]. NULL or what is wrong with it. */
const char *part_gpt_entries(const uint8_t *bytes, const struct disk *d, const struct gpt *g, struct part_list *list);
uint32_t part_crc32(const uint8_t *p, size_t n); /* the CRC of GPT (ISO 3309) */
#endif
