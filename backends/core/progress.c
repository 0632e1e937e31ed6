/* SPDX-License-Identifier: MIT */
/* Live-lock: see progress.h. */
#include "backends/core/progress.h"
#include "backends/core/host.h"

static struct progress *queues;
static struct host_timer timer;
static uint64_t period;

void progress_add(struct progress *p)
{
    p->looks = 0;
    p->next = queues;
    queues = p;
}

void progress_remove(struct progress *p)
{
    for (struct progress **at = &queues; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            return;
        }
}

static void look_at(struct progress *p)
{
    uint32_t mark = p->mark;
    bool waits = p->waits(p->arg, &mark);
    p->looks = waits && (mark == p->mark || !p->looks) ? p->looks + 1 : waits;
    p->mark = mark;
    if (p->looks > PROGRESS_LOOKS)
        host_give_up("live-lock: %s: requests have waited %llu ms and none was answered", p->what,
                     (unsigned long long)(PROGRESS_LOOKS * period / 1000000));
}

static void look(void *arg)
{
    (void)arg;
    for (struct progress *p = queues; p; p = p->next)
        look_at(p);
    host_timer_set(&timer, host_now() + period);
}

void progress_start(uint64_t limit_ns)
{
    period = limit_ns / (PROGRESS_LOOKS + 1);
    timer.fn = look;
    if (period)
        host_timer_set(&timer, host_now() + period);
}
