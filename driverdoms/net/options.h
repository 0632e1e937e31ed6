/* SPDX-License-Identifier: MIT */
/*
 * The net domain's command line: words separated by blanks.
 *   watchdog=SECONDS   the main loop must come round this often (2; 0 = no watchdog)
 *   tso=0|1            let cards cut large TCP packets (1)
 *   moderation=US      a front that has just sent is looked at again after so many microseconds, without an event (50; 0 to 1000)
 *   bench=1            measure the bare driver on the first card instead of serving it, print the figures and power off
 *   fault=KIND@N       for tests: driverdoms/base/fault.h
 */
#ifndef DRIVERDOMS_NET_OPTIONS_H
#define DRIVERDOMS_NET_OPTIONS_H
#include "driverdoms/base/fault.h"

struct net_options {
    unsigned watchdog, moderation;
    bool tso, bench;
    struct fault_plan fault;
};
/* false: a word is not understood; its first characters are in bad[32]. */
bool net_options_parse(struct net_options *o, const char *line, char bad[32]);

void net_bench_start(void);
void net_fault_install(const struct net_options *o); /* on the cards registered so far */
#endif
