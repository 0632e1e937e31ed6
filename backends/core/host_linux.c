/* SPDX-License-Identifier: MIT */
/*
 * host.h on Linux: libevent, libxenevtchn, libxengnttab, libxenstore. See host_linux.h.
 * Rules: a callback may close, unwatch or cancel anything, itself included.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include "backends/core/host_linux.h"

#define PAGE 4096u

struct channel {
    int port;
    bool muted, kept; /* kept: an event came while it was muted, so it is masked */
    host_event_fn fn;
    void *arg;
    struct channel *next;
};

struct watch {
    char *path;
    char token[24];
    host_watch_fn fn;
    void *arg;
    struct watch *next;
};

static struct {
    struct event_base *base;
    xenevtchn_handle *evtchn;
    xengnttab_handle *gnttab;
    struct xs_handle *xs;
    struct channel *channels;
    struct watch *watches;
    unsigned next_token;
    FILE *log;
} host;

/* A program has one plane: it waits for xenstore where it asks. */
static void deferred(evutil_socket_t fd, short what, void *arg)
{
    struct host_work *w = arg;
    w->priv[0] = NULL;
    w->fn(w->arg);
}

void host_defer(struct host_work *w)
{
    static const struct timeval now;
    if (w->priv[0])
        return;
    w->priv[0] = w;
    if (event_base_once(host.base, -1, EV_TIMEOUT, deferred, w, &now))
        host_give_up("no memory for deferred work");
}

/* --- log and time --- */

void host_linux_log_to(void *file)
{
    host.log = file;
}

void host_log(const char *fmt, ...)
{
    FILE *f = host.log ? host.log : stderr;
    struct timespec t;
    struct tm tm;
    char stamp[32];
    va_list ap;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(f, "%s.%03ld ", stamp, t.tv_nsec / 1000000);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fputc('\n', f);
    fflush(f);
}

uint64_t host_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
    struct host_timer *t = arg;
    t->fn(t->arg);
}

void host_timer_set(struct host_timer *t, uint64_t when_ns)
{
    uint64_t now = host_now(), us = when_ns > now ? (when_ns - now) / 1000 : 0;
    struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    if (!t->priv[0])
        t->priv[0] = evtimer_new(host.base, timer_fired, t);
    if (t->priv[0])
        evtimer_add(t->priv[0], &tv);
    else
        host_log("out of memory: a timer is lost");
}

void host_timer_cancel(struct host_timer *t)
{
    if (t->priv[0])
        event_free(t->priv[0]);
    t->priv[0] = NULL;
}

/* --- event channels --- */

static int add_channel(int port, host_event_fn fn, void *arg)
{
    if (port < 0)
        return -errno;
    struct channel *c = calloc(1, sizeof(*c));
    if (!c) {
        xenevtchn_unbind(host.evtchn, (evtchn_port_t)port);
        return -ENOMEM;
    }
    *c = (struct channel){.port = port, .fn = fn, .arg = arg, .next = host.channels};
    host.channels = c;
    return port;
}

int host_event_bind(uint16_t dom, uint32_t remote_port, host_event_fn fn, void *arg)
{
    return add_channel(xenevtchn_bind_interdomain(host.evtchn, dom, remote_port), fn, arg);
}

int host_event_alloc(uint16_t dom, host_event_fn fn, void *arg)
{
    return add_channel(xenevtchn_bind_unbound_port(host.evtchn, dom), fn, arg);
}

int host_linux_bind_virq(unsigned virq, host_event_fn fn, void *arg)
{
    return add_channel(xenevtchn_bind_virq(host.evtchn, virq), fn, arg);
}

void host_event_close(int port)
{
    for (struct channel **p = &host.channels; *p; p = &(*p)->next)
        if ((*p)->port == port) {
            struct channel *c = *p;
            *p = c->next;
            free(c);
            xenevtchn_unbind(host.evtchn, (evtchn_port_t)port);
            return;
        }
}

void host_event_send(int port)
{
    if (port >= 0)
        xenevtchn_notify(host.evtchn, (evtchn_port_t)port);
}

static struct channel *find_channel(int port)
{
    struct channel *c = host.channels;
    while (c && c->port != port)
        c = c->next;
    return c;
}

static void channels_ready(evutil_socket_t fd, short what, void *arg)
{
    for (unsigned i = 0; i < 64; i++) { /* then let the others have a turn */
        xenevtchn_port_or_error_t port = xenevtchn_pending(host.evtchn);
        if (port < 0)
            return;
        struct channel *c = find_channel(port);
        if (c && c->muted) {
            c->kept = true;
            continue;
        }
        xenevtchn_unmask(host.evtchn, (evtchn_port_t)port);
        if (c)
            c->fn(c->arg);
    }
}

void host_event_mute(int port, bool mute)
{
    struct channel *c = find_channel(port);
    if (!c)
        return;
    c->muted = mute;
    if (!mute && c->kept) {
        c->kept = false;
        xenevtchn_unmask(host.evtchn, (evtchn_port_t)port);
        c->fn(c->arg);
    }
}

/* --- grants --- */

int host_map(struct host_map *m, uint16_t dom, const uint32_t *refs, unsigned n, bool readonly)
{
    uint32_t copy[HOST_MAP_MAX];
    m->addr = NULL;
    m->n = 0;
    if (n == 0 || n > HOST_MAP_MAX)
        return -EINVAL;
    memcpy(copy, refs, n * sizeof(copy[0]));
    m->addr = xengnttab_map_domain_grant_refs(host.gnttab, n, dom, copy, readonly ? PROT_READ : PROT_READ | PROT_WRITE);
    if (!m->addr)
        return errno ? -errno : -EIO;
    m->n = n;
    return 0;
}

void host_unmap(struct host_map *m)
{
    if (m->addr)
        xengnttab_unmap(host.gnttab, m->addr, m->n);
    m->addr = NULL;
    m->n = 0;
}

/* Only fronts grant, and ours run in small domains: Linux cannot grant an ordinary page of a process. */
int host_grant(uint16_t dom, void *page, bool readonly)
{
    return -EOPNOTSUPP;
}

int host_grant_end(uint32_t ref)
{
    return -EOPNOTSUPP;
}

static void copy_segment(xengnttab_grant_copy_segment_t *s, const struct host_copy *op)
{
    memset(s, 0, sizeof(*s));
    s->len = op->len;
    if (op->to_guest) {
        s->flags = GNTCOPY_dest_gref;
        s->source.virt = op->local;
        s->dest.foreign.ref = op->ref;
        s->dest.foreign.offset = op->offset;
        s->dest.foreign.domid = op->dom;
    } else {
        s->flags = GNTCOPY_source_gref;
        s->dest.virt = op->local;
        s->source.foreign.ref = op->ref;
        s->source.foreign.offset = op->offset;
        s->source.foreign.domid = op->dom;
    }
}

int host_copy(struct host_copy *ops, unsigned n)
{
    xengnttab_grant_copy_segment_t s[32];
    int rc = 0;
    for (unsigned at = 0; at < n; at += 32) {
        unsigned part = n - at < 32 ? n - at : 32;
        for (unsigned i = 0; i < part; i++)
            copy_segment(&s[i], &ops[at + i]);
        bool failed = xengnttab_grant_copy(host.gnttab, part, s) != 0;
        for (unsigned i = 0; i < part; i++) {
            ops[at + i].status = failed ? GNTST_general_error : s[i].status;
            if (ops[at + i].status != GNTST_okay && !rc)
                rc = ops[at + i].status;
        }
    }
    return rc;
}

/* --- memory --- */

void *host_alloc(size_t bytes)
{
    return calloc(1, bytes);
}

void host_free(void *p)
{
    free(p);
}

void *host_alloc_pages(unsigned pages)
{
    void *p = aligned_alloc(PAGE, (size_t)pages * PAGE);
    if (p)
        memset(p, 0, (size_t)pages * PAGE);
    return p;
}

void host_free_pages(void *p, unsigned pages)
{
    free(p);
}

/* --- xenstore --- */

char *host_xs_read(uint32_t tx, const char *path)
{
    unsigned len;
    return xs_read(host.xs, tx, path, &len);
}

int host_xs_write(uint32_t tx, const char *path, const char *value)
{
    return xs_write(host.xs, tx, path, value, (unsigned)strlen(value)) ? 0 : errno;
}

int host_xs_rm(uint32_t tx, const char *path)
{
    return xs_rm(host.xs, tx, path) ? 0 : errno;
}

char **host_xs_list(uint32_t tx, const char *path, unsigned *n)
{
    return xs_directory(host.xs, tx, path, n);
}

int host_xs_tx_start(uint32_t *tx)
{
    *tx = xs_transaction_start(host.xs);
    return *tx ? 0 : errno;
}

int host_xs_tx_end(uint32_t tx, bool abort)
{
    return xs_transaction_end(host.xs, tx, abort) ? 0 : errno;
}

int host_xs_watch(const char *path, host_watch_fn fn, void *arg)
{
    struct watch *w = calloc(1, sizeof(*w));
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return ENOMEM;
    }
    snprintf(w->token, sizeof(w->token), "%u", host.next_token++);
    w->fn = fn;
    w->arg = arg;
    w->next = host.watches;
    host.watches = w;
    if (xs_watch(host.xs, path, w->token))
        return 0;
    int error = errno;
    host.watches = w->next;
    free(w->path);
    free(w);
    return error;
}

void host_xs_unwatch(const char *path, host_watch_fn fn, void *arg)
{
    for (struct watch **p = &host.watches; *p; p = &(*p)->next) {
        struct watch *w = *p;
        if (w->fn == fn && w->arg == arg && !strcmp(w->path, path)) {
            *p = w->next;
            xs_unwatch(host.xs, w->path, w->token);
            free(w->path);
            free(w);
            return;
        }
    }
}

static void xs_ready(evutil_socket_t fd, short what, void *arg)
{
    char **event;
    while ((event = xs_check_watch(host.xs))) {
        struct watch *w = host.watches;
        while (w && strcmp(w->token, event[XS_WATCH_TOKEN]))
            w = w->next;
        if (w)
            w->fn(event[XS_WATCH_PATH], w->arg);
        free(event);
    }
    if (errno != EAGAIN) {
        host_log("xenstored has closed the connection");
        event_base_loopbreak(host.base);
    }
}

void host_give_up(const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    host_log("%s", text);
    exit(1);
}

uint32_t host_incarnation(void)
{
    return 1; /* a program that starts again finds its peers by the ordinary handshake */
}

uint16_t host_domid(void)
{
    char *text = host_xs_read(0, "domid");
    uint16_t id = text ? (uint16_t)strtoul(text, NULL, 10) : 0;
    free(text);
    return id;
}

struct xs_handle *host_linux_xs(void)
{
    return host.xs;
}

struct event_base *host_linux_base(void)
{
    return host.base;
}

static int hook(int fd, event_callback_fn fn)
{
    struct event *e = event_new(host.base, fd, EV_READ | EV_PERSIST, fn, NULL);
    return e && !event_add(e, NULL) ? 0 : -ENOMEM;
}

int host_linux_start(struct event_base *base)
{
    host.base = base;
    host.evtchn = xenevtchn_open(NULL, 0);
    host.gnttab = host.evtchn ? xengnttab_open(NULL, 0) : NULL;
    host.xs = host.gnttab ? xs_open(0) : NULL;
    if (!host.xs) {
        int error = errno;
        host_log("cannot open %s: %s", !host.evtchn ? "/dev/xen/evtchn" : !host.gnttab ? "/dev/xen/gntdev" : "xenstore",
                 strerror(error));
        return error ? -error : -EIO;
    }
    fcntl(xenevtchn_fd(host.evtchn), F_SETFL, O_NONBLOCK);
    if (hook(xenevtchn_fd(host.evtchn), channels_ready) || hook(xs_fileno(host.xs), xs_ready))
        return -ENOMEM;
    return 0;
}
