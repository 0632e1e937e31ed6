/* SPDX-License-Identifier: MIT */
/* Quotas: see quota.h. */
#include "xenstore/core/quota.h"
#include "xenstore/core/store.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t limit;
} quotas[QUOTA_COUNT] = {
    [QUOTA_NODES] = { "nodes", 1000 },
    [QUOTA_WATCHES] = { "watches", 128 },
    [QUOTA_TRANSACTIONS] = { "transactions", 10 },
    [QUOTA_OUTSTANDING] = { "outstanding", 20 },
    [QUOTA_NODE_SIZE] = { "node-size", 2048 },
    [QUOTA_PERMISSIONS] = { "node-permissions", 5 },
    [QUOTA_TX_NODES] = { "transaction-nodes", 1024 },
    [QUOTA_PATH_LEN] = { "path-max", 2048 },
    [QUOTA_EVENTS] = { "event-bytes", 65536 },
};

const char *quota_name(enum quota q)
{
    return quotas[q].name;
}

void quota_defaults(uint32_t limits[QUOTA_COUNT])
{
    for (int q = 0; q < QUOTA_COUNT; q++)
        limits[q] = quotas[q].limit;
}

struct account *account_of(struct store *s, uint16_t domid)
{
    struct account **page = &s->accounts[domid / ACCOUNTS_PER_PAGE];
    struct account *a;

    if (!*page)
        *page = calloc(ACCOUNTS_PER_PAGE, sizeof(**page));
    if (!*page)
        return NULL;
    a = *page + domid % ACCOUNTS_PER_PAGE;
    a->domid = domid;
    return a;
}

void accounts_free(struct store *s)
{
    for (unsigned i = 0; i < ACCOUNT_PAGES; i++)
        free(s->accounts[i]);
}

int quota_refuse(struct store *s, uint16_t domid, enum quota q, int err)
{
    struct account *a = account_of(s, domid);
    uint32_t n = a ? ++a->refused[q] : 1;

    if (!(n & (n - 1)))
        store_log(s, "quota: domain %u refused, %s at its limit of %u (%u times)", domid, quotas[q].name, s->limits[q], n);
    return err;
}

int32_t ledger_get(const struct ledger *l, uint16_t domid)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->e[i].domid == domid)
            return l->e[i].nodes;
    return 0;
}

static bool ledger_room(struct ledger *l, unsigned more)
{
    struct ledger_entry *e;

    if (l->n + more <= l->room)
        return true;
    e = realloc(l->e, (l->n + more + 4) * sizeof(*e));
    if (!e)
        return false;
    l->e = e;
    l->room = l->n + more + 4;
    return true;
}

bool ledger_add(struct ledger *l, uint16_t domid, int32_t nodes)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->e[i].domid == domid) {
            l->e[i].nodes += nodes;
            return true;
        }
    if (!ledger_room(l, 1))
        return false;
    l->e[l->n++] = (struct ledger_entry){ domid, nodes };
    return true;
}

bool ledger_merge(struct ledger *to, const struct ledger *from)
{
    if (!ledger_room(to, from->n))
        return false;
    for (unsigned i = 0; i < from->n; i++)
        ledger_add(to, from->e[i].domid, from->e[i].nodes);
    return true;
}

void ledger_free(struct ledger *l)
{
    free(l->e);
    *l = (struct ledger){ 0 };
}
