/* SPDX-License-Identifier: MIT */
/* A store with clients in memory: what the tests of xenstore's core share. */
#ifndef XENSTORE_FAKE_H
#define XENSTORE_FAKE_H
#include "xenstore/core/conn.h"
#include "xenstore/core/later.h"
#include "xenstore/core/state.h"
#include "xenstore/core/txn.h"
#include "xenstore/core/view.h"
#include "xenstore/core/watch.h"

/* A client. What it sends is in `in`, what it got in `out`. */
struct fake {
    struct conn *conn;
    uint16_t domid;
    uint32_t taken, given; /* bytes that the store took and gave, in all */
    char in[65536], out[262144];
    size_t in_start, in_end, out_start, out_end;
    size_t room; /* bytes of replies it takes; SIZE_MAX: all */
};

/* A message that a client got. */
struct got {
    bool any;
    struct xsd_sockmsg hdr;
    char data[4097]; /* NUL-terminated */
};

extern struct store fake_store;
extern char fake_log[4096]; /* the last line */
extern unsigned fake_logs;
extern unsigned fake_alarm; /* microseconds that were asked for last */
extern int fake_ring_error; /* what ring_open answers */
#define FAKE_DOMAINS 2000
extern enum domain_state fake_state[FAKE_DOMAINS];
extern unsigned fake_asked; /* times the host was asked for them */
extern long alloc_fail_at; /* count down: the allocation that makes it 0 fails; negative: none */

extern char fake_update[300]; /* the program that a live update was asked for */

void fake_begin(void);
void fake_end(void);
/* A live update: another store goes on from this one's state. Returns what state_load says. */
const char *fake_replace(void);
/* A buffer that grows without end; free its bytes. */
bool fake_grow(struct sbuf *b, size_t room);
struct fake *fake_open(uint16_t domid);
void fake_close(struct fake *f);
/* Is everything in the store in somebody's account, and nothing else? */
bool fake_accounts_right(void);
/* Queue bytes that the client sends. */
void fake_send(struct fake *f, uint32_t type, uint32_t tx, const void *data, size_t len);
/* Run turns of this client until it is idle. */
enum turn fake_run(struct fake *f);
/* The next message the client got. */
struct got fake_next(struct fake *f);
/* The next watch event as "path|token"; "" if none. */
const char *fake_event(struct fake *f);
/* Send, run, and take the reply (events before it are skipped). */
struct got ask_bytes(struct fake *f, uint32_t type, uint32_t tx, const void *data, size_t len);
/* The same; the answer is "OK..." or data as a string, or the error's name. */
const char *ask_text(struct fake *f, uint32_t type, uint32_t tx, const void *data, size_t len);
/* Payload given as a string literal, its own final NUL included (S) or not (B). */
#define S(f, type, tx, lit) ask_text(f, type, tx, lit, sizeof(lit))
#define B(f, type, tx, lit) ask_text(f, type, tx, lit, sizeof(lit) - 1)
#define CU_STR(got, want) CU_ASSERT_STRING_EQUAL(got, want)
#endif
