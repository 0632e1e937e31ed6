/* SPDX-License-Identifier: MIT */
/*
 * Linux on the bare machine as both ends of a wire (tools/guest/init, bh.far): the card eth1 and an iperf3 server are in a network of their
 * own, whose /proc/PID/net is /run/far. tell_far() prints a line as bench/native.sh does for domains: "times UPTIME far NS packets N": what the
 * server and the threads that poll eth1 have run, in ns (with eth1's threaded polling on, that is the far end; else the server only), and how many
 * packets eth1 has received. Nothing where there is no far end.
 */
#ifndef BENCH_FAR_H
#define BENCH_FAR_H
#include <dirent.h>
#include <stdbool.h>
#include <unistd.h>
#include "bench/load.h"

/* One line of a file whose name is of three parts, or false. */
static inline bool far_line(char *line, int size, const char *a, const char *b, const char *c)
{
    char name[600];
    snprintf(name, sizeof(name), "%s%s%s", a, b, c);
    FILE *file = fopen(name, "r");
    bool got = file && fgets(line, size, file);
    if (file)
        fclose(file);
    return got;
}

static inline uint64_t far_packets(void)
{
    FILE *file = fopen("/run/far/dev", "r");
    unsigned long long packets = 0;
    char line[256];
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, " eth1: %*u %llu", &packets) == 1)
            break;
    if (file)
        fclose(file);
    return packets;
}

/* Whether a process is of the far end: polls its card, or is an iperf3 in another network than ours. */
static inline bool far_has(const char *pid)
{
    char comm[64], ours[64], its[64], path[300];
    if (!far_line(comm, sizeof(comm), "/proc/", pid, "/comm"))
        return false;
    if (!strncmp(comm, "napi/eth1", 9))
        return true;
    snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
    ssize_t a = strcmp(comm, "iperf3\n") ? 0 : readlink(path, its, sizeof(its)), b = readlink("/proc/self/ns/net", ours, sizeof(ours));
    return a > 0 && (a != b || memcmp(its, ours, (size_t)a));
}

static inline void tell_far(void)
{
    unsigned long long ns, sum = 0;
    char line[128], tasks[300];
    struct dirent *process, *task;
    if (access("/run/far/dev", R_OK))
        return;
    DIR *all = opendir("/proc");
    while (all && (process = readdir(all))) {
        if (process->d_name[0] < '1' || process->d_name[0] > '9' || !far_has(process->d_name))
            continue;
        snprintf(tasks, sizeof(tasks), "/proc/%s/task/", process->d_name);
        DIR *its = opendir(tasks);
        while (its && (task = readdir(its)))
            if (task->d_name[0] != '.' && far_line(line, sizeof(line), tasks, task->d_name, "/schedstat") && sscanf(line, "%llu", &ns) == 1)
                sum += ns;
        if (its)
            closedir(its);
    }
    if (all)
        closedir(all);
    printf("times %llu far %llu packets %llu\n", (unsigned long long)now_us() * 1000, sum, (unsigned long long)far_packets());
}
#endif
