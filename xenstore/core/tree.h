/* SPDX-License-Identifier: MIT */
/*
 * The tree: nodes that are copied only when somebody else still looks at them.
 *
 * A root is a value: taking one more reference to it (node_get) is a snapshot of everything below, at no other cost. Whoever
 * wants to change something first makes the way to it his own (tree_own): nodes with one reference are changed in place,
 * shared ones are copied. The children of a node form a treap ordered by name (priority: a keyed hash of the name), linked
 * through the children themselves, so that a directory of a million names costs no more than its depth. A priority is not kept:
 * only insertion and removal ask for it, of the nodes on their way.
 *
 * Rules: making a way one's own may fail without memory, and then nothing visible has changed; what follows it cannot fail.
 * Generations: `gen` is new when value or permissions are, `kgen` when a child comes or goes.
 */
#ifndef XENSTORE_CORE_TREE_H
#define XENSTORE_CORE_TREE_H
#include "xenstore/core/path.h"
#include "xenstore/core/perm.h"

struct blob {
    uint32_t ref, len;
    char data[];
};

/* What a search looks at comes first and together: of a node on the way it needs a line of the cache, seldom two. */
struct node {
    struct node *left, *right; /* siblings with smaller and greater names */
    uint64_t lead;             /* the name's first eight bytes as a number of their order, then zeros */
    struct node *kids;         /* root of the children's treap */
    struct perms *perms;
    struct blob *value; /* NULL: empty */
    uint32_t ref;
    uint32_t span; /* bytes of the names (each with a NUL) in this node's part of its treap */
    union {
        uint64_t gen;
        struct node *doomed; /* while a subtree is being freed */
    };
    uint64_t kgen;
    uint16_t name_len;
    char name[];
};

/* The key of the treaps' priorities: set once, at random, before the first node. */
void tree_seed(uint32_t key);

struct blob *blob_new(const void *data, size_t len);
struct blob *blob_get(struct blob *b);
void blob_put(struct blob *b);

/* A node without children. Takes over the references `perms` and `value`; on NULL (no memory) it has not. */
struct node *node_new(struct comp name, struct perms *perms, struct blob *value, uint64_t gen);
/* What a node takes, its value and its permissions as if it did not share them. */
size_t node_bytes(const struct node *n);
struct node *node_get(struct node *n);
/* Give a reference back. Of what was only held by it a few nodes are freed at once, the others by tree_reap. */
void node_put(struct node *n);
/* Free up to `nodes` of those that wait for it. Returns whether there are more. */
bool tree_reap(unsigned nodes);

/* The node at an absolute path, or NULL; then *nearest is the last ancestor there and *rest the path from there on. Both may be NULL. */
struct node *tree_find(struct node *root, const char *path, struct node **nearest, const char **rest);
/* Make the node at the first `len` bytes of `path` changeable: it must exist. NULL: no memory. */
struct node *tree_own(struct node **root, const char *path, size_t len);
/* Add `kid`, a name that is not there, to `dir`, which tree_own gave. False: no memory, nothing done. */
bool tree_insert(struct node *dir, struct node *kid, uint64_t gen);
/* Take the child `name`, which is there, out of `dir`, which tree_own gave. NULL: no memory, nothing done. */
struct node *tree_remove(struct node *dir, struct comp name, uint64_t gen);

/* Bytes of all children's names, each with its NUL. */
size_t tree_kids_bytes(const struct node *dir);
/* Copy whole names from byte `from` of that list on to buf, at most `room` bytes. Returns the bytes copied. */
size_t tree_kids_list(const struct node *dir, size_t from, char *buf, size_t room);

/* Returns whether to go on below the node. */
typedef bool (*tree_fn)(void *arg, const char *path, const struct node *n);
/* Call fn for n and everything below it, parents first. `path` is n's path, of length `len`, in a buffer of PATH_BUF. */
void tree_walk(const struct node *n, char *path, size_t len, tree_fn fn, void *arg);

/* The same a node at a time, siblings in the order of their names, over a root that the caller keeps a reference to. A step
 * returns the next node, its path in `path`, or NULL: at the end, or without memory (`failed`; it can be tried again). */
struct steps {
    struct steps_entry {
        const struct node *n;
        uint32_t len; /* of the path of n's parent */
        bool alone;   /* else with its siblings on both sides */
    } *stack;
    size_t depth, room;
    const struct node *top; /* not yet on the stack */
    size_t top_len;
    bool failed;
    char path[PATH_BUF];
};
void steps_begin(struct steps *w, const struct node *root);
/* Only what is below `dir`, whose path is `path`. */
void steps_below(struct steps *w, const struct node *dir, const char *path);
const struct node *steps_next(struct steps *w);
void steps_end(struct steps *w);
#endif
