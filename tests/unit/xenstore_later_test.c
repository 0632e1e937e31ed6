/* SPDX-License-Identifier: MIT */
/*
 * What is put off: a turn does little of a large operation, each part after it no more than was asked for, and in the end all of it was
 * done, events in their order, whatever happens between the parts. A death in between: xenstore_crash_test.
 */
#include "xenstore_fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "suite.h"

#define MANY 5000u
#define AT_ONCE 1100u /* a turn does no more than so many steps of any of it */

static struct fake *a, *b;

static void begin(void)
{
    fake_begin();
    a = fake_open(0);
    b = fake_open(0);
}

/* One request of a, and its turn, but nothing that it puts off. */
static const char *turn(uint32_t type, uint32_t tx, const char *data, size_t len)
{
    static struct got g;

    fake_send(a, type, tx, data, len);
    conn_turn(a->conn);
    g = fake_next(a);
    return g.any ? g.data : "(nothing)";
}
#define TURN(type, lit) turn(type, 0, lit, sizeof(lit))

static const char *formed(uint32_t type, uint32_t tx, const char *form, unsigned i)
{
    char text[100];
    int n = snprintf(text, sizeof(text), form, i);

    return ask_text(a, type, tx, text, (size_t)n + 1);
}

static unsigned owned(uint16_t domid)
{
    return account_of(&fake_store, domid)->nodes;
}

/* A subtree goes at once, but the accounts and the watches learn of it by and by. */
static void test_removal(void)
{
    unsigned events = 0, parts = 0, left;
    char want[40];
    bool more;

    begin();
    for (unsigned i = 0; i < MANY; i++)
        CU_STR(formed(XS_MKDIR, 0, "/d/%05u", i), "OK");
    for (unsigned i = 0; i < MANY; i += 10) {
        char text[40];

        ask_text(b, XS_WATCH, 0, text, (size_t)snprintf(text, sizeof(text), "/d/%05u%ct", i, 0) + 1);
        CU_ASSERT_STRING_NOT_EQUAL(fake_event(b), "");
    }
    left = owned(0);
    CU_STR(TURN(XS_RM, "/d"), "OK");
    CU_ASSERT(owned(0) >= left - AT_ONCE);
    CU_STR(TURN(XS_READ, "/d"), "ENOENT");
    CU_STR(TURN(XS_MKDIR, "/d/00000"), "OK"); /* what comes after is told after */
    do {
        left = owned(0);
        more = later_run(&fake_store, 100);
        CU_ASSERT(owned(0) + 100 >= left);
        parts++;
    } while (more);
    CU_ASSERT(parts > MANY / 100 - AT_ONCE / 100);
    CU_ASSERT(fake_accounts_right());
    for (; events < MANY; events += 10) {
        snprintf(want, sizeof(want), "/d/%05u|t", events);
        CU_STR(fake_event(b), want);
    }
    CU_STR(fake_event(b), "/d/00000|t");
    CU_STR(fake_event(b), "");
    fake_end();
}

/* A path that many watch, who come and go meanwhile. */
static void test_watches(void)
{
    unsigned heard = 0;

    begin();
    CU_STR(S(b, WIRE_SET_QUOTA, 0, "event-bytes\0" "0"), "OK");
    for (unsigned i = 0; i < MANY; i++) {
        char text[40];

        ask_text(b, XS_WATCH, 0, text, (size_t)snprintf(text, sizeof(text), "/w%c%u", 0, i) + 1);
        CU_ASSERT_STRING_NOT_EQUAL(fake_event(b), "");
    }
    CU_STR(turn(XS_WRITE, 0, "/w/x\0v", 6), "OK");
    conn_turn(b->conn);
    while (fake_next(b).any)
        heard++;
    CU_ASSERT(heard > 100 && heard <= AT_ONCE);
    for (int part = 0; part < 10; part++) {
        struct watch *next = fake_store.watch_cursor;
        size_t buckets = fake_store.watch_buckets;
        char token[16];

        strcpy(token, next->token); /* the very next one goes, and others come */
        CU_ASSERT_EQUAL(watch_remove(b->conn, "/w", token), 0);
        for (unsigned i = 0; i < 10; i++)
            CU_ASSERT_EQUAL(watch_add(b->conn, "/other", (snprintf(token, sizeof(token), "n%d.%u", part, i), token), false, -1), 0);
        CU_ASSERT_EQUAL(fake_store.watch_buckets, buckets);
        CU_ASSERT(later_run(&fake_store, 300));
    }
    later_finish(&fake_store);
    conn_turn(b->conn);
    while (fake_next(b).any)
        heard++;
    CU_ASSERT_EQUAL(heard, MANY - 10);
    CU_STR(S(b, XS_WATCH, 0, "/w\0last"), "OK");
    fake_end();
}

/* Events that were dropped: every watch fires once, some at a time. */
static void test_dropped(void)
{
    static bool seen[MANY];
    unsigned all = 0, turns = 0;
    struct got g;

    begin();
    for (unsigned i = 0; i < MANY; i++) {
        char text[300];
        int n = snprintf(text, sizeof(text), "/w%c%u-%0200d", 0, i, 0);

        ask_text(b, XS_WATCH, 0, text, (size_t)n + 1);
        CU_ASSERT_STRING_NOT_EQUAL(fake_event(b), "");
    }
    b->room = 0;
    CU_STR(B(a, XS_WRITE, 0, "/w\0v"), "OK");
    CU_STR(B(a, XS_WRITE, 0, "/w\0v"), "OK");
    CU_ASSERT(b->conn->overflow);
    b->room = 100000;
    while (b->conn->out || b->conn->overflow || b->conn->again) {
        CU_ASSERT_FATAL(turns++ < 1000);
        conn_turn(b->conn);
        while ((g = fake_next(b)).any) {
            unsigned token = (unsigned)atoi(g.data + 3);

            if (!b->conn->overflow) {
                all += !seen[token];
                seen[token] = true;
            }
        }
        b->room = 100000;
    }
    CU_ASSERT_EQUAL(all, MANY);
    fake_end();
}

/* A domain goes that owns nodes all over the place. */
static void test_release(void)
{
    unsigned before;

    begin();
    CU_STR(S(a, XS_INTRODUCE, 0, "5\0" "1\0" "1"), "OK");
    for (unsigned i = 0; i < MANY; i++)
        CU_STR(formed(XS_MKDIR, 0, i % 2 ? "/all/%u/x/y" : "/local/domain/5/%u", i), "OK");
    for (unsigned i = 0; i < MANY; i++) {
        char text[60];
        int n = snprintf(text, sizeof(text), i % 2 ? "/all/%u/x%cn5" : "/local/domain/5/%u%cn5", i, 0);

        CU_STR(ask_text(a, XS_SET_PERMS, 0, text, (size_t)n + 1), "OK");
    }
    CU_ASSERT_EQUAL(owned(5), MANY);
    CU_STR(TURN(XS_RELEASE, "5"), "OK");
    CU_ASSERT_EQUAL(owned(5), MANY); /* not in this turn */
    for (before = MANY; later_run(&fake_store, 1000) && before > MANY / 2; before = owned(5))
        CU_ASSERT(owned(5) + 1000 >= before);
    later_finish(&fake_store);
    CU_ASSERT_EQUAL(owned(5), MANY / 2); /* the home's, which the toolstack removes */
    CU_STR(S(a, XS_READ, 0, "/all/1"), "");
    CU_STR(S(a, XS_READ, 0, "/all/1/x"), "ENOENT");
    CU_ASSERT(fake_accounts_right());
    /* one that comes with the same id meanwhile owns nothing of it; nor is anything lost if another daemon goes on */
    CU_STR(S(a, XS_MKDIR, 0, "/all/1/x"), "OK");
    CU_STR(S(a, XS_SET_PERMS, 0, "/all/1/x\0n6"), "OK");
    CU_STR(S(a, XS_INTRODUCE, 0, "6\0" "1\0" "1"), "OK");
    CU_STR(TURN(XS_RELEASE, "6"), "OK");
    CU_STR(TURN(XS_INTRODUCE, "6\0" "1\0" "1"), "OK");
    CU_STR(S(a, XS_READ, 0, "/all/1/x"), "ENOENT");
    fake_end();
}

/* A snapshot that is taken while a domain's nodes are being looked for: who loads it looks for them too. */
static void test_release_state(void)
{
    struct sbuf state = { .grow = fake_grow };
    struct snapshot part;

    begin();
    CU_STR(S(a, XS_MKDIR, 0, "/all/1/x"), "OK");
    CU_STR(S(a, XS_SET_PERMS, 0, "/all/1/x\0n6"), "OK");
    CU_STR(S(a, XS_INTRODUCE, 0, "6\0" "1\0" "1"), "OK");
    CU_STR(TURN(XS_RELEASE, "6"), "OK");
    state_begin(&fake_store, &state, &part);
    CU_ASSERT(state_more(&part, &state, 1000));
    CU_ASSERT(state_rings(&fake_store, &part, &state, 0)); /* there is none */
    state_end(&part);
    fake_end();
    begin();
    CU_ASSERT_PTR_NULL(state_load(&fake_store, state.bytes, state.used, 0));
    CU_STR(TURN(XS_READ, "/all/1/x"), "");
    later_finish(&fake_store);
    CU_STR(TURN(XS_READ, "/all/1/x"), "ENOENT");
    free(state.bytes);
    fake_end();
}

/* A transaction of many changes is told of, and freed, by and by; each path once. */
static void test_transaction(void)
{
    unsigned heard = 0;
    uint32_t t;

    begin();
    CU_STR(S(b, WIRE_SET_QUOTA, 0, "event-bytes\0" "0"), "OK");
    CU_STR(S(b, XS_WATCH, 0, "/t\0w"), "OK");
    CU_STR(fake_event(b), "/t|w");
    t = (uint32_t)atoi(S(a, XS_TRANSACTION_START, 0, ""));
    for (unsigned i = 0; i < 2 * MANY; i++)
        CU_STR(formed(XS_WRITE, t, "/t/%u", i % MANY), "OK");
    CU_STR(turn(XS_TRANSACTION_END, t, "T", 2), "OK");
    CU_STR(TURN(XS_READ, "/t/1"), "");
    CU_ASSERT_EQUAL(account_of(&fake_store, 0)->transactions, 0);
    conn_turn(b->conn);
    while (fake_next(b).any)
        heard++;
    CU_ASSERT(heard > 50 && heard <= AT_ONCE);
    while (later_run(&fake_store, 1000))
        ;
    conn_turn(b->conn);
    while (fake_next(b).any)
        heard++;
    CU_ASSERT_EQUAL(heard, MANY);
    CU_ASSERT(fake_accounts_right());
    fake_end();
}

/* What takes more than one turn is not answered before it is done. */
static void test_reset(void)
{
    unsigned turns = 0;

    begin();
    for (unsigned i = 0; i < MANY; i++) {
        char token[16];

        snprintf(token, sizeof(token), "%u", i);
        CU_ASSERT_EQUAL(watch_add(a->conn, "/w", token, false, -1), 0);
    }
    fake_send(a, XS_RESET_WATCHES, 0, "", 1);
    while (fake_store.watch_count) {
        size_t was = fake_store.watch_count;

        CU_ASSERT(!fake_next(a).any);
        CU_ASSERT_FATAL(turns++ < MANY);
        CU_ASSERT_EQUAL(conn_turn(a->conn), fake_store.watch_count ? TURN_MORE : TURN_IDLE);
        CU_ASSERT(was - fake_store.watch_count <= AT_ONCE);
    }
    struct got g = fake_next(a);
    CU_STR(g.data, "OK");
    fake_end();
}

/* Requests that are much work each: a turn takes no more of them when it has done enough. */
static void test_work(void)
{
    unsigned answered = 0, turns = 0;
    char text[40];
    enum turn t;

    begin();
    for (unsigned i = 0; i < 14 * 600; i++)
        CU_STR(ask_text(a, XS_MKDIR, 0, text, (size_t)snprintf(text, sizeof(text), "/w/%u/%u", i / 600, i) + 1), "OK");
    for (unsigned i = 0; i < 14; i++)
        fake_send(a, XS_RM, 0, text, (size_t)snprintf(text, sizeof(text), "/w/%u", i) + 1);
    do {
        unsigned now = 0;

        t = conn_turn(a->conn);
        while (fake_next(a).any)
            now++;
        CU_ASSERT(now <= 2); /* the second goes beyond TURN_WORK */
        answered += now;
        turns++;
    } while (t == TURN_MORE);
    CU_ASSERT_EQUAL(answered, 14);
    CU_ASSERT_EQUAL(turns, 7);
    CU_ASSERT(fake_accounts_right());
    fake_end();
}

/* Who still lives, of a thousand: asked for together. */
static void test_domains(void)
{
    begin();
    for (unsigned d = 1; d <= 1000; d++) {
        char text[40];

        CU_STR(ask_text(a, XS_INTRODUCE, 0, text, (size_t)snprintf(text, sizeof(text), "%u%c1%c1", d, 0, 0) + 1), "OK");
    }
    CU_STR(S(b, XS_WATCH, 0, "@releaseDomain\0t"), "OK");
    CU_STR(fake_event(b), "@releaseDomain|t");
    fake_state[1] = fake_state[1000] = DOMAIN_GONE;
    fake_state[500] = DOMAIN_SHUTDOWN;
    fake_asked = 0;
    CU_STR(S(a, XS_CONTROL, 0, "domains"), "OK");
    CU_ASSERT(fake_asked <= FAKE_DOMAINS / INFOS_AT_ONCE + 1);
    CU_STR(fake_event(b), "@releaseDomain|t");
    CU_STR(fake_event(b), "");
    CU_STR(S(a, XS_IS_DOMAIN_INTRODUCED, 0, "1"), "F");
    CU_STR(S(a, XS_IS_DOMAIN_INTRODUCED, 0, "2"), "T");
    CU_STR(S(a, XS_IS_DOMAIN_INTRODUCED, 0, "500"), "T");
    CU_STR(S(a, XS_IS_DOMAIN_INTRODUCED, 0, "1000"), "F");
    CU_STR(S(a, XS_CONTROL, 0, "domains"), "OK");
    CU_STR(fake_event(b), "");
    fake_end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a subtree goes", test_removal},
        {"many watch one path", test_watches},
        {"events were dropped", test_dropped},
        {"a domain goes", test_release},
        {"a domain goes, and the daemon", test_release_state},
        {"a large transaction", test_transaction},
        {"all watches are reset", test_reset},
        {"much work in a turn", test_work},
        {"a thousand domains", test_domains},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore put off", NULL, tests);
}
