/* SPDX-License-Identifier: MIT */
/* A disk for unit tests: see fake_disk.h. */
#define _GNU_SOURCE
#include "fake_disk.h"
#include "fake_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct fake_store *fake_store_new(void)
{
    void *p = mmap(NULL, sizeof(struct fake_store), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static int submit(struct disk *d, struct disk_req *r)
{
    struct fake_disk *f = (struct fake_disk *)d;
    fake_step();
    if (d->gone) {
        r->done(r, -ENXIO);
        return 0;
    }
    if (f->n == f->depth) {
        f->refused = true;
        return -EBUSY;
    }
    f->queue[f->n++] = r;
    return 0;
}

static const struct disk_ops ops = {.submit = submit};

void fake_disk_init(struct fake_disk *f, const char *name, struct fake_store *store, unsigned depth)
{
    memset(f, 0, sizeof(*f));
    f->disk.ops = &ops;
    snprintf(f->disk.name, sizeof(f->disk.name), "%s", name);
    f->disk.sectors = FAKE_SECTORS;
    f->disk.logical = f->disk.physical = 512;
    f->disk.has_flush = f->disk.has_discard = true;
    f->disk.discard_granularity = 512;
    f->store = store;
    f->depth = depth;
}

static void move(struct fake_store *s, struct disk_req *r)
{
    uint64_t at = r->sector;
    for (unsigned i = 0; i < r->nsegs; i++) {
        uint64_t n = r->seg[i].bytes / DISK_SECTOR;
        if (at + n > FAKE_SECTORS)
            abort();
        if (r->op == DISK_READ)
            memcpy(r->seg[i].addr, s->sector[at], r->seg[i].bytes);
        else
            memcpy(s->sector[at], r->seg[i].addr, r->seg[i].bytes);
        at += n;
    }
    if (at - r->sector != r->sectors)
        abort();
}

void fake_disk_complete(struct fake_disk *f, unsigned i)
{
    struct fake_store *s = f->store;
    struct disk_req *r = f->queue[i];
    fake_step();
    memmove(&f->queue[i], &f->queue[i + 1], (f->n - i - 1) * sizeof(r));
    f->n--;
    if (!f->fail) {
        if (r->op == DISK_READ || r->op == DISK_WRITE)
            move(s, r);
        s->reads += r->op == DISK_READ;
        s->writes += r->op == DISK_WRITE;
        s->flushes += r->op == DISK_FLUSH;
        s->fuas += r->fua;
        if (r->op == DISK_DISCARD) {
            s->discards++;
            s->discarded += r->sectors;
        }
    }
    r->done(r, f->fail);
    if (f->refused && f->disk.ready) {
        f->refused = false;
        f->disk.ready(&f->disk, f->disk.ready_arg);
    }
}
