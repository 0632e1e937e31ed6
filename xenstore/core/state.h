/* SPDX-License-Identifier: MIT */
/*
 * The registry's state as bytes, for a daemon that comes after this one. A stream of records; each sets or changes something, so that
 * a stream is a snapshot (state_dump), or a snapshot and everything that changed since (the journal): the same loader reads both.
 *
 * The journal is memory that outlives the daemon, lent by the host. What a request changed and what it answered is appended,
 * and counts once `*committed` is moved over it, which is done before any byte of the answer leaves. Domains' rings are in it
 * with what they have half received and not yet been sent; so a request that came by a ring is executed once, and answered once, wherever
 * the daemon died. `*running` tells whose request was being executed: if that is what killed the daemon, it is not tried again.
 * Sockets are not in the journal (they die with the daemon), but in the snapshot for a live update.
 *
 * Nothing here fails: without room a buffer is marked `failed`, and is then good for nothing.
 */
#ifndef XENSTORE_CORE_STATE_H
#define XENSTORE_CORE_STATE_H
#include "xenstore/core/conn.h"

struct change;

struct sbuf {
    char *bytes;
    size_t used, room;
    bool (*grow)(struct sbuf *b, size_t room); /* have at least that much room; false: cannot */
    bool failed;
};

struct journal {
    struct sbuf buf;
    uint64_t *committed; /* bytes of buf that count */
    uint32_t *running;   /* key of the connection whose request is executed, and 1; 0: none */
};

/* Keys of connections: a domain's ring has the domain's id, a socket SOCKET_KEY and its descriptor. */
#define SOCKET_KEY 0x10000u

enum record {
    REC_STORE = 1, /* U: generation */
    REC_LIMIT,     /* uus: domain or UINT32_MAX, value, name */
    REC_FEATURES,  /* uu: domain, features off */
    REC_SPECIAL,   /* up: index, permissions */
    REC_NODE,      /* spb: path, permissions, value; parents come first */
    REC_CHANGE,    /* uuuspb: domain, its target, type, path, permissions, value */
    REC_DOMAIN,    /* uuuUu: domain, target, shut down, gfn, port */
    REC_GONE,      /* u: domain */
    REC_CONN,      /* uuu: key, last transaction's id, events were dropped */
    REC_WATCH,     /* uuuss: key, depth, relative, path, token */
    REC_UNWATCH,   /* uss: key, path, token */
    REC_TXN,       /* uuu: key, id, lost */
    REC_TXN_READ,  /* uuus: key, id, bits, path */
    REC_TXN_CHANGE,/* uuuspb: key, id, type, path, permissions, value */
    REC_TXN_END,   /* uu: key, id */
    REC_OUT,       /* uuub: key, position in the stream, is an event, message */
    REC_IN,        /* uub: key, position in the stream behind the bytes, bytes of a request that is not whole */
    REC_DONE,      /* uu: key, position in the stream behind the last request that was executed */
    REC_RESET,     /* u: key */
    REC_LATER,     /* u: events of changes before this are to come (later.h) */
    REC_COUNT
};

/* Append a record: u uint32_t, U uint64_t, s string, p struct perms * (may be NULL), b pointer and size_t. */
void state_put(struct sbuf *b, enum record kind, const char *fields, ...);
/* Append everything; `live`: with sockets and with what transactions did. */
void state_dump(struct store *s, struct sbuf *b, bool live);
/* The same in parts, for a journal: first the tree as it was at the beginning, so many nodes at a time; then the rings, one after
 * the other, as they are when it is their turn. What changes meanwhile is for the caller to append behind, and in the second half before
 * each part: what is said of a ring then holds instead of all before. Both return whether it was the last part. */
struct snapshot {
    struct node *root;
    struct steps steps;
    uint32_t number; /* conn.snapshot of those that are in it */
};
void state_begin(struct store *s, struct sbuf *b, struct snapshot *part);
bool state_more(struct snapshot *part, struct sbuf *b, unsigned nodes);
bool state_rings(struct store *s, struct snapshot *part, struct sbuf *b, unsigned records);
void state_end(struct snapshot *part);
/* Append what are records, or parts of them, already. */
void state_append(struct sbuf *b, const char *bytes, size_t len);
/* Make a fresh store what the records say. Returns NULL, or what is wrong with them. */
const char *state_load(struct store *s, const char *bytes, size_t len, uint32_t running);

/* Append to the store's journal, if it has one. */
#define journal_put(s, ...) do { if ((s)->journal) state_put(&(s)->journal->buf, __VA_ARGS__); } while (0)
void journal_change(struct store *s, const struct actor *a, const struct change *ch);
void journal_domain(struct store *s, const struct domain *d);
/* A message that was put at the end of c's queue. */
void journal_out(struct conn *c, const struct msg *m);
/* Before c's turn ends: what of its input is not executed. */
void journal_in(struct conn *c);
/* All that was put down counts. */
void journal_keep(struct store *s);
/* A request of c begins; it is done. */
void journal_begin(struct conn *c);
void journal_commit(struct conn *c);
#endif
