/* SPDX-License-Identifier: MIT */
/* Read a disk's partition table, a request at a time, and register what it holds. See part.h. */
#include "driverdoms/blk/part.h"
#include "backends/core/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAGE 4096u

struct part_disk {
    struct disk disk; /* first */
    uint64_t start;
};

/* --- partitions as disks --- */

static int submit(struct disk *d, struct disk_req *r)
{
    struct part_disk *p = (struct part_disk *)d;
    if (r->op == DISK_FLUSH)
        return d->parent->ops->submit(d->parent, r);
    r->sector += p->start;
    int rc = d->parent->ops->submit(d->parent, r);
    if (rc)
        r->sector -= p->start; /* it comes again */
    return rc;
}

static bool holds(const struct disk *d, const struct disk_req *r)
{
    return d->parent->ops->holds && d->parent->ops->holds(d->parent, r);
}

static const struct disk_ops ops = {.submit = submit, .holds = holds};

static void register_part(struct disk *parent, const struct part_entry *e)
{
    struct part_disk *p = host_alloc(sizeof(*p));
    if (!p) {
        host_log("%sp%u: out of memory", parent->name, e->number);
        return;
    }
    p->disk = *parent;
    p->disk.ops = &ops;
    p->disk.parent = parent;
    p->disk.next = NULL;
    p->disk.ready = NULL;
    p->disk.sectors = e->sectors;
    p->start = e->start;
    snprintf(p->disk.name, sizeof(p->disk.name), "%.20sp%u", parent->name, e->number);
    disk_register(&p->disk);
}

/* --- the scan --- */

enum step { MBR, EBR, PRIMARY_ENTRIES, BACKUP, BACKUP_ENTRIES };
struct scan {
    struct disk_req req;
    struct disk_seg seg;
    struct disk *d;
    uint8_t *buf;             /* PART_BUFFER bytes */
    uint64_t at;              /* first block in buf */
    uint32_t bytes;
    enum step step;
    struct gpt gpt;
    uint64_t extended, link;
    unsigned hops;
    struct part_list list;
    void (*done)(void *arg);
    void *arg;
};

static void step_done(struct disk_req *r, int error);

static void finish(struct scan *s, const char *problem)
{
    struct disk *d = s->d;
    void (*done)(void *) = s->done;
    void *arg = s->arg;
    if (problem)
        host_log("%s: partition table: %s", d->name, problem);
    if (s->list.n)
        host_log("%s: %u partition(s)", d->name, s->list.n);
    for (unsigned i = 0; i < s->list.n; i++)
        register_part(d, &s->list.entry[i]);
    host_free_pages(s->buf, PART_BUFFER / PAGE);
    host_free(s);
    done(arg);
}

/* Read from block `at` on, as much as there is, then go on with `step`. */
static void read_on(struct scan *s, uint64_t at, uint32_t bytes, enum step step)
{
    uint64_t sector = at * (s->d->logical / DISK_SECTOR), left = (s->d->sectors - sector) * DISK_SECTOR;
    s->at = at;
    s->bytes = bytes < left ? bytes : (uint32_t)left;
    s->bytes -= s->bytes % s->d->logical;
    s->step = step;
    s->seg = (struct disk_seg){.addr = s->buf, .bytes = s->bytes};
    s->req = (struct disk_req){.op = DISK_READ, .sector = sector, .sectors = s->bytes / DISK_SECTOR, .seg = &s->seg,
                               .nsegs = 1, .done = step_done};
    if (s->d->ops->submit(s->d, &s->req))
        finish(s, "the disk is busy");
}

static uint64_t last_block(const struct scan *s)
{
    return s->d->sectors / (s->d->logical / DISK_SECTOR) - 1;
}

static void entries(struct scan *s, bool backup, const char *problem);

/* A header was found good: its array may be in the buffer already. */
static void find_entries(struct scan *s, bool backup)
{
    uint32_t n = s->gpt.count * s->gpt.size, block = s->d->logical;
    if (s->gpt.entries >= s->at && (s->gpt.entries - s->at) * block + n <= s->bytes) {
        memmove(s->buf, s->buf + (s->gpt.entries - s->at) * block, n);
        entries(s, backup, NULL);
        return;
    }
    n = (n + block - 1) / block * block;
    read_on(s, s->gpt.entries, n, backup ? BACKUP_ENTRIES : PRIMARY_ENTRIES);
}

static void try_backup(struct scan *s, const char *problem)
{
    host_log("%s: primary GPT: %s; trying the backup", s->d->name, problem);
    uint64_t n = PART_BUFFER / s->d->logical, last = last_block(s);
    read_on(s, last + 1 > n ? last + 1 - n : 0, PART_BUFFER, BACKUP);
}

static void entries(struct scan *s, bool backup, const char *problem)
{
    if (!problem)
        problem = part_gpt_entries(s->buf, s->d, &s->gpt, &s->list);
    if (problem && !backup)
        try_backup(s, problem);
    else
        finish(s, problem);
}

static void next_link(struct scan *s, uint64_t link)
{
    s->link = link;
    if (link == 0 || link > last_block(s) || s->hops++ == PART_HOPS)
        finish(s, link && s->hops > PART_HOPS ? "too many logical partitions" : NULL);
    else
        read_on(s, link, s->d->logical, EBR);
}

static void first_blocks(struct scan *s)
{
    const char *problem;
    enum part_kind kind = part_mbr(s->buf, s->d, &s->list, &s->extended);
    if (kind == PART_NONE) {
        finish(s, NULL);
    } else if (kind == PART_MBR) {
        next_link(s, s->extended);
    } else {
        problem = s->bytes >= 2 * s->d->logical ? part_gpt_header(s->buf + s->d->logical, s->d, 1, &s->gpt) : "too small";
        if (problem)
            try_backup(s, problem);
        else
            find_entries(s, false);
    }
}

static void step_done(struct disk_req *r, int error)
{
    struct scan *s = (struct scan *)r;
    const char *problem;
    uint64_t next;
    if (error) {
        finish(s, "read error");
        return;
    }
    switch (s->step) {
    case MBR:
        first_blocks(s);
        break;
    case EBR:
        part_ebr(s->buf, s->d, s->extended, s->link, 4 + s->hops, &s->list, &next);
        next_link(s, next);
        break;
    case PRIMARY_ENTRIES:
        entries(s, false, NULL);
        break;
    case BACKUP:
        problem = part_gpt_header(s->buf + s->bytes - s->d->logical, s->d, last_block(s), &s->gpt);
        if (problem)
            finish(s, problem);
        else
            find_entries(s, true);
        break;
    case BACKUP_ENTRIES:
        entries(s, true, NULL);
        break;
    }
}

void part_scan(struct disk *d, void (*done)(void *arg), void *arg)
{
    struct scan *s = host_alloc(sizeof(*s));
    uint8_t *buf = s ? host_alloc_pages(PART_BUFFER / PAGE) : NULL;
    if (!buf || d->sectors * DISK_SECTOR < d->logical) {
        host_log("%s: partition table: %s", d->name, buf ? "no room for one" : "out of memory");
        if (buf)
            host_free_pages(buf, PART_BUFFER / PAGE);
        host_free(s);
        done(arg);
        return;
    }
    s->d = d;
    s->buf = buf;
    s->done = done;
    s->arg = arg;
    read_on(s, 0, PART_BUFFER, MBR);
}
