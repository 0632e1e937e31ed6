/* SPDX-License-Identifier: MIT */
/* The store's beginning and end: see store.h. */
#include "xenstore/core/store.h"
#include "xenstore/core/conn.h"
#include "xenstore/core/later.h"
#include "xenstore/core/view.h"
#include "xenstore/core/watch.h"
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void store_log(struct store *s, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = '?'; /* clients' bytes do not reach a terminal */
    s->ops->log(line);
}

static struct perms *only_domain0(void)
{
    struct perms *p = perms_new(1);

    if (p)
        p->p[0] = (struct perm){ 0, 0 };
    return p;
}

bool store_init(struct store *s, const struct host_ops *ops)
{
    static const struct actor domain0 = { 0, NO_TARGET };
    struct perms *root = only_domain0();
    bool made, ok;

    memset(s, 0, sizeof(*s));
    s->ops = ops;
    ok = later_init(s) && root;
    lane_init(s);
    quota_defaults(s->limits);
    s->gen = 1;
    s->live.root = root ? node_new((struct comp){ "", 0 }, root, NULL, 1) : NULL;
    if (!s->live.root)
        perms_put(root);
    for (int i = 0; i < SPECIAL_COUNT; i++)
        ok = (s->special[i] = only_domain0()) && ok;
    ok = ok && s->live.root && !view_mkdir(s, &s->live, &domain0, "/tool/xenstored", &made) &&
         ledger_add(&s->live.ledger, 0, 1, (int64_t)node_bytes(s->live.root)) && view_settle(s, &s->live);
    if (!ok)
        store_free(s);
    return ok;
}

void store_free(struct store *s)
{
    while (s->conns)
        conn_close(s->conns);
    while (s->domains) {
        struct domain *d = s->domains;

        s->domains = d->next;
        free(d);
    }
    later_free(s);
    node_put(s->live.root);
    tree_reap(UINT_MAX);
    ledger_free(&s->live.ledger);
    for (int i = 0; i < SPECIAL_COUNT; i++)
        perms_put(s->special[i]);
    accounts_free(s);
    watch_free(s);
    memset(s, 0, sizeof(*s));
}
