/* SPDX-License-Identifier: MIT */
/*
 * xsfloor DIR: what the kernel takes for a request, whatever a daemon does with it: waits at DIR/socket, receives, sends a fixed
 * answer; no tree, no check. For xsload's requests only, each of which comes whole.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>

#define EVENTS 64

static char in[8192];

static void answer(int set, int fd)
{
    struct xsd_sockmsg *hdr = (struct xsd_sockmsg *)in;
    ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

    if (n < (ssize_t)sizeof(*hdr)) {
        epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
        close(fd);
        return;
    }
    hdr->len = 2;
    in[sizeof(*hdr)] = '1';
    in[sizeof(*hdr) + 1] = 0;
    send(fd, in, sizeof(*hdr) + 2, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct epoll_event events[EVENTS], ev = { .events = EPOLLIN };
    int set = epoll_create1(0), listener = socket(AF_UNIX, SOCK_STREAM, 0), n;

    if (argc != 2 || snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", argv[1]) >= (int)sizeof(addr.sun_path))
        return 2;
    ev.data.fd = listener;
    if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, SOMAXCONN) ||
        epoll_ctl(set, EPOLL_CTL_ADD, listener, &ev))
        return 1;
    while ((n = epoll_wait(set, events, EVENTS, -1)) >= 0)
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd != listener) {
                answer(set, events[i].data.fd);
                continue;
            }
            ev.data.fd = accept(listener, NULL, NULL);
            epoll_ctl(set, EPOLL_CTL_ADD, ev.data.fd, &ev);
        }
    return 1;
}
