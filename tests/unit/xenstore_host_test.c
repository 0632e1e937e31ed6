/* SPDX-License-Identifier: MIT */
/*
 * Domain rings as the daemon serves them, on a hypervisor that is played (xenstore_played.h): introduction, reconnection, hostile pages,
 * and that no domain's ring holds up another's.
 */
#include "xenstore/core/state.h"
#include "xenstore/core/txn.h"
#include "xenstore/core/view.h"
#include "xenstore/core/watch.h"
#include "xenstore/transport/loop.h"
#include "xenstore_played.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "suite.h"

static struct event_base *base;
static struct store s;
static void settle(void)
{
    for (int i = 0; i < 40; i++)
        loop_once(base, false);
}

static void request(unsigned domid, uint32_t type, const char *data, size_t len)
{
    struct xsd_sockmsg hdr = { type, 1, 0, (uint32_t)len };

    played_put(domid, &hdr, sizeof(hdr));
    played_put(domid, data, len);
    played_kick(domid);
}

/* Ask over the ring; the answer as a string. Events are skipped. */
static const char *ask(unsigned domid, uint32_t type, const char *data, size_t len)
{
    static char body[4097];
    struct xsd_sockmsg hdr = { 0 };

    request(domid, type, data, len);
    settle();
    do {
        memset(body, 0, sizeof(body));
        if (played_get(domid, &hdr, sizeof(hdr)) != sizeof(hdr) || hdr.len > 1000)
            return "(nothing)";
        played_get(domid, body, hdr.len);
    } while (hdr.type == XS_WATCH_EVENT);
    return body;
}
#define ASK(d, type, lit) ask(d, type, lit, sizeof(lit))

static void begin(void)
{
    played_begin();
    base = event_base_new();
    CU_ASSERT_FATAL(base && loop_open(base, &s) && store_init(&s, &xen_host));
    xen_host_open(base, &s); /* there is no control kernel's ring here */
    for (uint16_t d = 1; d < 4; d++)
        CU_ASSERT_EQUAL(domain_introduce(&s, d, 0, 7), 0);
    settle();
}

static void end(void)
{
    while (s.domains)
        domain_release(&s, s.domains->domid);
    for (unsigned d = 0; d < DOMAINS; d++)
        CU_ASSERT_EQUAL(played_mapped[d], 0);
    CU_ASSERT_EQUAL(played_ports, 0);
    xen_host_close();
    loop_close();
    store_free(&s);
    event_base_free(base);
    played_end();
}

static void test_serve(void)
{
    begin();
    CU_ASSERT_EQUAL(played_pages[1].server_features, WIRE_FEATURES);
    account_of(&s, 6)->features_off = WIRE_FEATURE_WATCH_DEPTH;
    CU_ASSERT_EQUAL(domain_introduce(&s, 6, 0, 7), 0);
    CU_ASSERT_EQUAL(played_pages[6].server_features, 3);
    CU_ASSERT(played_notified[1] > 0);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_READ, "/tool"), "EACCES");
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_READ, "x"), "EACCES");
    CU_ASSERT_EQUAL(domain_introduce(&s, 4, 0, 99), EINVAL); /* port refused: nothing stays */
    CU_ASSERT_EQUAL(domain_introduce(&s, 100, 0, 7), EINVAL); /* nothing granted */
    CU_ASSERT_EQUAL(played_mapped[4], 0);
    /* what was in the ring before the introduction is served, without an event */
    struct xsd_sockmsg hdr = { XS_GET_DOMAIN_PATH, 1, 0, 2 };
    played_put(5, &hdr, sizeof(hdr));
    played_put(5, "5", 2);
    CU_ASSERT_EQUAL(domain_introduce(&s, 5, 0, 7), 0);
    settle();
    CU_ASSERT(played_pages[5].rsp_prod > 16);
    end();
}

static void test_bad_index(void)
{
    begin();
    played_pages[1].req_prod = played_pages[1].req_cons + 1025;
    played_kick(1);
    settle();
    CU_ASSERT_EQUAL(played_pages[1].error, XENSTORE_ERROR_RINGIDX);
    CU_ASSERT_STRING_EQUAL(played_log, "domain 1: ring stopped, an index is impossible");
    CU_ASSERT_STRING_EQUAL(ASK(2, XS_GET_DOMAIN_PATH, "2"), "/local/domain/2");
    unsigned before = played_notified[1];
    for (int i = 0; i < 5; i++) {
        played_kick(1);
        settle();
    }
    CU_ASSERT_EQUAL(played_notified[1], before); /* stopped is stopped */
    played_pages[1].connection = XENSTORE_RECONNECT;
    played_kick(1);
    settle();
    CU_ASSERT_EQUAL(played_pages[1].connection, XENSTORE_CONNECTED);
    CU_ASSERT_EQUAL(played_pages[1].error, XENSTORE_ERROR_NONE);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    /* the other direction, and a message that is too long */
    played_pages[2].rsp_cons = played_pages[2].rsp_prod + 1;
    request(2, XS_GET_DOMAIN_PATH, "2", 2);
    settle();
    CU_ASSERT_EQUAL(played_pages[2].error, XENSTORE_ERROR_RINGIDX);
    struct xsd_sockmsg hdr = { XS_READ, 1, 0, 4097 };
    played_put(3, &hdr, sizeof(hdr));
    played_kick(3);
    settle();
    CU_ASSERT_EQUAL(played_pages[3].error, XENSTORE_ERROR_PROTO);
    end();
}

/* A new incarnation: half a request in, replies unread, watches, a transaction: all gone, and it starts clean. */
static void test_reconnect(void)
{
    begin();
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_WATCH, "@releaseDomain\0t"), "OK");
    CU_ASSERT(atoi(ASK(1, XS_TRANSACTION_START, "")) > 0);
    request(1, XS_GET_DOMAIN_PATH, "1", 2);
    settle();
    played_put(1, "half", 4);
    played_kick(1);
    settle();
    CU_ASSERT_EQUAL(s.watch_count, 1);
    CU_ASSERT(played_pages[1].rsp_prod != played_pages[1].rsp_cons);
    played_pages[1].connection = XENSTORE_RECONNECT;
    played_kick(1);
    settle();
    CU_ASSERT_EQUAL(s.watch_count, 0);
    CU_ASSERT_PTR_NULL(domain_find(&s, 1)->conn->txns);
    CU_ASSERT_EQUAL(played_pages[1].rsp_prod | played_pages[1].req_cons | played_pages[1].connection, 0);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_WATCH, "@releaseDomain\0t"), "OK");
    /* introduced again: the same, with a new port */
    CU_ASSERT_EQUAL(domain_introduce(&s, 1, 0, 8), 0);
    CU_ASSERT_EQUAL(s.watch_count, 0);
    CU_ASSERT_EQUAL(played_mapped[1], 1);
    CU_ASSERT_EQUAL(played_ports, 3);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    end();
}

/* A domain that fills its ring and never reads holds up nobody; all is there when it reads at last. */
static void test_full(void)
{
    struct xsd_sockmsg hdr;
    unsigned sent = 0, got = 0;
    char body[64];

    begin();
    for (int i = 0; i < 200; i++) {
        struct xsd_sockmsg h = { XS_GET_DOMAIN_PATH, 1, 0, 2 };

        if (XENSTORE_RING_SIZE - (played_pages[1].req_prod - played_pages[1].req_cons) < sizeof(h) + 2)
            break;
        played_put(1, &h, sizeof(h));
        played_put(1, "1", 2);
        sent++;
        played_kick(1);
        settle();
        CU_ASSERT_STRING_EQUAL(ASK(2, XS_GET_DOMAIN_PATH, "2"), "/local/domain/2");
    }
    CU_ASSERT(sent > 60); /* the ring both ways, and what is outstanding */
    for (int i = 0; i < 200; i++) {
        while (played_get(1, &hdr, sizeof(hdr)) == sizeof(hdr)) {
            CU_ASSERT_EQUAL_FATAL(hdr.len, 16);
            if (played_get(1, body, 16) < 16) { /* the reply was cut by the end of the room: the rest follows */
                played_kick(1);
                settle();
                break;
            }
            got++;
        }
        played_kick(1);
        settle();
        if (got == sent)
            break;
    }
    CU_ASSERT_EQUAL(got, sent);
    end();
}

/* In the middle of the server's turn: one more request, and no event, as a kernel does that sees the server busy. */
static void one_more(void)
{
    struct xsd_sockmsg hdr = { XS_GET_DOMAIN_PATH, 2, 0, 2 };

    played_meanwhile = NULL;
    CU_ASSERT(played_pages[1].req_cons != played_pages[1].req_prod);
    played_put(1, &hdr, sizeof(hdr));
    played_put(1, "1", 2);
}

static void test_no_event(void)
{
    struct xsd_sockmsg hdr;
    char body[64];

    begin();
    s.trace = true;
    played_meanwhile = one_more;
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    CU_ASSERT_PTR_NULL(played_meanwhile);
    CU_ASSERT_EQUAL(played_get(1, &hdr, sizeof(hdr)), sizeof(hdr));
    CU_ASSERT_EQUAL(hdr.req_id, 2);
    CU_ASSERT_EQUAL(played_get(1, body, 16), 16);
    end();
}

/* Any word of the page becomes anything. */
static void poke(void)
{
    struct xenstore_domain_interface *p = &played_pages[1];
    uint32_t *const words[] = { &p->req_cons, &p->req_prod, &p->rsp_cons, &p->rsp_prod, &p->connection, &p->error, &p->server_features };
    uint32_t *w = words[rand() % 7];

    switch (rand() % 4) {
    case 0: *w = (uint32_t)rand() * 3u; break;
    case 1: *w += (uint32_t)(rand() % 2100) - 1050; break;
    case 2: *w = (uint32_t)rand() % 3; break;
    case 3: p->req[rand() % XENSTORE_RING_SIZE] = (char)rand(); break;
    }
}

/* Indices torn and moved, between turns and in the middle of them: the others are served, and a reconnection heals it. */
static void test_torn(void)
{
    begin();
    s.trace = true;
    srand(11);
    for (int i = 0; i < 5000; i++) {
        for (int k = rand() % 4; k >= 0; k--)
            poke();
        played_meanwhile = poke; /* at a line of the log, so while a request of anybody's is executed */
        played_kick(1);
        settle();
        if (i % 10 == 0) {
            CU_ASSERT_STRING_EQUAL_FATAL(ASK(2, XS_GET_DOMAIN_PATH, "2"), "/local/domain/2");
            played_pages[1].connection = XENSTORE_RECONNECT;
            played_meanwhile = NULL;
            played_kick(1);
            settle();
            CU_ASSERT_STRING_EQUAL_FATAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
        }
    }
    played_meanwhile = NULL;
    end();
}

static void test_states(void)
{
    begin();
    played_infos[2].flags |= XEN_DOMINF_shutdown;
    played_infos[3].flags |= XEN_DOMINF_dying;
    CU_ASSERT_EQUAL(domains_refresh(&s), 2);
    CU_ASSERT_PTR_NOT_NULL(domain_find(&s, 2));
    CU_ASSERT_PTR_NULL(domain_find(&s, 3));
    CU_ASSERT_EQUAL(played_mapped[3], 0);
    CU_ASSERT_EQUAL(domains_refresh(&s), 0);
    played_infos[1].domain = 0; /* it is gone */
    CU_ASSERT_EQUAL(domains_refresh(&s), 1);
    CU_ASSERT_PTR_NULL(domain_find(&s, 1));
    end();
}

/* XS_SET_TARGET: a stub domain has the rights of the domain that it serves, until that goes; a new ring does not change it. */
static void test_target(void)
{
    static const struct actor domain0 = { 0, NO_TARGET };
    struct perms *p = perms_new(1);
    bool made;

    begin();
    p->p[0] = (struct perm){ 1, 0 };
    CU_ASSERT_EQUAL(view_mkdir(&s, &s.live, &domain0, "/local/domain/1", &made), 0);
    CU_ASSERT_EQUAL(view_set_perms(&s, &s.live, &domain0, "/local/domain/1", p), 0);
    CU_ASSERT_STRING_EQUAL(ASK(2, XS_WRITE, "/local/domain/1/x\0v"), "EACCES");
    CU_ASSERT_EQUAL(domain_set_target(&s, 2, 1), 0);
    CU_ASSERT_STRING_EQUAL(ASK(2, XS_WRITE, "/local/domain/1/x\0v"), "OK");
    CU_ASSERT_STRING_EQUAL(ASK(3, XS_WRITE, "/local/domain/1/x\0v"), "EACCES");
    CU_ASSERT_EQUAL(domain_introduce(&s, 2, 0, 8), 0);
    CU_ASSERT_STRING_EQUAL(ASK(2, XS_READ, "/local/domain/1/x"), "v");
    CU_ASSERT_EQUAL(domain_release(&s, 1), 0);
    CU_ASSERT_EQUAL(domain_introduce(&s, 1, 0, 7), 0);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_WRITE, "/local/domain/1/y\0v"), "OK");
    CU_ASSERT_STRING_EQUAL(ASK(2, XS_READ, "/local/domain/1/y"), "EACCES");
    perms_put(p);
    end();
}

/* --- a state that is taken in parts, while the rings go on --- */

static bool grow(struct sbuf *b, size_t room)
{
    char *p = realloc(b->bytes, 2 * room);

    if (p) {
        b->bytes = p;
        b->room = 2 * room;
    }
    return p;
}

static void watch(unsigned domid, uint32_t type, const char *token)
{
    char text[16];

    CU_ASSERT_STRING_EQUAL(ask(domid, type, text, (size_t)sprintf(text, "w%c%s", 0, token) + 1), "OK");
}

/* What is watched: the tokens, in any order, all of them one letter. */
static unsigned tokens(unsigned domid)
{
    unsigned set = 0;

    for (const struct watch *w = domain_find(&s, (uint16_t)domid)->conn->watches; w; w = w->next)
        set |= 1u << (*w->token - 'a');
    return set;
}

static void test_parts(void)
{
    struct sbuf state = { .grow = grow };
    uint64_t committed = 0;
    uint32_t running = 0;
    struct journal j = { { .grow = grow }, &committed, &running };
    struct snapshot part;
    unsigned parts = 0;
    bool done;

    begin();
    s.journal = &j;
    for (unsigned d = 1; d < 4; d++)
        watch(d, XS_WATCH, "a");
    j.buf.used = 0; /* what was before the snapshot */
    state_begin(&s, &state, &part);
    CU_ASSERT(state_more(&part, &state, 1000));
    do {
        for (unsigned d = 1; d < 4; d++) { /* each with what is new between the parts */
            watch(d, XS_WATCH, (const char[]){ (char)('b' + parts), 0 });
            watch(d, XS_UNWATCH, (const char[]){ (char)('a' + parts), 0 });
            if (!parts)
                CU_ASSERT(atoi(ASK(d, XS_TRANSACTION_START, "")) > 0);
            request(d, XS_READ, "w", 2); /* its answer is not read: it is in the state */
            settle();
        }
        state_append(&state, j.buf.bytes, j.buf.used);
        j.buf.used = 0;
        done = state_rings(&s, &part, &state, 1);
        for (unsigned d = 1; d < 4; d++) {
            char rest[200];

            while (played_get(d, rest, sizeof(rest)) == sizeof(rest))
                ;
        }
        CU_ASSERT_FATAL(parts++ < 10);
    } while (!done);
    state_append(&state, j.buf.bytes, j.buf.used);
    state_end(&part);
    s.journal = NULL;
    CU_ASSERT_EQUAL(parts, 3);
    while (s.domains)
        domain_release(&s, s.domains->domid);
    store_free(&s);
    CU_ASSERT_FATAL(store_init(&s, &xen_host));
    CU_ASSERT_PTR_NULL(state_load(&s, state.bytes, state.used, 0));
    settle();
    for (unsigned d = 1; d < 4; d++) {
        const struct txn *t = domain_find(&s, (uint16_t)d)->conn->txns;

        CU_ASSERT_EQUAL(tokens(d), 1u << parts);
        CU_ASSERT(t && t->lost && !t->next);
        CU_ASSERT_PTR_NULL(domain_find(&s, (uint16_t)d)->conn->out); /* all was sent before, and is not sent again */
        CU_ASSERT_EQUAL(played_pages[d].rsp_prod, played_pages[d].rsp_cons);
        CU_ASSERT_STRING_EQUAL(ask(d, XS_GET_DOMAIN_PATH, "1", 2), "/local/domain/1");
    }
    free(state.bytes);
    free(j.buf.bytes);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"served from the introduction on", test_serve},
        {"hostile pages", test_bad_index},
        {"a new incarnation", test_reconnect},
        {"a full ring", test_full},
        {"a request without an event", test_no_event},
        {"torn indices", test_torn},
        {"who still lives", test_states},
        {"a stub domain's target", test_target},
        {"a state in parts", test_parts},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore rings", NULL, tests);
}
