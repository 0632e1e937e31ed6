/* SPDX-License-Identifier: MIT */
/*
 * The error a library function hands up: one sentence for the user, naming the file, field or domain at fault.
 * A function that takes `struct err *` fills it exactly when it fails; callers print it, or add what they were doing.
 */
#ifndef TOOLS_ERR_H
#define TOOLS_ERR_H

struct err {
    char text[512];
};

/* Sets the sentence (cut at the buffer); returns -1, so that `return err_set(...)` reads as a failure. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "prefix: " in front of the sentence; returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
