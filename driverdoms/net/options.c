/* SPDX-License-Identifier: MIT */
/* The command line: see options.h. */
#include "driverdoms/net/options.h"

static bool parse_word(struct net_options *o, struct arg a)
{
    uint64_t v;
    if (arg_key(&a, "watchdog=")) {
        if (!arg_number(a, 0, 3600, &v))
            return false;
        o->watchdog = (unsigned)v;
        return true;
    }
    if (arg_key(&a, "tso=")) {
        o->tso = arg_is(a, "1");
        return o->tso || arg_is(a, "0");
    }
    if (arg_key(&a, "bench=")) {
        o->bench = arg_is(a, "1");
        return o->bench || arg_is(a, "0");
    }
    return arg_key(&a, "fault=") && fault_parse(&o->fault, a);
}

bool net_options_parse(struct net_options *o, const char *line, char bad[32])
{
    struct arg word;
    *o = (struct net_options){.watchdog = 2, .tso = true};
    while (arg_next(&line, &word))
        if (!parse_word(o, word)) {
            arg_copy(word, bad, 32);
            return false;
        }
    return true;
}
