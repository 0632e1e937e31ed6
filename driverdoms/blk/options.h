/* SPDX-License-Identifier: MIT */
/*
 * The disk domain's command line: words separated by blanks.
 *   watchdog=SECONDS   the main loop must come round this often (2; 0 = no watchdog)
 *   timeout=SECONDS    what a command may take before it is aborted, and as long again before the controller is reset (1 to 3600; 5)
 *   bench=1            measure the bare driver on the first disk instead of serving it, print the figures and power off.
 *                      IT WRITES TO THE DISK. bench=read leaves the writes out.
 *   service=US rate=MB_S   for measurements: a request takes at least so many microseconds (0 to 1000000), and data are moved at
 *                      so many 10^6 bytes a second (1 to 1000000; not given: at once)
 *   late=US@N          for measurements: every Nth request (2 to 1000000) takes so many microseconds more (1 to 1000000)
 *   fault=KIND@N       for tests: driverdoms/base/fault.h
 */
#ifndef DRIVERDOMS_OPTIONS_H
#define DRIVERDOMS_OPTIONS_H
#include "driverdoms/base/fault.h"

enum bench { BENCH_NONE, BENCH_ALL, BENCH_READ };
struct options {
    unsigned watchdog, timeout;
    enum bench bench;
    unsigned service, rate, late, late_every;
    struct fault_plan fault;
};
/* false: a word is not understood; its first characters are in bad[32]. */
bool options_parse(struct options *o, const char *line, char bad[32]);

void fault_install(const struct options *o); /* on every disk registered from now on */
void service_install(const struct options *o); /* the same */
void bench_start(const struct options *o);
#endif
