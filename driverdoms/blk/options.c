/* SPDX-License-Identifier: MIT */
/* The command line: see options.h. */
#include "driverdoms/blk/options.h"

#include <string.h>

static const struct { const char *name; enum fault fault; } faults[] = {
    {"hang@", FAULT_HANG}, {"crash@", FAULT_CRASH}, {"stall@", FAULT_STALL}, {"wilddma@", FAULT_WILDDMA},
};

/* Digits up to `end`, at least one. */
static bool number(const char *p, const char *end, uint64_t max, uint64_t *v)
{
    *v = 0;
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9' || *v > max)
            return false;
        *v = *v * 10 + (unsigned)(*p - '0');
    }
    return *v <= max;
}

static bool is(const char *p, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - p) == n && !strncmp(p, text, n);
}

static bool starts(const char *p, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - p) >= n && !strncmp(p, text, n);
}

static bool parse_fault(struct options *o, const char *p, const char *end)
{
    if (is(p, end, "noreturn")) {
        o->fault = FAULT_NORETURN;
        return true;
    }
    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (!starts(p, end, faults[i].name))
            continue;
        o->fault = faults[i].fault;
        o->fault_always = end[-1] == '*';
        return number(p + strlen(faults[i].name), end - o->fault_always, UINT32_MAX, &o->fault_at) && o->fault_at;
    }
    return false;
}

static bool parse_word(struct options *o, const char *p, const char *end)
{
    uint64_t v;
    if (starts(p, end, "watchdog=")) {
        bool ok = number(p + 9, end, 3600, &v);
        o->watchdog = (unsigned)v;
        return ok;
    }
    if (starts(p, end, "service=")) {
        bool ok = number(p + 8, end, 1000000, &v);
        o->service = (unsigned)v;
        return ok;
    }
    if (starts(p, end, "rate=")) {
        bool ok = number(p + 5, end, 1000000, &v);
        o->rate = (unsigned)v;
        return ok && v;
    }
    if (starts(p, end, "fault="))
        return parse_fault(o, p + 6, end);
    if (is(p, end, "bench=1"))
        o->bench = BENCH_ALL;
    else if (is(p, end, "bench=read"))
        o->bench = BENCH_READ;
    else
        return is(p, end, "bench=0");
    return true;
}

bool options_parse(struct options *o, const char *line, char bad[32])
{
    memset(o, 0, sizeof(*o));
    o->watchdog = 2;
    for (const char *p = line; *p;) {
        const char *end = p;
        while (*end && *end != ' ')
            end++;
        if (end > p && !parse_word(o, p, end)) {
            size_t n = (size_t)(end - p) < 31 ? (size_t)(end - p) : 31;
            memcpy(bad, p, n);
            bad[n] = 0;
            return false;
        }
        p = *end ? end + 1 : end;
    }
    return true;
}
