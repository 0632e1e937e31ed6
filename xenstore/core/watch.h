/* SPDX-License-Identifier: MIT */
/*
 * Watches: who is told of changes (when: later.h). Found by a hash of their path, so that a change costs its depth, not the number of watches.
 * A watch hears of its node and of all below it (to its depth, if it has one); when an ancestor is removed, of itself.
 * An event goes only to those who may read the node or its parent.
 */
#ifndef XENSTORE_CORE_WATCH_H
#define XENSTORE_CORE_WATCH_H
#include "xenstore/core/store.h"

#define DEPTH_ALL (-1)

struct watch {
    struct watch *hash_next, **hash_prev;
    struct watch *next, **prev; /* of the same connection */
    struct conn *conn;
    uint32_t hash;
    int depth; /* levels below the path that are heard, or DEPTH_ALL */
    bool relative;
    const char *token;
    char path[]; /* and the token behind it */
};

#define WATCHES_AGAIN 1000 /* fired at once by watch_fire_again */

/* Register; EEXIST, E2BIG (quota) or ENOMEM. The first event (the watch's own path) is the caller's to queue. */
int watch_add(struct conn *c, const char *path, const char *token, bool relative, int depth);
int watch_remove(struct conn *c, const char *path, const char *token);
/* Remove up to n of its watches. Returns whether that was all. */
bool watch_remove_some(struct conn *c, unsigned n);
/* Queue events for watches of the connection from c->again on, as many as it may have unread, one for each: it has to look again. */
void watch_fire_again(struct conn *c);

/* Telling of a change of a path, in parts: which watches come next. One at a time has begun and is not done. */
struct firing {
    const char *path;
    const struct perms *perms; /* of the node */
    size_t at;                 /* the watches on so many bytes of the path */
    int below;                 /* levels that the path is below them */
    uint32_t hash;
    bool begun;                /* they are being told; the store's watch_cursor is the next */
};
/* `exact`: only watches on the path itself, not those on nodes above. */
void watch_begin(struct firing *f, const char *path, const struct perms *perms, bool exact);
/* Tell the next ones; each looked at takes one of *units. False: there are more, and no units. */
bool watch_tell(struct store *s, struct firing *f, unsigned *units);
/* The permissions of a special name, a slot to replace them in, or NULL if there is no such name. */
struct perms **watch_special(struct store *s, const char *name);
/* Free the hash, when there are no watches any more. */
void watch_free(struct store *s);
#endif
