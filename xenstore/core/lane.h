/* SPDX-License-Identifier: MIT */
/*
 * The lane: how those who lost a transaction get theirs through. One at a time: the others' starts wait in their order, so that
 * they do not do work which will be lost; and what the one in the lane has read is kept for it, commits of others against it
 * lose. Its stay is limited (LANE_US), so that nobody can hold up the rest. Who was there, too late, and lost for that may stay twice as
 * long the next time, and so on (LANE_LATE times): so how often a client loses in a row to other transactions is bounded, on a
 * slow machine too: once, and once for each time that its stay was doubled. Who never loses never meets the lane.
 */
#ifndef XENSTORE_CORE_LANE_H
#define XENSTORE_CORE_LANE_H
#include <stdbool.h>

struct conn;
struct store;
struct txn;

#define LANE_US 20000 /* longest stay, microseconds */
#define LANE_LATE 5   /* times that it is doubled */
#define LANE_TRIES 8  /* after a loss, so many transactions go by the lane */

struct lane {
    struct conn *owner;          /* whose turn it is, or NULL */
    struct txn *txn;             /* its transaction, once started */
    struct conn *first, **last;  /* those who wait */
};

void lane_init(struct store *s);
/* May c start a transaction now? False: it waits, and gets a turn (host_ops.wake) when it may. */
bool lane_enter(struct conn *c);
/* c's transaction has started. */
void lane_started(struct txn *t);
/* A transaction came to its end: `lost` to another, or not. */
void lane_ended(struct txn *t, bool lost);
/* The transaction goes, or the connection is reset: it leaves the lane. */
void lane_drop(struct store *s, struct txn *t);
void lane_leave(struct conn *c);
/* Whose reads must be spared: the lane's transaction, if it is not t. */
struct txn *lane_other(struct store *s, const struct txn *t);
/* The host's alarm: the one in the lane had its time. */
void lane_expired(struct store *s);
#endif
