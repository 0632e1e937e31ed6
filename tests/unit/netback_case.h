/* SPDX-License-Identifier: MIT */
/* What the tests of netback share: two fronts, a card, and steps that check themselves (case.h). */
#ifndef TESTS_NETBACK_CASE_H
#define TESTS_NETBACK_CASE_H
#include "backends/core/progress.h"
#include "backends/net/netback.h"
#include "backends/net/nic.h"
#include "case.h"
#include "fake_host.h"
#include "fake_netfront.h"
#include "fake_wire.h"

extern struct netfront *a, *b;
extern const uint8_t outside[6], all[6], group[6]; /* on the wire, broadcast, a multicast group */

void start(void);                                  /* pool, card, netback, on what fake_init() and nf_new() left */
void start_two(void);                              /* a and b, connected; b with an event channel for each direction */
void connect_front(struct netfront *f, bool split);
const char *back(const struct netfront *f, const char *node); /* a node of its backend */
void set(const char *dir, const char *node, const char *value);
void settle(void);                                 /* everything there is to do, on both sides */
bool sent(struct netfront *f, const uint8_t *to, unsigned len); /* a frame, and settle() */
bool gives_up_within(unsigned ms);                 /* the loop goes round that long; was a queue found to stand still? */
#endif
