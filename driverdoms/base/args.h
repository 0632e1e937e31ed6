/* SPDX-License-Identifier: MIT */
/*
 * The command line of a driver domain: words separated by blanks, KEY=VALUE or bare. Pure; nothing is changed in the line.
 *
 *     for (struct arg a; arg_next(&line, &a);)
 *         if (arg_key(&a, "watchdog=")) ok = arg_number(a, 0, 3600, &n);
 */
#ifndef DRIVERDOMS_ARGS_H
#define DRIVERDOMS_ARGS_H
#include <stdbool.h>
#include <stdint.h>

struct arg { const char *at, *end; }; /* what is left of a word; end is exclusive */

bool arg_next(const char **line, struct arg *a);     /* the next word; false: there is none */
bool arg_is(struct arg a, const char *text);         /* all that is left is this */
bool arg_key(struct arg *a, const char *key);        /* it begins with this, which is stepped over */
/* All that is left is decimal digits and a number from min to max. */
bool arg_number(struct arg a, uint64_t min, uint64_t max, uint64_t *v);
bool arg_unsigned(struct arg a, unsigned min, unsigned max, unsigned *v); /* the same; *v stays if it is not */
void arg_copy(struct arg a, char *to, unsigned size); /* cut at size - 1 characters; for messages */
#endif
