/* SPDX-License-Identifier: MIT */
/* Introduced domains: see store.h. */
#include "xenstore/core/conn.h"
#include "xenstore/core/state.h"
#include "xenstore/core/txn.h"
#include "xenstore/core/watch.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct domain *domain_find(struct store *s, uint16_t domid)
{
    struct domain *d = s->domains;

    while (d && d->domid != domid)
        d = d->next;
    return d;
}

static void forget(struct store *s, struct domain *d)
{
    struct domain **link = &s->domains;

    for (struct domain *o = s->domains; o; o = o->next)
        if (o->target == d->domid) {
            o->target = NO_TARGET;
            if (o->conn)
                o->conn->actor.target = NO_TARGET;
        }
    account_reset(s, d->domid);
    journal_put(s, REC_GONE, "u", d->domid);
    while (*link != d)
        link = &(*link)->next;
    *link = d->next;
    s->ops->ring_close(d);
    free(d);
}

struct found {
    struct found *next;
    char path[];
};

struct search {
    uint16_t domid;
    char home[40];
    size_t home_len;
    struct found *first;
};

/* Remember the nodes that the domain owns outside its home; what is below one goes with it. */
static bool owned(void *arg, const char *path, const struct node *n)
{
    struct search *f = arg;
    struct found *new;

    if (!strncmp(path, f->home, f->home_len) && (!path[f->home_len] || path[f->home_len] == '/'))
        return false;
    if (n->perms->p[0].domid != f->domid || !path[1])
        return true;
    new = malloc(sizeof(*new) + strlen(path) + 1);
    if (new) {
        strcpy(new->path, path);
        new->next = f->first;
        f->first = new;
    }
    return false;
}

/*
 * A domain is gone, and with it what it left in other places: nobody else would remove it, and a successor would own it. Its home is
 * the toolstack's to remove, which finds the domain's devices there.
 */
static void purge(struct store *s, uint16_t domid)
{
    static const struct actor domain0 = { 0, NO_TARGET };
    const struct account *acc = account_of(s, domid);
    struct search search = { .domid = domid };
    char path[PATH_BUF] = "/";
    struct found *f;

    search.home_len = (size_t)snprintf(search.home, sizeof(search.home), "/local/domain/%u", domid);
    if (acc && acc->nodes)
        tree_walk(s->live.root, path, 1, owned, &search);
    while ((f = search.first)) {
        struct change ch = { .type = CHANGE_RM, .path = f->path };
        int err = change_make(s, &s->live, &domain0, &ch);

        search.first = f->next;
        if (err) {
            store_log(s, "domain %u: %s stays, error %d", domid, f->path, err);
        } else {
            view_settle(s, &s->live);
            s->version++;
            journal_change(s, &domain0, &ch);
            change_fire(s, &ch);
        }
        change_clear(&ch);
        free(f);
    }
}

int domain_introduce(struct store *s, uint16_t domid, uint64_t gfn, uint32_t port)
{
    struct domain *d = domain_find(s, domid);
    int err;

    if (d) {
        d->shutdown = false;
    } else {
        d = calloc(1, sizeof(*d));
        if (!d)
            return ENOMEM;
        d->domid = domid;
        d->target = NO_TARGET;
        d->next = s->domains;
        s->domains = d;
    }
    err = s->ops->ring_open(s, d, gfn, port);
    if (err) {
        store_log(s, "domain %u: no ring, error %d", domid, err);
        forget(s, d);
        return err;
    }
    if (d->conn)
        d->conn->actor.target = d->target;
    d->gfn = gfn;
    d->port = port;
    journal_domain(s, d);
    return 0;
}

int domain_release(struct store *s, uint16_t domid)
{
    struct domain *d = domain_find(s, domid);

    if (!d)
        return ENOENT;
    forget(s, d);
    if (!s->loading) /* else the state says what was removed */
        purge(s, domid);
    return 0;
}

int domain_set_target(struct store *s, uint16_t domid, uint16_t target)
{
    struct domain *d = domain_find(s, domid);

    if (!d || !domain_find(s, target))
        return ENOENT;
    d->target = target;
    if (d->conn)
        d->conn->actor.target = target;
    journal_domain(s, d);
    return 0;
}

unsigned domains_refresh(struct store *s)
{
    struct domain *d, *next;
    unsigned news = 0;

    for (d = s->domains; d; d = next) {
        enum domain_state state = s->ops->domain_state(d->domid);

        next = d->next;
        if (state == DOMAIN_GONE) {
            news++;
            domain_release(s, d->domid);
        } else if (state == DOMAIN_SHUTDOWN && !d->shutdown) {
            news++;
            d->shutdown = true;
            journal_domain(s, d);
        }
    }
    if (news)
        watch_fire_special(s, "@releaseDomain");
    return news;
}
