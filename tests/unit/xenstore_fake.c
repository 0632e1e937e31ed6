/* SPDX-License-Identifier: MIT */
/* See xenstore_fake.h. */
#include "xenstore_fake.h"
#include <stdint.h>
#include <stdio.h>
#undef malloc
#undef calloc
#undef realloc
#include <stdlib.h>
#include <string.h>

struct store fake_store;
unsigned fake_alarm;
char fake_update[300];
char fake_log[4096];
unsigned fake_logs;
int fake_ring_error;
enum domain_state fake_state[FAKE_DOMAINS];
long alloc_fail_at = -1;

/* What must hold in the middle of a test, or of a fuzz run: it ends the program. */
#define check(what) ((what) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what), abort()))

void *flaky_malloc(size_t n);
void *flaky_calloc(size_t n, size_t m);
void *flaky_realloc(void *p, size_t n);

static bool fails(void)
{
    return alloc_fail_at >= 0 && alloc_fail_at-- == 0;
}

void *flaky_malloc(size_t n)
{
    return fails() ? NULL : malloc(n);
}

void *flaky_calloc(size_t n, size_t m)
{
    return fails() ? NULL : calloc(n, m);
}

void *flaky_realloc(void *p, size_t n)
{
    return fails() ? NULL : realloc(p, n);
}

static void take_log(const char *line)
{
    snprintf(fake_log, sizeof(fake_log), "%s", line);
    fake_logs++;
}

static void no_wake(struct conn *c)
{
}

static void set_alarm(struct store *s, unsigned us)
{
    fake_alarm = us;
}

static int ring_open(struct store *s, struct domain *d, uint64_t gfn, uint32_t port)
{
    return fake_ring_error;
}

static void ring_close(struct domain *d)
{
}

unsigned fake_asked;

static int domains(uint16_t first, struct domain_info *out, unsigned max)
{
    unsigned n = 0;

    fake_asked++;
    for (unsigned d = first; d < FAKE_DOMAINS && n < max; d++)
        if (fake_state[d] != DOMAIN_GONE)
            out[n++] = (struct domain_info){ (uint16_t)d, fake_state[d] };
    return (int)n;
}

static const struct host_ops host;

void fake_begin(void)
{
    for (int i = 0; i < FAKE_DOMAINS; i++)
        fake_state[i] = DOMAIN_RUNS;
    fake_ring_error = 0;
    fake_logs = 0;
    check(store_init(&fake_store, &host));
}

void fake_end(void)
{
    while (fake_store.conns)
        fake_close(fake_store.conns->transport);
    store_free(&fake_store);
}

static bool count(void *arg, const char *path, const struct node *n)
{
    struct account *sum = arg;

    sum->nodes++;
    sum->node_bytes += node_bytes(n);
    return true;
}

bool fake_accounts_right(void)
{
    struct account there = { 0 }, sum = { 0 };
    char path[PATH_BUF] = "/";

    tree_walk(fake_store.live.root, path, 1, count, &there);
    for (const struct conn *c = fake_store.conns; c; c = c->next) {
        for (const struct watch *w = c->watches; w; w = w->next, there.watches++)
            there.work_bytes += sizeof(*w) + strlen(w->path) + strlen(w->token) + 2;
        for (const struct txn *t = c->txns; t; t = t->next, there.transactions++)
            there.work_bytes += t->bytes;
        for (const struct msg *m = c->out; m; m = m->next)
            there.work_bytes += sizeof(*m) + m->len;
    }
    for (unsigned p = 0; p < ACCOUNT_PAGES; p++)
        for (unsigned i = 0; fake_store.accounts[p] && i < ACCOUNTS_PER_PAGE; i++) {
            const struct account *a = &fake_store.accounts[p][i];

            sum.nodes += a->nodes;
            sum.node_bytes += a->node_bytes;
            sum.work_bytes += a->work_bytes;
            sum.watches += a->watches;
            sum.transactions += a->transactions;
        }
    return !memcmp(&there, &sum, sizeof(sum));
}

static long mem_read(struct conn *c, void *buf, size_t n)
{
    struct fake *f = c->transport;

    if (n > f->in_end - f->in_start)
        n = f->in_end - f->in_start;
    memcpy(buf, f->in + f->in_start, n);
    f->in_start += n;
    f->taken += (uint32_t)n;
    return (long)n;
}

static long mem_write(struct conn *c, const void *buf, size_t n)
{
    struct fake *f = c->transport;

    if (n > f->room)
        n = f->room;
    if (f->room != SIZE_MAX)
        f->room -= n;
    memmove(f->out, f->out + f->out_start, f->out_end - f->out_start);
    f->out_end -= f->out_start;
    f->out_start = 0;
    check(n <= sizeof(f->out) - f->out_end);
    memcpy(f->out + f->out_end, buf, n);
    f->out_end += n;
    f->given += (uint32_t)n;
    return (long)n;
}

static void mem_begin(struct conn *c)
{
}

static bool mem_flush(struct conn *c)
{
    return false;
}

static void mem_position(const struct conn *c, uint32_t *in, uint32_t *out)
{
    const struct fake *f = c->transport;

    *in = f->taken;
    *out = f->given;
}

static void mem_resume(struct conn *c, uint32_t in)
{
    struct fake *f = c->transport;

    f->in_start += in - f->taken;
    f->taken = in;
}

static void mem_over(struct conn *c, enum turn why)
{
}

static const struct transport_ops mem_ops = { "memory", mem_read, mem_write, mem_begin, mem_flush, mem_position, mem_resume, mem_over };

/* Clients that the next store will find again, by the number that is in their key. */
static struct fake *clients[1024];

static struct conn *adopt(struct store *s, uint32_t key)
{
    struct fake *f = key - SOCKET_KEY < 1024 ? clients[key - SOCKET_KEY] : NULL;

    if (f)
        f->conn = conn_open(s, &mem_ops, f, (struct actor){ f->domid, NO_TARGET }, key);
    return f ? f->conn : NULL;
}

static int update(struct store *s, const char *path)
{
    snprintf(fake_update, sizeof(fake_update), "%s", path ? path : "(own)");
    return 0;
}

static const struct host_ops host = { take_log, no_wake, set_alarm, ring_open, ring_close, domains, adopt, update };

bool fake_grow(struct sbuf *b, size_t room)
{
    char *p = realloc(b->bytes, room * 2);

    if (p) {
        b->bytes = p;
        b->room = room * 2;
    }
    return p;
}

const char *fake_replace(void)
{
    struct sbuf b = { .grow = fake_grow };
    const char *wrong;

    state_dump(&fake_store, &b, true);
    check(!b.failed);
    store_free(&fake_store);
    check(store_init(&fake_store, &host));
    wrong = state_load(&fake_store, b.bytes, b.used, 0);
    free(b.bytes);
    return wrong;
}

struct fake *fake_open(uint16_t domid)
{
    struct fake *f = calloc(1, sizeof(*f));

    uint32_t i = 0;

    while (clients[i])
        check(++i < 1024);
    clients[i] = f;
    f->domid = domid;
    f->room = SIZE_MAX;
    f->conn = conn_open(&fake_store, &mem_ops, f, (struct actor){ domid, NO_TARGET }, SOCKET_KEY + i);
    check(f->conn);
    return f;
}

void fake_close(struct fake *f)
{
    clients[f->conn->key - SOCKET_KEY] = NULL;
    conn_close(f->conn);
    free(f);
}

void fake_send(struct fake *f, uint32_t type, uint32_t tx, const void *data, size_t len)
{
    static uint32_t id;
    struct xsd_sockmsg hdr = { type, ++id, tx, (uint32_t)len };

    if (f->in_start == f->in_end)
        f->in_start = f->in_end = 0;
    check(f->in_end + sizeof(hdr) + len <= sizeof(f->in));
    memcpy(f->in + f->in_end, &hdr, sizeof(hdr));
    memcpy(f->in + f->in_end + sizeof(hdr), data, len);
    f->in_end += sizeof(hdr) + len;
}

enum turn fake_run(struct fake *f)
{
    enum turn t;

    do {
        t = conn_turn(f->conn);
        later_finish(&fake_store);
    } while (t == TURN_MORE);
    return t;
}

struct got fake_next(struct fake *f)
{
    struct got g = { 0 };

    if (f->out_end - f->out_start < sizeof(g.hdr))
        return g;
    memcpy(&g.hdr, f->out + f->out_start, sizeof(g.hdr));
    if (g.hdr.len > 4096 || f->out_end - f->out_start < sizeof(g.hdr) + g.hdr.len)
        return g;
    memcpy(g.data, f->out + f->out_start + sizeof(g.hdr), g.hdr.len);
    f->out_start += sizeof(g.hdr) + g.hdr.len;
    g.any = true;
    return g;
}

const char *fake_event(struct fake *f)
{
    static char text[8300];
    struct got g;

    fake_run(f);
    do
        g = fake_next(f);
    while (g.any && g.hdr.type != XS_WATCH_EVENT);
    if (!g.any)
        return "";
    check(g.hdr.len == strlen(g.data) + strlen(g.data + strlen(g.data) + 1) + 2);
    snprintf(text, sizeof(text), "%s|%s", g.data, g.data + strlen(g.data) + 1);
    return text;
}

struct got ask_bytes(struct fake *f, uint32_t type, uint32_t tx, const void *data, size_t len)
{
    struct got g;
    uint32_t id;

    fake_send(f, type, tx, data, len);
    memcpy(&id, f->in + f->in_end - len - sizeof(g.hdr) + 4, 4);
    fake_run(f);
    do
        g = fake_next(f);
    while (g.any && g.hdr.type == XS_WATCH_EVENT);
    if (g.any) {
        check(g.hdr.req_id == id);
        check(g.hdr.tx_id == tx);
        check(g.hdr.type == type || g.hdr.type == XS_ERROR);
    }
    return g;
}

const char *ask_text(struct fake *f, uint32_t type, uint32_t tx, const void *data, size_t len)
{
    static struct got g;

    g = ask_bytes(f, type, tx, data, len);
    if (!g.any)
        return "(nothing)";
    /* strings in a list are shown with '|' for their NULs */
    for (uint32_t i = 0; i + 1 < g.hdr.len; i++)
        if (!g.data[i])
            g.data[i] = '|';
    return g.data;
}
