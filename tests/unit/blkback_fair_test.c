/* SPDX-License-Identifier: MIT */
/* blkback among several fronts: what one can take of the others' time and room. */
#include "blkback_case.h"
#include "backends/blk/blkback.h"
#include "backends/core/xenbus.h"

#include <string.h>

/* A front that moves all the time is not followed step by step, but its last state is seen. */
static void restless(void)
{
    start(8);
    struct front *g = front_new(4, "nvme0n1");
    fake_settle();
    unsigned writes = fake->writes;
    for (unsigned i = 0; i < 1000; i++) {
        front_state(g, i % 2 ? 6 : 1);
        fake_settle();
    }
    CHECK(fake->writes - writes <= XB_MOVES * 30);
    writes = fake->writes;
    for (unsigned i = 0; i < 1000; i++) {
        fake->now += XB_MOVE_NS / 100;
        front_state(g, i % 2 ? 6 : 1);
        fake_settle();
    }
    CHECK(fake->writes - writes <= 10 * 30);
    connect_front(f, 1, 0, false);
    front_state(g, 1);
    fake->now += XB_MOVE_NS;
    fake_settle();
    front_publish(g, 1, 0, false);
    fake_settle();
    fake->now += XB_MOVE_NS;
    fake_settle();
    CHECK(front_back_state(g) == 4);
}

/* A front that only makes events, and one whose requests are all wrong, rest; then they are served. */
static void nuisance(void)
{
    struct page p;
    start(8);
    connect_front(f, 1, 0, false);
    p = new_page(f);
    for (unsigned i = 0; i < 2000 && !fake->muted[f->q[0].port]; i++) {
        fake->to_back[f->q[0].port] = true;
        fake_settle();
        fake->now += 1000;
    }
    CHECK(fake->muted[f->q[0].port]);
    struct blkif_request r = rw(BLKIF_OP_READ, 8, &p, 1, 0, 7);
    uint64_t id = front_ask(f, 0, &r);
    fake->to_back[f->q[0].port] = true;
    fake_settle();
    CHECK(disk.n == 0);
    for (unsigned i = 0; i < 20 * 9; i++) { /* nor does anybody call that a live-lock */
        fake->now += 1000000;
        fake_settle();
    }
    CHECK(!fake->muted[f->q[0].port] && fake->gave_up == 0);
    complete_all();
    front_collect(f, 0);
    CHECK(front_status(f, 0, id) == BLKIF_RSP_OKAY);
}

/* Whatever there is in a ring: so much at once, then it is others' turn. */
static void turns(void)
{
    start(8);
    connect_front(f, 1, 2, false);
    struct blkif_request r = {.operation = 99};
    unsigned asked = 0;
    for (; asked < 120; asked++)
        front_ask(f, 0, &r);
    CHECK(fake_run());
    uint32_t answered = front_header(&f->q[0])->rsp_prod;
    CHECK(answered > 0 && answered <= BLK_TURN);
    fake_settle();
    CHECK(front_header(&f->q[0])->rsp_prod == asked);
}

/* Requests that end make no new turn: what the front put behind them waits until the others had theirs. */
static void answers_make_no_turn(void)
{
    struct page p;
    start(BLK_TURN);
    connect_front(f, 1, 2, false);
    p = new_page(f);
    struct blkif_request r = rw(BLKIF_OP_READ, 8, &p, 1, 0, 7);
    for (unsigned asked = 0; asked < 100; asked++)
        front_ask(f, 0, &r);
    CHECK(fake_run());
    unsigned took = disk.n;
    CHECK(took > BLK_TURN / 2 && took <= BLK_TURN);
    for (unsigned i = 0; i < 40; i++)
        fake_disk_complete(&disk, 0);
    CHECK(disk.n == took - 40);
    fake_settle();
    CHECK(disk.n == 100 - 40);
    complete_all();
    fake_settle();
    complete_all();
    CHECK(front_header(&f->q[0])->rsp_prod == 100);
}

/* No room for mappings is no error: the request waits, and others have their turns. */
static void wait_for_room(bool persistent)
{
    struct page p;
    start(8);
    connect_front(f, 1, 0, persistent);
    p = new_page(f);
    struct blkif_request r = rw(BLKIF_OP_WRITE, 8, &p, 1, 0, 7);
    fake->fail_maps = 3;
    uint64_t id = front_ask(f, 0, &r);
    for (unsigned i = 0; i < 4; i++) {
        fake_settle();
        CHECK(disk.n == (i == 3) && store->writes == 0);
        fake->now += BLK_ROOM_NS;
    }
    complete_all();
    front_collect(f, 0);
    CHECK(front_status(f, 0, id) == BLKIF_RSP_OKAY && fake->fail_maps == 0);
}

static void no_room(void)
{
    wait_for_room(false);
}

static void no_room_persistent(void)
{
    wait_for_room(true);
}

CASE(restless)
CASE(nuisance)
CASE(turns)
CASE(answers_make_no_turn)
CASE(no_room)
CASE(no_room_persistent)

int main(void)
{
    CU_TestInfo tests[] = {
        {"a front that moves all the time", test_restless},
        {"a front that wastes time rests", test_nuisance},
        {"turns", test_turns},
        {"answers make no turn", test_answers_make_no_turn},
        {"no room for mappings", test_no_room},
        {"no room for persistent mappings", test_no_room_persistent},
        CU_TEST_INFO_NULL,
    };
    fake_init();
    store = fake_store_new();
    return suite_run("blkback among fronts", NULL, tests);
}
