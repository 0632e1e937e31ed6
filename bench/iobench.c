/* SPDX-License-Identifier: MIT */
/*
 * iobench DEVICE [SECONDS [DEPTH [BYTES] | paced]]: what a Linux guest gets from a block device, past the page cache (O_DIRECT) and with Linux's native
 * asynchronous I/O. The cases are those of the disk domain's bench=1 (driverdoms/blk/bench.c), so that the two can be read
 * side by side: 4 KiB random and 1 MiB sequential, read and write, 1, 8 and 32 deep, a tenth of a second each.
 * With SECONDS instead: one 4 KiB read after the other for so long; each second a line
 * "beat: T s, pause N us, longest N us, N reads, N errors" (pause: the longest read of that second), then "beat: done".
 * "paced": one a millisecond at the most, so that a machine whose time is counted in instructions gets on. With DEPTH: so many of them
 * at a time, of BYTES each (4096; 1 MiB at most); each tenth of a second "flow: T ms, N done, N errors" (all since the start), whether any is done
 * or not, and "flow: pause N us", the longest time of these in which none was; then "flow: done".
 * One line a case: "bench: NAME BYTES B depth D: N IOPS, X MB/s, N requests in T us, N errors, busy T us" (busy: what
 * load.h says the first CPU worked); then "bench: done". Before a case a line "bench: next", and around it a quarter of a second
 * of rest: then whoever watches reads the domains' CPU times.
 * The first case, "rest", asks for nothing. Overwrites the device, unless SECONDS is given.
 * IOBENCH_HOLD="US MBPS" in the environment: on top of a device that takes no time, one that takes US a request and moves MBPS, one transfer after the
 * other (driverdoms/blk/service.c): no request is taken back and replaced before that, and meanwhile the program sleeps.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "bench/load.h"

enum { DEPTH_MAX = 32, SMALL = 4096, BIG = 1 << 20, RUN_US = 100000, REST_US = 250000, TELL_US = 100000 };

static const struct bench_case {
    const char *name;
    bool write, random;
    uint32_t bytes, depth;
} cases[] = {
    { "randread", false, true, SMALL, 1 },  { "randread", false, true, SMALL, 8 },  { "randread", false, true, SMALL, 32 },
    { "seqread", false, false, BIG, 1 },    { "seqread", false, false, BIG, 8 },    { "seqread", false, false, BIG, 32 },
    { "randwrite", true, true, SMALL, 1 },  { "randwrite", true, true, SMALL, 8 },  { "randwrite", true, true, SMALL, 32 },
    { "seqwrite", true, false, BIG, 1 },    { "seqwrite", true, false, BIG, 8 },    { "seqwrite", true, false, BIG, 32 },
};

static int device;
static uint64_t size, next_place, seed = 42;
static aio_context_t context;
static void *buffer; /* one for all: it is the path that is measured */
static struct iocb requests[DEPTH_MAX];
static struct {
    uint64_t us, rate, link_free;              /* us, MB/s, when the last transfer is over (ns) */
    struct { struct iocb *request; uint64_t due; } queue[DEPTH_MAX]; /* due (ns) rises */
    unsigned first, n;
    bool back[DEPTH_MAX];                      /* the real device has done with it */
} hold;

/* What the machine does when nobody asks for anything: a case of the same length, for whoever wants to take it off the others. */
static void rest(void)
{
    usleep(RUN_US);
    printf("bench: rest 0 B depth 0: 0 IOPS, 0.0 MB/s, 1 requests in %d us, 0 errors\n", RUN_US);
    fflush(stdout);
}

static uint64_t place(const struct bench_case *c)
{
    uint64_t places = size / c->bytes;

    if (!c->random)
        return next_place++ % places * c->bytes;
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 20) % places * c->bytes;
}

static void prepare(const struct bench_case *c, struct iocb *request)
{
    *request = (struct iocb){ .aio_data = (uint64_t)(request - requests), .aio_fildes = (uint32_t)device,
                              .aio_lio_opcode = c->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
                              .aio_buf = (uint64_t)(uintptr_t)buffer, .aio_nbytes = c->bytes,
                              .aio_offset = (int64_t)place(c) };
}

/* The request has gone to the device: when the other one will be done with it. */
static void hold_back(struct iocb *request, uint64_t now)
{
    unsigned at = (hold.first + hold.n++) % DEPTH_MAX;

    hold.link_free = hold.link_free > now ? hold.link_free : now;
    if (hold.rate)
        hold.link_free += request->aio_nbytes * 1000 / hold.rate;
    hold.queue[at].request = request;
    hold.queue[at].due = hold.link_free + hold.us * 1000;
    hold.back[request - requests] = false; /* not taken back since: reap() comes later */
}

/* All at once: what ended together is replaced together. */
static void submit(struct iocb **batch, unsigned n)
{
    for (long done = 0; n; batch += done, n -= (unsigned)done) {
        done = syscall(SYS_io_submit, context, n, batch);
        if (done <= 0)
            die("io_submit");
        for (uint64_t k = 0, now = hold.us ? now_ns() : 0; hold.us && k < (uint64_t)done; k++)
            hold_back(batch[k], now);
    }
}

/* What the device has done with: waits for one at most `most`, or (NULL) for ever. The number; errors are counted. */
static unsigned reap(const struct timespec *most, struct iocb **batch, uint64_t *errors)
{
    struct io_event events[DEPTH_MAX];
    long n = syscall(SYS_io_getevents, context, 1, DEPTH_MAX, events, most);

    if (n < 0 && errno != EINTR)
        die("io_getevents");
    for (long k = 0; k < n; k++) {
        batch[k] = &requests[events[k].data];
        *errors += events[k].res != (int64_t)batch[k]->aio_nbytes;
        hold.back[events[k].data] = true;
    }
    return n > 0 ? (unsigned)n : 0;
}

/* As reap(), on the slow device: sleeps until the oldest request is due, and after that until the real device has done with it. */
static unsigned reap_held(struct iocb **batch, uint64_t *errors)
{
    struct timespec none = { 0 }, tick = { .tv_nsec = 5000 }; /* virtual time jumps to the next timer while an emulator's disk works: a near one */
    uint64_t due = hold.queue[hold.first].due;
    struct timespec until = { .tv_sec = (time_t)(due / 1000000000), .tv_nsec = (long)(due % 1000000000) };
    struct iocb *some[DEPTH_MAX];
    unsigned ready = 0;

    if (now_ns() < due)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    for (struct timespec *most = &none; !ready; most = &tick) {
        reap(most, some, errors);
        for (uint64_t now = now_ns(); hold.n && hold.queue[hold.first].due <= now; hold.n--) {
            if (!hold.back[hold.queue[hold.first].request - requests])
                break;
            batch[ready++] = hold.queue[hold.first].request;
            hold.first = (hold.first + 1) % DEPTH_MAX;
        }
    }
    return ready;
}

static void run(const struct bench_case *c)
{
    struct iocb *batch[DEPTH_MAX];
    uint64_t idle = idle_ns(), start = now_us(), ended = 0, errors = 0, us;
    unsigned flying = 0;

    for (next_place = 0; flying < c->depth; flying++)
        prepare(c, batch[flying] = &requests[flying]);
    submit(batch, flying);
    while (flying) {
        unsigned n = hold.us ? reap_held(batch, &errors) : reap(NULL, batch, &errors);

        for (unsigned k = 0; k < n; k++)
            prepare(c, batch[k]);
        ended += n;
        if (now_us() - start < RUN_US)
            submit(batch, n);
        else
            flying -= n;
    }
    us = now_us() - start;
    idle = idle_ns() - idle;
    printf("bench: %s %u B depth %u: %llu IOPS, %.1f MB/s, %llu requests in %llu us, %llu errors, busy %llu us\n", c->name, c->bytes,
           c->depth, (unsigned long long)(ended * 1000000 / us), (double)ended * c->bytes / (double)us,
           (unsigned long long)ended, (unsigned long long)us, (unsigned long long)errors, (unsigned long long)(us - idle / 1000));
    fflush(stdout);
}

static void beat(uint64_t seconds, bool paced)
{
    uint64_t start = now_us(), reads = 0, errors = 0, longest = 0, pause = 0, told = 0, before = start, now;

    do {
        if (pread(device, buffer, SMALL, (off_t)place(&cases[0])) != SMALL)
            errors++;
        reads++;
        now = now_us();
        pause = now - before > pause ? now - before : pause;
        longest = pause > longest ? pause : longest;
        if ((now - start) / 1000000 > told) {
            told = (now - start) / 1000000;
            printf("beat: %llu s, pause %llu us, longest %llu us, %llu reads, %llu errors\n", (unsigned long long)told,
                   (unsigned long long)pause, (unsigned long long)longest, (unsigned long long)reads,
                   (unsigned long long)errors);
            fflush(stdout);
            pause = 0;
        }
        if (paced)
            usleep(1000);
        before = now_us();
    } while (now - start < seconds * 1000000);
    printf("beat: done\n");
}

static void flow(uint64_t seconds, uint32_t depth, uint32_t bytes)
{
    const struct bench_case c = { .random = true, .bytes = bytes, .depth = depth };
    struct iocb *batch[DEPTH_MAX];
    uint64_t start = now_us(), told = start, ended = 0, errors = 0, now = start, last = start, pause = 0;

    for (uint32_t i = 0; i < depth; i++)
        prepare(&c, batch[i] = &requests[i]);
    submit(batch, depth);
    while (now - start < seconds * 1000000) {
        struct timespec limit = { .tv_nsec = TELL_US * 1000 };
        unsigned n = reap(&limit, batch, &errors);

        for (unsigned k = 0; k < n; k++)
            prepare(&c, batch[k]);
        ended += n;
        submit(batch, n);
        now = now_us();
        pause = now - last > pause ? now - last : pause;
        last = n ? now : last;
        if (now - told < TELL_US)
            continue;
        told = now;
        printf("flow: pause %llu us\n", (unsigned long long)pause);
        tell_flow(now - start, ended, errors);
        pause = 0;
    }
    printf("flow: done\n");
}

int main(int argc, char **argv)
{
    bool paced = argc == 4 && !strcmp(argv[3], "paced");
    uint64_t depth = argc >= 4 && !paced ? strtoul(argv[3], NULL, 10) : 1, bytes = argc == 5 ? strtoul(argv[4], NULL, 10) : SMALL;

    if (argc < 2 || argc > 5 || depth < 1 || depth > DEPTH_MAX || bytes < 512 || bytes > BIG || bytes % 512) {
        fprintf(stderr, "usage: iobench DEVICE [SECONDS [DEPTH [BYTES] | paced]], DEPTH from 1 to %d, BYTES from 512 to %d\n", DEPTH_MAX, BIG);
        return 2;
    }
    device = open(argv[1], O_RDWR | O_DIRECT);
    if (device < 0 || ioctl(device, BLKGETSIZE64, &size) != 0 || size < BIG)
        die(argv[1]);
    if (posix_memalign(&buffer, 4096, BIG) != 0)
        die("memory");
    memset(buffer, 0x5a, BIG);
    if (getenv("IOBENCH_HOLD") && sscanf(getenv("IOBENCH_HOLD"), "%lu %lu", &hold.us, &hold.rate) != 2)
        die("IOBENCH_HOLD: two numbers");
    prctl(PR_SET_TIMERSLACK, 1ul); /* ns: else a sleep may last 50 us longer */
    if (argc == 3 || paced) {
        beat(strtoul(argv[2], NULL, 10), paced);
        return 0;
    }
    if (syscall(SYS_io_setup, DEPTH_MAX, &context) != 0)
        die("io_setup");
    if (argc >= 4) {
        flow(strtoul(argv[2], NULL, 10), (uint32_t)depth, (uint32_t)bytes);
        return 0;
    }
    for (unsigned i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
        printf("bench: next\n");
        fflush(stdout);
        usleep(REST_US);
        if (i == 0)
            rest();
        else
            run(&cases[i - 1]);
        usleep(REST_US);
    }
    printf("bench: done\n");
    return 0;
}
