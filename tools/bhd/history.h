/* SPDX-License-Identifier: MIT */
/*
 * What a console has said, for who looks at it later: the last HISTORY_MAX bytes, in memory that grows with what is said, for
 * there may be a thousand consoles that say little. Pure. Starts as all zeros.
 */
#ifndef TOOLS_BHD_HISTORY_H
#define TOOLS_BHD_HISTORY_H
#include <stddef.h>

#define HISTORY_MAX 65536u
#define HISTORY_FIRST 1024u

struct history {
    char *text;
    size_t size;  /* of text: 0, or a power of two from HISTORY_FIRST to HISTORY_MAX */
    size_t total; /* bytes ever; the last `size` of them are kept, byte i at i % size */
};

/* Adds n bytes; without memory they are missing. */
void history_add(struct history *h, const char *buf, size_t n);
/* What is kept, oldest first, in two pieces (either may be empty). */
void history_get(const struct history *h, const char *piece[2], size_t len[2]);
void history_free(struct history *h);
#endif
