/* SPDX-License-Identifier: MIT */
/*
 * The back end of a Xen I/O ring (xen/io/ring.h), for any entry size.
 *
 * Purpose: take requests and publish responses on memory that a hostile front can change at any moment.
 * Interface: attach or adopt, ring_pending() / ring_take(), ring_put() / ring_push(), ring_final_check().
 * Rules:
 *  - every shared word is read once, through a volatile access; a request is copied whole and then looked at;
 *  - responses are put in the order of the requests, so that response k lies in slot k and the slots from
 *    rsp_prod to req_prod always hold the requests nobody has answered: the ring is the journal of a restart;
 *  - a response overwrites its request before rsp_prod moves, so it is first noted in the header's padding (which
 *    no front reads). A backend that adopts the ring finishes that one response: no instant is unsafe to die at.
 */
#ifndef BACKENDS_RING_H
#define BACKENDS_RING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_NOTE_BYTES 32 /* largest response that ring_put() takes */

/* The shared header; writer: F front, B back. */
struct ring_shared {
    uint32_t req_prod;  /* F */
    uint32_t req_event; /* B */
    uint32_t rsp_prod;  /* B */
    uint32_t rsp_event; /* F */
    uint32_t pvt;       /* F */
    uint32_t note_index; /* B: index of the response being written ... */
    uint32_t note_check; /* B: ... valid if this is ~note_index ^ RING_NOTE_MAGIC */
    uint8_t note[RING_NOTE_BYTES]; /* B: that response */
    uint8_t pad[4];
};
#define RING_NOTE_MAGIC 0x62686a6eu

struct ring {
    volatile struct ring_shared *shared;
    uint8_t *slots;
    uint32_t entry;    /* bytes of a slot: union of request and response */
    uint32_t count;    /* slots, a power of two */
    uint32_t req_cons; /* next request to take */
    uint32_t rsp_pvt;  /* next response to put */
    uint32_t rsp_told; /* value of rsp_pvt at the last ring_push() */
};

/* Set up on `bytes` of ring memory with slots of `entry` bytes; indices start at what the ring says was answered.
 * fresh: a ring just negotiated, a stale note in it is wiped. Otherwise it is adopted: a response noted but not yet
 * published is finished. 0; -EINVAL if no slot fits; -EPROTO if the front's indices cannot be. */
int ring_attach(struct ring *r, void *mem, size_t bytes, size_t entry, bool fresh);
/* Requests waiting to be taken, or -EPROTO when the front claims more than the ring holds. */
int ring_pending(const struct ring *r);
/* Copy the next request (at most r->entry bytes) and step over it; only if ring_pending() > 0. Returns its index. */
uint32_t ring_take(struct ring *r, void *copy, size_t bytes);
/* Answer request rsp_pvt; only for a request that was taken. bytes <= RING_NOTE_BYTES and <= entry. */
void ring_put(struct ring *r, const void *rsp, size_t bytes);
/* After some ring_put(): true if the front asked to be notified of one of them. */
bool ring_push(struct ring *r);
/* Ask for an event at the next request; true if one slipped in (or the indices are broken): take again. */
bool ring_final_check(struct ring *r);
#endif
