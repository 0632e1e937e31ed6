/* SPDX-License-Identifier: MIT */
/* blkback against a fake host, disk and front: negotiation, every kind of request, order of answers, hostile fronts. */
#include "blkback_case.h"
#include "backends/blk/blkback.h"
#include "backends/core/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void negotiation(void)
{
    start(8);
    CHECK(!strcmp(back(f, "sectors"), "4096") && !strcmp(back(f, "sector-size"), "512"));
    CHECK(!strcmp(back(f, "feature-flush-cache"), "1") && !strcmp(back(f, "feature-persistent"), "1"));
    CHECK(!strcmp(back(f, "multi-queue-max-queues"), "4") && !strcmp(back(f, "max-ring-page-order"), "2"));
    CHECK(!strcmp(back(f, "feature-max-indirect-segments"), "256") && !strcmp(back(f, "feature-discard"), "1"));
    CHECK(!strcmp(back(f, "info"), "0"));
    connect_front(f, 1, 0, false);
    struct page p = new_page(f);
    CHECK(ask(f, rw(BLKIF_OP_READ, 0, &p, 1, 0, 7)) == BLKIF_RSP_OKAY);
    front_state(f, 5); /* orderly close, then the same guest again */
    fake_settle();
    CHECK(front_back_state(f) == 5 && fake_mapped() == 0);
    front_state(f, 6);
    fake_settle();
    CHECK(front_back_state(f) == 6);
    front_state(f, 1);
    fake_settle();
    connect_front(f, 1, 0, true);
    CHECK(ask(f, rw(BLKIF_OP_READ, 0, &p, 1, 0, 7)) == BLKIF_RSP_OKAY);
    set_back(f, "online", "0"); /* detach by the toolstack */
    set_back(f, "state", "5");
    fake_settle();
    front_state(f, 6);
    fake_settle();
    CHECK(front_back_state(f) == 6 && fake_mapped() == 0);
    fake_remove(f->back);
    fake_settle();
    f = front_new(3, "nvme0n1"); /* and attached anew */
    fake_settle();
    connect_front(f, 1, 0, true);
}

static void front_vanishes(void)
{
    start(8);
    connect_front(f, 1, 0, true);
    struct page p = new_page(f);
    struct blkif_request r = rw(BLKIF_OP_READ, 0, &p, 1, 0, 7);
    front_ask(f, 0, &r);
    fake_settle();
    CHECK(disk.n == 1);
    fake_remove(f->path);
    fake_settle();
    CHECK(fake_mapped() > 0 && front_back_state(f) == 4); /* the disk may still write to the page */
    complete_all();
    CHECK(fake_mapped() == 0 && front_back_state(f) == 6);
    fake_remove(f->back);
    fake_settle();
}

static void unknown_disk(void)
{
    static struct fake_disk late;
    start(8);
    struct front *g = front_new(4, "nvme9n9");
    fake_settle();
    CHECK(front_back_state(g) == 1 && strstr(back(g, "error"), "nvme9n9"));
    fake_disk_init(&late, "nvme9n9", store, 4);
    disk_register(&late.disk);
    fake_settle();
    connect_front(g, 1, 0, false);
}

static void bad_nodes(void)
{
    static const struct { const char *node, *value; } bad[] = {
        {"protocol", "x86_32-abi"}, {"protocol", "a-protocol-with-a-very-long-name-indeed"}, {"ring-ref", "-1"},
        {"ring-ref", "4294967296"}, {"ring-ref", "999"}, {"ring-ref", ""}, {"event-channel", "0x3"},
        {"event-channel", "31000"}, {"multi-queue-num-queues", "0"}, {"multi-queue-num-queues", "5"},
        {"ring-page-order", "3"}, {"feature-persistent", "yes"}, {"ring-page-order", "1"},
        {"multi-queue-num-queues", "2"},
    };
    start(8);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char all[120];
        CHECK(front_back_state(f) == 2);
        front_publish(f, 1, 0, false);
        set_front(f, bad[i].node, bad[i].value);
        fake_settle();
        CHECK(front_back_state(f) == 5 && back(f, "error") && fake_mapped() == 0);
        front_state(f, 6);
        fake_settle();
        CHECK(front_back_state(f) == 6);
        snprintf(all, sizeof(all), "%s/%s", f->path, bad[i].node);
        fake_remove(all);
        front_state(f, 1);
        fake_settle();
        fake->now += 1000000000; /* a front that tries once a second is no nuisance */
    }
    connect_front(f, 1, 0, false);
}

static void data(bool persistent)
{
    struct page p[11];
    start(8);
    connect_front(f, 1, 0, persistent);
    for (unsigned i = 0; i < 11; i++) {
        p[i] = new_page(f);
        memset(p[i].data, 'a' + (int)i, 4096);
    }
    CHECK(ask(f, rw(BLKIF_OP_WRITE, 8, p, 11, 3, 4)) == BLKIF_RSP_OKAY);
    CHECK(store->writes == 1 && store->sector[8][0] == 'a' && store->sector[12][511] == 'a');
    CHECK(store->sector[13][0] == 'b' && store->sector[8 + 5 + 72 + 4][511] == 'k' && store->sector[90][0] == 0);
    for (unsigned i = 0; i < 11; i++)
        memset(p[i].data, 0, 4096);
    CHECK(ask(f, rw(BLKIF_OP_READ, 8, p, 11, 3, 4)) == BLKIF_RSP_OKAY);
    CHECK(p[0].data[3 * 512 - 1] == 0 && p[0].data[3 * 512] == 'a' && p[1].data[0] == 'b' && p[10].data[5 * 512 - 1] == 'k');
    CHECK(p[10].data[5 * 512] == 0);
    CHECK(ask(f, rw(BLKIF_OP_READ, FAKE_SECTORS - 8, p, 1, 0, 7)) == BLKIF_RSP_OKAY);
    CHECK(fake_mapped() == (persistent ? 12 : 1));
    unsigned maps = fake->maps;
    CHECK(ask(f, rw(BLKIF_OP_READ, 8, p, 11, 0, 7)) == BLKIF_RSP_OKAY);
    CHECK(fake->maps == maps + !persistent);
    front_state(f, 6);
    fake_settle();
    CHECK(fake_mapped() == 0);
}

static void data_mapped(void)
{
    data(false);
}

static void data_persistent(void)
{
    data(true);
}

static void flush_barrier_discard(void)
{
    start(8);
    connect_front(f, 1, 0, false);
    struct page p = new_page(f);
    struct blkif_request r = {.operation = BLKIF_OP_FLUSH_DISKCACHE};
    CHECK(ask(f, r) == BLKIF_RSP_OKAY && store->flushes == 1);
    memset(p.data, 'x', 4096);
    CHECK(ask(f, rw(BLKIF_OP_FLUSH_DISKCACHE, 16, &p, 1, 0, 7)) == BLKIF_RSP_OKAY);
    CHECK(store->flushes == 2 && store->writes == 1 && store->fuas == 0 && store->sector[16][0] == 'x');
    /* a barrier waits for what is before it, and what is behind waits for it */
    struct blkif_request w = rw(BLKIF_OP_WRITE, 24, &p, 1, 0, 7), b = rw(BLKIF_OP_WRITE_BARRIER, 32, &p, 1, 0, 7);
    front_ask(f, 0, &w);
    front_ask(f, 0, &b);
    front_ask(f, 0, &w);
    fake_settle();
    CHECK(disk.n == 1);
    fake_disk_complete(&disk, 0);
    fake_settle();
    CHECK(disk.n == 1 && disk.queue[0]->op == DISK_FLUSH);
    fake_disk_complete(&disk, 0);
    fake_settle();
    CHECK(disk.n == 1 && disk.queue[0]->op == DISK_WRITE && disk.queue[0]->fua);
    fake_disk_complete(&disk, 0);
    fake_settle();
    CHECK(disk.n == 1 && !disk.queue[0]->fua);
    complete_all();
    CHECK(front_collect(f, 0) == 3 && f->q[0].errors == 0);
    struct blkif_request d;
    struct blkif_request_discard *dd = (struct blkif_request_discard *)&d;
    memset(&d, 0, sizeof(d));
    dd->operation = BLKIF_OP_DISCARD;
    dd->sector_number = 100;
    dd->nr_sectors = 50;
    CHECK(ask(f, d) == BLKIF_RSP_OKAY && store->discarded == 50);
    dd->nr_sectors = UINT64_MAX;
    CHECK(ask(f, d) == BLKIF_RSP_ERROR && store->discarded == 50);
}

static void indirect(bool persistent)
{
    struct page p[20], list;
    start(8);
    connect_front(f, 1, 0, persistent);
    list = new_page(f);
    struct blkif_request_segment *seg = (void *)list.data;
    for (unsigned i = 0; i < 20; i++) {
        p[i] = new_page(f);
        memset(p[i].data, 'A' + (int)i, 4096);
    }
    for (unsigned i = 0; i < 256; i++)
        seg[i] = (struct blkif_request_segment){.gref = p[i % 20].ref, .first_sect = 0, .last_sect = 7};
    struct blkif_request r;
    struct blkif_request_indirect *ind = (void *)&r;
    memset(&r, 0, sizeof(r));
    ind->operation = BLKIF_OP_INDIRECT;
    ind->indirect_op = BLKIF_OP_WRITE;
    ind->nr_segments = 256;
    ind->sector_number = 80;
    ind->indirect_grefs[0] = list.ref;
    CHECK(ask(f, r) == BLKIF_RSP_OKAY);
    CHECK(store->sector[80][0] == 'A' && store->sector[80 + 255 * 8][5] == 'A' + 255 % 20);
    CHECK(fake->copies == (persistent ? 0u : 1u));
    ind->nr_segments = 257;
    CHECK(ask(f, r) == BLKIF_RSP_ERROR);
    ind->nr_segments = 0;
    CHECK(ask(f, r) == BLKIF_RSP_ERROR);
    ind->nr_segments = 3;
    ind->indirect_grefs[0] = 1023;
    CHECK(ask(f, r) == BLKIF_RSP_ERROR);
    ind->indirect_grefs[0] = list.ref;
    ind->indirect_op = BLKIF_OP_DISCARD;
    CHECK(ask(f, r) == BLKIF_RSP_ERROR);
    ind->indirect_op = BLKIF_OP_READ;
    seg[2].last_sect = 8;
    CHECK(ask(f, r) == BLKIF_RSP_ERROR && store->reads == 0);
    seg[2].last_sect = 7;
    CHECK(ask(f, r) == BLKIF_RSP_OKAY && store->reads == 1);
}

static void indirect_mapped(void)
{
    indirect(false);
}

static void indirect_persistent(void)
{
    indirect(true);
}

static void bad_requests(void)
{
    start(8);
    connect_front(f, 1, 0, false);
    struct page p = new_page(f);
    struct blkif_request ok = rw(BLKIF_OP_WRITE, 0, &p, 1, 0, 7), r;
#define BAD(change)                             \
    do {                                        \
        r = ok;                                 \
        change;                                 \
        CHECK(ask(f, r) == BLKIF_RSP_ERROR);    \
    } while (0)
    BAD(r.nr_segments = 0);
    BAD(r.nr_segments = 12);
    BAD(r.nr_segments = 255);
    BAD(r.seg[0].last_sect = 8);
    BAD((r.seg[0].first_sect = 5, r.seg[0].last_sect = 4));
    BAD(r.seg[0].gref = 1000);
    BAD(r.seg[0].gref = f->q[0].ref[0] + 100000);
    BAD(r.sector_number = FAKE_SECTORS);
    BAD(r.sector_number = FAKE_SECTORS - 7);
    BAD(r.sector_number = UINT64_MAX);
    BAD((r.operation = BLKIF_OP_FLUSH_DISKCACHE, r.sector_number = FAKE_SECTORS));
    r = ok;
    r.operation = 77;
    CHECK(ask(f, r) == BLKIF_RSP_EOPNOTSUPP);
    CHECK(store->writes == 0 && front_back_state(f) == 4 && fake_mapped() == 1);
    disk.fail = -EIO;
    CHECK(ask(f, ok) == BLKIF_RSP_ERROR);
    disk.fail = 0;
    CHECK(ask(f, ok) == BLKIF_RSP_OKAY && store->writes == 1);
}

static void read_only(void)
{
    start(8);
    struct front *g = front_new(4, "nvme0n1");
    set_back(g, "mode", "r");
    fake_settle();
    connect_front(g, 1, 0, false);
    CHECK(!strcmp(back(g, "info"), "4") && !strcmp(back(g, "feature-discard"), "0"));
    struct page p = new_page(g);
    CHECK(ask(g, rw(BLKIF_OP_WRITE, 0, &p, 1, 0, 7)) == BLKIF_RSP_ERROR && store->writes == 0);
    CHECK(ask(g, rw(BLKIF_OP_READ, 0, &p, 1, 0, 7)) == BLKIF_RSP_OKAY);
}

static void hostile_ring(void)
{
    start(8);
    struct front *g = front_new(4, "nvme0n1");
    fake_settle();
    connect_front(f, 1, 0, true);
    connect_front(g, 1, 0, true);
    struct page p = new_page(f), pg = new_page(g);
    struct blkif_request r = rw(BLKIF_OP_READ, 0, &p, 1, 0, 7);
    front_ask(f, 0, &r);
    fake_settle(); /* one of its requests is at the disk while it misbehaves */
    front_header(&f->q[0])->req_prod += 1000;
    fake->to_back[f->q[0].port] = true;
    fake_settle();
    CHECK(front_back_state(f) == 5 && strstr(back(f, "error"), "req_prod"));
    complete_all();
    CHECK(fake_mapped() == 1);
    CHECK(ask(g, rw(BLKIF_OP_READ, 0, &pg, 1, 0, 7)) == BLKIF_RSP_OKAY && front_back_state(g) == 4);
    front_state(f, 5);
    front_state(f, 6);
    fake_settle();
    CHECK(front_back_state(f) == 6);
    front_state(f, 1); /* it may behave again */
    fake_settle();
    connect_front(f, 1, 0, true);
    CHECK(ask(f, r) == BLKIF_RSP_OKAY);
    /* going backwards is no better */
    front_header(&f->q[0])->req_prod -= 2;
    fake->to_back[f->q[0].port] = true;
    fake_settle();
    CHECK(front_back_state(f) == 5 && front_back_state(g) == 4);
}

/* Answers come in the order of the requests, whatever the disk does; unanswered slots stay as they were. */
static void order(void)
{
    struct page p[32];
    start(64);
    connect_front(f, 1, 0, true);
    volatile struct blkif_sring *s = front_header(&f->q[0]);
    for (unsigned i = 0; i < 32; i++) {
        p[i] = new_page(f);
        struct blkif_request r = rw(BLKIF_OP_WRITE, i * 8, &p[i], 1, 0, 7);
        front_ask(f, 0, &r);
    }
    fake_settle();
    CHECK(disk.n == 32);
    for (unsigned i = 31; i > 0; i--) {
        fake_disk_complete(&disk, i);
        fake_settle();
        CHECK(s->rsp_prod == 0 && fake->to_front[f->q[0].port] == 1); /* the one of run() */
        for (unsigned j = 0; j < 32; j++)
            CHECK(s->ring[j].req.operation == BLKIF_OP_WRITE && s->ring[j].req.sector_number == j * 8);
    }
    fake_disk_complete(&disk, 0);
    CHECK(s->rsp_prod == 32 && front_collect(f, 0) == 32 && f->q[0].wrong == 0);
}

static bool with_driver;

static bool holds(const struct disk *d, const struct disk_req *r)
{
    return with_driver && r == disk.queue[0];
}

/* Time in which the loop goes round; whether it was noticed that a queue stands still. */
static bool gives_up_within(unsigned ms)
{
    unsigned before = fake->gave_up;
    for (unsigned i = 0; i < ms && fake->gave_up == before; i++) {
        fake->now += 1000000;
        fake_settle();
    }
    return fake->gave_up > before;
}

/* A queue that waits is noticed within the time, one that has nothing to wait for or a driver that cares never. */
static void live_lock(void)
{
    start(64);
    struct disk_ops ops = *disk.disk.ops;
    ops.holds = holds;
    disk.disk.ops = &ops;
    progress_start(900000000);
    connect_front(f, 1, 0, true);
    struct page p = new_page(f);
    struct blkif_request r = rw(BLKIF_OP_READ, 0, &p, 1, 0, 7);
    CHECK(!gives_up_within(2000)); /* idle */
    for (unsigned i = 0; i < 30; i++) { /* slow, but each is answered in time */
        front_ask(f, 0, &r);
        CHECK(!gives_up_within(700));
        fake_disk_complete(&disk, 0);
    }
    fake_settle();
    with_driver = true;
    front_ask(f, 0, &r);
    front_ask(f, 0, &r);
    CHECK(!gives_up_within(5000));
    with_driver = false;
    fake->now += 10000000000; /* nobody ran: nobody is to blame */
    fake_settle();
    CHECK(!gives_up_within(790) && gives_up_within(120) && strstr(fake->last_log, "live-lock"));
    fake_disk_complete(&disk, 0);
    fake_settle();
    CHECK(!gives_up_within(790) && gives_up_within(220)); /* one still waits */
    front_header(&f->q[0])->req_prod += 1000;
    fake->to_back[f->q[0].port] = true;
    fake_settle();
    CHECK(front_back_state(f) == 5);
    CHECK(!gives_up_within(2000)); /* a device that was stopped waits for nothing */
}

static void many(unsigned queues, unsigned order, unsigned depth, bool persistent)
{
    unsigned asked[FRONT_QUEUES] = {0}, left = queues * 400, seed = 1;
    struct page p[FRONT_QUEUES][16];
    start(depth);
    connect_front(f, queues, order, persistent);
    for (unsigned q = 0; q < queues; q++)
        for (unsigned i = 0; i < 16; i++)
            p[q][i] = new_page(f);
    while (left) {
        unsigned q = (seed = seed * 1103515245 + 12345) >> 16 & (queues - 1);
        while (front_free(&f->q[q]) && asked[q] < 400) {
            struct blkif_request r = rw(BLKIF_OP_READ, asked[q], &p[q][asked[q] % 16], 1, 0, 7);
            asked[q]++;
            front_ask(f, q, &r);
        }
        fake_settle();
        if (disk.n)
            fake_disk_complete(&disk, (seed = seed * 1103515245 + 12345) >> 16 & 0x7fff % disk.n);
        for (q = 0; q < queues; q++)
            left -= front_collect(f, q);
        for (q = 0; q < queues; q++)
            CHECK(f->q[q].wrong == 0 && f->q[q].errors == 0);
    }
    CHECK(store->reads == queues * 400);
}

static void many_plain(void)
{
    many(1, 0, 512, false);
}

static void many_pages_queues(void)
{
    many(4, 2, 512, true);
}

static void many_shallow(void)
{
    many(2, 1, 3, true);
}

static void disk_lost(void)
{
    start(8);
    connect_front(f, 1, 0, true);
    struct page p = new_page(f);
    struct blkif_request r = rw(BLKIF_OP_READ, 0, &p, 1, 0, 7);
    front_ask(f, 0, &r);
    front_ask(f, 0, &r);
    fake_settle();
    disk.fail = -ENXIO;
    complete_all();
    disk_gone(&disk.disk, "the controller does not answer");
    fake_settle();
    CHECK(front_collect(f, 0) == 2 && f->q[0].errors == 2);
    CHECK(front_back_state(f) == 4); /* errors first: what a front has in its queues at Closing stays there */
    front_ask(f, 0, &r);
    fake_settle();
    complete_all();
    fake_settle();
    CHECK(front_collect(f, 0) == 1 && f->q[0].errors == 3);
    fake->now += BLK_ENDING_NS;
    fake_settle();
    CHECK(front_back_state(f) == 5 && strstr(back(f, "error"), "does not answer") && fake_mapped() == 0);
    front_state(f, 6);
    fake_settle();
    CHECK(front_back_state(f) == 6);
}

CASE(live_lock)
CASE(negotiation)
CASE(front_vanishes)
CASE(unknown_disk)
CASE(bad_nodes)
CASE(data_mapped)
CASE(data_persistent)
CASE(flush_barrier_discard)
CASE(indirect_mapped)
CASE(indirect_persistent)
CASE(bad_requests)
CASE(read_only)
CASE(hostile_ring)
CASE(order)
CASE(many_plain)
CASE(many_pages_queues)
CASE(many_shallow)
CASE(disk_lost)

int main(void)
{
    CU_TestInfo tests[] = {
        {"negotiation, close, reconnect, detach", test_negotiation},
        {"front vanishes with I/O in flight", test_front_vanishes},
        {"unknown disk, registered later", test_unknown_disk},
        {"front's nodes: each bad value is refused", test_bad_nodes},
        {"data, mapped per request", test_data_mapped},
        {"data, persistent grants", test_data_persistent},
        {"flush, barrier, discard", test_flush_barrier_discard},
        {"indirect, grant copy", test_indirect_mapped},
        {"indirect, persistent", test_indirect_persistent},
        {"bad requests get an error each", test_bad_requests},
        {"read-only", test_read_only},
        {"hostile indices cost one device", test_hostile_ring},
        {"answers in request order", test_order},
        {"many requests", test_many_plain},
        {"many requests, 4 queues of 4 pages", test_many_pages_queues},
        {"many requests on a shallow disk", test_many_shallow},
        {"disk lost", test_disk_lost},
        {"live-lock is seen", test_live_lock},
        CU_TEST_INFO_NULL,
    };
    fake_init();
    store = fake_store_new();
    return suite_run("blkback", NULL, tests);
}
