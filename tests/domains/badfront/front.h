/* SPDX-License-Identifier: MIT */
/*
 * badfront: a front-end that is hostile. What its attacks share: one device's xenbus handshake, done properly or not, and verdicts.
 * An attack goes: front_open() -> something no front should do -> a verdict -> front_close(), after which the backend must have let
 * go of every page. Or an attack is done over and over (struct storm). Everything waits FRONT_WAIT_NS at most; who makes us wait longer is wrong.
 */
#ifndef BADFRONT_FRONT_H
#define BADFRONT_FRONT_H
#include "rt/internal.h"
#include "rt/rt.h"

#include <xen/io/xenbus.h>

#define FRONT_WAIT_NS 20000000000ull
#define FRONT_RINGS 2

struct front {
    const char *type;          /* "vbd" */
    char path[48], back[96];   /* our directory and the backend's */
    uint16_t dom;              /* the backend's domain */
    unsigned nrings;
    const char *ref_node[FRONT_RINGS];
    void *ring[FRONT_RINGS];   /* a page each; its header is xen/io/ring.h's */
    int ref[FRONT_RINGS], port;
};
struct header { uint32_t req_prod, req_event, rsp_prod, rsp_event; }; /* how every ring begins */

extern unsigned attacks, wrong;
void verdict(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool front_find(struct front *f, const char *type, unsigned devid);
void front_write(struct front *f, const char *node, const char *value); /* below our directory */
int front_back_state(struct front *f);
bool front_wait(struct front *f, int low, int high);      /* until the backend's state is between these */
bool front_has_error(struct front *f, const char *word);  /* the reason that the backend gives has this in it */
void front_publish(struct front *f);                      /* fresh rings, their nodes and the port: all but the state */
bool front_open(struct front *f);                         /* publish and go to Connected */
void front_close(struct front *f, const char *after);     /* to Closed, all pages back, and to InitWait again; a verdict of its own */
void front_kick(struct front *f);
/* Until every request of that ring is answered. */
bool front_answered(struct front *f, unsigned ring);
/* The index words and events of one ring, abused. `watched`: the backend looks at it whenever it is told, not only when it has something to say. */
void front_abuse_ring(struct front *f, unsigned ring, bool watched);
/* Each node with each bad value: the backend must refuse it with a reason. values: NULL-terminated. */
void front_bad_node(struct front *f, const char *node, const char *const *values);
void front_state_walk(struct front *f);

/* An attack that goes on for ever, for measurements of what it costs others. */
struct storm {
    const char *name;
    bool open;           /* the device is connected when a round begins */
    void (*round)(void);
};
/* Does the one of that name over and over; returns if there is none. */
void front_storm(struct front *f, const struct storm *storms, unsigned n, const char *name);
void front_burst(struct front *f, unsigned ring); /* what was put: tell the backend, and sleep until the last is answered */
void front_events(struct front *f);
void front_idle(void);                            /* nothing for a second */
void front_jump(struct front *f, unsigned ring);
void front_handshake(struct front *f);

/* storm NULL: everything once, with verdicts */
void blk_attack(const char *storm);
void net_attack(const char *storm);
#endif
