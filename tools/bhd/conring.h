/* SPDX-License-Identifier: MIT */
/*
 * The console ring (xen/io/console.h) from the daemon's side. Pure. The page is shared with a hostile guest: each index
 * is read once, checked, and used only modulo the ring's size. The ring is the only state, so that a guest which is
 * restarted in place with a pristine page is followed without a handshake.
 */
#ifndef TOOLS_BHD_CONRING_H
#define TOOLS_BHD_CONRING_H
#include <stdbool.h>
#include <stddef.h>

struct xencons_interface;
#define CONRING_OUT 2048u

/* Takes what the guest has written (at most CONRING_OUT bytes into buf); *bad: the indices were nonsense, the output
 * is dropped. Returns the number of bytes. */
unsigned conring_read(struct xencons_interface *ring, char *buf, bool *bad);
/* Gives the guest at most n bytes; returns how many fitted. */
unsigned conring_write(struct xencons_interface *ring, const char *buf, unsigned n, bool *bad);
#endif
