/* SPDX-License-Identifier: MIT */
/* bh console: a terminal on the Unix socket that bhd keeps for each domain's console; see bh.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include "tools/bh/bh.h"
#include "tools/lib/pcidc.h"

enum { ESCAPE = 0x1d }; /* Ctrl-] */

static int write_all(int fd, const char *p, ssize_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, (size_t)n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        p += done;
        n -= done;
    }
    return 0;
}

/* Until the user leaves or the domain is gone. Input that ends (no terminal) leaves the output running. */
static void relay(int sock)
{
    char buf[4096];
    struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    for (;;) {
        if (poll(p, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return;
        }
        if (p[0].revents) {
            ssize_t n = read(sock, buf, sizeof(buf));
            if (n <= 0 || write_all(1, buf, n))
                return;
        }
        if (p[1].revents) {
            ssize_t n = read(0, buf, sizeof(buf));
            char *leave = n > 0 ? memchr(buf, ESCAPE, (size_t)n) : NULL;
            if (leave)
                n = leave - buf;
            if (n > 0 && write_all(sock, buf, n))
                return;
            if (leave)
                return;
            if (n <= 0)
                p[1].fd = -1;
        }
    }
}

int verb_console(struct handles *h, int argc, char **argv)
{
    struct termios old, raw;
    char path[128];
    uint32_t domid;
    if (need_domain(h, argv[1], &domid))
        return 1;
    char *name = domain_name(h, domid);
    snprintf(path, sizeof(path), "/run/bulkhead/console-%s", name ? name : "");
    free(name);
    int sock = unix_connect(path);
    if (sock < 0)
        return complain("console %s: cannot reach bhd at %s: %s", argv[1], path, strerror(errno));
    bool tty = isatty(0) && !tcgetattr(0, &old);
    signal(SIGPIPE, SIG_IGN);
    if (tty) {
        raw = old;
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
    relay(sock);
    if (tty)
        tcsetattr(0, TCSANOW, &old);
    close(sock);
    return 0;
}
