/* SPDX-License-Identifier: MIT */
/*
 * The disk domain's command line: words separated by blanks.
 *   watchdog=SECONDS   the main loop must come round this often (2; 0 = no watchdog)
 *   bench=1            measure the bare driver on the first disk instead of serving it, print the figures and power off.
 *                      IT WRITES TO THE DISK. bench=read leaves the writes out.
 *   service=US rate=MB_S   for measurements: a request takes at least so many microseconds (0 to 1000000), and data are moved at
 *                      so many 10^6 bytes a second (1 to 1000000; not given: at once)
 *   fault=KIND@N       for tests: do something wrong when request N (1...) reaches a disk, in the first incarnation only;
 *                      fault=KIND@N* does it in each incarnation. KIND is
 *     hang        never return to the main loop
 *     crash       end with SHUTDOWN_crash
 *     stall       take this and all later requests, answer none
 *     wilddma     give the device an address outside this domain's memory for the request's data
 *   fault=noreturn     the controllers do not come back after a restart
 */
#ifndef DRIVERDOMS_OPTIONS_H
#define DRIVERDOMS_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

enum fault { FAULT_NONE, FAULT_HANG, FAULT_CRASH, FAULT_STALL, FAULT_WILDDMA, FAULT_NORETURN };
enum bench { BENCH_NONE, BENCH_ALL, BENCH_READ };
struct options {
    unsigned watchdog;
    enum bench bench;
    unsigned service, rate;
    enum fault fault;
    uint64_t fault_at;
    bool fault_always;
};
/* false: a word is not understood; its first characters are in bad[32]. */
bool options_parse(struct options *o, const char *line, char bad[32]);

void fault_install(const struct options *o); /* on every disk registered from now on */
void service_install(const struct options *o); /* the same */
void bench_start(const struct options *o);
#endif
