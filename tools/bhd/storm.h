/* SPDX-License-Identifier: MIT */
/*
 * Restart storms: how long to wait before a driver domain is started again, and when to stop trying. Pure.
 *
 * A domain that has run for STORM_HEALTHY_NS since its last start is healthy: its deaths so far are forgiven. Deaths in
 * a row without a healthy second in between wait longer each time (0, 10 ms, 100 ms, then 1 s); the one after
 * STORM_LIMIT ends in quarantine. A death that the control domain ordered (`bh kill`) counts for nothing.
 */
#ifndef TOOLS_BHD_STORM_H
#define TOOLS_BHD_STORM_H
#include <stdbool.h>
#include <stdint.h>

#define STORM_HEALTHY_NS 1000000000ull
#define STORM_LIMIT 10u

struct storm {
    unsigned deaths;     /* in a row, without a healthy second */
    uint64_t started_ns; /* last start; 0 = the first incarnation, start unknown */
};

/* A death at now (ns, monotonic). true: restart after *delay_ns; false: quarantine. */
bool storm_death(struct storm *s, uint64_t now, bool ordered, uint64_t *delay_ns);
/* Would this death be the first of a row? Then nobody needs to ask whether it was ordered. */
bool storm_calm(const struct storm *s, uint64_t now);
void storm_started(struct storm *s, uint64_t now);
#endif
