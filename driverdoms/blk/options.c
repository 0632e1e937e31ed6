/* SPDX-License-Identifier: MIT */
/* The command line: see options.h. */
#include "driverdoms/blk/options.h"

#include <string.h>

static bool bench_word(struct arg a, enum bench *bench)
{
    *bench = arg_is(a, "1") ? BENCH_ALL : arg_is(a, "read") ? BENCH_READ : BENCH_NONE;
    return *bench != BENCH_NONE || arg_is(a, "0");
}

/* A@B */
static bool late_word(struct arg a, struct options *o)
{
    struct arg us = a;
    while (us.at < us.end && *us.at != '@')
        us.at++;
    struct arg every = us;
    us = (struct arg){a.at, us.at};
    return arg_unsigned(us, 1, 1000000, &o->late) && arg_key(&every, "@") && arg_unsigned(every, 2, 1000000, &o->late_every);
}

static bool parse_word(struct options *o, struct arg a)
{
    if (arg_key(&a, "watchdog="))
        return arg_unsigned(a, 0, 3600, &o->watchdog);
    if (arg_key(&a, "timeout="))
        return arg_unsigned(a, 1, 3600, &o->timeout);
    if (arg_key(&a, "service="))
        return arg_unsigned(a, 0, 1000000, &o->service);
    if (arg_key(&a, "rate="))
        return arg_unsigned(a, 1, 1000000, &o->rate);
    if (arg_key(&a, "late="))
        return late_word(a, o);
    if (arg_key(&a, "bench="))
        return bench_word(a, &o->bench);
    return arg_key(&a, "fault=") && fault_parse(&o->fault, a);
}

bool options_parse(struct options *o, const char *line, char bad[32])
{
    struct arg word;
    memset(o, 0, sizeof(*o));
    o->watchdog = 2;
    o->timeout = 5;
    while (arg_next(&line, &word))
        if (!parse_word(o, word)) {
            arg_copy(word, bad, 32);
            return false;
        }
    return true;
}
