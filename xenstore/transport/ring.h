/* SPDX-License-Identifier: MIT */
/*
 * The ring page of a domain (xen/io/xs_wire.h), seen from the server. The page belongs to somebody hostile: every index is
 * read once into a local and checked, and a bad one is an error of this ring alone. Our own indices stay in the page between turns,
 * because firmware may start a ring anew by zeroing it; what a turn reads leaves the ring at its end. Knows no host: whoever maps the page and carries events uses this.
 */
#ifndef XENSTORE_TRANSPORT_RING_H
#define XENSTORE_TRANSPORT_RING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

struct ring {
    volatile struct xenstore_domain_interface *page;
    uint32_t features; /* offered */
    uint32_t cons; /* read so far, during a turn */
    bool turn;
    bool moved;  /* since the last event to the other side */
    bool broken; /* stopped with an error; only a reconnection heals it */
};

/* Begin on a mapped page: offer features, clear the error. */
void ring_start(struct ring *r, void *page, uint32_t features);
/* Around a turn: reading starts where the page says, and what was read is taken out of the ring.
 * ring_end returns whether there is more: a client that saw us busy gives no event. */
void ring_begin(struct ring *r);
bool ring_end(struct ring *r);
/* Where reading and writing are. */
void ring_position(const struct ring *r, uint32_t *in, uint32_t *out);
/* Outside a turn: reading goes on at `in`. */
void ring_resume(struct ring *r, uint32_t in);
/* In a turn: move up to n bytes; returns how many (0 also when broken), negative when the indices are impossible. */
long ring_read(struct ring *r, void *buf, size_t n);
long ring_write(struct ring *r, const void *buf, size_t n);
/* Does the client ask for a reconnection? */
bool ring_wants_reset(const struct ring *r);
/* Empty both directions and report the ring connected. */
void ring_reset(struct ring *r);
/* Stop the ring, with XENSTORE_ERROR_* in its error word. */
void ring_stop(struct ring *r, uint32_t error);
#endif
