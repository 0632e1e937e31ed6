/* SPDX-License-Identifier: MIT */
/*
 * The state in memory that outlives the daemon: a file mapped from a memory-backed filesystem (tmpfs), which holds the journal of
 * core/state.h and is written anew, as a snapshot under another name and then moved over the old, when it has
 * grown to more than twice what it began with: in parts, a part a turn, with what changed meanwhile behind it; and the same
 * in a nameless file for a live update.
 */
#ifndef XENSTORE_TRANSPORT_STATEFILE_H
#define XENSTORE_TRANSPORT_STATEFILE_H
#include "xenstore/core/state.h"

enum statefile { STATEFILE_NONE, STATEFILE_LOADED, STATEFILE_BAD };

/* Load the file at `path`, or that behind the descriptor `fd` if it is not negative (closes it), into a fresh store. Says in the log
 * what it found. */
enum statefile statefile_load(struct store *s, const char *path, int fd);
/* Write the state to `path` and keep it there from now on. False: it could not, and the log says why. */
bool statefile_begin(struct store *s, const char *path);
/* Between turns: a part of writing it anew if it has grown; try again if it could not be kept. */
void statefile_tend(struct store *s);
/* Stop keeping it; the file goes. */
void statefile_end(struct store *s);
/* The whole state in a nameless file, for a live update. -1 with errno. */
int statefile_live(struct store *s);
#endif
