/* SPDX-License-Identifier: MIT */
/*
 * What the programs that load a Linux guest, or Linux on the bare machine, have in common: clock, failure, the line of a flow, and
 * how long the first CPU has been idle, by the kernel's own account, exact where /proc/stat counts ticks. What is left of a span of time is
 * work, interrupts included; under --icount one nanosecond of it is one instruction. Reading it is work too: do that before a
 * span begins and after it has ended.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ends the program: a line "bench: failed: WHAT: errno's text". */
static inline _Noreturn void die(const char *what)
{
    printf("bench: failed: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Since boot. */
static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_us(void)
{
    return now_ns() / 1000;
}

/* What was done and failed in the `us` since the start, for bench/flow.sh. */
static inline void tell_flow(uint64_t us, uint64_t done, uint64_t errors)
{
    printf("flow: %llu ms, %llu done, %llu errors\n", (unsigned long long)(us / 1000), (unsigned long long)done, (unsigned long long)errors);
    fflush(stdout);
}

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
