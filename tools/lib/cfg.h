/* SPDX-License-Identifier: MIT */
/*
 * Domain configuration files in xl's .cfg syntax.
 *
 *     key = "string" | 'string' | number | [ value, value, ... ]      # comment
 *
 * Statements end at a newline or `;`; a list may span lines and end with a comma. Numbers are decimal, 0x hex or
 * 0 octal, with an optional minus. A string knows \n \t \r \\ \" \' \0oo and \xhh. `key += value` appends to a string or a list.
 * Every error names file, line and key. Input is limited to CFG_MAX_BYTES; nothing in it can crash the parser.
 */
#ifndef TOOLS_CFG_H
#define TOOLS_CFG_H
#include <stddef.h>
#include "tools/lib/err.h"

#define CFG_MAX_BYTES (1u << 20)
#define CFG_MAX_ITEMS 4096u

enum cfg_type { CFG_STRING, CFG_NUMBER, CFG_LIST };

struct cfg_value {
    enum cfg_type type;
    unsigned line;
    char *string;            /* CFG_STRING */
    long long number;        /* CFG_NUMBER */
    struct cfg_value *items; /* CFG_LIST: strings and numbers only */
    unsigned nr_items;
};

struct cfg;

/* Parses len bytes of text; name is used in messages. NULL on error. cfg_free() it. */
struct cfg *cfg_parse(const char *text, size_t len, const char *name, struct err *e);
/* Reads and parses a file. */
struct cfg *cfg_load(const char *path, struct err *e);
/* More statements that replace those of cfg (command-line overrides). 0 or -1. */
int cfg_override(struct cfg *cfg, const char *text, const char *name, struct err *e);
void cfg_free(struct cfg *cfg);

/* Look-ups mark the key as known. 1 = found, 0 = absent (output untouched), -1 = wrong type or out of range. */
int cfg_string(struct cfg *cfg, const char *key, const char **out, struct err *e);
int cfg_number(struct cfg *cfg, const char *key, long long min, long long max, long long *out, struct err *e);
int cfg_list(struct cfg *cfg, const char *key, const struct cfg_value **items, unsigned *n, struct err *e);

/* The next key that nobody asked for, or NULL; *pos starts at 0. *line receives where it stands. */
const char *cfg_unknown(const struct cfg *cfg, unsigned *pos, unsigned *line);
const char *cfg_name(const struct cfg *cfg);
/* Fills e with "file:line: key: " and the sentence; line is looked up. Returns -1. */
int cfg_error(const struct cfg *cfg, const char *key, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#endif
