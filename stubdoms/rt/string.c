/* SPDX-License-Identifier: MIT */
/* The part of <string.h> and <stdlib.h> that rt.h promises, with the standard meaning. */
#include "rt/rt.h"

typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));

void *memcpy(void *d, const void *s, size_t n)
{
    char *to = d;
    const char *from = s;
    for (; n >= 64; n -= 64, to += 64, from += 64) {
        const block *b = (const block *)from;
        block b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3];
        ((block *)to)[0] = b0;
        ((block *)to)[1] = b1;
        ((block *)to)[2] = b2;
        ((block *)to)[3] = b3;
    }
    for (; n >= 8; n -= 8, to += 8, from += 8)
        *(word *)to = *(const word *)from;
    while (n--)
        *to++ = *from++;
    return d;
}

void *memmove(void *d, const void *s, size_t n)
{
    if ((uintptr_t)d - (uintptr_t)s >= n)
        return memcpy(d, s, n); /* forwards, and each block is read before it is written */
    char *to = (char *)d + n;
    const char *from = (const char *)s + n;
    while (n--)
        *--to = *--from;
    return d;
}

void *memset(void *d, int c, size_t n)
{
    char *to = d;
    uint64_t w = 0x0101010101010101ull * (uint8_t)c;
    block b = { w, w };
    for (; n >= 64; n -= 64, to += 64) {
        ((block *)to)[0] = b;
        ((block *)to)[1] = b;
        ((block *)to)[2] = b;
        ((block *)to)[3] = b;
    }
    for (; n >= 8; n -= 8, to += 8)
        *(word *)to = w;
    while (n--)
        *to++ = (char)c;
    return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (; n >= 8 && *(const word *)x == *(const word *)y; n -= 8)
        x += 8, y += 8;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    const char *p = s;
    while (*p)
        p++;
    return (size_t)(p - s);
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--)
        a++, b++;
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++)
        if (!*s)
            return NULL;
    return (char *)(uintptr_t)s;
}
