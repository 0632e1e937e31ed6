/* SPDX-License-Identifier: MIT */
/* The command line of a driver domain: see args.h. */
#include "driverdoms/base/args.h"

#include <string.h>

bool arg_next(const char **line, struct arg *a)
{
    const char *p = *line;
    while (*p == ' ')
        p++;
    a->at = p;
    while (*p && *p != ' ')
        p++;
    a->end = *line = p;
    return a->at != a->end;
}

bool arg_is(struct arg a, const char *text)
{
    return arg_key(&a, text) && a.at == a.end;
}

bool arg_key(struct arg *a, const char *key)
{
    size_t n = strlen(key);
    if ((size_t)(a->end - a->at) < n || strncmp(a->at, key, n))
        return false;
    a->at += n;
    return true;
}

bool arg_number(struct arg a, uint64_t min, uint64_t max, uint64_t *v)
{
    uint64_t n = 0;
    if (a.at == a.end)
        return false;
    for (; a.at < a.end; a.at++) {
        if (*a.at < '0' || *a.at > '9' || n > max)
            return false;
        n = n * 10 + (unsigned)(*a.at - '0');
    }
    *v = n;
    return n >= min && n <= max;
}

bool arg_unsigned(struct arg a, unsigned min, unsigned max, unsigned *v)
{
    uint64_t n;
    if (!arg_number(a, min, max, &n))
        return false;
    *v = (unsigned)n;
    return true;
}

void arg_copy(struct arg a, char *to, unsigned size)
{
    size_t n = (size_t)(a.end - a.at) < size - 1 ? (size_t)(a.end - a.at) : size - 1;
    memcpy(to, a.at, n);
    to[n] = 0;
}
