/* SPDX-License-Identifier: MIT */
/*
 * What is put off. An operation is done and answered when the tree has changed; what it leaves to do may be a lot more: telling
 * the watches, on a subtree that went on every node of it; taking that off the accounts; freeing it; finding what a domain
 * that is gone has owned. A little of it is done at once, the rest in parts between the turns, events in the order of the changes.
 *
 * The state says whether there are events to come (REC_LATER): if the daemon dies before, all watches of rings fire once.
 */
#ifndef XENSTORE_CORE_LATER_H
#define XENSTORE_CORE_LATER_H
#include "xenstore/core/txn.h"

#define LATER_PART 1000u /* units for later_run: a third of a millisecond */

/* Made with the store; false: no memory. later_free: what is not done will not be. */
bool later_init(struct store *s);
void later_free(struct store *s);
/* Tell of a change of the live tree. */
void later_tell(struct store *s, const struct change *ch);
/* Tell of a special name (watch_special). */
void later_tell_special(struct store *s, const char *name);
/* Tell of all that a committed transaction changed, if `tell`, and free it. It was closed. */
void later_txn(struct store *s, struct txn *t, bool tell);
/* Remove what a domain that is gone owned outside its home; `stop`: no more, and if `finish` because all of it is done now. */
void later_purge(struct store *s, uint16_t domid);
void later_purge_end(struct store *s, uint16_t domid, bool finish);
/* Which are being removed: the next domain from `domid` on, or -1. */
int later_purged(const struct store *s, unsigned domid);
/* Are there events to come? */
bool later_untold(const struct store *s);
/* Between turns: do up to `units` of what is put off (a watch looked at, a node). Returns whether there is more. */
bool later_run(struct store *s, unsigned units);
/* Do all of it. */
void later_finish(struct store *s);
#endif
