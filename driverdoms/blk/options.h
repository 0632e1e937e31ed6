/* SPDX-License-Identifier: MIT */
/*
 * The disk domain's command line: words separated by blanks.
 *   watchdog=SECONDS   the main loop must come round this often (2; 0 = no watchdog)
 *   bench=1            measure the bare driver on the first disk instead of serving it, print the figures and power off.
 *                      IT WRITES TO THE DISK. bench=read leaves the writes out.
 *   service=US rate=MB_S   for measurements: a request takes at least so many microseconds (0 to 1000000), and data are moved at
 *                      so many 10^6 bytes a second (1 to 1000000; not given: at once)
 *   timeout=SECONDS    what a command may take before it is aborted, and as long again before the controller is reset (1 to 3600; 5)
 *   stall=SECONDS      end, to be started again, when requests have waited so long and none was answered (0 to 3600; three
 *                      times timeout + 5, so that a slow controller is dealt with first; 0 = never)
 *   fault=KIND@N, fault=KIND@N*, fault=store   for tests: go wrong when request N reaches a disk, see rt/fault.h. Own KINDs:
 *     stall       take this and all later requests, answer none
 *     stuck       the controller sees no command any more until it is reset
 *     gone        the controller's registers read as all ones from now on
 *     wilddma     give the device an address outside this domain's memory for the request's data
 *   fault=noreturn     the controllers do not come back after a restart
 */
#ifndef DRIVERDOMS_OPTIONS_H
#define DRIVERDOMS_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rt/fault.h"

enum { FAULT_STALL = RT_FAULT_OWN, FAULT_STUCK, FAULT_GONE, FAULT_WILDDMA };
enum bench { BENCH_NONE, BENCH_ALL, BENCH_READ };
struct options {
    unsigned watchdog, timeout, stall;
    enum bench bench;
    unsigned service, rate;
    struct rt_fault fault;
    bool noreturn;
};
/* false: a word is not understood; its first characters are in bad[32]. */
bool options_parse(struct options *o, const char *line, char bad[32]);

void fault_install(struct options *o); /* on every disk registered from now on */
/* What the driver does with a register, as a controller with the fault sees it: true = a write is lost, a read gives all ones. */
bool fault_register(unsigned offset, const uint32_t *written);
void service_install(const struct options *o); /* the same */
void bench_start(const struct options *o);
#endif
