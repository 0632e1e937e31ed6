/* SPDX-License-Identifier: MIT */
/* The command line: see options.h. */
#include "driverdoms/net/options.h"

static bool parse_word(struct net_options *o, struct arg a)
{
    if (arg_key(&a, "watchdog="))
        return arg_unsigned(a, 0, 3600, &o->watchdog);
    if (arg_key(&a, "moderation="))
        return arg_unsigned(a, 0, 1000, &o->moderation);
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
    *o = (struct net_options){.watchdog = 2, .moderation = 50, .tso = true};
    while (arg_next(&line, &word))
        if (!parse_word(o, word)) {
            arg_copy(word, bad, 32);
            return false;
        }
    return true;
}
