/* SPDX-License-Identifier: MIT */
/* bh trace: what the hypervisor records (docs/tracing.md), written as xentrace does, and its sums. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bulkhead/trace.h"
#include "tools/bh/rings.h"

struct target { struct trace *t; FILE *out; };

static bool intel(void)
{
    char line[256];
    bool yes = false;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !yes && fgets(line, sizeof(line), f))
        yes = strstr(line, "GenuineIntel") != NULL;
    if (f)
        fclose(f);
    return yes;
}

static int piece(void *arg, unsigned cpu, const void *records, size_t bytes)
{
    const struct target *to = arg;
    struct trace_piece head = trace_piece(cpu, bytes);
    struct err e;
    if (trace_feed(to->t, cpu, records, bytes, &e))
        return complain_err(&e);
    if (to->out && (fwrite(&head, sizeof(head), 1, to->out) != 1 || fwrite(records, bytes, 1, to->out) != 1))
        return complain("the trace cannot be written: %s", strerror(errno));
    return 0;
}

static int live(struct handles *h, struct trace *t, const char *path, unsigned long seconds)
{
    struct target to = {t, NULL};
    struct rings r;
    if (rings_open(&r))
        return 1;
    to.out = path ? fopen(path, "wb") : NULL;
    int rc = path && !to.out ? complain("%s: %s", path, strerror(errno)) : rings_follow(&r, h, TRC_ALL, seconds, NULL, piece, &to);
    if (to.out && fclose(to.out) && !rc)
        rc = complain("%s: %s", path, strerror(errno));
    rings_close(&r);
    return rc;
}

static int from_file(struct trace *t, const char *path)
{
    FILE *f = fopen(path, "rb");
    struct err e;
    if (!f)
        return complain("%s: %s", path, strerror(errno));
    int rc = trace_read(t, f, &e);
    fclose(f);
    return rc ? complain("%s: %s", path, e.text) : 0;
}

int verb_trace(struct handles *h, int argc, char **argv)
{
    const char *out = NULL, *in = NULL, *text = NULL;
    unsigned long seconds;
    for (int i = 1; i < argc; i += 2) {
        const char **option = !strcmp(argv[i], "-o") || !strcmp(argv[i], "--output") ? &out
                              : !strcmp(argv[i], "-r") || !strcmp(argv[i], "--read") ? &in
                              : !strcmp(argv[i], "-s") || !strcmp(argv[i], "--seconds") ? &text : NULL;
        if (!option || i + 1 == argc)
            return usage(argv[0], option ? "'%s' lacks its value" : "'%s' is no option", argv[i]);
        *option = argv[i + 1];
    }
    if (need_number("seconds", text, 1, RINGS_MAX_SECONDS, &seconds))
        return 1;
    if (in && (out || text))
        return usage(argv[0], "--read goes with no other option");
    xc_physinfo_t p = {0};
    struct trace *t = xc_physinfo(h->xc, &p) ? NULL : trace_new(p.cpu_khz, intel());
    if (!t)
        return complain("the machine's clock is not known: %s", strerror(errno));
    int rc = in ? from_file(t, in) : live(h, t, out, seconds);
    if (!rc)
        trace_print(t, stdout);
    trace_free(t);
    return rc;
}
