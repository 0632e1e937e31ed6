/* SPDX-License-Identifier: MIT */
/* The part of the C library that the hypervisor uses, with its standard meaning. */
#ifndef LIB_STRING_H
#define LIB_STRING_H
#include "lib/types.h"

void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strstr(const char *s, const char *t);
size_t strlcpy(char *d, const char *s, size_t n); /* always terminates; returns strlen(s) */
unsigned long strtoul(const char *s, char **end, int base);
#endif
