/* SPDX-License-Identifier: MIT */
/*
 * backends/core/ring.c: hostile indices, notification, and death at every single machine instruction of an answer.
 * For the last one a child runs under the trap flag and ends at instruction N; whatever it left behind, a successor
 * that adopts the ring must find the answered requests answered and the others unharmed.
 */
#define _GNU_SOURCE
#include "backends/core/ring.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
struct req { uint64_t a, id, c[12]; };    /* as large as a blkif request */
struct rsp { uint64_t id; uint8_t op; int16_t status; };
#define ENTRY sizeof(struct req)

static uint8_t *mem;
static struct ring r;

static volatile struct ring_shared *shared(void)
{
    return (volatile struct ring_shared *)mem;
}

static struct req *slot_req(uint32_t i)
{
    return (struct req *)(mem + sizeof(struct ring_shared) + (i & 31) * ENTRY);
}

static void fresh(uint32_t index)
{
    memset(mem, 0, PAGE);
    shared()->req_prod = shared()->rsp_prod = index;
    shared()->req_event = shared()->rsp_event = index + 1;
}

static void ask(uint64_t id)
{
    uint32_t i = shared()->req_prod;
    struct req *q = slot_req(i);
    memset(q, 0x5a, sizeof(*q));
    q->a = ~id;
    q->id = id;
    shared()->req_prod = i + 1;
}

static void answer(uint64_t id)
{
    struct rsp a;
    memset(&a, 0, sizeof(a));
    a.id = id;
    a.op = 9;
    a.status = -3;
    ring_put(&r, &a, sizeof(a));
}

static void test_sizes(void)
{
    fresh(0);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, 112, true), 0);
    CU_ASSERT_EQUAL(r.count, 32);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, 63, true), 0);
    CU_ASSERT_EQUAL(r.count, 64);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, 4033, true), -EINVAL);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, 64, 8, true), -EINVAL);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, 0, 8, true), -EINVAL);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, 0, true), -EINVAL);
}

static void test_flow(void)
{
    for (uint32_t start = 0xffffffe0; start != 40; start++) { /* over the wrap of the index */
        struct req q;
        fresh(start);
        CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, ENTRY, true), 0);
        CU_ASSERT_EQUAL(ring_pending(&r), 0);
        CU_ASSERT_FALSE(ring_final_check(&r));
        CU_ASSERT_EQUAL(shared()->req_event, start + 1);
        for (unsigned i = 0; i < 32; i++)
            ask(100 + i);
        CU_ASSERT_EQUAL(ring_pending(&r), 32);
        CU_ASSERT_TRUE(ring_final_check(&r));
        for (unsigned i = 0; i < 32; i++) {
            CU_ASSERT_EQUAL(ring_take(&r, &q, sizeof(q)), start + i);
            CU_ASSERT(q.id == 100 + i && q.a == ~q.id && q.c[11] == 0x5a5a5a5a5a5a5a5aull);
        }
        CU_ASSERT_EQUAL(ring_pending(&r), 0);
        answer(100);
        answer(101);
        CU_ASSERT_TRUE(ring_push(&r)); /* rsp_event was start + 1 */
        answer(102);
        CU_ASSERT_FALSE(ring_push(&r));
        shared()->rsp_event = start + 6;
        answer(103);
        answer(104);
        CU_ASSERT_FALSE(ring_push(&r));
        answer(105);
        CU_ASSERT_TRUE(ring_push(&r));
        CU_ASSERT_FALSE(ring_push(&r));
        CU_ASSERT_EQUAL(shared()->rsp_prod, start + 6);
        CU_ASSERT_EQUAL(slot_req(start + 6)->a, ~(uint64_t)106);
    }
}

static void test_hostile(void)
{
    static const uint32_t jump[] = {33, 34, 1000, 0x7fffffff, 0x80000000, 0xffffffff};
    struct req q;
    for (unsigned i = 0; i < sizeof(jump) / sizeof(jump[0]); i++) {
        fresh(5);
        shared()->req_prod = 5 + jump[i];
        CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, ENTRY, false), -EPROTO);
        shared()->req_prod = 5;
        CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, ENTRY, false), 0);
        shared()->req_prod = 5 + jump[i];
        CU_ASSERT_EQUAL(ring_pending(&r), -EPROTO);
        CU_ASSERT_TRUE(ring_final_check(&r)); /* so that the caller looks, and sees */
    }
    fresh(5); /* backwards over requests already taken */
    ring_attach(&r, mem, PAGE, ENTRY, true);
    ask(1);
    ask(2);
    ring_take(&r, &q, sizeof(q));
    ring_take(&r, &q, sizeof(q));
    shared()->req_prod = 6;
    CU_ASSERT_EQUAL(ring_pending(&r), -EPROTO);
    shared()->req_prod = 7;
    shared()->rsp_prod = 4000; /* ours: what a front writes there is not believed */
    CU_ASSERT_EQUAL(ring_pending(&r), 0);
}

/* A note that a front forged, or that is left from long ago, does nothing but for the very next answer. */
static void test_notes(void)
{
    for (uint32_t index = 0; index < 12; index++) {
        fresh(5);
        ask(1);
        ask(2);
        shared()->note_index = index;
        shared()->note_check = ~index ^ RING_NOTE_MAGIC;
        CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, ENTRY, false), 0);
        CU_ASSERT_EQUAL(r.rsp_pvt, index == 5 ? 6 : 5);
        CU_ASSERT_EQUAL(shared()->rsp_prod, r.rsp_pvt);
        CU_ASSERT_EQUAL(ring_pending(&r), index == 5 ? 1 : 2);
    }
    fresh(5);
    shared()->note_index = 5; /* nothing was asked: nothing can be answered */
    shared()->note_check = ~5u ^ RING_NOTE_MAGIC;
    CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, ENTRY, false), 0);
    CU_ASSERT_EQUAL(r.rsp_pvt, 5);
    ask(1);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, ENTRY, true), 0); /* negotiated anew: wiped */
    CU_ASSERT_EQUAL(r.rsp_pvt, 5);
    CU_ASSERT_EQUAL(ring_attach(&r, mem, PAGE, ENTRY, false), 0);
    CU_ASSERT_EQUAL(r.rsp_pvt, 5);
}

/* --- death --- */

static volatile long steps_left;

static void on_trap(int sig)
{
    if (--steps_left == 0)
        _exit(77);
}

static void trap_flag(bool on)
{
    if (on)
        __asm__ volatile("pushfq; orq $0x100,(%%rsp); popfq" ::: "memory", "cc");
    else
        __asm__ volatile("pushfq; andq $~0x100,(%%rsp); popfq" ::: "memory", "cc");
}

/* Answer two requests and die at instruction n of the second answer (true), or live (false). */
static bool dies_at(long n)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct req q;
        ring_attach(&r, mem, PAGE, ENTRY, true);
        for (int i = 0; i < 3; i++)
            ring_take(&r, &q, sizeof(q));
        signal(SIGTRAP, on_trap);
        steps_left = n;
        answer(11);
        trap_flag(true);
        answer(12);
        trap_flag(false);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 77;
}

/* What the successor finds: answers up to rsp_prod, whole requests after it. */
static bool sound(void)
{
    if (ring_attach(&r, mem, PAGE, ENTRY, false))
        return false;
    uint32_t rsp = shared()->rsp_prod;
    if (rsp < 8 || rsp > 9 || rsp != r.rsp_pvt || ring_pending(&r) != 12 - (int)rsp)
        return false;
    for (uint32_t i = 7; i < rsp; i++) {
        const struct rsp *a = (const struct rsp *)slot_req(i);
        if (a->id != 4 + i || a->op != 9 || a->status != -3)
            return false;
    }
    for (uint32_t i = rsp; i < 12; i++) {
        struct req q;
        ring_take(&r, &q, sizeof(q));
        if (q.id != 4 + i || q.a != ~q.id || q.c[0] != 0x5a5a5a5a5a5a5a5aull)
            return false;
    }
    return true;
}

static void test_death(void)
{
    long n = 1;
    uint32_t seen = 0;
    for (;; n++) {
        fresh(7);
        for (uint64_t id = 11; id < 16; id++)
            ask(id);
        if (!dies_at(n))
            break;
        bool good = sound();
        if (good)
            seen |= 1u << (shared()->rsp_prod - 7);
        else
            fprintf(stderr, "death at instruction %ld\n", n);
        CU_ASSERT_TRUE(good);
    }
    CU_ASSERT(n > 100);
    CU_ASSERT_EQUAL(seen, 1u << 1 | 1u << 2); /* deaths before and after the answer counts */
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"sizes", test_sizes},
        {"flow and notification", test_flow},
        {"hostile indices", test_hostile},
        {"notes", test_notes},
        {"death at every instruction", test_death},
        CU_TEST_INFO_NULL,
    };
    mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return suite_run("ring", NULL, tests);
}
