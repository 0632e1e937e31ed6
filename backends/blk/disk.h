/* SPDX-License-Identifier: MIT */
/*
 * The seam between a block backend and a disk driver: asynchronous requests on 512-byte sectors.
 * The backend gives every segment as an address that the CPU and the device both understand (in a small domain
 * pointer = DMA address). Drivers: driverdoms/blk/nvme.c. Partitions (driverdoms/blk/part.c) are disks over disks.
 */
#ifndef BACKENDS_DISK_H
#define BACKENDS_DISK_H
#include <stdbool.h>
#include <stdint.h>

#define DISK_SECTOR 512u
#define DISK_MAX_SEGS 256

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD };

struct disk_seg { void *addr; uint32_t bytes; }; /* addr 512-aligned; bytes a multiple of 512; no seg crosses a page end
                                                    unless it starts on a page boundary */
struct disk_req {
    enum disk_op op;
    bool fua;                 /* write reaches stable storage before done() */
    uint64_t sector;          /* first 512-byte sector, relative to this disk; checked by the backend against sectors */
    uint64_t sectors;         /* read/write: sum of the segments; discard: the range */
    struct disk_seg *seg;     /* stays valid until done() */
    unsigned nsegs;
    void (*done)(struct disk_req *r, int error); /* 0, -EIO, -ENXIO (device gone), -EOPNOTSUPP; once for each submit */
    void *driver[4];          /* the driver's own while submitted */
};

struct disk;
struct disk_ops {
    /* Takes the request or returns -EBUSY when no slot is free; then disk->ready is called when one is. */
    int (*submit)(struct disk *d, struct disk_req *r);
    /* Has the driver this request, and a time after which it does something about it? May be NULL: no. */
    bool (*holds)(const struct disk *d, const struct disk_req *r);
};
struct disk {
    const struct disk_ops *ops;
    char name[32];            /* "nvme0n1", "nvme0n1p1" */
    uint64_t sectors;         /* size in 512-byte sectors */
    uint32_t logical, physical; /* block sizes in bytes */
    uint32_t max_sectors;     /* most in one request; 0 = no limit */
    bool readonly, has_flush, has_discard;
    uint32_t discard_granularity; /* bytes */
    void (*ready)(struct disk *d, void *arg); /* a slot is free again after -EBUSY; set by the backend */
    void *ready_arg;
    struct disk *parent;      /* the whole disk of a partition, else NULL: their slots are the same ones */
    bool gone;                /* the device is lost: every request ends with -ENXIO */
    struct disk *next;
};
struct disk *disk_find(const char *name); /* registered disks by name; NULL */
struct disk *disk_first(void);
void disk_register(struct disk *d);
/* The driver has given the device up and answered all its requests: marks d and its partitions, tells the listeners. */
void disk_gone(struct disk *d, const char *why);
/* fn(d, NULL) when a disk is registered, fn(d, reason) when one is gone; at most DISK_LISTENERS of them. */
#define DISK_LISTENERS 4
void disk_listen(void (*fn)(struct disk *d, const char *why));
#endif
