/* SPDX-License-Identifier: MIT */
/* Unix sockets of the control domain's daemons, and pcid's client; see pcidc.h. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "tools/lib/pcidc.h"

static int unix_address(const char *path, struct sockaddr_un *a)
{
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(a->sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(a->sun_path, path);
    return 0;
}

int unix_connect(const char *path)
{
    struct sockaddr_un a;
    if (unix_address(path, &a))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int unix_listen(const char *path)
{
    struct sockaddr_un a;
    if (unix_address(path, &a))
        return -1;
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177);
    int bad = fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16);
    int error = errno;
    umask(old);
    if (bad && fd >= 0)
        close(fd);
    errno = error;
    return bad ? -1 : fd;
}

/* One line, newline removed; 0 or -1. */
static int read_line(int fd, char *buf, size_t size, int ms)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, ms);
        if (ready <= 0) {
            errno = ready ? errno : ETIMEDOUT;
            return -1;
        }
        ssize_t got = read(fd, buf + n, size - 1 - n);
        if (got <= 0) {
            errno = got ? errno : ECONNRESET;
            return -1;
        }
        n += (size_t)got;
        buf[n] = 0;
        char *end = memchr(buf, '\n', n);
        if (end) {
            *end = 0;
            return 0;
        }
        if (n == size - 1) {
            errno = EMSGSIZE;
            return -1;
        }
    }
}

int pcid_request(const char *line, char *answer, size_t size, struct err *e)
{
    char buf[16384];
    int n = snprintf(buf, sizeof(buf), "%s\n", line);
    int fd = unix_connect(PCID_SOCKET);
    if (fd < 0)
        return err_set(e, "cannot reach pcid at %s: %s", PCID_SOCKET, strerror(errno));
    bool sent = n > 0 && (size_t)n < sizeof(buf) && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n;
    int rc = sent ? read_line(fd, buf, sizeof(buf), 30000) : -1;
    int error = errno;
    close(fd);
    if (rc)
        return err_set(e, "pcid: no answer to '%s': %s", line, strerror(error));
    if (strncmp(buf, "ok", 2))
        return err_set(e, "pcid: %s", strncmp(buf, "error: ", 7) ? buf : buf + 7);
    snprintf(answer, size, "%s", buf[2] ? buf + 3 : "");
    return 0;
}
