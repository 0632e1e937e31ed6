/* SPDX-License-Identifier: MIT */
/*
 * netstream NAME MIB PEER [OPTION]...: so many MiB through one TCP connection of Debian's iperf3 with the iperf3 server PEER; options are
 * iperf3's, -R for the other direction. One line, in the form of netblast's with a MiB for a packet:
 * "bench: NAME BYTES B: 0 packets/s, X MB/s, MIB packets in T us, 0 errors, busy T us"; before it "bench: next", and around it a quarter of a second of
 * rest, as there. The program's start and its talk with the server are in it: two runs of different length tell what a MiB takes.
 * "bench: failed: ..." and status 1 when iperf3 fails; what it said is in /tmp/iperf3.
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/far.h"
#include "bench/load.h"

enum { REST_US = 250000, OPTIONS = 8 };

static int stream(const char *mib, char *peer, char **options)
{
    char bytes[24], *command[8 + OPTIONS] = {"iperf3", "-c", peer, "-n", bytes, "-i", "0"};
    int n = 7, status;
    snprintf(bytes, sizeof(bytes), "%sM", mib);
    while (*options && n < 7 + OPTIONS)
        command[n++] = *options++;
    command[n] = NULL;
    pid_t child = fork();
    if (child == 0) {
        int out = open("/tmp/iperf3", O_WRONLY | O_CREAT | O_TRUNC, 0644);
        dup2(out, 1);
        dup2(out, 2);
        execvp(command[0], command);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

static void next(void)
{
    tell_far();
    printf("bench: next\n");
    fflush(stdout);
    usleep(REST_US);
}

int main(int argc, char **argv)
{
    unsigned mib = argc >= 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (!mib || mib > 4096) {
        fprintf(stderr, "usage: netstream NAME MIB PEER [OPTION]...\n");
        return 2;
    }
    next();
    uint64_t idle = idle_ns(), start = now_us();
    int status = stream(argv[2], argv[3], argv + 4);
    uint64_t us = now_us() - start;
    idle = idle_ns() - idle;
    if (status) {
        printf("bench: failed: iperf3: status %d\n", status);
        return 1;
    }
    usleep(REST_US);
    tell_far();
    printf("bench: %s %llu B: 0 packets/s, %.1f MB/s, %u packets in %llu us, 0 errors, busy %llu us\n", argv[1], (unsigned long long)mib << 20,
           (double)mib * 1048576 / (double)us, mib, (unsigned long long)us, (unsigned long long)(us - idle / 1000));
    fflush(stdout);
    usleep(REST_US);
    return 0;
}
