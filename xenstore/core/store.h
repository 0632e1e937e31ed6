/* SPDX-License-Identifier: MIT */
/*
 * The registry as a whole: one tree, its watches, its domains, its connections.
 *
 * The core is told of bytes and of time by nobody: a transport moves bytes when conn_turn asks it to, and `struct host_ops`
 * is everything the core wants from its surroundings. It runs in one thread, never blocks, and answers lack of memory with
 * ENOMEM to the client that asked.
 */
#ifndef XENSTORE_CORE_STORE_H
#define XENSTORE_CORE_STORE_H
#include "xenstore/core/lane.h"
#include "xenstore/core/quota.h"
#include "xenstore/core/tree.h"

struct conn;
struct journal;
struct later;
struct store;
struct watch;

#define ACCOUNTS_PER_PAGE 256
#define ACCOUNT_PAGES 256
#define SPECIAL_COUNT 2
#define WATCH_SEGMENTS 20 /* 33 million buckets */

/* An introduced domain. The transport hangs its ring on `ring`. */
struct domain {
    struct domain *next;
    uint16_t domid;
    bool shutdown; /* seen shut down; @releaseDomain was fired for it */
    uint16_t target;
    uint32_t port; /* as introduced */
    uint64_t gfn;
    struct conn *conn; /* NULL where there is no ring (--no-domain-ring) */
    void *ring;
};

enum domain_state { DOMAIN_GONE, DOMAIN_RUNS, DOMAIN_SHUTDOWN };

struct domain_info {
    uint16_t domid;
    enum domain_state state;
};
#define INFOS_AT_ONCE 256u

struct host_ops {
    void (*log)(const char *line);
    /* conn has something to send: give it a turn soon. */
    void (*wake)(struct conn *c);
    /* Call lane_expired in so many microseconds; an alarm that is already set is set anew. */
    void (*alarm)(struct store *s, unsigned us);
    /* Map the domain's ring and bind its port, or bind it anew; opens d->conn. Returns 0 or an errno. */
    int (*ring_open)(struct store *s, struct domain *d, uint64_t gfn, uint32_t port);
    /* Give up ring and connection of a domain that goes. */
    void (*ring_close)(struct domain *d);
    /* The domains there are with ids from `first` on, in their order, at most `max`. Returns how many: all if fewer; negative: who knows. */
    int (*domains)(uint16_t first, struct domain_info *out, unsigned max);
    /* While the state is loaded: the connection that an earlier daemon called `key`, a socket. NULL: it is gone. */
    struct conn *(*adopt)(struct store *s, uint32_t key);
    /* Replace the daemon by the program `path`, which goes on from the state: soon, when this turn is over. 0 or an errno. */
    int (*update)(struct store *s, const char *path);
};

/* A tree that operations work on: the live one, or a transaction's. */
struct view {
    struct node *root;
    struct ledger ledger; /* node counts not yet in the accounts */
};

struct store {
    const struct host_ops *ops;
    struct view live;
    uint64_t gen;     /* of the last change anywhere */
    uint64_t version; /* changes with every change of the live tree */
    uint32_t limits[QUOTA_COUNT];
    bool trace; /* log every request */
    bool loading; /* state_load is at work: what was allowed before is allowed again */
    struct journal *journal; /* or NULL: what a daemon after this one will know (state.h) */
    struct account *accounts[ACCOUNT_PAGES];
    struct domain *domains;
    struct conn *conns;
    struct lane lane;
    struct watch **watch_hash[WATCH_SEGMENTS]; /* watch.c */
    size_t watch_buckets, watch_count;
    struct watch *watch_cursor; /* the next of those that are being told (watch_tell) */
    bool watch_held;            /* there it is kept between turns: buckets must not be split */
    uint32_t snapshots;         /* begun */
    struct later *later;        /* what is put off (later.c) */
    unsigned work;              /* done in this turn: about a third of a microsecond each */
    struct perms *special[SPECIAL_COUNT]; /* of @introduceDomain, @releaseDomain: who is told */
    char update_path[256];                /* what live-update will start, if it was said */
    char scratch[4096 + 1];               /* where replies are put together */
};

/* Make a store with the nodes that are there from the beginning. False: no memory. */
bool store_init(struct store *s, const struct host_ops *ops);
/* Close everything. Transports must have closed their connections. */
void store_free(struct store *s);
void store_log(struct store *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Domains (domain.c). Each returns 0 or an errno. */
struct domain *domain_find(struct store *s, uint16_t domid);
int domain_introduce(struct store *s, uint16_t domid, uint64_t gfn, uint32_t port);
int domain_release(struct store *s, uint16_t domid);
int domain_set_target(struct store *s, uint16_t domid, uint16_t target);
/* Ask the host again which domains are shut down or gone; fires @releaseDomain once if there is news. Returns how many. */
unsigned domains_refresh(struct store *s);

/* XS_CONTROL: run `argv[0]` and put the answer, a string, to `out`. Returns 0 or an errno. */
int control_run(struct store *s, char **argv, int argc, char *out, size_t room);
#endif
