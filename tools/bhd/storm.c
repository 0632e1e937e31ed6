/* SPDX-License-Identifier: MIT */
/* Restart storms; see storm.h. */
#include "tools/bhd/storm.h"

bool storm_calm(const struct storm *s, uint64_t now)
{
    return s->deaths == 0 || now - s->started_ns >= STORM_HEALTHY_NS;
}

bool storm_death(struct storm *s, uint64_t now, bool ordered, uint64_t *delay_ns)
{
    static const uint64_t delay[] = {0, 10000000, 100000000, 1000000000};
    *delay_ns = 0;
    if (ordered)
        return true;
    if (storm_calm(s, now))
        s->deaths = 0;
    if (s->deaths == STORM_LIMIT)
        return false;
    unsigned last = sizeof(delay) / sizeof(delay[0]) - 1;
    *delay_ns = delay[s->deaths < last ? s->deaths : last];
    s->deaths++;
    return true;
}

void storm_started(struct storm *s, uint64_t now)
{
    s->started_ns = now;
}
