/* SPDX-License-Identifier: MIT */
/* The helpers of xenstore_lib.h: where the daemon is, writing, permissions as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

const char *xs_daemon_rundir(void)
{
    const char *dir = getenv("XENSTORED_RUNDIR");

    return dir ? dir : "/run/xenstored";
}

const char *xs_daemon_socket(void)
{
    static char path[108];
    const char *given = getenv("XENSTORED_PATH");

    if (given)
        return given;
    snprintf(path, sizeof(path), "%s/socket", xs_daemon_rundir());
    return path;
}

const char *xs_daemon_socket_ro(void)
{
    return xs_daemon_socket();
}

bool xs_write_all(int fd, const void *data, unsigned int len)
{
    const char *p = data;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        len -= (unsigned)n;
    }
    return true;
}

bool xs_strings_to_perms(struct xs_permissions *perms, unsigned int num, const char *strings)
{
    static const char letters[] = "nrwb"; /* index = XS_PERM_READ | XS_PERM_WRITE */

    for (unsigned i = 0; i < num; i++, strings += strlen(strings) + 1) {
        const char *l = *strings ? strchr(letters, *strings) : NULL;
        char *end;

        if (!l) {
            errno = EINVAL;
            return false;
        }
        perms[i].perms = (unsigned)(l - letters);
        perms[i].id = (unsigned)strtoul(strings + 1, &end, 10);
        if (end == strings + 1 || *end) {
            errno = EINVAL;
            return false;
        }
    }
    return true;
}

bool xs_path_is_subpath(const char *parent, const char *child)
{
    size_t len = strlen(parent);

    if (!strcmp(parent, "/"))
        return child[0] == '/';
    return !strncmp(parent, child, len) && (!child[len] || child[len] == '/');
}
