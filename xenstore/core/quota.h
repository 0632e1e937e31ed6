/* SPDX-License-Identifier: MIT */
/*
 * Quotas: how much of the daemon an unprivileged domain may use, what it uses now, and the log of what was refused.
 * Limits are one table for all domains, and what is set for one domain in particular, both settable while running.
 * Domain 0 (and so every socket) is counted, and not limited but in what it leaves unread.
 */
#ifndef XENSTORE_CORE_QUOTA_H
#define XENSTORE_CORE_QUOTA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum quota {
    QUOTA_NODES,        /* nodes owned */
    QUOTA_WATCHES,      /* watches registered */
    QUOTA_TRANSACTIONS, /* transactions open */
    QUOTA_OUTSTANDING,  /* replies not yet read */
    QUOTA_NODE_SIZE,    /* bytes of a node's value */
    QUOTA_PERMISSIONS,  /* entries of a node's permission list */
    QUOTA_TX_NODES,     /* different nodes used in one transaction */
    QUOTA_PATH_LEN,     /* bytes of a path; below /local/domain/N/ only the rest counts */
    QUOTA_MEMORY,       /* bytes of nodes owned, watches, transactions and unread messages */
    QUOTA_EVENTS,       /* bytes of watch events not yet read (of domain 0: 16 times as many) */
    QUOTA_COUNT
};

/* What one domain uses, and what was said about it in particular. */
struct account {
    uint32_t nodes, watches, transactions;
    uint64_t node_bytes; /* of the nodes in the live tree */
    uint64_t work_bytes; /* of watches, transactions and messages not yet read */
    uint32_t refused[QUOTA_COUNT];
    uint32_t own_limits; /* bit q: limits[q] holds for this domain instead of the limit for all */
    uint32_t limits[QUOTA_COUNT];
    uint32_t features_off; /* WIRE_FEATURES that it is not offered */
};

/* Changes in what nodes are counted for that an operation or a transaction will make. */
struct ledger {
    unsigned n, room;
    struct ledger_entry {
        uint16_t domid;
        int32_t nodes;
        int64_t bytes;
    } *e;
};

/* Name of a quota as xenstore-control shows it. */
const char *quota_name(enum quota q);
void quota_defaults(uint32_t limits[QUOTA_COUNT]);
bool quota_find(const char *name, enum quota *q);
/* The limit for a domain; UINT32_MAX: none. */
uint32_t quota_limit(struct store *s, uint16_t domid, enum quota q);
/* Set a limit, 0 for none; of the domain if `domid` is not NULL, else of all that have none of their own. 0 or an errno. */
int quota_set(struct store *s, const char *domid, const char *name, const char *value);
/* The account of a domain, made on first use; NULL: no memory. */
struct account *account_of(struct store *s, uint16_t domid);
/* The domain is gone: what was set for it in particular does not hold for the next of this id. */
void account_reset(struct store *s, uint16_t domid);
void accounts_free(struct store *s);
/* Log that `domid` was refused by a quota (the first time, then at every power of two). Returns `err`. */
int quota_refuse(struct store *s, uint16_t domid, enum quota q, int err);

/* May a domain have `more` bytes, beyond `pending` that are not in its account yet? 0, ENOSPC or ENOMEM. Domain 0 always may. */
int quota_memory(struct store *s, uint16_t domid, int64_t pending, size_t more);
/* What a domain uses besides nodes grows, or shrinks. Its account must be there. */
void account_work(struct store *s, uint16_t domid, int64_t bytes);

/* A domain's entry, or one with nothing. */
struct ledger_entry ledger_get(const struct ledger *l, uint16_t domid);
bool ledger_add(struct ledger *l, uint16_t domid, int32_t nodes, int64_t bytes);
/* Add all of `from` to `to`; false without memory, then `to` is as it was. */
bool ledger_merge(struct ledger *to, const struct ledger *from);
void ledger_free(struct ledger *l);
#endif
