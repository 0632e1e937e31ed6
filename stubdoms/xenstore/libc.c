/* SPDX-License-Identifier: MIT */
/* What xenstore's core uses of the C library beyond what rt has, with the standard meaning; memory from rt's heap. */
#include "rt/rt.h"

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void free(void *p);
char *strcpy(char *to, const char *from);
size_t strnlen(const char *s, size_t n);
void *memchr(const void *s, int c, size_t n);
char *strerror(int err);

struct block {
    size_t size, pad; /* what realloc has to copy */
    char data[];
};

void *malloc(size_t n)
{
    struct block *b = n < SIZE_MAX - sizeof(*b) ? rt_alloc(sizeof(*b) + n) : NULL;

    if (!b)
        return NULL;
    b->size = n;
    return b->data;
}

void *calloc(size_t n, size_t size)
{
    if (!n || !size)
        n = size = 1;
    return n > SIZE_MAX / size ? NULL : malloc(n * size); /* rt's memory is zeroed */
}

void free(void *p)
{
    if (p)
        rt_free((char *)p - sizeof(struct block));
}

void *realloc(void *p, size_t n)
{
    void *new = malloc(n);
    size_t was = p ? ((struct block *)((char *)p - sizeof(struct block)))->size : 0;

    if (!new)
        return NULL;
    if (p)
        memcpy(new, p, was < n ? was : n);
    free(p);
    return new;
}

char *strcpy(char *to, const char *from)
{
    return memcpy(to, from, strlen(from) + 1);
}

size_t strnlen(const char *s, size_t n)
{
    size_t len = 0;

    while (len < n && s[len])
        len++;
    return len;
}

void *memchr(const void *s, int c, size_t n)
{
    for (const unsigned char *p = s; n--; p++)
        if (*p == (unsigned char)c)
            return (void *)(uintptr_t)p;
    return NULL;
}

char *strerror(int err)
{
    static char text[24];

    snprintf(text, sizeof(text), "error %d", err);
    return text;
}
