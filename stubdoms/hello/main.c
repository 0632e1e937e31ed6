/* SPDX-License-Identifier: MIT */
/*
 * hello: the smallest domain there is on rt. Says who it is, counts three ticks of 100 ms and powers off;
 * with `stay` on its command line it keeps running.
 */
#include "rt/rt.h"
#include <xen/sched.h>

static struct rt_timer tick;
static unsigned ticks;
static bool stay;

static void on_tick(void *arg)
{
    rt_log("hello: tick %u at %lu ms", ++ticks, rt_now() / 1000000);
    if (ticks < 3)
        rt_timer_set(&tick, tick.when + 100000000);
    else if (!stay)
        rt_shutdown(SHUTDOWN_poweroff);
}

void domain_main(const char *cmdline)
{
    int err;
    char *name = rt_xs_read(0, "name", NULL, &err);

    rt_log("hello: domain %u, incarnation %u, name %s, command line '%s'", rt_domid, rt_incarnation,
           name ? name : "unknown", cmdline);
    rt_free(name);
    for (const char *p = cmdline; (p = strchr(p, 's')); p++)
        if (strncmp(p, "stay", 4) == 0)
            stay = true;
    tick = (struct rt_timer){ .fn = on_tick };
    rt_timer_set(&tick, rt_now() + 100000000);
}
