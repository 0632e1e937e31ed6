/* SPDX-License-Identifier: MIT */
/* What a console has said; see history.h. */
#include <stdbool.h>
#include <stdlib.h>
#include "tools/bhd/history.h"

/* Room for n bytes more, until there is room for HISTORY_MAX. Nothing has wrapped before: byte i stays at i. */
static bool grow(struct history *h, size_t n)
{
    size_t size = h->size ? h->size : HISTORY_FIRST;
    while (size < HISTORY_MAX && size < h->total + n)
        size *= 2;
    if (size == h->size)
        return true;
    char *text = realloc(h->text, size);
    if (!text)
        return false;
    h->text = text;
    h->size = size;
    return true;
}

void history_add(struct history *h, const char *buf, size_t n)
{
    if (!n || !grow(h, n))
        return;
    for (size_t i = 0; i < n; i++)
        h->text[(h->total + i) % h->size] = buf[i];
    h->total += n;
}

void history_get(const struct history *h, const char *piece[2], size_t len[2])
{
    size_t kept = h->total < h->size ? h->total : h->size, from = kept ? (h->total - kept) % h->size : 0;
    piece[0] = h->text + from;
    len[0] = kept < h->size - from ? kept : h->size - from;
    piece[1] = h->text;
    len[1] = kept - len[0];
}

void history_free(struct history *h)
{
    free(h->text);
    *h = (struct history){0};
}
