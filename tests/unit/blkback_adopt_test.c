/* SPDX-License-Identifier: MIT */
/* A new incarnation of blkback and the rings of the one before: after a death at every step, broken rings, a lost disk. */
#include "blkback_case.h"
#include "backends/blk/blkback.h"

#include <stdlib.h>
#include <sys/mman.h>

#define JOBS 40u
static struct job { unsigned sent, got, checked; } *job; /* shared */
static struct page *job_page;
static unsigned job_queues, job_order;
static bool job_persistent;

/* The front's work: JOBS requests a queue; even ones write a pattern of their own, odd ones read the one before. */
static void front_works(unsigned q)
{
    struct front_queue *fq = &f->q[q];
    while (front_free(fq) && job[q].sent < JOBS && (job[q].sent % 2 == 0 || fq->rsp_cons == fq->req_prod)) {
        unsigned k = job[q].sent++;
        struct page *p = &job_page[q * 8 + k % 8];
        memset(p->data, k % 2 ? 0 : (int)(q * 64 + k + 1), 4096);
        struct blkif_request r = rw(k % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, (q * JOBS + k / 2) * 8, p, 1, 0, 7);
        front_ask(f, q, &r);
    }
    unsigned n = front_collect(f, q);
    CHECK(fq->wrong == 0 && fq->errors == 0);
    while (n--) {
        unsigned k = job[q].got++;
        const struct page *p = &job_page[q * 8 + k % 8];
        if (k % 2)
            CHECK(p->data[0] == q * 64 + k && p->data[4095] == p->data[0]);
        else
            CHECK(store->sector[(q * JOBS + k / 2) * 8][0] == q * 64 + k + 1);
    }
}

/* One life of the backend; ends at crash_at or when all is done. */
static void life(void)
{
    unsigned seed = fake->incarnation * 7919 + fake->crash_at, idle = 0, writes = fake->writes;
    bool was_connected = front_back_state(f) == 4;
    memset(&disk, 0, sizeof(disk));
    fake_disk_init(&disk, "nvme0n1", store, 20);
    disk_register(&disk.disk);
    CHECK(blkback_start() == 0);
    while (idle < 50) {
        bool busy = false;
        for (unsigned i = 0; i < 1 + (seed >> 8) % 3; i++)
            busy |= fake_run();
        if (front_back_state(f) == 2 && atoi(fake_get("/local/domain/3/device/vbd/51712/state")) == 1)
            front_publish(f, job_queues, job_order, job_persistent);
        if (front_back_state(f) == 4) {
            if (atoi(fake_get("/local/domain/3/device/vbd/51712/state")) == 3)
                front_state(f, 4);
            for (unsigned q = 0; q < job_queues; q++)
                front_works(q);
        }
        seed = seed * 1103515245 + 12345;
        if (disk.n)
            fake_disk_complete(&disk, (seed >> 16) % disk.n);
        idle = busy || disk.n ? 0 : idle + 1;
    }
    for (unsigned q = 0; q < job_queues; q++)
        CHECK(job[q].got == JOBS);
    CHECK(front_back_state(f) == 4);
    if (was_connected)
        CHECK(fake->writes == writes);
}

/* Death at step `at`, again some steps into the next life, then peace. false when step `at` was never reached. */
static bool die_at(unsigned at)
{
    fake_init();
    memset(store, 0, sizeof(*store));
    memset(job, 0, FRONT_QUEUES * sizeof(*job));
    f = front_new(3, "nvme0n1");
    for (unsigned i = 0; i < 8 * job_queues; i++)
        job_page[i] = new_page(f);
    fake->crash_at = at;
    for (int lives = 1;; lives++) {
        int rc = in_child(life);
        if (rc == 0)
            return lives > 1;
        CU_ASSERT_EQUAL(rc, FAKE_CRASHED);
        if (rc != FAKE_CRASHED) {
            fprintf(stderr, "death at step %u, life %d\n", at, lives);
            return false;
        }
        fake_next_incarnation();
        fake->crash_at = lives == 1 ? 1 + at * 7 % 61 : 0;
    }
}

static void every_step(unsigned queues, unsigned order, bool persistent, unsigned stride)
{
    unsigned at = 1;
    job_queues = queues;
    job_order = order;
    job_persistent = persistent;
    while (die_at(at))
        at += stride;
    CU_ASSERT(at > 100);
}

static void test_adoption(void)
{
    every_step(1, 0, true, 1);
}

static void test_adoption_wide(void)
{
    every_step(4, 1, false, 3);
}

/* A ring that cannot be adopted: the device is closed, the reason given, and nothing is served. */
static void adopt_broken(void)
{
    start(8);
    connect_front(f, 1, 0, true);
}

static void adopt_broken_next(void)
{
    fake_disk_init(&disk, "nvme0n1", store, 20);
    disk_register(&disk.disk);
    CHECK(blkback_start() == 0);
    fake_settle();
    struct front g;
    memset(&g, 0, sizeof(g));
    snprintf(g.back, sizeof(g.back), "/local/domain/7/backend/vbd/3/51712");
    CHECK(front_back_state(&g) == 5 && strstr(back(&g, "error"), "indices") && fake_mapped() == 0 && disk.n == 0);
}

/* The disk does not come back with the backend: the front gets its errors, then an orderly Closing. */
static void leave_requests(void)
{
    start(8);
    connect_front(f, 1, 0, true);
    struct page p = new_page(f);
    struct blkif_request r = rw(BLKIF_OP_READ, 0, &p, 1, 0, 7);
    for (unsigned i = 0; i < 5; i++)
        front_ask(f, 0, &r);
    fake_settle();
    CHECK(disk.n == 5);
    memcpy(job, f, sizeof(*f)); /* for the next process */
}

static void come_back_without(void)
{
    f = (struct front *)job;
    CHECK(blkback_start() == 0);
    fake_settle();
    CHECK(front_back_state(f) == 4 && fake_mapped() == 0);
    blkback_lost("the controller is silent");
    fake_settle();
    CHECK(front_collect(f, 0) == 5 && f->q[0].errors == 5 && f->q[0].wrong == 0);
    CHECK(front_back_state(f) == 4);
    fake->now += BLK_ENDING_NS;
    fake_settle();
    CHECK(front_back_state(f) == 5 && strstr(back(f, "error"), "silent") && fake_mapped() == 0);
    front_state(f, 6);
    fake_settle();
    CHECK(front_back_state(f) == 6);
}

static void test_lost(void)
{
    fake_init();
    CU_ASSERT_EQUAL(in_child(leave_requests), 0);
    fake_next_incarnation();
    CU_ASSERT_EQUAL(in_child(come_back_without), 0);
}

static void test_adopt_broken(void)
{
    fake_init();
    CU_ASSERT_EQUAL(in_child(adopt_broken), 0);
    struct front_queue q = {.page = {0}};
    front_header(&q)->req_prod = 5000;
    fake_next_incarnation();
    CU_ASSERT_EQUAL(in_child(adopt_broken_next), 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"adoption after a death at every step", test_adoption},
        {"adoption, 4 queues of 2 pages", test_adoption_wide},
        {"adoption of a broken ring", test_adopt_broken},
        {"adoption without the disk", test_lost},
        CU_TEST_INFO_NULL,
    };
    fake_init();
    store = fake_store_new();
    job = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    job_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return suite_run("blkback adoption", NULL, tests);
}
