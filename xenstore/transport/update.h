/* SPDX-License-Identifier: MIT */
/*
 * Live update. The state goes into a nameless file, which the program that takes over inherits with the listening socket and every
 * client's: its option --resume=STATE,LISTENER names them. Rings are mapped and bound anew. If the program cannot be
 * started, this one goes on.
 */
#ifndef XENSTORE_TRANSPORT_UPDATE_H
#define XENSTORE_TRANSPORT_UPDATE_H
#include "xenstore/core/store.h"

/* Before anything else: the program's arguments. False: its own name cannot be found. */
bool update_init(char **argv);
/* Between turns: do what update_ask (loop.h) was asked for. Returns if there is nothing to do, or if it failed. */
void update_go(struct store *s);
#endif
