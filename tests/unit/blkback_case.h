/* SPDX-License-Identifier: MIT */
/*
 * What the tests of blkback share: one backend with a disk and a front. Each case runs in a process of its own
 * (case.h): the backend keeps its devices for life.
 */
#ifndef TESTS_BLKBACK_CASE_H
#define TESTS_BLKBACK_CASE_H
#include "backends/blk/blk.h"
#include "case.h"
#include "fake_disk.h"
#include "fake_front.h"
#include "fake_host.h"

#include <string.h>

extern struct fake_disk disk;
extern struct fake_store *store; /* what is on it */
extern struct front *f;
struct page { uint32_t page, ref; uint8_t *data; };

void start(unsigned depth);     /* an empty disk of this depth, the backend, and a front that has not published yet */
void connect_front(struct front *front, unsigned queues, unsigned order, bool persistent);
void complete_all(void);        /* the disk does everything it was asked */
const char *back(const struct front *front, const char *node);
void set_back(const struct front *front, const char *node, const char *value);
void set_front(const struct front *front, const char *node, const char *value);
struct page new_page(const struct front *front); /* of the front's, granted to the backend */
struct blkif_request rw(uint8_t op, uint64_t sector, const struct page *pages, unsigned n, int first, int last);
int ask(struct front *front, struct blkif_request r); /* ask, complete everything, collect: the status */
#endif
