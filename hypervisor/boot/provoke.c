/* SPDX-License-Identifier: MIT */
/*
 * Option panic=MOMENT: what a panic looks like, and that it stops the machine, can be seen on any machine (tests/system/panic.sh).
 * `boot`: a panic before the control domain is built; `fault`: a page fault of ours then; `stack`: the boot stack runs over;
 * `run`: a panic one second later, when the control domain runs.
 */
#include "boot/boot.h"
#include "lib/log.h"
#include "lib/string.h"
#include "sched/timer.h"

#define RUN_NS 1000000000ull

static struct timer later;

static void on_timer(void *arg) { panic("asked for by panic=run"); }

static __attribute__((noinline)) unsigned run_over(unsigned depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    return depth ? run_over(depth - 1) + (unsigned)frame[0] : 0;
}

void provoke(void)
{
    char moment[8];
    if (!boot_option("panic", moment, sizeof(moment)))
        return;
    if (strcmp(moment, "boot") == 0)
        panic("asked for by panic=boot");
    if (strcmp(moment, "fault") == 0)
        *(volatile uint32_t *)(IMAGE_BASE - PAGE_SIZE) = 1; /* nothing is mapped there */
    if (strcmp(moment, "stack") == 0)
        log_error("a stack without end: %u", run_over(1000));
    if (strcmp(moment, "run") == 0) {
        timer_init(&later, on_timer, NULL);
        timer_set(&later, now_ns() + RUN_NS);
    } else {
        log_error("panic=%s: it is one of boot, fault, stack, run", moment);
    }
}
