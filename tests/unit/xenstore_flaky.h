/* SPDX-License-Identifier: MIT */
/* Forced into xenstore's sources when they are tested: allocations that can be told to fail. */
#include <stdlib.h>
void *flaky_malloc(size_t n);
void *flaky_calloc(size_t n, size_t m);
void *flaky_realloc(void *p, size_t n);
#define malloc flaky_malloc
#define calloc flaky_calloc
#define realloc flaky_realloc
