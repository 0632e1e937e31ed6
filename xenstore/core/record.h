/* SPDX-License-Identifier: MIT */
/* A record of the state (state.h) taken apart. What it says of lengths is not believed. */
#ifndef XENSTORE_CORE_RECORD_H
#define XENSTORE_CORE_RECORD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const char *p, *end;
};

struct bytes {
    const char *p;
    size_t len;
};

/* The next `len` bytes; false if they are not there. */
bool record_take(struct reader *r, void *to, size_t len);
/* All that is left, as `kinds` says, which are state_put's: uint32_t *, uint64_t *, const char **, and for p (its entries) and b
 * struct bytes *. False if it is not just that. */
bool record_fields(struct reader *r, const char *kinds, ...);
#endif
