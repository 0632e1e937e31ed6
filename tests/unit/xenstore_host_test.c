/* SPDX-License-Identifier: MIT */
/*
 * Domain rings as the daemon serves them, on a hypervisor that is played here: introduction, reconnection, hostile pages, and
 * that no domain's ring holds up another's.
 */
#define _GNU_SOURCE
#include "xenstore/transport/loop.h"
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/grant_table.h>
#include "suite.h"

#define DOMAINS 8

/* --- the hypervisor --- */

static struct xenstore_domain_interface pages[DOMAINS];
static unsigned mapped[DOMAINS];   /* times the page is mapped */
static uint16_t port_owner[256];   /* domain at the other end of a local port */
static unsigned ports_open, next_port, notified[DOMAINS];
static int event_fd = -1;
static int queue[256];
static unsigned queued;
static xc_domaininfo_t infos[DOMAINS];

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned flags)
{
    event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return (xenevtchn_handle *)&event_fd;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
    return event_fd;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
    eventfd_t v;

    if (queued)
        return queue[--queued];
    return eventfd_read(event_fd, &v) ? -1 : -1;
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid, evtchn_port_t remote)
{
    if (remote == 99)
        return -1;
    port_owner[++next_port] = (uint16_t)domid;
    ports_open++;
    return (int)next_port;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
    CU_ASSERT(port_owner[port] != 0);
    port_owner[port] = 0;
    ports_open--;
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
    CU_ASSERT(port_owner[port] != 0);
    notified[port_owner[port]]++;
    return 0;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags)
{
    return (xengnttab_handle *)&pages;
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot)
{
    if (domid >= DOMAINS || ref != GNTTAB_RESERVED_XENSTORE)
        return NULL;
    mapped[domid]++;
    return &pages[domid];
}

int xengnttab_unmap(xengnttab_handle *h, void *page, uint32_t count)
{
    mapped[(struct xenstore_domain_interface *)page - pages]--;
    return 0;
}

xc_interface *xc_interface_open(xentoollog_logger *l, xentoollog_logger *d, unsigned flags)
{
    return (xc_interface *)&infos;
}

int xc_domain_getinfolist(xc_interface *h, uint32_t domid, unsigned max, xc_domaininfo_t *info)
{
    *info = infos[domid];
    return 1;
}

/* --- the domains --- */

static struct event_base *base;
static struct store s;
static char last_log[600];

void log_line(const char *line)
{
    strcpy(last_log, line);
}

static void kick(unsigned domid)
{
    for (unsigned p = 1; p <= next_port; p++)
        if (port_owner[p] == domid && queued < 256)
            queue[queued++] = (int)p;
    eventfd_write(event_fd, 1);
}

static void settle(void)
{
    for (int i = 0; i < 40; i++)
        loop_once(base, false);
}

/* Put bytes into the domain's ring; returns how many fit. */
static size_t put(unsigned domid, const void *data, size_t len)
{
    struct xenstore_domain_interface *p = &pages[domid];
    size_t n = 0;

    while (n < len && p->req_prod - p->req_cons < XENSTORE_RING_SIZE)
        p->req[MASK_XENSTORE_IDX(p->req_prod++)] = ((const char *)data)[n++];
    return n;
}

static size_t get(unsigned domid, void *data, size_t len)
{
    struct xenstore_domain_interface *p = &pages[domid];
    size_t n = 0;

    while (n < len && p->rsp_cons != p->rsp_prod)
        ((char *)data)[n++] = p->rsp[MASK_XENSTORE_IDX(p->rsp_cons++)];
    return n;
}

static void request(unsigned domid, uint32_t type, const char *data, size_t len)
{
    struct xsd_sockmsg hdr = { type, 1, 0, (uint32_t)len };

    put(domid, &hdr, sizeof(hdr));
    put(domid, data, len);
    kick(domid);
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
        if (get(domid, &hdr, sizeof(hdr)) != sizeof(hdr) || hdr.len > 1000)
            return "(nothing)";
        get(domid, body, hdr.len);
    } while (hdr.type == XS_WATCH_EVENT);
    return body;
}
#define ASK(d, type, lit) ask(d, type, lit, sizeof(lit))

static void begin(void)
{
    memset(pages, 0, sizeof(pages));
    memset(infos, 0, sizeof(infos));
    for (unsigned i = 0; i < DOMAINS; i++)
        infos[i].domain = (domid_t)i;
    next_port = queued = 0;
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
        CU_ASSERT_EQUAL(mapped[d], 0);
    CU_ASSERT_EQUAL(ports_open, 0);
    xen_host_close();
    loop_close();
    store_free(&s);
    event_base_free(base);
    close(event_fd);
}

static void test_serve(void)
{
    begin();
    CU_ASSERT_EQUAL(pages[1].server_features, WIRE_FEATURES);
    account_of(&s, 6)->features_off = WIRE_FEATURE_WATCH_DEPTH;
    CU_ASSERT_EQUAL(domain_introduce(&s, 6, 0, 7), 0);
    CU_ASSERT_EQUAL(pages[6].server_features, 3);
    CU_ASSERT(notified[1] > 0);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_READ, "/tool"), "EACCES");
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_READ, "x"), "EACCES");
    CU_ASSERT_EQUAL(domain_introduce(&s, 4, 0, 99), EINVAL); /* port refused: nothing stays */
    CU_ASSERT_EQUAL(domain_introduce(&s, 100, 0, 7), EINVAL); /* nothing granted */
    CU_ASSERT_EQUAL(mapped[4], 0);
    /* what was in the ring before the introduction is served, without an event */
    struct xsd_sockmsg hdr = { XS_GET_DOMAIN_PATH, 1, 0, 2 };
    put(5, &hdr, sizeof(hdr));
    put(5, "5", 2);
    CU_ASSERT_EQUAL(domain_introduce(&s, 5, 0, 7), 0);
    settle();
    CU_ASSERT(pages[5].rsp_prod > 16);
    end();
}

static void test_bad_index(void)
{
    begin();
    pages[1].req_prod = pages[1].req_cons + 1025;
    kick(1);
    settle();
    CU_ASSERT_EQUAL(pages[1].error, XENSTORE_ERROR_RINGIDX);
    CU_ASSERT_STRING_EQUAL(last_log, "domain 1: ring stopped, an index is impossible");
    CU_ASSERT_STRING_EQUAL(ASK(2, XS_GET_DOMAIN_PATH, "2"), "/local/domain/2");
    unsigned before = notified[1];
    for (int i = 0; i < 5; i++) {
        kick(1);
        settle();
    }
    CU_ASSERT_EQUAL(notified[1], before); /* stopped is stopped */
    pages[1].connection = XENSTORE_RECONNECT;
    kick(1);
    settle();
    CU_ASSERT_EQUAL(pages[1].connection, XENSTORE_CONNECTED);
    CU_ASSERT_EQUAL(pages[1].error, XENSTORE_ERROR_NONE);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    /* the other direction, and a message that is too long */
    pages[2].rsp_cons = pages[2].rsp_prod + 1;
    request(2, XS_GET_DOMAIN_PATH, "2", 2);
    settle();
    CU_ASSERT_EQUAL(pages[2].error, XENSTORE_ERROR_RINGIDX);
    struct xsd_sockmsg hdr = { XS_READ, 1, 0, 4097 };
    put(3, &hdr, sizeof(hdr));
    kick(3);
    settle();
    CU_ASSERT_EQUAL(pages[3].error, XENSTORE_ERROR_PROTO);
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
    put(1, "half", 4);
    kick(1);
    settle();
    CU_ASSERT_EQUAL(s.watch_count, 1);
    CU_ASSERT(pages[1].rsp_prod != pages[1].rsp_cons);
    pages[1].connection = XENSTORE_RECONNECT;
    kick(1);
    settle();
    CU_ASSERT_EQUAL(s.watch_count, 0);
    CU_ASSERT_PTR_NULL(domain_find(&s, 1)->conn->txns);
    CU_ASSERT_EQUAL(pages[1].rsp_prod | pages[1].req_cons | pages[1].connection, 0);
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_GET_DOMAIN_PATH, "1"), "/local/domain/1");
    CU_ASSERT_STRING_EQUAL(ASK(1, XS_WATCH, "@releaseDomain\0t"), "OK");
    /* introduced again: the same, with a new port */
    CU_ASSERT_EQUAL(domain_introduce(&s, 1, 0, 8), 0);
    CU_ASSERT_EQUAL(s.watch_count, 0);
    CU_ASSERT_EQUAL(mapped[1], 1);
    CU_ASSERT_EQUAL(ports_open, 3);
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

        if (XENSTORE_RING_SIZE - (pages[1].req_prod - pages[1].req_cons) < sizeof(h) + 2)
            break;
        put(1, &h, sizeof(h));
        put(1, "1", 2);
        sent++;
        kick(1);
        settle();
        CU_ASSERT_STRING_EQUAL(ASK(2, XS_GET_DOMAIN_PATH, "2"), "/local/domain/2");
    }
    CU_ASSERT(sent > 60); /* the ring both ways, and what is outstanding */
    for (int i = 0; i < 200; i++) {
        while (get(1, &hdr, sizeof(hdr)) == sizeof(hdr)) {
            CU_ASSERT_EQUAL_FATAL(hdr.len, 16);
            if (get(1, body, 16) < 16) { /* the reply was cut by the end of the room: the rest follows */
                kick(1);
                settle();
                break;
            }
            got++;
        }
        kick(1);
        settle();
        if (got == sent)
            break;
    }
    CU_ASSERT_EQUAL(got, sent);
    end();
}

static void test_states(void)
{
    begin();
    infos[2].flags |= XEN_DOMINF_shutdown;
    infos[3].flags |= XEN_DOMINF_dying;
    CU_ASSERT_EQUAL(domains_refresh(&s), 2);
    CU_ASSERT_PTR_NOT_NULL(domain_find(&s, 2));
    CU_ASSERT_PTR_NULL(domain_find(&s, 3));
    CU_ASSERT_EQUAL(mapped[3], 0);
    CU_ASSERT_EQUAL(domains_refresh(&s), 0);
    infos[1].domain = 7; /* the answer is about a later domain: ours is gone */
    CU_ASSERT_EQUAL(domains_refresh(&s), 1);
    CU_ASSERT_PTR_NULL(domain_find(&s, 1));
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"served from the introduction on", test_serve},
        {"hostile pages", test_bad_index},
        {"a new incarnation", test_reconnect},
        {"a full ring", test_full},
        {"who still lives", test_states},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore rings", NULL, tests);
}
