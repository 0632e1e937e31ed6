/* SPDX-License-Identifier: MIT */
/* Whoever writes "?" to a driver domain's node `control/memory` finds there how much of its memory is in use: see memory.h. */
#include "driverdoms/base/memory.h"
#include "rt/rt.h"

static void asked(const char *path, void *arg)
{
    unsigned used, most, all;
    char *text = rt_xs_read(0, path, NULL, NULL);
    if (text && !strcmp(text, "?")) {
        rt_memory(&used, &most, &all);
        rt_xs_printf(0, path, "%u of %u, at most %u", used, all, most);
    }
    rt_free(text);
}

void memory_tell(void)
{
    if (rt_xs_watch("control/memory", asked, NULL))
        rt_log("control/memory cannot be watched");
}
