/* SPDX-License-Identifier: MIT */
/* Quotas: see quota.h. */
#include "xenstore/core/quota.h"
#include "xenstore/core/state.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DOMAIN0_EVENTS 16 /* times the quota */

static const struct {
    const char *name;
    uint32_t limit;
} quotas[QUOTA_COUNT] = {
    [QUOTA_NODES] = { "nodes", 1000 },
    [QUOTA_WATCHES] = { "watches", 128 },
    [QUOTA_TRANSACTIONS] = { "transactions", 10 },
    [QUOTA_OUTSTANDING] = { "outstanding", 20 },
    [QUOTA_NODE_SIZE] = { "node-size", 2048 },
    [QUOTA_PERMISSIONS] = { "permissions", 5 },
    [QUOTA_TX_NODES] = { "transaction-nodes", 1024 },
    [QUOTA_PATH_LEN] = { "path-max", 2048 },
    [QUOTA_MEMORY] = { "memory", 2u << 20 },
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
    return a;
}

void account_reset(struct store *s, uint16_t domid)
{
    struct account *a = account_of(s, domid);

    if (a)
        a->own_limits = a->features_off = 0;
}

void accounts_free(struct store *s)
{
    for (unsigned i = 0; i < ACCOUNT_PAGES; i++)
        free(s->accounts[i]);
}

uint32_t quota_limit(struct store *s, uint16_t domid, enum quota q)
{
    const struct account *a = account_of(s, domid);
    uint32_t v = a && a->own_limits & 1u << q ? a->limits[q] : s->limits[q];

    if (!domid && q == QUOTA_EVENTS)
        v = v > UINT32_MAX / DOMAIN0_EVENTS ? 0 : v * DOMAIN0_EVENTS;
    else if (!domid && q != QUOTA_OUTSTANDING)
        v = 0;
    return v && !s->loading ? v : UINT32_MAX;
}

bool quota_find(const char *name, enum quota *q)
{
    for (int i = 0; i < QUOTA_COUNT; i++)
        if (!strcmp(name, quotas[i].name)) {
            *q = (enum quota)i;
            return true;
        }
    return false;
}

int quota_set(struct store *s, const char *domid, const char *name, const char *value)
{
    unsigned long d = 0, v;
    struct account *a = NULL;
    enum quota q;

    if (!quota_find(name, &q) || !parse_number(value, UINT32_MAX, &v) ||
        (domid && (!parse_number(domid, DOMID_LIMIT - 1, &d) || !d)))
        return EINVAL;
    if (domid) {
        a = account_of(s, (uint16_t)d);
        if (!a)
            return ENOMEM;
        a->own_limits |= 1u << q;
        a->limits[q] = (uint32_t)v;
        store_log(s, "quota: %s of domain %lu is now %lu", name, d, v);
    } else {
        s->limits[q] = (uint32_t)v;
        store_log(s, "quota: %s is now %lu", name, v);
    }
    journal_put(s, REC_LIMIT, "uus", domid ? (uint32_t)d : UINT32_MAX, (uint32_t)v, name);
    return 0;
}

int quota_refuse(struct store *s, uint16_t domid, enum quota q, int err)
{
    struct account *a = account_of(s, domid);
    uint32_t n = a ? ++a->refused[q] : 1;

    if (!(n & (n - 1)))
        store_log(s, "quota: domain %u refused, %s at its limit of %u (%u times)", domid, quotas[q].name,
                  quota_limit(s, domid, q), n);
    return err;
}

int quota_memory(struct store *s, uint16_t domid, int64_t pending, size_t more)
{
    const struct account *a = account_of(s, domid);

    if (!a)
        return ENOMEM;
    if ((int64_t)(a->node_bytes + a->work_bytes) + pending + (int64_t)more > quota_limit(s, domid, QUOTA_MEMORY))
        return quota_refuse(s, domid, QUOTA_MEMORY, ENOSPC);
    return 0;
}

void account_work(struct store *s, uint16_t domid, int64_t bytes)
{
    account_of(s, domid)->work_bytes += (uint64_t)bytes;
}

struct ledger_entry ledger_get(const struct ledger *l, uint16_t domid)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->e[i].domid == domid)
            return l->e[i];
    return (struct ledger_entry){ .domid = domid };
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

bool ledger_add(struct ledger *l, uint16_t domid, int32_t nodes, int64_t bytes)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->e[i].domid == domid) {
            l->e[i].nodes += nodes;
            l->e[i].bytes += bytes;
            return true;
        }
    if (!ledger_room(l, 1))
        return false;
    l->e[l->n++] = (struct ledger_entry){ domid, nodes, bytes };
    return true;
}

bool ledger_merge(struct ledger *to, const struct ledger *from)
{
    if (!ledger_room(to, from->n))
        return false;
    for (unsigned i = 0; i < from->n; i++)
        ledger_add(to, from->e[i].domid, from->e[i].nodes, from->e[i].bytes);
    return true;
}

void ledger_free(struct ledger *l)
{
    free(l->e);
    *l = (struct ledger){ 0 };
}
