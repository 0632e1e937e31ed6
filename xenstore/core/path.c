/* SPDX-License-Identifier: MIT */
/* Paths: see path.h. */
#include "xenstore/core/path.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

static bool path_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '/' ||
           c == '_' || c == '@';
}

static bool path_valid(const char *p)
{
    size_t len = strlen(p);

    if (p[0] != '/' || len > XENSTORE_ABS_PATH_MAX || (len > 1 && p[len - 1] == '/'))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!path_char((unsigned char)p[i]) || (p[i] == '/' && p[i + 1] == '/'))
            return false;
    return true;
}

int path_canonical(unsigned domid, const char *in, char out[PATH_BUF], bool *relative)
{
    bool rel = in[0] != '/';
    int n;

    if (relative)
        *relative = rel;
    if (rel && (!in[0] || in[0] == '@' || strlen(in) > XENSTORE_REL_PATH_MAX))
        return EINVAL;
    if (rel)
        n = snprintf(out, PATH_BUF, "/local/domain/%u/%s", domid, in);
    else
        n = snprintf(out, PATH_BUF, "%s", in);
    return n > 0 && n < PATH_BUF && path_valid(out) ? 0 : EINVAL;
}

bool path_next(const char **pos, const char *end, struct comp *c)
{
    const char *p = *pos;

    while (p < end && *p == '/')
        p++;
    c->s = p;
    while (p < end && *p != '/')
        p++;
    c->len = (size_t)(p - c->s);
    *pos = p;
    return c->len > 0;
}

size_t path_parent_len(const char *path, size_t len)
{
    if (len <= 1)
        return 0;
    while (path[len - 1] != '/')
        len--;
    return len == 1 ? 1 : len - 1;
}

size_t path_home_len(unsigned domid)
{
    return (size_t)snprintf(NULL, 0, "/local/domain/%u/", domid);
}

const char *path_in_home(const char *path)
{
    static const char homes[] = "/local/domain/";
    const char *p = path + sizeof(homes) - 1;

    if (strncmp(path, homes, sizeof(homes) - 1) || *p < '0' || *p > '9')
        return path;
    while (*p >= '0' && *p <= '9')
        p++;
    return *p == '/' ? p + 1 : path;
}

bool parse_number(const char *s, unsigned long max, unsigned long *out)
{
    unsigned long v = 0;

    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        unsigned long digit = (unsigned long)(*s - '0');
        if (v > (max - digit) / 10 || digit > max)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}
