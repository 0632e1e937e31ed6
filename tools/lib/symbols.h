/* SPDX-License-Identifier: MIT */
/* Names of addresses: from a System.map or /proc/kallsyms (lines "address type name"), from an ELF file's table, or one by one. */
#ifndef TOOLS_LIB_SYMBOLS_H
#define TOOLS_LIB_SYMBOLS_H
#include <stddef.h>
#include <stdint.h>
#include "tools/lib/err.h"

struct symbol { uint64_t address; char *name; };
struct symbols { struct symbol *s; size_t n, room; }; /* begins as {0} */

int symbols_add(struct symbols *t, uint64_t address, const char *name); /* 0; -1: no memory */
/* The functions of a file, added. 0; -1: e says what is wrong with it. */
int symbols_load(struct symbols *t, const char *path, struct err *e);
void symbols_sort(struct symbols *t); /* when all are there, before any is looked for */
/* The last one that is not behind `address`, and how far behind it that is; NULL: none near. */
const char *symbols_find(const struct symbols *t, uint64_t address, uint64_t *offset);
void symbols_free(struct symbols *t);
#endif
