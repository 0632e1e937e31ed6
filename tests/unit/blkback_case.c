/* SPDX-License-Identifier: MIT */
/* A backend, its disk and a front to try it with; see blkback_case.h. */
#include "blkback_case.h"
#include "backends/blk/blkback.h"

#include <stdlib.h>

struct fake_disk disk;
struct fake_store *store;
struct front *f;

void start(unsigned depth)
{
    fake_init();
    memset(store, 0, sizeof(*store));
    f = front_new(3, "nvme0n1");
    fake_disk_init(&disk, "nvme0n1", store, depth);
    disk_register(&disk.disk);
    CHECK(blkback_start() == 0);
    fake_settle();
}

void connect_front(struct front *front, unsigned queues, unsigned order, bool persistent)
{
    CHECK(front_back_state(front) == 2);
    front_publish(front, queues, order, persistent);
    fake_settle();
    CHECK(front_back_state(front) == 4);
    front_state(front, 4);
    fake_settle();
}

void complete_all(void)
{
    fake_settle();
    while (disk.n) {
        fake_disk_complete(&disk, 0);
        fake_settle();
    }
}

const char *back(const struct front *front, const char *node)
{
    static char p[120];
    snprintf(p, sizeof(p), "%s/%s", front->back, node);
    return fake_get(p);
}

void set_back(const struct front *front, const char *node, const char *value)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/%s", front->back, node);
    fake_set(p, "%s", value);
}

void set_front(const struct front *front, const char *node, const char *value)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/%s", front->path, node);
    fake_set(p, "%s", value);
}

struct page new_page(const struct front *front)
{
    struct page p;
    p.page = fake_new_page();
    p.ref = fake_grant(front->dom, p.page, false);
    p.data = fake_page(p.page);
    return p;
}

struct blkif_request rw(uint8_t op, uint64_t sector, const struct page *pages, unsigned n, int first, int last)
{
    struct blkif_request r;
    memset(&r, 0, sizeof(r));
    r.operation = op;
    r.nr_segments = (uint8_t)n;
    r.sector_number = sector;
    for (unsigned i = 0; i < n; i++) {
        r.seg[i].gref = pages[i].ref;
        r.seg[i].first_sect = i == 0 ? first : 0;
        r.seg[i].last_sect = i == n - 1 ? last : 7;
    }
    return r;
}

int ask(struct front *front, struct blkif_request r)
{
    uint64_t id = front_ask(front, 0, &r);
    complete_all();
    front_collect(front, 0);
    CHECK(front->q[0].wrong == 0);
    return front_status(front, 0, id);
}
