/* SPDX-License-Identifier: MIT */
/* A disk (backends/blk/disk.h) in shared memory: takes up to `depth` requests, ends them in any order on demand. */
#ifndef FAKE_DISK_H
#define FAKE_DISK_H
#include "backends/blk/disk.h"

#define FAKE_SECTORS 4096u
#define FAKE_DEPTH 512

struct fake_store {           /* outlives a fork */
    uint8_t sector[FAKE_SECTORS][DISK_SECTOR];
    unsigned reads, writes, flushes, discards, fuas;
    uint64_t discarded;       /* sectors */
};
struct fake_disk {
    struct disk disk;
    struct fake_store *store;
    struct disk_req *queue[FAKE_DEPTH];
    unsigned n, depth;
    bool refused;             /* -EBUSY was given */
    int fail;                 /* error that the next requests end with */
};
void fake_disk_init(struct fake_disk *f, const char *name, struct fake_store *store, unsigned depth);
void fake_disk_complete(struct fake_disk *f, unsigned i); /* the i-th waiting request, 0 = oldest */
struct fake_store *fake_store_new(void);
#endif
