/* SPDX-License-Identifier: MIT */
/*
 * Patience with one front: how much of this domain's time it may waste - requests that are wrong, events with nothing behind them.
 *
 * Purpose: whoever serves many fronts on one CPU must not lose it to the one that only makes work. Good requests cost no patience; fair turns
 * are another matter (a budget a turn, in each backend).
 * Interface: patience_spend() after a turn; while patience_lost() the backend rests: it takes nothing from that front's rings and hears none of its
 * events (host_event_mute()), until patience_when(). A stock front never gets there.
 */
#ifndef BACKENDS_PATIENCE_H
#define BACKENDS_PATIENCE_H
#include <stdbool.h>
#include <stdint.h>

#define PATIENCE_SHARE 100u     /* one percent of the time may be wasted by one front ... */
#define PATIENCE_NS 1000000u    /* ... and so much at once */

struct patience { uint64_t used_ns, at; bool lost; }; /* all zero: new */

void patience_spend(struct patience *p, uint64_t now, uint64_t ns);
bool patience_lost(struct patience *p, uint64_t now);  /* from all of it used up to half of it regained */
uint64_t patience_when(const struct patience *p);      /* lost until then */
#endif
