/* SPDX-License-Identifier: MIT */
/*
 * What the tests of blkback share: one backend with a disk and a front. Each case runs in a process of its own, because the
 * backend keeps its devices for life; CHECK ends that process.
 */
#ifndef TESTS_BLKBACK_CASE_H
#define TESTS_BLKBACK_CASE_H
#include "backends/blk/blk.h"
#include "fake_disk.h"
#include "fake_front.h"
#include "fake_host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern struct fake_disk disk;
extern struct fake_store *store; /* what is on it */
extern struct front *f;
struct page { uint32_t page, ref; uint8_t *data; };

#define CHECK(c)                                                             \
    do {                                                                     \
        if (!(c)) {                                                          \
            fprintf(stderr, "\n%s:%d: %s\n", __FILE__, __LINE__, #c);        \
            _exit(1);                                                        \
        }                                                                    \
    } while (0)

int in_child(void (*fn)(void)); /* run a case in a child; its exit status */
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
