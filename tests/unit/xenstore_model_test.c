/* SPDX-License-Identifier: MIT */
/*
 * Random work against a simple reference: 31 possible nodes, a few clients, each in or out of a transaction.
 * After an OK at the end of a transaction, doing all its steps at that moment must give the same answers; after an EAGAIN,
 * something it read must have been changed by others. The same again with a live update now and then, under whatever is
 * open at that moment: a transaction goes on, or is lost if it would have been lost anyway.
 */
#include "xenstore_fake.h"
#include <stdio.h>
#include <string.h>
#include "suite.h"

#define NODES 40 /* /m, 3 below it, 9 below those, 27 below those: 1 + 3 + 9 + 27 */
#define CLIENTS 4
#define STEPS 200000
#define LOG 64

struct state {
    bool there[NODES];
    unsigned value[NODES]; /* 0: empty */
    unsigned vgen[NODES], kgen[NODES];
};

enum { WRITE, MKDIR, RM, READ, DIR, OPS };

struct step {
    int op, node;
    unsigned value, answer;
};

struct model_txn {
    uint32_t id;
    struct state base, now;
    unsigned version;
    int steps;
    bool lost; /* by an update */
    struct step log[LOG];
};

static struct state live;
static unsigned gen, version;
static struct model_txn txns[CLIENTS];
static struct fake *clients[CLIENTS];

static int parent(int i)
{
    return i ? (i - 1) / 3 : -1;
}

static void name(int i, char *out)
{
    char end[4] = { '/', (char)('a' + (i - 1) % 3), 0 };

    if (!i) {
        strcpy(out, "/m");
        return;
    }
    name(parent(i), out);
    strcat(out, end);
}

static void make(struct state *s, int i)
{
    if (i < 0 || s->there[i])
        return;
    make(s, parent(i));
    s->there[i] = true;
    s->value[i] = 0;
    s->vgen[i] = s->kgen[i] = ++gen;
    if (i)
        s->kgen[parent(i)] = gen;
}

static void drop(struct state *s, int i)
{
    for (int k = 3 * i + 1; k <= 3 * i + 3 && k < NODES; k++)
        drop(s, k);
    s->there[i] = false;
    s->vgen[i] = s->kgen[i] = 0;
}

/* What the reference answers: 1 OK, 0 ENOENT; for READ 2 + value, for DIR 2 + a bit a child. */
static unsigned apply(struct state *s, const struct step *t)
{
    unsigned kids = 0;

    switch (t->op) {
    case WRITE:
        make(s, t->node);
        s->value[t->node] = t->value;
        s->vgen[t->node] = ++gen;
        return 1;
    case MKDIR:
        make(s, t->node);
        return 1;
    case RM:
        if (s->there[t->node]) {
            drop(s, t->node);
            if (t->node)
                s->kgen[parent(t->node)] = ++gen;
            return 1;
        }
        return !t->node || s->there[parent(t->node)];
    case READ:
        return s->there[t->node] ? 2 + s->value[t->node] : 0;
    }
    for (int k = 0; k < 3 && 3 * t->node + 1 < NODES; k++)
        kids |= s->there[3 * t->node + 1 + k] ? 1u << k : 0;
    return s->there[t->node] ? 2 + kids : 0;
}

/* The same from the real one. */
static unsigned real(struct fake *f, uint32_t tx, const struct step *t)
{
    static const uint32_t types[OPS] = { XS_WRITE, XS_MKDIR, XS_RM, XS_READ, XS_DIRECTORY };
    char req[64];
    struct got g;
    unsigned kids = 0;
    size_t len;

    name(t->node, req);
    len = strlen(req) + 1;
    if (t->op == WRITE && t->value)
        len += (size_t)sprintf(req + len, "%u", t->value);
    g = ask_bytes(f, types[t->op], tx, req, len);
    if (g.hdr.type == XS_ERROR) {
        CU_ASSERT_STRING_EQUAL(g.data, "ENOENT");
        return 0;
    }
    if (t->op == READ)
        return 2 + (unsigned)atoi(g.data);
    for (uint32_t at = 0; t->op == DIR && at < g.hdr.len; at += 2)
        kids |= 1u << (g.data[at] - 'a');
    return t->op == DIR ? 2 + kids : 1;
}

static bool same(const struct state *a, const struct state *b)
{
    return !memcmp(a->there, b->there, sizeof(a->there));
}

static void check_all(void)
{
    for (int i = 0; i < NODES; i++)
        for (int op = READ; op <= DIR; op++) {
            struct step t = { .op = op, .node = i };

            CU_ASSERT_EQUAL_FATAL(real(clients[0], 0, &t), apply(&live, &t));
        }
}

/* Did others change something that the transaction read? */
static bool real_conflict(const struct model_txn *m)
{
    for (int i = 0; i < m->steps; i++) {
        const struct step *t = &m->log[i];

        if ((t->op == READ || t->op == RM) && m->base.vgen[t->node] != live.vgen[t->node])
            return true;
        if (t->op == RM && t->node && m->base.vgen[parent(t->node)] != live.vgen[parent(t->node)])
            return true;
        if (t->op == DIR && (m->base.kgen[t->node] != live.kgen[t->node] || m->base.there[t->node] != live.there[t->node]))
            return true;
    }
    return false;
}

static void end_txn(int c)
{
    struct model_txn *m = &txns[c];
    bool commit = rand() % 8 != 0;
    const char *answer = commit ? S(clients[c], XS_TRANSACTION_END, m->id, "T") : S(clients[c], XS_TRANSACTION_END, m->id, "F");
    bool ok = !strcmp(answer, "OK");
    bool changes = false;

    CU_ASSERT_FATAL(ok || !strcmp(answer, "EAGAIN"));
    clients[c]->conn->lane_tries = 0; /* here all stay in the open; xenstore_txn_test has the lane */
    for (int i = 0; i < m->steps; i++)
        changes = changes || (m->log[i].op < READ && m->log[i].answer);
    if (m->lost) {
        CU_ASSERT_EQUAL(ok, !commit);
    } else if (!commit || !changes) {
        CU_ASSERT(ok);
    } else if (m->version == version) {
        CU_ASSERT_FATAL(ok);
        live = m->now;
        version++;
    } else if (ok) {
        for (int i = 0; i < m->steps; i++)
            CU_ASSERT_EQUAL_FATAL(apply(&live, &m->log[i]), m->log[i].answer);
        version++;
    } else {
        CU_ASSERT_FATAL(real_conflict(m));
    }
    m->id = 0;
    m->lost = false;
}

static void one_step(int c)
{
    struct model_txn *m = &txns[c];
    struct step t = { .op = rand() % OPS, .node = rand() % 4 ? rand() % NODES : rand() % 4, .value = (unsigned)rand() % 100 };
    struct state before;

    if (t.op == RM && rand() % 3)
        t.op = WRITE;
    if (m->id && (m->steps == LOG || rand() % 6 == 0)) {
        end_txn(c);
    } else if (!m->id && rand() % 4 == 0) {
        m->id = (uint32_t)atoi(S(clients[c], XS_TRANSACTION_START, 0, ""));
        m->steps = 0;
    } else if (m->lost) {
        real(clients[c], m->id, &t); /* answers, whatever it is */
    } else if (m->id) {
        if (!m->steps) { /* a transaction begins with its first use */
            m->base = m->now = live;
            m->version = version;
        }
        t.answer = apply(&m->now, &t);
        CU_ASSERT_EQUAL_FATAL(real(clients[c], m->id, &t), t.answer);
        m->log[m->steps++] = t;
    } else {
        before = live;
        t.answer = apply(&live, &t);
        CU_ASSERT_EQUAL_FATAL(real(clients[c], 0, &t), t.answer);
        version += t.op == WRITE || !same(&before, &live);
    }
}

/* Another store goes on. */
static void replace(void)
{
    CU_ASSERT_PTR_NULL_FATAL(fake_replace());
    for (int c = 0; c < CLIENTS; c++) {
        struct model_txn *m = &txns[c];
        const struct txn *t = m->id ? txn_find(clients[c]->conn, m->id) : NULL;

        if (!m->id || m->lost)
            continue;
        CU_ASSERT_PTR_NOT_NULL_FATAL(t);
        m->lost = t->lost;
        if (m->lost) {
            CU_ASSERT_FATAL(real_conflict(m));
            continue;
        }
        m->base = m->now = live;
        m->version = version;
        for (int i = 0; i < m->steps; i++)
            CU_ASSERT_EQUAL_FATAL(apply(&m->now, &m->log[i]), m->log[i].answer);
    }
}

static void work(int steps, bool updates)
{
    unsigned there = 0;

    srand(4);
    memset(&live, 0, sizeof(live));
    memset(txns, 0, sizeof(txns));
    fake_begin();
    for (int c = 0; c < CLIENTS; c++)
        clients[c] = fake_open(0);
    for (int i = 0; i < steps; i++) {
        one_step(rand() % CLIENTS);
        if (updates && rand() % 20 == 0)
            replace();
        if (i % 500 == 0)
            check_all();
    }
    check_all();
    for (int i = 0; i < NODES; i++)
        there += live.there[i];
    for (int c = 0; c < CLIENTS; c++)
        fake_close(clients[c]);
    CU_ASSERT_EQUAL(account_of(&fake_store, 0)->nodes, there + 3); /* "/", "/tool", "/tool/xenstored" */
    CU_ASSERT_EQUAL(fake_store.live.root->ref, 1);
    fake_end();
}

static void test_random(void)
{
    work(STEPS, false);
}

static void test_updates(void)
{
    work(STEPS / 4, true);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"random work against the reference", test_random},
        {"the same with live updates", test_updates},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore model", NULL, tests);
}
