/* SPDX-License-Identifier: MIT */
/* xenstore's transactions (what conflicts and what does not) and watches (who hears what, in which order). */
#include "xenstore_fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "suite.h"

static struct fake *a, *b, *d5;

static void begin(void)
{
    fake_begin();
    a = fake_open(0);
    b = fake_open(0);
    d5 = fake_open(5);
    CU_STR(S(a, XS_MKDIR, 0, "/local/domain/5"), "OK");
    CU_STR(S(a, XS_SET_PERMS, 0, "/local/domain/5\0n5"), "OK");
    CU_STR(B(a, XS_WRITE, 0, "/x/1\0one"), "OK");
    CU_STR(B(a, XS_WRITE, 0, "/x/2\0two"), "OK");
}

static uint32_t start(struct fake *f)
{
    return (uint32_t)atoi(S(f, XS_TRANSACTION_START, 0, ""));
}

static const char *end(struct fake *f, uint32_t t)
{
    return S(f, XS_TRANSACTION_END, t, "T");
}

static void test_isolation(void)
{
    uint32_t t;

    begin();
    t = start(a);
    CU_STR(B(a, XS_WRITE, t, "/x/1\0new"), "OK");
    CU_STR(S(a, XS_MKDIR, t, "/x/3"), "OK");
    CU_STR(S(a, XS_RM, t, "/x/2"), "OK");
    CU_STR(S(a, XS_READ, t, "/x/1"), "new");
    CU_STR(S(a, XS_DIRECTORY, t, "/x"), "1|3");
    CU_STR(S(b, XS_READ, 0, "/x/1"), "one");
    CU_STR(S(b, XS_DIRECTORY, 0, "/x"), "1|2");
    CU_STR(S(b, XS_READ, t, "/x/1"), "ENOENT"); /* ids are the client's own */
    CU_STR(end(a, t), "OK");
    CU_STR(S(b, XS_READ, 0, "/x/1"), "new");
    CU_STR(S(b, XS_DIRECTORY, 0, "/x"), "1|3");
    CU_STR(end(a, t), "ENOENT");
    t = start(a);
    CU_STR(S(a, XS_RM, t, "/x"), "OK");
    CU_STR(S(a, XS_TRANSACTION_END, t, "F"), "OK");
    CU_STR(S(b, XS_DIRECTORY, 0, "/x"), "1|3");
    t = start(a);
    CU_STR(S(a, XS_TRANSACTION_START, t, ""), "EBUSY");
    CU_STR(S(a, XS_TRANSACTION_END, t, "X"), "EINVAL");
    CU_STR(end(a, t), "OK");
    fake_end();
}

/* A transaction by `a` that does `mine`, while `b` does `theirs`: what does its end say? */
static const char *against(uint32_t mine, const char *m, size_t m_len, uint32_t theirs, const char *t, size_t t_len)
{
    uint32_t id = start(a);

    ask_text(a, mine, id, m, m_len);
    CU_STR(B(a, XS_WRITE, id, "/own/node\0v"), "OK");
    CU_STR(ask_text(b, theirs, 0, t, t_len), "OK");
    return end(a, id);
}
#define AGAINST(mine, m, theirs, t) against(mine, m, sizeof(m), theirs, t, sizeof(t))

static void test_conflicts(void)
{
    begin();
    /* real ones */
    CU_STR(AGAINST(XS_READ, "/x/1", XS_WRITE, "/x/1\0uno"), "EAGAIN");
    CU_STR(AGAINST(XS_READ, "/x/1", XS_RM, "/x"), "EAGAIN");
    CU_STR(AGAINST(XS_READ, "/x/1", XS_WRITE, "/x/1\0back"), "EAGAIN"); /* read as absent */
    CU_STR(AGAINST(XS_DIRECTORY, "/x", XS_MKDIR, "/x/new"), "EAGAIN");
    CU_STR(AGAINST(XS_DIRECTORY, "/x", XS_RM, "/x/new"), "EAGAIN");
    CU_STR(AGAINST(XS_GET_PERMS, "/x", XS_SET_PERMS, "/x\0r0"), "EAGAIN");
    CU_STR(S(a, XS_READ, 0, "/own/node"), "ENOENT"); /* all or nothing */
    /* not conflicts */
    CU_STR(AGAINST(XS_READ, "/x/1", XS_WRITE, "/x/2\0due"), "OK");
    CU_STR(AGAINST(XS_READ, "/x", XS_MKDIR, "/x/other"), "OK");
    CU_STR(AGAINST(XS_DIRECTORY, "/x", XS_WRITE, "/x/2\0dos"), "OK");
    CU_STR(AGAINST(XS_WRITE, "/x/1\0mine", XS_WRITE, "/x/1\0theirs"), "OK");
    CU_STR(S(a, XS_READ, 0, "/x/1"), "mine");
    CU_STR(AGAINST(XS_MKDIR, "/x/2/deep", XS_RM, "/x/2"), "OK");
    CU_STR(S(a, XS_DIRECTORY, 0, "/x/2"), "deep");
    CU_STR(AGAINST(XS_RM, "/x/2", XS_MKDIR, "/x/2/more"), "OK");
    CU_STR(S(a, XS_READ, 0, "/x/2"), "ENOENT");
    uint32_t t = start(a);
    CU_STR(S(a, XS_READ, t, "/x/1"), "mine");
    CU_STR(B(b, XS_WRITE, 0, "/x/1\0again"), "OK");
    CU_STR(S(a, XS_READ, t, "/x/1"), "mine"); /* a snapshot */
    CU_STR(end(a, t), "OK");              /* which changed nothing, so nothing can clash */
    fake_end();
}

static void test_replay_rights(void)
{
    uint32_t t;

    begin();
    t = start(d5);
    CU_STR(B(d5, XS_WRITE, t, "n\0v"), "OK");
    CU_STR(S(a, XS_SET_PERMS, 0, "/local/domain/5\0n0"), "OK");
    CU_STR(end(d5, t), "EAGAIN"); /* the right to is gone meanwhile */
    CU_STR(S(a, XS_SET_PERMS, 0, "/local/domain/5\0n5"), "OK");
    CU_STR(S(a, XS_CONTROL, 0, "quota\0set\0nodes\0004"), "OK");
    t = start(d5);
    CU_STR(S(d5, XS_MKDIR, t, "a/b"), "OK");
    CU_STR(S(d5, XS_MKDIR, t, "c/d"), "ENOSPC"); /* counts what the transaction made */
    CU_STR(S(d5, XS_MKDIR, 0, "e/f"), "OK");
    CU_STR(end(d5, t), "ENOSPC");
    CU_STR(S(d5, XS_DIRECTORY, 0, "/local/domain/5"), "e");
    CU_STR(S(d5, XS_RM, 0, "e"), "OK");
    CU_ASSERT_PTR_NOT_NULL(strstr(S(a, XS_CONTROL, 0, "quota\0005"), "nodes: 1\nwatches: 0\ntransactions: 0\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(S(a, XS_CONTROL, 0, "quota\0005"), "\nrefused nodes: 3"));
    CU_STR(S(a, XS_CONTROL, 0, "quota\0set\0transaction-nodes\0002"), "OK");
    t = start(d5);
    CU_STR(S(d5, XS_READ, t, "a"), "ENOENT");
    CU_STR(S(d5, XS_READ, t, "b"), "ENOENT");
    CU_STR(S(d5, XS_READ, t, "a"), "ENOENT");
    CU_STR(S(d5, XS_READ, t, "c"), "ENOSPC");
    fake_end();
}

static void drain(struct fake *f)
{
    while (*fake_event(f))
        ;
}

static void test_watches(void)
{
    begin();
    CU_STR(S(b, XS_WATCH, 0, "/x\0tok"), "OK");
    CU_STR(S(b, XS_WATCH, 0, "/x\0tok"), "EEXIST");
    CU_STR(S(b, XS_WATCH, 0, "/x/1\0leaf"), "OK");
    CU_STR(fake_event(b), "/x/1|leaf"); /* the one at registration; the first was skipped over by ask */
    CU_STR(B(a, XS_WRITE, 0, "/x/1\0v"), "OK");
    CU_STR(fake_event(b), "/x/1|tok");
    CU_STR(fake_event(b), "/x/1|leaf");
    CU_STR(S(a, XS_READ, 0, "/x/1"), "v");
    CU_STR(S(a, XS_MKDIR, 0, "/x/1"), "OK"); /* was there */
    CU_STR(B(a, XS_WRITE, 0, "/xy\0v"), "OK");
    CU_STR(fake_event(b), "");
    CU_STR(B(a, XS_WRITE, 0, "/x/n/e/w\0v"), "OK"); /* one event, not one a level */
    CU_STR(fake_event(b), "/x/n/e/w|tok");
    CU_STR(S(a, XS_SET_PERMS, 0, "/x/n\0r0"), "OK");
    CU_STR(fake_event(b), "/x/n|tok");
    CU_STR(S(a, XS_RM, 0, "/x"), "OK"); /* the node, and watches below on themselves */
    CU_STR(fake_event(b), "/x|tok");
    CU_STR(fake_event(b), "/x/1|leaf");
    CU_STR(fake_event(b), "");
    CU_STR(S(b, XS_UNWATCH, 0, "/x\0other"), "ENOENT");
    CU_STR(S(b, XS_UNWATCH, 0, "/x\0tok"), "OK");
    CU_STR(S(b, XS_RESET_WATCHES, 0, ""), "OK");
    CU_STR(B(a, XS_WRITE, 0, "/x/1\0v"), "OK");
    CU_STR(fake_event(b), "");
    CU_STR(S(b, XS_WATCH, 0, "/x\0depth\0001"), "OK");
    drain(b);
    CU_STR(B(a, XS_WRITE, 0, "/x/1/deep\0v"), "OK");
    CU_STR(fake_event(b), "");
    CU_STR(B(a, XS_WRITE, 0, "/x/1\0v"), "OK");
    CU_STR(fake_event(b), "/x/1|depth");
    CU_STR(S(b, XS_WATCH, 0, "/x"), "EINVAL");
    CU_STR(S(b, XS_WATCH, 0, "/x/\0t"), "EINVAL");
    fake_end();
}

static void test_watch_rights(void)
{
    begin();
    CU_STR(S(d5, XS_WATCH, 0, "/x\0secret"), "OK");
    CU_STR(S(d5, XS_WATCH, 0, "home\0mine"), "OK");
    drain(d5);
    CU_STR(B(a, XS_WRITE, 0, "/x/1\0v"), "OK");
    CU_STR(fake_event(d5), "");
    CU_STR(B(d5, XS_WRITE, 0, "home/n\0v"), "OK");
    CU_STR(fake_event(d5), "home/n|mine"); /* relative as it was asked for */
    CU_STR(S(a, XS_SET_PERMS, 0, "/x\0r0"), "OK"); /* may read the parent now */
    CU_STR(fake_event(d5), "/x|secret");
    CU_STR(B(a, XS_WRITE, 0, "/x/1\0v"), "OK");
    CU_STR(fake_event(d5), "/x/1|secret");
    CU_STR(B(a, XS_WRITE, 0, "/x/1/2\0v"), "OK");
    CU_STR(fake_event(d5), "");
    fake_end();
}

static void test_watch_transaction(void)
{
    uint32_t t;
    struct got g;

    begin();
    CU_STR(S(a, XS_WATCH, 0, "/x\0w"), "OK");
    drain(a);
    t = start(a);
    CU_STR(B(a, XS_WRITE, t, "/x/1\0p"), "OK");
    CU_STR(B(a, XS_WRITE, t, "/x/1\0q"), "OK");
    CU_STR(B(a, XS_WRITE, t, "/x/9/8\0q"), "OK");
    CU_STR(S(a, XS_RM, t, "/x/9"), "OK");
    CU_STR(S(a, XS_RM, t, "/x/2"), "OK");
    CU_STR(fake_event(a), "");
    fake_send(a, XS_TRANSACTION_END, t, "T", 2);
    fake_run(a);
    g = fake_next(a); /* the answer first, then the news */
    CU_ASSERT_EQUAL(g.hdr.type, XS_TRANSACTION_END);
    CU_STR(fake_event(a), "/x/1|w");
    CU_STR(fake_event(a), "/x/9|w");
    CU_STR(fake_event(a), "/x/2|w");
    CU_STR(fake_event(a), "");
    t = start(a);
    CU_STR(B(a, XS_WRITE, t, "/x/1\0p"), "OK");
    CU_STR(S(a, XS_TRANSACTION_END, t, "F"), "OK");
    CU_STR(fake_event(a), "");
    fake_end();
}

static void test_lane(void)
{
    struct fake *c;
    uint32_t ta, tb;

    begin();
    c = fake_open(0);
    ta = start(a);
    tb = start(b);
    CU_STR(S(a, XS_READ, ta, "/x/1"), "one");
    CU_STR(S(b, XS_READ, tb, "/x/1"), "one");
    CU_STR(B(a, XS_WRITE, ta, "/x/1\0a"), "OK");
    CU_STR(B(b, XS_WRITE, tb, "/x/1\0b"), "OK");
    CU_STR(end(a, ta), "OK");
    CU_STR(end(b, tb), "EAGAIN");
    tb = start(b); /* in the lane now: what it reads is kept for it */
    CU_STR(S(b, XS_READ, tb, "/x/1"), "a");
    ta = start(a);
    CU_STR(B(a, XS_WRITE, ta, "/x/1\0a2"), "OK");
    CU_STR(end(a, ta), "EAGAIN");
    ta = start(c);
    CU_STR(B(c, XS_WRITE, ta, "/x/2\0c"), "OK"); /* of something else */
    CU_STR(end(c, ta), "OK");
    fake_send(a, XS_TRANSACTION_START, 0, "", 1); /* lost, too: waits for the lane */
    fake_run(a);
    CU_ASSERT_FALSE(fake_next(a).any);
    CU_STR(B(b, XS_WRITE, tb, "/x/1\0b2"), "OK");
    CU_STR(end(b, tb), "OK");
    fake_run(a);
    CU_ASSERT(fake_next(a).any);
    /* b would wait again; a stays too long, and b gets its turn */
    fake_send(b, XS_TRANSACTION_START, 0, "", 1);
    fake_run(b);
    CU_ASSERT_FALSE(fake_next(b).any);
    lane_expired(&fake_store);
    fake_run(b);
    CU_ASSERT(fake_next(b).any);
    /* who waits or is inside may go */
    fake_send(a, XS_TRANSACTION_START, 0, "", 1);
    fake_run(a);
    CU_ASSERT_PTR_EQUAL(fake_store.lane.first, a->conn);
    fake_close(a);
    fake_close(b);
    CU_ASSERT_PTR_NULL(fake_store.lane.first);
    CU_ASSERT_PTR_NULL(fake_store.lane.owner);
    fake_end();
}

#define CROWD 64
#define COMMITS 10

/* One of a crowd that moves one from one of four numbers to another, a request at a time. */
struct mover {
    struct fake *f;
    int step;
    uint32_t t;
    int from, to, value[2];
    unsigned lost, worst, commits;
};

static void send_node(struct mover *m, uint32_t type, int node, int value)
{
    char text[32];
    int n = sprintf(text, "/n/%d", node) + 1;

    if (type == XS_WRITE)
        n += sprintf(text + n, "%d", value);
    fake_send(m->f, type, m->t, text, (size_t)n);
}

static void move_done(struct mover *m, const struct got *g)
{
    m->step = 0;
    if (g->hdr.type == XS_ERROR) {
        CU_ASSERT_STRING_EQUAL(g->data, "EAGAIN");
        m->lost++;
    } else {
        m->lost = 0;
        m->commits++;
    }
    m->worst = m->lost > m->worst ? m->lost : m->worst;
}

static void move_step(struct mover *m)
{
    struct got g;

    fake_run(m->f);
    g = fake_next(m->f);
    if (m->step && !g.any)
        return; /* the answer is not there yet */
    switch (m->step++) {
    case 0:
        m->from = rand() % 4;
        m->to = (m->from + 1 + rand() % 3) % 4;
        fake_send(m->f, XS_TRANSACTION_START, 0, "", 1);
        return;
    case 1:
        m->t = (uint32_t)atoi(g.data);
        send_node(m, XS_READ, m->from, 0);
        return;
    case 2:
        m->value[0] = atoi(g.data);
        send_node(m, XS_READ, m->to, 0);
        return;
    case 3:
        m->value[1] = atoi(g.data);
        send_node(m, XS_WRITE, m->from, m->value[0] - 1);
        return;
    case 4:
        send_node(m, XS_WRITE, m->to, m->value[1] + 1);
        return;
    case 5:
        fake_send(m->f, XS_TRANSACTION_END, m->t, "T", 2);
        return;
    }
    move_done(m, &g);
}

/* A crowd's work, a step of any of them each `step` microseconds. Returns how often one lost in a row at most. */
static unsigned crowd_work(int size, unsigned step)
{
    static struct mover crowd[CROWD];
    unsigned worst = 0;
    long now = 0, due = 0;
    int done = 0, sum = 0;
    char text[32];

    begin();
    srand(6);
    memset(crowd, 0, sizeof(crowd));
    CU_STR(B(a, XS_WRITE, 0, "/n/0\0" "1000"), "OK");
    for (int i = 1; i < 4; i++)
        CU_STR(ask_text(a, XS_WRITE, 0, text, (size_t)sprintf(text, "/n/%d%c0", i, 0)), "OK");
    for (int i = 0; i < size; i++)
        crowd[i].f = fake_open(0);
    for (long i = 0; i < 1000000 && done < size; i++, now += step) {
        struct mover *m = &crowd[rand() % size];

        if (m->commits < COMMITS || m->step) {
            move_step(m);
            done += m->commits == COMMITS && !m->step;
        }
        due = fake_alarm ? now + fake_alarm : due;
        fake_alarm = 0;
        if (due && now >= due) {
            due = 0;
            lane_expired(&fake_store);
        }
    }
    CU_ASSERT_EQUAL(done, size);
    for (int i = 0; i < size; i++)
        worst = crowd[i].worst > worst ? crowd[i].worst : worst;
    for (int i = 0; i < 4; i++)
        sum += atoi(ask_text(a, XS_READ, 0, text, (size_t)sprintf(text, "/n/%d", i) + 1));
    CU_ASSERT_EQUAL(sum, 1000);
    fake_end();
    return worst;
}

/* Whoever lost once is let through the next time; and nothing is lost on the way. */
static void test_crowd(void)
{
    CU_ASSERT_EQUAL(crowd_work(CROWD, 0), 1);
}

/* Where a transaction takes many times as long as a stay in the lane, some lose more often, but there is a bound. */
static void test_slow_crowd(void)
{
    unsigned slow = crowd_work(8, 3000), slower = crowd_work(8, 6000);

    CU_ASSERT(slow > 1 && slow <= 1 + LANE_LATE);
    CU_ASSERT(slower > 1 && slower <= 1 + LANE_LATE);
}

/* A client that goes takes what it had open with it. */
static void test_close(void)
{
    begin();
    for (int i = 0; i < 5; i++) {
        uint32_t t = start(b);
        CU_STR(B(b, XS_WRITE, t, "/y\0v"), "OK");
    }
    CU_STR(S(b, XS_WATCH, 0, "/\0w"), "OK");
    fake_close(b);
    CU_ASSERT_EQUAL(fake_store.watch_count, 0);
    CU_ASSERT_EQUAL(account_of(&fake_store, 0)->transactions, 0);
    CU_STR(S(a, XS_READ, 0, "/y"), "ENOENT");
    CU_ASSERT_EQUAL(fake_store.live.root->ref, 1);
    fake_end();
}

/* Every allocation of a piece of work fails once: the answer is then ENOMEM or right, and the tree is whole. */
static void work(void)
{
    uint32_t t = start(a);

    B(a, XS_WRITE, t, "/w/1/2\0v");
    S(a, XS_SET_PERMS, t, "/x/1\0n5\0r6");
    S(a, XS_DIRECTORY, t, "/x");
    B(b, XS_WRITE, 0, "/w/1\0v");
    S(a, XS_RM, t, "/x/2");
    end(a, t);
    S(b, XS_WATCH, 0, "/x\0t");
    S(a, XS_MKDIR, 0, "/x/3/4/5");
    S(a, XS_RM, 0, "/x");
    B(a, XS_WRITE, 0, "/x/1\0v");
}

static void test_no_memory(void)
{
    bool through = false;

    for (long fail = 0; fail < 500 && !through; fail++) {
        begin();
        alloc_fail_at = fail;
        work();
        through = alloc_fail_at >= 0;
        alloc_fail_at = -1;
        /* settle what waited for memory, then every node is in an account */
        CU_STR(B(a, XS_WRITE, 0, "/after\0v"), "OK");
        CU_ASSERT(fake_accounts_right());
        CU_STR(S(b, XS_READ, 0, "/after"), "v");
        fake_end();
    }
    CU_ASSERT(through);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"isolation", test_isolation},
        {"conflicts, real and not", test_conflicts},
        {"rights and quotas at the end", test_replay_rights},
        {"losers get through", test_lane},
        {"a crowd", test_crowd},
        {"a slow crowd", test_slow_crowd},
        {"watches", test_watches},
        {"who may hear", test_watch_rights},
        {"watches and transactions", test_watch_transaction},
        {"a client that goes", test_close},
        {"every allocation fails once", test_no_memory},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore transactions and watches", NULL, tests);
}
