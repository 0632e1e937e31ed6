/* SPDX-License-Identifier: MIT */
/* Introduced domains: see store.h. */
#include "xenstore/core/later.h"
#include "xenstore/core/state.h"
#include <errno.h>
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
        later_purge_end(s, domid, !s->loading); /* what an earlier one of this id left is not its; a state says what was removed */
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
    later_purge(s, domid);
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

/* The state of every id there can be. False: it cannot be told. */
static bool ask_states(struct store *s, uint8_t states[DOMID_LIMIT])
{
    static struct domain_info infos[INFOS_AT_ONCE];
    unsigned first = 0, asked;
    int n;

    memset(states, DOMAIN_GONE, DOMID_LIMIT);
    do {
        asked = first;
        n = s->ops->domains((uint16_t)first, infos, INFOS_AT_ONCE);
        for (int i = 0; i < n; i++)
            if (infos[i].domid >= first && infos[i].domid < DOMID_LIMIT) {
                states[infos[i].domid] = (uint8_t)infos[i].state;
                first = infos[i].domid + 1u;
            }
    } while (n == (int)INFOS_AT_ONCE && first > asked);
    return n >= 0;
}

unsigned domains_refresh(struct store *s)
{
    static uint8_t states[DOMID_LIMIT];
    struct domain *d, *next;
    unsigned news = 0;

    if (!s->domains || !ask_states(s, states))
        return 0;
    for (d = s->domains; d; d = next) {
        next = d->next;
        if (states[d->domid] == DOMAIN_GONE) {
            news++;
            domain_release(s, d->domid);
        } else if (states[d->domid] == DOMAIN_SHUTDOWN && !d->shutdown) {
            news++;
            d->shutdown = true;
            journal_domain(s, d);
        }
    }
    if (news)
        later_tell_special(s, "@releaseDomain");
    return news;
}
