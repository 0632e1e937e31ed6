/* SPDX-License-Identifier: MIT */
/*
 * Watches: who is told of changes. Found by a hash of their path, so that a change costs its depth, not the number of watches.
 * A watch hears of its node and of all below it (to its depth, if it has one); when an ancestor is removed, of itself.
 * An event goes only to those who may read the node or its parent.
 */
#ifndef XENSTORE_CORE_WATCH_H
#define XENSTORE_CORE_WATCH_H
#include "xenstore/core/store.h"

#define DEPTH_ALL (-1)

struct watch {
    struct watch *hash_next;
    struct watch *next, **prev; /* of the same connection */
    struct conn *conn;
    uint32_t hash;
    int depth; /* levels below the path that are heard, or DEPTH_ALL */
    bool relative;
    const char *token;
    char path[]; /* and the token behind it */
};

/* Register; EEXIST, E2BIG (quota) or ENOMEM. The first event (the watch's own path) is the caller's to queue. */
int watch_add(struct conn *c, const char *path, const char *token, bool relative, int depth);
int watch_remove(struct conn *c, const char *path, const char *token);
void watch_remove_all(struct conn *c);
/* Queue an event for every watch of the connection: it has to look again. */
void watch_fire_all(struct conn *c);
/* Tell of a change of `path`, a node with `perms`. */
void watch_fire(struct store *s, const char *path, const struct perms *perms);
/* Tell that `path` went, with the subtree that `n` holds. */
void watch_fire_removed(struct store *s, const char *path, const struct node *n);
/* "@introduceDomain", "@releaseDomain". */
void watch_fire_special(struct store *s, const char *name);
/* The permissions of a special name, a slot to replace them in, or NULL if there is no such name. */
struct perms **watch_special(struct store *s, const char *name);
/* Free the hash, when there are no watches any more. */
void watch_free(struct store *s);
#endif
