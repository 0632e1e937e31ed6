/* SPDX-License-Identifier: MIT */
/*
 * stubdoms/rt: xsconn.c and xs.c against a server in this file, which answers well, slowly, late, wrongly or not at
 * all. Time is a number here: waiting moves it on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "rt/internal.h"
#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>
#include "suite.h"

uint16_t rt_domid;
uint32_t rt_incarnation = 1;

static struct xenstore_domain_interface *ring;
static uint64_t now = 1000;
static rt_event_fn handler;
static struct rt_work *work;
static bool events_lost_log;
static char last_log[256];

/* What the server does with the next request. */
static enum { GOOD, BYTEWISE, SILENT, LATE, WRONG_ID, WRONG_TYPE, TOO_LONG, BAD_INDEX, BAD_EVENT, ERRNO, EVENT_FIRST, EVENT_LAST } mood;
static const char *answer = "value";
static unsigned answer_len = 5;
static unsigned requests, resets;
static char out[16384];          /* bytes still to be put into the ring */
static unsigned out_len;
static char request[8192];
static unsigned request_len;

/* --- what rt offers --- */
int64_t rt_hvm_param(unsigned index)
{
    return index == HVM_PARAM_STORE_PFN ? (int64_t)((uintptr_t)ring / RT_PAGE) : index == HVM_PARAM_STORE_EVTCHN ? 3 : 0;
}
int rt_map_ram(uint64_t addr, uint64_t bytes) { return 0; }
void rt_event_attach(uint32_t port, rt_event_fn fn, void *arg) { handler = fn; }
void rt_look_again(uint32_t port) { }
uint64_t rt_now(void) { return now; }
void *rt_alloc(size_t n) { return calloc(1, n ? n : 1); }
void rt_free(void *p) { free(p); }
void rt_defer(struct rt_work *w) { work = w; }
void rt_defer_slow(struct rt_work *w) { work = w; }
bool rt_on_task(void) { return false; }
void rt_task_wait(uint64_t deadline) { abort(); }
void rt_task_poke(void) { }
bool rt_task_run(void) { return false; }
uint64_t rt_task_next(void) { return UINT64_MAX; }
void rt_crash(const char *fmt, ...) { abort(); }
void rt_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(last_log, sizeof(last_log), fmt, ap);
    va_end(ap);
    events_lost_log = true;
}

/* --- the server --- */
static void push(const void *p, unsigned n)
{
    memcpy(out + out_len, p, n);
    out_len += n;
}

static void push_message(uint32_t type, uint32_t id, const void *body, unsigned n)
{
    struct xsd_sockmsg m = { .type = type, .req_id = id, .len = n };
    push(&m, sizeof(m));
    push(body, n);
}

static void push_event(const char *path, const char *token)
{
    char body[256];
    int n = snprintf(body, sizeof(body), "%s%c%s", path, 0, token);
    push_message(XS_WATCH_EVENT, 0, body, (unsigned)n + 1);
}

static void serve(const struct xsd_sockmsg *m, const char *body)
{
    requests++;
    resets += m->type == XS_RESET_WATCHES;
    switch (mood) {
    case SILENT: return;
    case WRONG_ID: push_message(m->type, m->req_id + 1000, "stale", 5); break;
    case WRONG_TYPE: push_message(XS_RM, m->req_id, "OK", 3); return;
    case TOO_LONG: push(&(struct xsd_sockmsg){ .type = m->type, .req_id = m->req_id, .len = 4097 }, 16); return;
    case BAD_INDEX: ring->rsp_prod = ring->rsp_cons + 5000; return;
    case BAD_EVENT: push_message(XS_WATCH_EVENT, 0, "no token here", 13); return;
    case ERRNO: push_message(XS_ERROR, m->req_id, answer, (unsigned)strlen(answer) + 1); return;
    case EVENT_FIRST: push_event("a/b", "1"); break;
    default: break;
    }
    push_message(m->type, m->req_id, answer, answer_len);
    if (mood == EVENT_LAST)
        push_event("a/g", "1");
}

static void server_turn(void)
{
    while (ring->req_cons != ring->req_prod) {
        request[request_len++] = ring->req[MASK_XENSTORE_IDX(ring->req_cons)];
        ring->req_cons++;
        struct xsd_sockmsg m;
        if (request_len < sizeof(m))
            continue;
        memcpy(&m, request, sizeof(m));
        if (request_len == sizeof(m) + m.len) {
            serve(&m, request + sizeof(m));
            request_len = 0;
        }
    }
    if (mood == LATE)
        return;
    unsigned limit = mood == BYTEWISE ? 1 : out_len, i = 0;
    while (i < limit && i < out_len && ring->rsp_prod - ring->rsp_cons < XENSTORE_RING_SIZE)
        ring->rsp[MASK_XENSTORE_IDX(ring->rsp_prod++)] = out[i++];
    memmove(out, out + i, out_len - i);
    out_len -= i;
}

void rt_event_send(uint32_t port)
{
    CU_ASSERT_EQUAL(port, 3);
}

void rt_sleep_until(uint64_t deadline)
{
    uint32_t before = ring->rsp_prod + ring->req_cons;
    if (ring->connection == XENSTORE_RECONNECT && mood != SILENT) {
        ring->req_cons = ring->req_prod = ring->rsp_cons = ring->rsp_prod = 0;
        ring->connection = XENSTORE_CONNECTED;
        now += 1000;
        return;
    }
    server_turn();
    now = ring->rsp_prod + ring->req_cons != before || now + 1000 < deadline ? now + 1000 : deadline;
    if (mood == SILENT || mood == LATE)
        now = deadline;
}

/* A breach of protocol is for ever, so each of those runs in a process of its own (main). */
static void begin(void)
{
    ring = aligned_alloc(RT_PAGE, RT_PAGE);
    memset(ring, 0, RT_PAGE);
    ring->server_features = XENSTORE_SERVER_FEATURE_RECONNECTION;
    rt_xs_init();
}

static void read_is(const char *want, int want_err)
{
    int err = 0;
    unsigned len = 0;
    char *v = rt_xs_read(0, "path", &len, &err);
    CU_ASSERT_EQUAL(err, want_err);
    CU_ASSERT((v != NULL) == (want != NULL));
    if (v && want)
        CU_ASSERT(len == strlen(want) && strcmp(v, want) == 0);
    free(v);
}

static void test_calls(void)
{
    mood = GOOD;
    read_is("value", 0);
    mood = BYTEWISE;
    read_is("value", 0);
    mood = WRONG_ID;
    read_is("value", 0);
    mood = ERRNO;
    answer = "ENOENT";
    read_is(NULL, ENOENT);
    answer = "EACCES";
    CU_ASSERT_EQUAL(rt_xs_write(0, "a", "b"), EACCES);
    answer = "no such error";
    CU_ASSERT_EQUAL(rt_xs_rm(0, "a"), EIO);
    mood = GOOD;
    static char big[4096];
    memset(big, 'x', sizeof(big));
    answer = big;
    answer_len = 4096; /* through a ring of 1024, both ways */
    unsigned len;
    char *v = rt_xs_read(0, "p", &len, NULL);
    CU_ASSERT(v && len == 4096 && v[4095] == 'x');
    free(v);
    static char path[5000];
    memset(path, 'p', sizeof(path) - 1);
    CU_ASSERT_EQUAL(rt_xs_rm(0, path), E2BIG);
    path[3000] = 0;
    CU_ASSERT_EQUAL(rt_xs_rm(0, path), 0);
    answer = "value";
    answer_len = 5;
}

static void test_directory(void)
{
    unsigned n;
    int err;
    answer = "one\0two\0three";
    answer_len = 14;
    char **d = rt_xs_directory(0, "p", &n, &err);
    CU_ASSERT(d && n == 3 && !strcmp(d[0], "one") && !strcmp(d[1], "two") && !strcmp(d[2], "three"));
    free(d);
    answer_len = 13; /* the last one without its end: dropped, not read beyond */
    d = rt_xs_directory(0, "p", &n, &err);
    CU_ASSERT(d && n == 2 && !strcmp(d[1], "two"));
    free(d);
    answer_len = 0;
    d = rt_xs_directory(0, "p", &n, &err);
    CU_ASSERT(d && n == 0);
    free(d);
    answer = "value";
    answer_len = 5;
}

static void number(const char *text, int want_err, uint64_t want)
{
    uint64_t v = 99;
    answer = text;
    answer_len = (unsigned)strlen(text);
    CU_ASSERT_EQUAL(rt_xs_read_u64("p", &v), want_err);
    CU_ASSERT_EQUAL(v, want_err ? 99 : want);
}

static void test_numbers(void)
{
    uint32_t tx = 0;
    number("0", 0, 0);
    number("12345", 0, 12345);
    number("18446744073709551615", 0, ~0ul);
    number("18446744073709551616", EINVAL, 0);
    number("-1", EINVAL, 0);
    number(" 1", EINVAL, 0);
    number("1x", EINVAL, 0);
    number("", EINVAL, 0);
    answer = "77";
    answer_len = 3;
    CU_ASSERT(rt_xs_tx_start(&tx) == 0 && tx == 77);
    answer = "7x7";
    answer_len = 4;
    CU_ASSERT_EQUAL(rt_xs_tx_start(&tx), EIO);
    answer = "99999999999";
    answer_len = 12;
    CU_ASSERT_EQUAL(rt_xs_tx_start(&tx), EIO);
    answer = "value";
    answer_len = 5;
}

static unsigned fired;
static char fired_path[64];
static void on_watch(const char *path, void *arg)
{
    fired++;
    snprintf(fired_path, sizeof(fired_path), "%s", path);
}

static void run_work(void)
{
    struct rt_work *w = work;
    work = NULL;
    if (w)
        w->fn(w->arg);
}

static void test_watches(void)
{
    mood = EVENT_FIRST;
    CU_ASSERT_EQUAL(rt_xs_watch("a", on_watch, NULL), 0);
    CU_ASSERT_EQUAL(fired, 0); /* never from inside a call */
    run_work();
    CU_ASSERT(fired == 1 && strcmp(fired_path, "a/b") == 0);
    mood = EVENT_LAST; /* behind an answer, whose notification the call has consumed: read without another one */
    CU_ASSERT_EQUAL(rt_xs_write(0, "x", "y"), 0);
    CU_ASSERT_EQUAL(fired, 1);
    run_work();
    run_work();
    CU_ASSERT(fired == 2 && strcmp(fired_path, "a/g") == 0);
    fired = 1;
    mood = GOOD;
    push_event("a/c", "1");
    push_event("a/d", "999"); /* not ours */
    server_turn();
    handler(NULL);
    run_work();
    CU_ASSERT(fired == 2 && strcmp(fired_path, "a/c") == 0);
    for (unsigned i = 0; i < 400; i++) { /* more than are kept: one for all */
        push_event("a/e", "1");
        server_turn();
        handler(NULL);
    }
    run_work();
    CU_ASSERT(fired > 2 && fired < 300);
    CU_ASSERT_STRING_EQUAL(fired_path, "a");
    CU_ASSERT_EQUAL(rt_xs_unwatch("a", on_watch, NULL), 0);
    CU_ASSERT_EQUAL(rt_xs_unwatch("a", on_watch, NULL), ENOENT);
    unsigned before = fired;
    push_event("a/f", "1");
    server_turn();
    handler(NULL);
    run_work();
    CU_ASSERT_EQUAL(fired, before);
}

static void test_timeout(void)
{
    mood = SILENT;
    read_is(NULL, ETIMEDOUT);
    mood = LATE; /* the answer comes when nobody waits for it any more */
    read_is(NULL, ETIMEDOUT);
    mood = GOOD;
    read_is("value", 0);
}

static void test_breach(void)
{
    read_is(NULL, EIO);
    CU_ASSERT(strstr(last_log, "xenstore") != NULL);
    unsigned before = requests;
    mood = GOOD;
    read_is(NULL, EIO); /* and it is not asked again */
    CU_ASSERT_EQUAL(requests, before);
}

static void test_reconnect(void)
{
    rt_incarnation = 2;
    ring = aligned_alloc(RT_PAGE, RT_PAGE);
    memset(ring, 0xee, RT_PAGE); /* what a predecessor may have left */
    ring->server_features = XENSTORE_SERVER_FEATURE_RECONNECTION;
    mood = GOOD;
    rt_xs_init();
    CU_ASSERT_EQUAL(ring->connection, XENSTORE_CONNECTED);
    CU_ASSERT_EQUAL(resets, 1);
    read_is("value", 0);
}

/* Each breach of the protocol, and the reconnection, needs a domain that has not run yet: this program again, with an argument. */
static unsigned run_again(const char *program, const char *argument)
{
    char command[512];
    snprintf(command, sizeof(command), "%s %s", program, argument);
    return system(command) != 0;
}

int main(int argc, char **argv)
{
    static const struct { const char *argument, *name; int mood; } breach[] = { { "type", "answer of another kind", WRONG_TYPE },
        { "length", "length", TOO_LONG }, { "index", "index", BAD_INDEX }, { "event", "event", BAD_EVENT } };
    const unsigned n = sizeof(breach) / sizeof(breach[0]);
    CU_TestInfo all[] = { { "calls", test_calls }, { "directories", test_directory }, { "numbers", test_numbers },
        { "watches", test_watches }, { "a server that does not answer in time", test_timeout }, CU_TEST_INFO_NULL };
    CU_TestInfo reconnect[] = { { "reconnect after a restart", test_reconnect }, CU_TEST_INFO_NULL };
    unsigned failures = 0;

    if (argc > 1 && strcmp(argv[1], "reconnect") == 0)
        return suite_run("rt xenstore", NULL, reconnect);
    for (unsigned i = 0; argc > 1 && i < n; i++) {
        CU_TestInfo one[] = { { breach[i].name, test_breach }, CU_TEST_INFO_NULL };
        if (strcmp(argv[1], breach[i].argument))
            continue;
        mood = breach[i].mood;
        begin();
        return suite_run("rt xenstore", NULL, one);
    }
    if (argc > 1)
        return 2;
    begin();
    failures += run_again(argv[0], "reconnect");
    for (unsigned i = 0; i < n; i++)
        failures += run_again(argv[0], breach[i].argument);
    return suite_run("rt xenstore", NULL, all) || failures;
}
