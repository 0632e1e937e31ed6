/* SPDX-License-Identifier: MIT */
/* How much an interface may send: see rate.h. */
#include "backends/net/rate.h"

#include <string.h>

static bool number(const char **text, uint64_t max, char stop, uint64_t *v)
{
    const char *p = *text;
    *v = 0;
    for (; *p >= '0' && *p <= '9' && *v <= max; p++)
        *v = *v * 10 + (unsigned)(*p - '0');
    if (p == *text || *p != stop || !*v || *v > max)
        return false;
    *text = p + 1;
    return true;
}

bool rate_parse(struct rate *r, const char *text)
{
    uint64_t bytes, us;
    memset(r, 0, sizeof(*r));
    if (!number(&text, UINT32_MAX, ',', &bytes) || !number(&text, RATE_INTERVAL_MAX_US, 0, &us))
        return false;
    r->bytes = bytes;
    r->every_ns = us * 1000;
    return true;
}

bool rate_ready(struct rate *r, uint64_t now)
{
    if (!r->bytes)
        return true;
    if (now >= r->next_ns) {
        uint64_t intervals = (now - r->next_ns) / r->every_ns + 1, lacks = (uint64_t)((int64_t)r->bytes - r->credit);
        r->credit += (int64_t)(intervals > lacks / r->bytes ? lacks : intervals * r->bytes);
        r->next_ns += intervals * r->every_ns;
    }
    return r->credit > 0;
}

void rate_charge(struct rate *r, uint32_t bytes)
{
    if (r->bytes)
        r->credit -= bytes;
}
