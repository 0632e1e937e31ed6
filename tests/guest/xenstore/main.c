/* SPDX-License-Identifier: MIT */
/*
 * xenstore's core in a small domain, on stubdoms/rt, with one client on a ring: pages and ports are real (a grant, an event channel whose
 * two ends are both ours), libevent, sockets and the C library are not there. Memory that runs out is an error to the client who asked.
 */
#include "../lib.h"
#include "rt/layout.h"
#include "rt/rt.h"
#include "stubdoms/xenstore/host.h"
#include "xenstore/core/wire.h"
#include <xen/grant_table.h>

static struct store store;
static struct xenstore_domain_interface *ring;
static int port;
static volatile bool heard;
static char body[4097];
static struct xsd_sockmsg hdr;

static void on_event(void *arg)
{
    heard = true;
}

/* Move n bytes; false if the server does nothing for a second. */
static bool move(void *data, uint32_t n, bool out)
{
    char *p = data;

    while (n) {
        uint32_t prod = out ? ring->req_prod : ring->rsp_prod, cons = out ? ring->req_cons : ring->rsp_cons;
        uint32_t can = out ? XENSTORE_RING_SIZE - (prod - cons) : prod - cons;

        if (!can) {
            heard = false;
            rt_event_send((uint32_t)port);
            if (!wait_for(&heard, 1000))
                return false;
        }
        for (; can && n; can--, n--)
            if (out)
                ring->req[MASK_XENSTORE_IDX(ring->req_prod++)] = *p++;
            else
                *p++ = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons++)];
    }
    return true;
}

/* A message from the server; false if none comes. */
static bool get(void)
{
    if (!move(&hdr, sizeof(hdr), false) || hdr.len > 4096 || !move(body, hdr.len, false))
        return false;
    body[hdr.len] = 0;
    return true;
}

/* Ask; the answer, events before it dropped. */
static const char *ask(uint32_t type, uint32_t tx, const void *data, uint32_t len)
{
    struct xsd_sockmsg h = { type, 7, tx, len };

    if (!move(&h, sizeof(h), true) || !move((void *)(uintptr_t)data, len, true))
        return "(full)";
    rt_event_send((uint32_t)port);
    do
        if (!get())
            return "(nothing)";
    while (hdr.type == XS_WATCH_EVENT);
    return body;
}
#define ASK(type, tx, lit) ask(type, tx, lit, sizeof(lit))
#define ANSWER(call, want) check(!strcmp(call, want), #call " is " want ": %s", body)

static uint32_t begin_tx(void)
{
    return (uint32_t)strtoul(ASK(XS_TRANSACTION_START, 0, ""), NULL, 10);
}

static void introduce(void)
{
    struct grant_entry_v1 *table = (void *)(uintptr_t)RT_GRANT_TABLE;

    ring = rt_alloc_pages(1);
    RT_ASSERT(ring);
    table[GNTTAB_RESERVED_XENSTORE].frame = (uint32_t)((uintptr_t)ring / RT_PAGE);
    table[GNTTAB_RESERVED_XENSTORE].domid = rt_domid;
    __atomic_store_n(&table[GNTTAB_RESERVED_XENSTORE].flags, GTF_permit_access, __ATOMIC_RELEASE);
    port = rt_event_alloc(rt_domid, on_event, NULL);
    check(port > 0, "a port");
    check(store_init(&store, &rt_host), "the store begins");
    check(domain_introduce(&store, rt_domid, 1, 9999) != 0, "a port that is not there is refused");
    IS(domain_introduce(&store, rt_domid, 1, (uint32_t)port), 0);
    IS(ring->server_features, WIRE_FEATURES);
}

static void test_operations(void)
{
    uint32_t tx, other;

    ANSWER(ask(XS_WRITE, 0, "/a/b\0value", 10), "OK");
    ANSWER(ASK(XS_READ, 0, "/a/b"), "value");
    ANSWER(ASK(XS_DIRECTORY, 0, "/a"), "b");
    ANSWER(ASK(XS_READ, 0, "/none"), "ENOENT");
    ANSWER(ASK(XS_WATCH, 0, "/a\0token"), "OK");
    check(get() && hdr.type == XS_WATCH_EVENT && !strcmp(body, "/a"), "the watch's first event");
    tx = begin_tx();
    other = begin_tx();
    check(tx && other && tx != other, "two transactions");
    ANSWER(ASK(XS_READ, tx, "/a/b"), "value");
    ANSWER(ask(XS_WRITE, tx, "/a/b\0one", 8), "OK");
    ANSWER(ASK(XS_READ, other, "/a/b"), "value");
    ANSWER(ask(XS_WRITE, other, "/a/b\0two", 8), "OK");
    ANSWER(ASK(XS_TRANSACTION_END, tx, "T"), "OK");
    check(get() && hdr.type == XS_WATCH_EVENT && !strcmp(body, "/a/b"), "an event of the commit");
    ANSWER(ASK(XS_TRANSACTION_END, other, "T"), "EAGAIN");
    ANSWER(ASK(XS_READ, 0, "/a/b"), "one");
    ANSWER(ASK(XS_RM, 0, "/a"), "OK");
}

#define PAGES 512 /* of memory that the store is left with: 2 MiB */

/* Until there is no memory; then what was there is right, and what is removed can be had again. */
static void test_memory(void)
{
    static char big[16 + 3000];
    unsigned n = 0, len, again = 0;

    ASK(XS_RESET_WATCHES, 0, "");
    memset(big, 'v', sizeof(big));
    while (rt_pages_free() > PAGES && rt_alloc_pages(rt_pages_free() > 2 * PAGES ? PAGES / 2 : 1))
        ;
    do {
        len = (unsigned)snprintf(big, 16, "/fill/%u", n) + 1;
        ask(XS_WRITE, 0, big, len + 3000);
    } while (!strcmp(body, "OK") && ++n < 100000);
    check(!strcmp(body, "ENOMEM") && n > 50, "%u nodes of 3000 bytes, then %s", n, body);
    ANSWER(ASK(XS_RM, 0, "/fill/1"), "OK");
    check(strlen(ASK(XS_READ, 0, "/fill/0")) == 3000, "the first is there");
    ANSWER(ASK(XS_RM, 0, "/fill"), "OK");
    do {
        len = (unsigned)snprintf(big, 16, "/fill/%u", again) + 1;
        ask(XS_WRITE, 0, big, len + 3000);
    } while (!strcmp(body, "OK") && ++again < n);
    check(again + 10 > n, "%u of them again", again);
    ASK(XS_RM, 0, "/fill");
}

static void test_reconnection(void)
{
    ring->req_prod = ring->req_cons + 5000;
    heard = false;
    rt_event_send((uint32_t)port);
    wait_for(&heard, 1000);
    IS(ring->error, XENSTORE_ERROR_RINGIDX);
    heard = false;
    ring->connection = XENSTORE_RECONNECT;
    rt_event_send((uint32_t)port);
    check(wait_for(&heard, 1000), "an answer to the reconnection");
    IS(ring->connection, XENSTORE_CONNECTED);
    IS(ring->error, XENSTORE_ERROR_NONE);
    ANSWER(ASK(XS_READ, 0, "/tool"), "");
    IS(domain_release(&store, rt_domid), 0);
    store_free(&store);
}

void domain_main(const char *cmdline)
{
    introduce();
    test_operations();
    test_memory();
    test_reconnection();
    test_done();
}
