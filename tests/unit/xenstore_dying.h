/* SPDX-License-Identifier: MIT */
/* Forced into xenstore's sources to have the daemon die anywhere: at an allocation, a copy, an index or mark that others see. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
void dying_step(void);
#define malloc(n) (dying_step(), malloc(n))
#define calloc(n, m) (dying_step(), calloc(n, m))
#define memcpy(a, b, n) (dying_step(), memcpy(a, b, n))
#define __atomic_store_n(p, v, o) (dying_step(), __atomic_store_n(p, v, o))
