/* SPDX-License-Identifier: MIT */
/*
 * What can be done to a tree, with every check: paths are canonical, `a` is who asks. Each returns 0 or an errno, and after an
 * error nothing has changed. A node that is not there is ENOENT only for those who may use its nearest ancestor, else EACCES.
 */
#ifndef XENSTORE_CORE_VIEW_H
#define XENSTORE_CORE_VIEW_H
#include "xenstore/core/store.h"

/* The node, if `a` has all rights `need` (ACCESS_*). *out is NULL if it is not there. */
int view_get(const struct view *v, const struct actor *a, const char *path, unsigned need, struct node **out);
/* Set the value (takes over no reference), making the node and its missing ancestors. */
int view_write(struct store *s, struct view *v, const struct actor *a, const char *path, struct blob *value);
/* Make the node if it is not there; *made tells. */
int view_mkdir(struct store *s, struct view *v, const struct actor *a, const char *path, bool *made);
/* Remove the node and all below it. *removed: what it was, a reference for the caller; NULL if it was not there (and its
 * parent is, which is no error). *uncounted: it is large, and still in the accounts, for later_tell to take off by and by. */
int view_rm(struct store *s, struct view *v, const struct actor *a, const char *path, struct node **removed, bool *uncounted);
int view_set_perms(struct store *s, struct view *v, const struct actor *a, const char *path, struct perms *perms);
/* Put the view's node counts into the accounts; false without memory (then nothing was done). */
bool view_settle(struct store *s, struct view *v);
#endif
