/* SPDX-License-Identifier: MIT */
/*
 * How much an interface may send: so many bytes in each interval (the backend's node `rate`, "BYTES,MICROSECONDS", as toolstacks
 * write what xl calls rate=10Mb/s@50ms). Pure.
 * A packet is let through while credit is left and may take more than that: the debt is paid by later intervals, so that packets larger
 * than an interval's share pass, and the rate holds over time. What is not used in an interval is not kept.
 */
#ifndef BACKENDS_RATE_H
#define BACKENDS_RATE_H
#include <stdbool.h>
#include <stdint.h>

#define RATE_INTERVAL_MAX_US 1000000u /* a second; longer ones would be pauses */

struct rate {
    uint64_t bytes;    /* in an interval; 0 = no limit */
    uint64_t every_ns;
    int64_t credit;    /* at most `bytes` */
    uint64_t next_ns;  /* when more comes */
};

/* "BYTES,MICROSECONDS": 1 to 2^32 - 1, 1 to RATE_INTERVAL_MAX_US. false: it is not that, nothing is limited. */
bool rate_parse(struct rate *r, const char *text);
/* May a packet go at `now` (ns)? If not, at r->next_ns. */
bool rate_ready(struct rate *r, uint64_t now);
void rate_charge(struct rate *r, uint32_t bytes);
#endif
