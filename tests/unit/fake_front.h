/* SPDX-License-Identifier: MIT */
/*
 * A block front for unit tests, on fake_host's guest memory. Its state is in shared memory, so it lives on while
 * backends die. It looks at its ring only when notified, as a real one does, and checks each answer: in order,
 * once, id and operation as asked.
 */
#ifndef FAKE_FRONT_H
#define FAKE_FRONT_H
#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#define FRONT_QUEUES 4
#define FRONT_PAGES 4
#define FRONT_SLOTS 128

struct front_queue {
    uint32_t page[FRONT_PAGES]; /* not contiguous: entries are reached by slot() */
    uint32_t ref[FRONT_PAGES];
    uint32_t port, req_prod, rsp_cons, slots;
    unsigned seen;              /* notifications consumed */
    struct { uint64_t id; uint8_t op; int16_t status; } asked[FRONT_SLOTS];
    unsigned answered, errors, wrong; /* wrong: answers that no front would accept */
};
struct front {
    uint16_t dom;
    unsigned devid, queues, pages;
    uint64_t next_id;
    char path[64], back[64];
    struct front_queue q[FRONT_QUEUES];
};
struct front *front_new(uint16_t dom, const char *target); /* toolstack's nodes, state Initialising */
void front_publish(struct front *f, unsigned queues, unsigned order, bool persistent); /* rings; state Initialised */
void front_state(struct front *f, int state);
int front_back_state(const struct front *f);
unsigned front_free(const struct front_queue *q);
/* Queue a request (id is filled in) and send the event if the back asked for one. Returns its id. */
uint64_t front_ask(struct front *f, unsigned q, struct blkif_request *req);
/* Take answers if notified; returns how many. */
unsigned front_collect(struct front *f, unsigned q);
int front_status(const struct front *f, unsigned q, uint64_t id); /* last status seen for id; 99 = none */
volatile struct blkif_sring *front_header(const struct front_queue *q);
#endif
