/* SPDX-License-Identifier: MIT */
/*
 * Paths: what a client wrote, checked and made absolute.
 * Rules: A-Z a-z 0-9 - / _ @ only, no empty component, no '/' at the end but in "/" itself; at most XENSTORE_ABS_PATH_MAX
 * bytes, a relative one at most XENSTORE_REL_PATH_MAX; relative means below /local/domain/<domid of the client>/.
 */
#ifndef XENSTORE_CORE_PATH_H
#define XENSTORE_CORE_PATH_H
#include <stdbool.h>
#include <stddef.h>

#define PATH_BUF 3073 /* XENSTORE_ABS_PATH_MAX and the NUL */

/* One component of a path: `len` bytes at `s`, no NUL. */
struct comp {
    const char *s;
    size_t len;
};

/* Write the absolute form of `in`, as domain `domid` means it, to `out`. Returns 0 or EINVAL. *relative may be NULL. */
int path_canonical(unsigned domid, const char *in, char out[PATH_BUF], bool *relative);

/* Take the next component of an absolute path at *pos, before `end`; false at the end. */
bool path_next(const char **pos, const char *end, struct comp *c);

/* Length of the parent's path of `path`, whose own length is `len`: 1 for "/a", 0 for "/" itself. */
size_t path_parent_len(const char *path, size_t len);

/* Length of "/local/domain/<domid>/", what a relative path leaves out. */
size_t path_home_len(unsigned domid);

/* The rest of an absolute path behind "/local/domain/<number>/", or all of it. */
const char *path_in_home(const char *path);

/* Decimal number 0..max in all of `s`; false otherwise. */
bool parse_number(const char *s, unsigned long max, unsigned long *out);
#endif
