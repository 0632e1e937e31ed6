/* SPDX-License-Identifier: MIT */
/*
 * For benchmarks that run in a Linux guest or on the bare machine: how long its first CPU has been idle, by the kernel's own
 * account, exact where /proc/stat counts ticks. What is left of a span of time is work, interrupts included; under --icount one
 * nanosecond of it is one instruction. Reading it is work too: do that before a span begins and after it has ended.
 */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H
#include <stdint.h>
#include <stdio.h>

/* ns that the first CPU has been idle since boot; 0 where the kernel does not say (it wants root). */
static inline uint64_t idle_ns(void)
{
    FILE *list = fopen("/proc/timer_list", "r");
    unsigned long long ns, sum = 0;
    char line[256];
    unsigned seen = 0;

    while (list && seen < 2 && fgets(line, sizeof(line), list))
        if (sscanf(line, " .idle_sleeptime : %llu", &ns) == 1 || sscanf(line, " .iowait_sleeptime : %llu", &ns) == 1) {
            sum += ns;
            seen++;
        }
    if (list)
        fclose(list);
    return sum;
}
#endif
