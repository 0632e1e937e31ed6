/* SPDX-License-Identifier: MIT */
/*
 * verify DIR SECONDS MIB WORKERS: write files, read them back from the disk, compare every byte. SIGTERM ends it before its time.
 *
 * Each worker (a process) owns FILES files below DIR of MIB MiB together. It writes them again and again:
 * a file's content is a function of worker, file and generation, so that nothing has to be remembered but
 * the generation. A round writes one file in pieces of varying size (buffered with fsync, or O_DIRECT),
 * then reads it, and an older one, with O_DIRECT: from the disk, not from the page cache. At the end
 * all files are read once more. One more process writes and reads a 4 KiB block without pause and keeps the
 * longest time that one such I/O took: the pause that a recovery costs.
 *
 * Every second a line "verify: T s, written N MiB, verified N MiB, errors N, pause N ms, longest N ms" (pause: the longest
 * small I/O that ended since the last line), at the end
 * "RESULT written=BYTES verified=BYTES miscompares=N io_errors=N longest_io_us=N".
 * Exit status 0 only when every byte was right and no call failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 8, PIECE = 256 * 1024, BLOCK = 4096, MAX_WORKERS = 16 };

/* Shared by all processes. */
struct totals {
    _Atomic uint64_t written, verified, miscompares, io_errors, rounds;
    _Atomic uint64_t longest_us, recent_us; /* of the small I/O: ever, and since the last report */
    _Atomic int stop;
};
static struct totals *totals;
static const char *directory;
static uint8_t *piece, *expected; /* PIECE bytes each, aligned for O_DIRECT */
static int worker;

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void io_error(const char *what, const char *path, uint64_t offset)
{
    totals->io_errors++;
    printf("verify: I/O error: %s %s at %llu: %s\n", what, path, (unsigned long long)offset, strerror(errno));
    fflush(stdout);
}

/* The 8 bytes at `index` * 8 of a file: splitmix64 over everything that names them. */
static uint64_t word(uint64_t name, uint64_t index)
{
    uint64_t z = name + (index + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t content_name(int file, uint64_t generation)
{
    return word((uint64_t)worker << 32 | (uint64_t)file, generation);
}

static void fill(uint8_t *buffer, uint64_t name, uint64_t offset, size_t length)
{
    for (size_t i = 0; i < length; i += 8) {
        uint64_t value = word(name, (offset + i) / 8);

        memcpy(buffer + i, &value, 8);
    }
}

static void file_path(char *path, size_t size, int file)
{
    snprintf(path, size, "%s/w%d-f%d", directory, worker, file);
}

static void write_file(int file, uint64_t generation, uint64_t length)
{
    char path[256];
    uint64_t name = content_name(file, generation), offset = 0;
    int direct = generation & 1;
    int fd;

    file_path(path, sizeof(path), file);
    fd = open(path, O_WRONLY | O_CREAT | (direct ? O_DIRECT : 0), 0644);
    if (fd < 0) {
        io_error("open for writing", path, 0);
        return;
    }
    while (offset < length) {
        size_t n = (size_t)(1 + word(name, offset) % (PIECE / BLOCK)) * BLOCK;

        if (n > length - offset)
            n = length - offset;
        fill(piece, name, offset, n);
        if (pwrite(fd, piece, n, (off_t)offset) != (ssize_t)n)
            io_error("write", path, offset);
        else
            totals->written += n;
        offset += n;
    }
    if (fsync(fd) != 0)
        io_error("fsync", path, 0);
    close(fd);
}

static void verify_file(int file, uint64_t generation, uint64_t length)
{
    char path[256];
    uint64_t name = content_name(file, generation);
    int fd;

    file_path(path, sizeof(path), file);
    fd = open(path, O_RDONLY | O_DIRECT);
    if (fd < 0) {
        io_error("open for reading", path, 0);
        return;
    }
    for (uint64_t offset = 0; offset < length; offset += PIECE) {
        size_t n = length - offset < PIECE ? length - offset : PIECE;

        if (pread(fd, piece, n, (off_t)offset) != (ssize_t)n) {
            io_error("read", path, offset);
            continue;
        }
        fill(expected, name, offset, n);
        if (memcmp(piece, expected, n) != 0) {
            totals->miscompares++;
            printf("verify: WRONG BYTES in %s between %llu and %llu\n", path, (unsigned long long)offset,
                   (unsigned long long)offset + n);
            fflush(stdout);
        } else {
            totals->verified += n;
        }
    }
    close(fd);
}

static void work(uint64_t length)
{
    uint64_t generation[FILES] = { 0 };

    for (uint64_t round = 1; !totals->stop; round++) {
        int file = (int)(round % FILES), older = (int)(word(round, 0) % FILES);

        write_file(file, round, length);
        generation[file] = round;
        verify_file(file, round, length);
        if (generation[older])
            verify_file(older, generation[older], length);
        totals->rounds++;
    }
    for (int file = 0; file < FILES; file++)
        if (generation[file])
            verify_file(file, generation[file], length);
}

/* One small I/O after the other; keeps the longest. */
static void heartbeat(void)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/heartbeat", directory);
    fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0644);
    if (fd < 0) {
        io_error("open", path, 0);
        return;
    }
    for (uint64_t beat = 1; !totals->stop; beat++) {
        uint64_t start, took;

        fill(piece, beat, 0, BLOCK);
        start = now_us();
        if (pwrite(fd, piece, BLOCK, 0) != BLOCK)
            io_error("write", path, 0);
        memset(piece, 0, BLOCK);
        if (pread(fd, piece, BLOCK, 0) != BLOCK)
            io_error("read", path, 0);
        took = now_us() - start;
        fill(expected, beat, 0, BLOCK);
        if (memcmp(piece, expected, BLOCK) != 0)
            totals->miscompares++;
        if (took > totals->longest_us)
            totals->longest_us = took;
        if (took > totals->recent_us)
            totals->recent_us = took;
        usleep(5000);
    }
    close(fd);
}

static void spawn(int number, uint64_t length)
{
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child < 0) {
        perror("verify: fork");
        exit(2);
    }
    if (child > 0)
        return;
    worker = number;
    if (posix_memalign((void **)&piece, BLOCK, PIECE) || posix_memalign((void **)&expected, BLOCK, PIECE))
        _exit(2);
    if (number == 0)
        heartbeat();
    else
        work(length);
    _exit(0);
}

static void report(uint64_t start)
{
    printf("verify: %llu s, written %llu MiB, verified %llu MiB, errors %llu, pause %.1f ms, longest %.1f ms\n",
           (unsigned long long)((now_us() - start) / 1000000), (unsigned long long)(totals->written >> 20),
           (unsigned long long)(totals->verified >> 20),
           (unsigned long long)totals->miscompares + totals->io_errors,
           (double)atomic_exchange(&totals->recent_us, 0) / 1000.0, (double)totals->longest_us / 1000.0);
    fflush(stdout);
}

/* Wait for all children; the number that did not end well. */
static int reap(void)
{
    int status, bad = 0;

    while (wait(&status) > 0)
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            bad++;
    return bad;
}

static void enough(int signal_number)
{
    (void)signal_number;
    totals->stop = 1;
}

static long argument(const char *name, const char *text, long lowest, long highest)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < lowest || value > highest) {
        fprintf(stderr, "verify: %s: \"%s\" is not a number from %ld to %ld\n", name, text, lowest, highest);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    long seconds, mib, workers;
    uint64_t start, length;
    int bad;

    if (argc != 5) {
        fprintf(stderr, "usage: verify DIR SECONDS MIB WORKERS\n");
        return 2;
    }
    directory = argv[1];
    seconds = argument("SECONDS", argv[2], 1, 1000000);
    mib = argument("MIB", argv[3], 1, 1 << 20);
    workers = argument("WORKERS", argv[4], 1, MAX_WORKERS);
    length = ((uint64_t)mib << 20) / FILES / BLOCK * BLOCK;
    totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED) {
        perror("verify: mmap");
        return 2;
    }
    signal(SIGTERM, enough);
    start = now_us();
    for (int number = 0; number <= workers; number++)
        spawn(number, length);
    while (!totals->stop && now_us() - start < (uint64_t)seconds * 1000000) {
        sleep(1);
        report(start);
    }
    totals->stop = 1;
    bad = reap();
    report(start);
    printf("RESULT written=%llu verified=%llu miscompares=%llu io_errors=%llu longest_io_us=%llu\n",
           (unsigned long long)totals->written, (unsigned long long)totals->verified,
           (unsigned long long)totals->miscompares, (unsigned long long)totals->io_errors + (unsigned)bad,
           (unsigned long long)totals->longest_us);
    return totals->miscompares || totals->io_errors || bad || totals->verified == 0;
}
