/* SPDX-License-Identifier: MIT */
/* Atomic bit operations and bitmaps on uint64_t words. */
#ifndef LIB_BITS_H
#define LIB_BITS_H
#include "lib/types.h"

/* Each returns the bit's former value; sequentially consistent. May be used on memory shared with guests. */
static inline bool bit_set(volatile uint64_t *map, unsigned n)
{
    return __atomic_fetch_or(map + n / 64, BIT(n % 64), __ATOMIC_SEQ_CST) >> (n % 64) & 1;
}
static inline bool bit_clear(volatile uint64_t *map, unsigned n)
{
    return __atomic_fetch_and(map + n / 64, ~BIT(n % 64), __ATOMIC_SEQ_CST) >> (n % 64) & 1;
}
static inline bool bit_test(const volatile uint64_t *map, unsigned n) { return map[n / 64] >> (n % 64) & 1; }
static inline unsigned bits_set(uint64_t word)
{
    unsigned n = 0;
    for (; word; word &= word - 1)
        n++;
    return n;
}
/* The word turned so that bit `first`, 0..63, comes first: to go through its bits from there on and around the end. */
static inline uint64_t bits_turned(uint64_t word, unsigned first) { return word >> first | word << (-first & 63); }
/* First clear bit below `bits`, or `bits`. */
static inline unsigned bit_find_clear(const uint64_t *map, unsigned bits)
{
    for (unsigned i = 0; i < bits; i += 64)
        if (~map[i / 64]) {
            unsigned n = i + (unsigned)__builtin_ctzll(~map[i / 64]);
            return n < bits ? n : bits;
        }
    return bits;
}
#endif
