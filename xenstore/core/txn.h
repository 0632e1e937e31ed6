/* SPDX-License-Identifier: MIT */
/*
 * Transactions. One is a second reference to the live root, taken at its first use. It works on its own copy-on-write view and keeps two things:
 * the changes it made, in order, and what it read, with the generations at its start. Its end:
 *   - nothing changed since: the view becomes the live tree;
 *   - else, if what it read is as it was, the changes are made again on the live tree: all of them or none;
 *   - else EAGAIN. What it only wrote is no conflict; a transaction that changed nothing never has one.
 */
#ifndef XENSTORE_CORE_TXN_H
#define XENSTORE_CORE_TXN_H
#include "xenstore/core/conn.h"
#include "xenstore/core/view.h"

enum change_type { CHANGE_WRITE, CHANGE_MKDIR, CHANGE_RM, CHANGE_PERMS, CHANGE_SPECIAL /* no node: one of watch_special's names */ };

/* One change, to be made, made, or to be told of. */
struct change {
    enum change_type type;
    const char *path;
    struct blob *value;   /* CHANGE_WRITE */
    struct perms *perms;  /* CHANGE_PERMS */
    struct node *removed; /* CHANGE_RM, once made: what went */
    bool changed;         /* making it changed something */
    bool uncounted;       /* what went is still in the accounts (view_rm) */
    struct change *next;
};

/* What waits to be told (later.c): a change, or all of a transaction's. */
struct notice {
    struct notice *next;
    struct txn *txn; /* or NULL */
    bool begun;
    struct change change;
};

int change_make(struct store *s, struct view *v, const struct actor *a, struct change *ch);
/* Give back what a change holds. */
void change_clear(struct change *ch);

#define READ_NODE 1u  /* the value, or that the node is there or not */
#define READ_KIDS 2u  /* names of the children */
#define READ_PERMS 4u /* permissions */

struct txn {
    struct txn *next;
    struct conn *conn;
    uint32_t id;
    uint64_t version;  /* of the live tree at the start */
    struct node *base; /* the root at the start */
    struct view view;
    struct change *changes, **last;
    struct touch **touched; /* hash of the paths used */
    unsigned buckets, touches;
    size_t bytes; /* counted in the account */
    bool lost; /* an earlier daemon knew what it did: its end will be EAGAIN */
    bool late; /* its time in the lane was over */
    struct notice notice;
};

int txn_start(struct conn *c, struct txn **out);
struct txn *txn_find(struct conn *c, uint32_t id);
/* Before a request in t: take the live tree as its base if it has used nothing yet, or if it is in the lane and all that it
 * read still holds. */
void txn_forward(struct txn *t);
/* Remember that the client learnt about `path`: READ_* bits. */
int txn_read(struct txn *t, const char *path, unsigned what);
/* Make a change in the transaction; takes over what `ch` holds. */
int txn_change(struct txn *t, struct change *ch);
/* Bring the changes into the live tree: 0, EAGAIN (also for the sake of one in the lane), ENOSPC, ENOMEM. The transaction is still to be freed. */
int txn_commit(struct txn *t);
/* Is this change of it to be told? To be asked once for each, in their order: of several of one node the first is. */
bool txn_news(struct txn *t, const struct change *ch);
/* It is over: out of its connection, the lane and the account. Then later_txn. */
void txn_close(struct txn *t);
/* Free it, each of its changes and paths taking one of *units. False: there is more. */
bool txn_free_part(struct txn *t, unsigned *units);
/* Append t to a state (state.h), with what it did if `live`, else as lost. */
struct sbuf;
void txn_dump(const struct txn *t, struct sbuf *b, bool live);
/* Open a transaction of an earlier daemon: NULL: no memory. */
struct txn *txn_reopen(struct conn *c, uint32_t id, bool lost);
/* It had learnt that much about `path`. */
int txn_note(struct txn *t, const char *path, unsigned what);
#endif
