/* SPDX-License-Identifier: MIT */
/*
 * A checksummed TCP stream: one connection, kept as long as asked for, whose every byte is predicted.
 *
 *   netverify ADDRESS PORT SECONDS   send a pseudo-random stream to an echo service and check what comes back
 *   netverify -l PORT                be that echo service, for ever
 *
 * The client stops sending after SECONDS, or at SIGTERM, and reads until everything is back. Every second it says
 *   net: N bytes verified, mismatches N, pause N ms      (the longest since the last such line)
 * Its last line, and status 0 when all is well:
 *   NET RESULT sent=N verified=N mismatches=N errors=N longest_pause_ms=N seconds=N
 * A pause is the time in which not one byte came; one of PATIENCE seconds is an error, so is a reset or an early end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536
#define AHEAD (512 * 1024) /* bytes sent and not yet back, at most */
#define PATIENCE 60

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The byte at a place of the stream: any shift, loss or repetition shows. */
static uint8_t byte_at(uint64_t at)
{
    uint64_t x = (at >> 3) * 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
    return (uint8_t)((x ^ x >> 32) >> (at & 7) * 8);
}

struct stream { int fd; uint64_t sent, back, mismatches, end_ms, last_ms, longest_ms, recent_ms; int error; };

static void send_some(struct stream *s)
{
    uint8_t block[CHUNK];
    uint64_t room = AHEAD - (s->sent - s->back);
    size_t n = room < sizeof(block) ? (size_t)room : sizeof(block);
    for (size_t i = 0; i < n; i++)
        block[i] = byte_at(s->sent + i);
    ssize_t done = send(s->fd, block, n, MSG_NOSIGNAL);
    if (done > 0)
        s->sent += (uint64_t)done;
    else if (errno != EAGAIN && errno != EINTR)
        s->error = errno;
}

static void receive_some(struct stream *s)
{
    uint8_t block[CHUNK];
    ssize_t n = recv(s->fd, block, sizeof(block), 0);
    if (n <= 0) {
        if (n == 0)
            s->error = ECONNABORTED;
        else if (errno != EAGAIN && errno != EINTR)
            s->error = errno;
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        s->mismatches += block[i] != byte_at(s->back + (uint64_t)i);
    s->back += (uint64_t)n;
    if (s->back > s->sent)
        s->mismatches += s->back - s->sent;
    uint64_t now = now_ms();
    if (now - s->last_ms > s->recent_ms)
        s->recent_ms = now - s->last_ms;
    if (s->recent_ms > s->longest_ms)
        s->longest_ms = s->recent_ms;
    s->last_ms = now;
}

static void tell(struct stream *s)
{
    printf("net: %llu bytes verified, mismatches %llu, pause %llu ms\n", (unsigned long long)(s->back - s->mismatches),
           (unsigned long long)s->mismatches, (unsigned long long)s->recent_ms);
    fflush(stdout);
    s->recent_ms = 0;
}

static volatile sig_atomic_t ended;

static void enough(int signal_number)
{
    (void)signal_number;
    ended = 1;
}

static int sending(const struct stream *s) { return !ended && now_ms() < s->end_ms; }

static void run(struct stream *s)
{
    uint64_t told = now_ms();
    s->last_ms = now_ms();
    while (!s->error && (sending(s) || s->back < s->sent)) {
        int room = sending(s) && s->sent - s->back < AHEAD;
        struct pollfd p = {s->fd, (short)(POLLIN | (room ? POLLOUT : 0)), 0};
        poll(&p, 1, 100);
        if (p.revents & (POLLIN | POLLHUP | POLLERR))
            receive_some(s);
        if (!s->error && (p.revents & POLLOUT))
            send_some(s);
        if (now_ms() - s->last_ms > PATIENCE * 1000)
            s->error = ETIMEDOUT;
        if (now_ms() - told > 1000) {
            told = now_ms();
            tell(s);
        }
    }
}

static int client(const char *address, unsigned port, unsigned seconds)
{
    struct stream s = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    uint64_t start = now_ms();
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        fprintf(stderr, "netverify: '%s' is not an address\n", address);
        return 2;
    }
    if (s.fd < 0 || connect(s.fd, (struct sockaddr *)&to, sizeof(to)) || fcntl(s.fd, F_SETFL, O_NONBLOCK)) {
        printf("net: %s port %u: %s\n", address, port, strerror(errno));
        s.error = errno ? errno : EIO;
    }
    printf("net: connected to %s port %u\n", address, port);
    fflush(stdout);
    s.end_ms = now_ms() + seconds * 1000ull;
    signal(SIGTERM, enough);
    run(&s);
    if (s.error)
        printf("net: %s\n", strerror(s.error));
    printf("NET RESULT sent=%llu verified=%llu mismatches=%llu errors=%d longest_pause_ms=%llu seconds=%llu\n",
           (unsigned long long)s.sent, (unsigned long long)s.back, (unsigned long long)s.mismatches, s.error != 0,
           (unsigned long long)s.longest_ms, (unsigned long long)(now_ms() - start) / 1000);
    return s.error || s.mismatches || s.sent != s.back || !s.back;
}

static void echo(int fd)
{
    static uint8_t block[CHUNK];
    for (ssize_t n; (n = recv(fd, block, sizeof(block), 0)) > 0;)
        for (ssize_t done = 0, m; done < n; done += m)
            if ((m = send(fd, block + done, (size_t)(n - done), MSG_NOSIGNAL)) <= 0)
                return;
}

static int serve(unsigned port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 8)) {
        perror("netverify");
        return 1;
    }
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int peer = accept(fd, NULL, NULL);
        if (peer >= 0 && fork() == 0) {
            echo(peer);
            _exit(0);
        }
        if (peer >= 0)
            close(peer);
    }
}

static unsigned number(const char *text, unsigned max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || end == text || n == 0 || n > max) {
        fprintf(stderr, "netverify: '%s' is not a number from 1 to %u\n", text, max);
        exit(2);
    }
    return (unsigned)n;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "-l"))
        return serve(number(argv[2], 65535));
    if (argc == 4)
        return client(argv[1], number(argv[2], 65535), number(argv[3], 86400));
    fprintf(stderr, "usage: netverify ADDRESS PORT SECONDS | netverify -l PORT\n");
    return 2;
}
