/* SPDX-License-Identifier: MIT */
/*
 * backends/core/host.h for small domains, on stubdoms/rt. Nothing but translation.
 */
#include "backends/core/host.h"
#include "rt/rt.h"
#include <xen/errno.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/sched.h>

#define COPY_BATCH 16u

/* --- events --- */

int host_event_bind(uint16_t dom, uint32_t remote_port, host_event_fn fn, void *arg)
{
    return rt_event_bind(dom, remote_port, fn, arg);
}

int host_event_alloc(uint16_t dom, host_event_fn fn, void *arg)
{
    return rt_event_alloc(dom, fn, arg);
}

void host_event_close(int port)
{
    if (port >= 0)
        rt_event_close((uint32_t)port);
}

void host_event_send(int port)
{
    if (port >= 0)
        rt_event_send((uint32_t)port);
}

void host_event_mute(int port, bool mute)
{
    if (port >= 0)
        rt_event_mute((uint32_t)port, mute);
}

/* --- grants --- */

int host_map(struct host_map *m, uint16_t dom, const uint32_t *refs, unsigned n, bool readonly)
{
    m->addr = NULL;
    m->n = 0;
    if (n == 0 || n > HOST_MAP_MAX)
        return -XEN_EINVAL;
    int ret = rt_gnt_map(dom, refs, n, readonly, &m->addr, m->handles, NULL);
    if (ret == 0)
        m->n = n;
    return ret;
}

void host_unmap(struct host_map *m)
{
    if (m->n)
        rt_gnt_unmap(m->addr, m->handles, m->n);
    m->addr = NULL;
    m->n = 0;
}

int host_grant(uint16_t dom, void *page, bool readonly)
{
    return rt_grant(dom, page, readonly);
}

int host_grant_end(uint32_t ref)
{
    return rt_grant_end(ref);
}

static void to_copy(struct gnttab_copy *c, const struct host_copy *o)
{
    uint64_t local = (uint64_t)(uintptr_t)o->local;

    *c = (struct gnttab_copy){ .len = o->len, .status = GNTST_general_error };
    if (o->to_guest) {
        c->source.u.gmfn = local / RT_PAGE;
        c->source.domid = DOMID_SELF;
        c->source.offset = (uint16_t)(local % RT_PAGE);
        c->dest.u.ref = o->ref;
        c->dest.domid = o->dom;
        c->dest.offset = o->offset;
        c->flags = GNTCOPY_dest_gref;
    } else {
        c->source.u.ref = o->ref;
        c->source.domid = o->dom;
        c->source.offset = o->offset;
        c->dest.u.gmfn = local / RT_PAGE;
        c->dest.domid = DOMID_SELF;
        c->dest.offset = (uint16_t)(local % RT_PAGE);
        c->flags = GNTCOPY_source_gref;
    }
}

int host_copy(struct host_copy *ops, unsigned n)
{
    struct gnttab_copy batch[COPY_BATCH];
    int first = 0;

    for (unsigned done = 0; done < n;) {
        unsigned m = n - done < COPY_BATCH ? n - done : COPY_BATCH;
        for (unsigned i = 0; i < m; i++)
            to_copy(&batch[i], &ops[done + i]);
        int status = rt_gnt_copy(batch, m);
        if (status && !first)
            first = status;
        for (unsigned i = 0; i < m; i++)
            ops[done + i].status = batch[i].status;
        done += m;
    }
    return first;
}

/* --- memory --- */

void *host_alloc(size_t bytes)
{
    return rt_alloc(bytes);
}

void host_free(void *p)
{
    rt_free(p);
}

void *host_alloc_pages(unsigned pages)
{
    return rt_alloc_pages(pages);
}

void host_free_pages(void *p, unsigned pages)
{
    rt_free_pages(p, pages);
}

/* --- xenstore --- */

char *host_xs_read(uint32_t tx, const char *path)
{
    return rt_xs_read(tx, path, NULL, NULL);
}

int host_xs_write(uint32_t tx, const char *path, const char *value)
{
    return rt_xs_write(tx, path, value);
}

int host_xs_rm(uint32_t tx, const char *path)
{
    return rt_xs_rm(tx, path);
}

char **host_xs_list(uint32_t tx, const char *path, unsigned *n)
{
    return rt_xs_directory(tx, path, n, NULL);
}

int host_xs_watch(const char *path, host_watch_fn fn, void *arg)
{
    return rt_xs_watch(path, fn, arg);
}

void host_xs_unwatch(const char *path, host_watch_fn fn, void *arg)
{
    rt_xs_unwatch(path, fn, arg);
}

int host_xs_tx_start(uint32_t *tx)
{
    return rt_xs_tx_start(tx);
}

int host_xs_tx_end(uint32_t tx, bool abort)
{
    return rt_xs_tx_end(tx, abort);
}

_Static_assert(sizeof(struct rt_work) <= sizeof(((struct host_work *)0)->priv), "host_work.priv");

void host_defer(struct host_work *w)
{
    struct rt_work *rt = (struct rt_work *)w->priv;
    rt->fn = w->fn;
    rt->arg = w->arg;
    rt_defer_slow(rt);
}

/* --- time and log --- */

uint64_t host_now(void)
{
    return rt_now();
}

/* priv[0] is the rt_timer, which lives while the timer is armed. */
static void on_timer(void *arg)
{
    struct host_timer *t = arg;
    rt_free(t->priv[0]);
    t->priv[0] = NULL;
    t->fn(t->arg);
}

void host_timer_set(struct host_timer *t, uint64_t when_ns)
{
    struct rt_timer *rt = t->priv[0] ? t->priv[0] : rt_alloc(sizeof(*rt));
    if (!rt)
        rt_crash("no memory for a timer");
    rt->fn = on_timer;
    rt->arg = t;
    t->priv[0] = rt;
    rt_timer_set(rt, when_ns);
}

void host_timer_cancel(struct host_timer *t)
{
    if (!t->priv[0])
        return;
    rt_timer_cancel(t->priv[0]);
    rt_free(t->priv[0]);
    t->priv[0] = NULL;
}

void host_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rt_vlog(fmt, ap);
    va_end(ap);
}

void host_give_up(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rt_vlog(fmt, ap);
    va_end(ap);
    rt_shutdown(SHUTDOWN_watchdog);
}

uint32_t host_incarnation(void)
{
    return rt_incarnation;
}

uint16_t host_domid(void)
{
    return rt_domid;
}
