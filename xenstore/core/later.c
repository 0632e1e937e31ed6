/* SPDX-License-Identifier: MIT */
/* What is put off: see later.h. */
#include "xenstore/core/later.h"
#include "xenstore/core/state.h"
#include "xenstore/core/watch.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 500u    /* units of what is not put off */
#define BYTES_A_UNIT 128u /* of a path */
#define CHANGE_UNITS 4u /* of finding a change's node, or making one */

/* A domain whose nodes are looked for in a snapshot, begun with the first part. */
struct purge {
    struct purge *next;
    uint16_t domid;
    struct node *root; /* NULL: not begun */
    struct steps steps;
};

struct later {
    struct notice *first, **last; /* what is to be told */
    struct txn *dead, **last_dead; /* to be freed */
    struct purge *purges;
    /* Where the first notice is: */
    const struct change *change;     /* of a transaction: the one being told */
    enum { NOT_BEGUN, PATH, BELOW } stage;
    bool telling;        /* of a node below the path */
    struct perms *perms; /* of the path's node */
    struct firing firing;
    struct steps steps;
};

bool later_init(struct store *s)
{
    struct later *l = calloc(1, sizeof(*l));

    s->later = l;
    if (!l)
        return false;
    l->last = &l->first;
    l->last_dead = &l->dead;
    return true;
}

bool later_untold(const struct store *s)
{
    return s->later->first;
}

/* The permissions that decide who hears; NULL: nobody does, the node went meanwhile, and that is told by what removed it. */
static struct perms *perms_for(struct store *s, const struct change *ch)
{
    struct node *n = ch->type == CHANGE_RM ? ch->removed : NULL;

    if (ch->type == CHANGE_SPECIAL)
        return perms_get(*watch_special(s, ch->path));
    if (!n)
        n = tree_find(s->live.root, ch->path, NULL, NULL);
    return n ? perms_get(n->perms) : NULL;
}

static void spend(unsigned *units, unsigned n)
{
    *units -= *units < n ? *units : n;
}

static void uncount(struct store *s, const struct node *n)
{
    struct account *a = account_of(s, n->perms->p[0].domid);

    a->nodes--;
    a->node_bytes -= node_bytes(n);
}

/* Go on with what is below the path of a removed node. */
static bool tell_below(struct store *s, const struct change *ch, unsigned *units)
{
    struct later *l = s->later;
    const struct node *n;

    for (;;) {
        if (l->telling && !watch_tell(s, &l->firing, units))
            return false;
        l->telling = false;
        if (!*units)
            return false;
        n = steps_next(&l->steps);
        if (!n)
            return !l->steps.failed;
        --*units;
        if (ch->uncounted)
            uncount(s, n);
        l->telling = s->watch_count;
        if (!l->telling)
            continue;
        watch_begin(&l->firing, l->steps.path, n->perms, true);
        spend(units, (unsigned)l->firing.at / BYTES_A_UNIT);
    }
}

/* Go on with a change. False: no units, or no memory for now. */
static bool tell(struct store *s, const struct change *ch, unsigned *units)
{
    struct later *l = s->later;

    if (l->stage == NOT_BEGUN) {
        if (!*units)
            return false;
        spend(units, CHANGE_UNITS);
        l->perms = ch->changed ? perms_for(s, ch) : NULL;
        if (!l->perms)
            return true;
        watch_begin(&l->firing, ch->path, l->perms, ch->type == CHANGE_SPECIAL);
        l->stage = PATH;
    }
    if (l->stage == PATH) {
        if (!watch_tell(s, &l->firing, units))
            return false;
        l->stage = BELOW;
        if (ch->removed && ch->uncounted)
            uncount(s, ch->removed);
        if (ch->removed && (ch->uncounted || s->watch_count))
            steps_below(&l->steps, ch->removed, ch->path);
    }
    if (!tell_below(s, ch, units))
        return false;
    steps_end(&l->steps);
    perms_put(l->perms);
    l->perms = NULL;
    l->stage = NOT_BEGUN;
    return true;
}

static bool tell_txn(struct store *s, struct txn *t, unsigned *units)
{
    struct later *l = s->later;

    for (; l->change; l->change = l->change->next)
        if (*units == 0 || ((l->stage != NOT_BEGUN || txn_news(t, l->change)) && !tell(s, l->change, units)))
            return false;
    return true;
}

static bool tell_notice(struct store *s, struct notice *n, unsigned *units)
{
    struct later *l = s->later;

    if (!n->txn)
        return tell(s, &n->change, units);
    if (!n->begun)
        l->change = n->txn->changes;
    n->begun = true;
    return tell_txn(s, n->txn, units);
}

static void queue(struct store *s, struct notice *n)
{
    struct later *l = s->later;

    if (!l->first)
        journal_put(s, REC_LATER, "u", 1);
    n->next = NULL;
    *l->last = n;
    l->last = &n->next;
}

static void free_later(struct later *l, struct txn *t)
{
    t->next = NULL;
    *l->last_dead = t;
    l->last_dead = &t->next;
}

/* The first notice was told. */
static void done(struct store *s)
{
    struct later *l = s->later;
    struct notice *n = l->first;

    l->first = n->next;
    if (!l->first) {
        l->last = &l->first;
        journal_put(s, REC_LATER, "u", 0);
    }
    if (n->txn) {
        free_later(l, n->txn);
        return;
    }
    change_clear(&n->change);
    free(n);
}

/* A change with references of its own, and its path. */
static struct notice *notice_new(const struct change *ch)
{
    size_t len = strlen(ch->path) + 1;
    struct notice *n = malloc(sizeof(*n) + len);

    if (!n)
        return NULL;
    *n = (struct notice){ .change = { .type = ch->type, .changed = ch->changed, .uncounted = ch->uncounted } };
    n->change.removed = node_get(ch->removed);
    n->change.path = memcpy(n + 1, ch->path, len);
    return n;
}

void later_tell(struct store *s, const struct change *ch)
{
    struct later *l = s->later;
    unsigned units = AT_ONCE;
    struct notice *n;

    if (!ch->changed || (!s->watch_count && !ch->uncounted))
        return;
    if (!l->first && tell(s, ch, &units))
        return;
    n = notice_new(ch);
    if (n) {
        if (l->stage == PATH && !l->first)
            l->firing.path = n->change.path;
        queue(s, n);
        return;
    }
    later_finish(s);
    units = UINT_MAX;
    if (!tell(s, ch, &units))
        store_log(s, "no memory: not all watches were told that %s went", ch->path);
}

void later_tell_special(struct store *s, const char *name)
{
    const struct change ch = { .type = CHANGE_SPECIAL, .path = name, .changed = true };

    later_tell(s, &ch);
}

void later_txn(struct store *s, struct txn *t, bool tell)
{
    unsigned units = AT_ONCE;

    if (tell) {
        bool first = !s->later->first;

        t->notice.txn = t;
        if (!first || !tell_notice(s, &t->notice, &units)) {
            queue(s, &t->notice);
            return;
        }
    }
    units = AT_ONCE;
    if (!txn_free_part(t, &units))
        free_later(s->later, t);
}

void later_purge(struct store *s, uint16_t domid)
{
    const struct account *acc = account_of(s, domid);
    struct purge *p = calloc(1, sizeof(*p));

    if (!p || ((!acc || !acc->nodes) && !s->loading)) {
        if (!p)
            store_log(s, "domain %u: no memory to look for its nodes, they stay", domid);
        free(p);
        return;
    }
    p->domid = domid;
    p->next = s->later->purges;
    s->later->purges = p;
}

int later_purged(const struct store *s, unsigned domid)
{
    int least = -1;

    for (const struct purge *p = s->later->purges; p; p = p->next)
        if (p->domid >= domid && (least < 0 || p->domid < least))
            least = p->domid;
    return least;
}

/* Is it a domain's home, or in it? */
static bool in_home(uint16_t domid, const char *path)
{
    char home[40];
    size_t len = (size_t)snprintf(home, sizeof(home), "/local/domain/%u", domid);

    return !strncmp(path, home, len) && (!path[len] || path[len] == '/');
}

/* Remove a node of the domain; what is below it goes with it. */
static void purge_node(struct store *s, uint16_t domid, const char *path, unsigned *units)
{
    static const struct actor domain0 = { 0, NO_TARGET };
    struct change ch = { .type = CHANGE_RM, .path = path };
    struct node *n = tree_find(s->live.root, path, NULL, NULL);
    int err;

    if (!n || n->perms->p[0].domid != domid)
        return;
    spend(units, 3 * CHANGE_UNITS);
    err = change_make(s, &s->live, &domain0, &ch);
    if (err) {
        store_log(s, "domain %u: %s stays, error %d", domid, path, err);
    } else {
        view_settle(s, &s->live);
        s->version++;
        journal_change(s, &domain0, &ch);
        later_tell(s, &ch);
    }
    change_clear(&ch);
}

/* Returns whether all of it is done. */
static bool purge_part(struct store *s, struct purge *p, unsigned *units)
{
    const struct account *acc = account_of(s, p->domid);
    const struct node *n;

    if (!p->root && acc && acc->nodes) {
        p->root = node_get(s->live.root);
        steps_begin(&p->steps, p->root);
    }
    while (*units && acc && acc->nodes) {
        n = steps_next(&p->steps);
        if (!n)
            return !p->steps.failed;
        --*units;
        if (n->perms->p[0].domid == p->domid && p->steps.path[1] && !in_home(p->domid, p->steps.path))
            purge_node(s, p->domid, p->steps.path, units);
    }
    return !acc || !acc->nodes;
}

static void purge_free(struct store *s, struct purge *p)
{
    struct purge **link = &s->later->purges;

    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    steps_end(&p->steps);
    node_put(p->root);
    free(p);
}

void later_purge_end(struct store *s, uint16_t domid, bool finish)
{
    unsigned units = UINT_MAX;
    struct purge *p = s->later->purges;

    while (p && p->domid != domid)
        p = p->next;
    if (!p)
        return;
    if (finish)
        purge_part(s, p, &units);
    purge_free(s, p);
}

bool later_run(struct store *s, unsigned units)
{
    struct later *l = s->later;
    unsigned freed = units;
    struct txn *t;

    while (l->first && tell_notice(s, l->first, &units))
        done(s);
    if (!l->first && l->purges && purge_part(s, l->purges, &units))
        purge_free(s, l->purges);
    while ((t = l->dead)) {
        l->dead = t->next;
        if (!txn_free_part(t, &freed)) {
            t->next = l->dead;
            l->dead = t;
            break;
        }
    }
    if (!l->dead)
        l->last_dead = &l->dead;
    journal_keep(s);
    return tree_reap(freed) || l->first || l->purges || l->dead;
}

void later_finish(struct store *s)
{
    for (unsigned tries = 0; tries < 3 && later_run(s, UINT_MAX); tries++)
        ; /* again: what one part leaves to free; in vain: no memory */
}

void later_free(struct store *s)
{
    struct later *l = s->later;

    if (!l)
        return;
    steps_end(&l->steps);
    perms_put(l->perms);
    while (l->first) {
        l->stage = NOT_BEGUN;
        done(s);
    }
    while (l->purges)
        purge_free(s, l->purges);
    while (later_run(s, UINT_MAX))
        ;
    free(l);
    s->later = NULL;
}
