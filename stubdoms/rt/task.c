/* SPDX-License-Identifier: MIT */
/*
 * The task: a second stack, for work that waits (for xenstore) while the loop goes on serving events, timers and other work.
 *
 * Interface: rt_defer_slow() of rt.h; the loop calls rt_task_run(), what waits calls rt_task_wait().
 * Rules: one after the other, in order of asking. The two stacks take turns: the task runs until it waits or its work is done, so
 * nothing happens beside it but where it waits. Only the loop sleeps.
 */
#include "rt/internal.h"

static struct rt_works works;
static bool on_task, waiting, poked;
static uint64_t until, loop_stack, task_stack;
void rt_switch(uint64_t *save, uint64_t to);

void rt_defer_slow(struct rt_work *w)
{
    rt_works_put(&works, w);
}

bool rt_on_task(void)
{
    return on_task;
}

static void to_loop(void)
{
    on_task = false;
    rt_switch(&task_stack, loop_stack);
}

/* What runs on the second stack: a work each time the loop comes by. */
static _Noreturn void task(void)
{
    for (;;) {
        struct rt_work *w = rt_works_take(&works); /* the loop comes only when there is one */
        w->fn(w->arg);
        to_loop();
    }
}

void rt_task_wait(uint64_t deadline)
{
    RT_ASSERT(on_task);
    until = deadline;
    waiting = true;
    poked = false;
    to_loop();
    waiting = false;
}

void rt_task_poke(void)
{
    poked = true;
}

uint64_t rt_task_next(void)
{
    if (waiting)
        return poked ? 0 : until;
    return works.first ? 0 : UINT64_MAX;
}

bool rt_task_run(void)
{
    uint64_t when = rt_task_next();
    if (when && (when == UINT64_MAX || when > rt_now()))
        return false;
    if (!task_stack) { /* seven words for rt_switch() to take off: registers, then where to go; nobody to return to */
        uint64_t top = (uint64_t)_task_top - 16;
        *(uint64_t *)top = (uint64_t)task;
        task_stack = top - 6 * sizeof(uint64_t);
    }
    on_task = true;
    rt_switch(&loop_stack, task_stack);
    return true;
}
