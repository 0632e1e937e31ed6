/* SPDX-License-Identifier: MIT */
/* Time that a front has wasted, forgotten as time goes by: see patience.h. */
#include "backends/core/patience.h"

static void forget(struct patience *p, uint64_t now)
{
    uint64_t regained = (now - p->at) / PATIENCE_SHARE;
    p->used_ns -= regained < p->used_ns ? regained : p->used_ns;
    p->at = now;
}

void patience_spend(struct patience *p, uint64_t now, uint64_t ns)
{
    forget(p, now);
    p->used_ns += ns;
    p->lost |= p->used_ns >= PATIENCE_NS;
}

bool patience_lost(struct patience *p, uint64_t now)
{
    if (p->lost && now >= patience_when(p)) {
        forget(p, now);
        p->lost = false;
    }
    return p->lost;
}

uint64_t patience_when(const struct patience *p)
{
    uint64_t left = PATIENCE_NS / 2;
    return p->at + (p->used_ns > left ? (p->used_ns - left) * PATIENCE_SHARE : 0);
}
