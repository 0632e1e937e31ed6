/* SPDX-License-Identifier: MIT */
/* bh trace: switch the hypervisor's trace on, read its rings (docs/tracing.md), write them as xentrace does, print sums. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "bulkhead/trace.h"
#include "tools/bh/bh.h"
#include "tools/lib/trace.h"

#define LOCK_FILE "/run/bulkhead/trace.lock" /* two readers would take each other's records */
#define RING_PAGES 64u
#define MAX_SECONDS 86400ul
#define MAX_TABLE_PAGES 65u /* its offsets are 16 bits, in words */
#define POLL_NS 10000000l

struct rings {
    unsigned n;
    uint32_t size; /* bytes of records */
    struct t_buf *ring[TRACE_MAX_CPUS];
};

static volatile sig_atomic_t stopped;
static void stop(int signal)
{
    stopped = signal;
}

static bool intel(void)
{
    char line[256];
    bool yes = false;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !yes && fgets(line, sizeof(line), f))
        yes = strstr(line, "GenuineIntel") != NULL;
    if (f)
        fclose(f);
    return yes;
}

/* --- the hypervisor's rings --- */

static void *map(struct handles *h, const uint32_t *frame, size_t n, int prot)
{
    xen_pfn_t *pfn = calloc(n, sizeof(*pfn));
    for (size_t i = 0; pfn && i < n; i++)
        pfn[i] = frame[i];
    void *p = pfn ? xenforeignmemory_map(h->mem, DOMID_XEN, prot, n, pfn, NULL) : NULL;
    free(pfn);
    return p;
}

static int map_rings(struct handles *h, struct rings *r)
{
    unsigned long first = 0, bytes = 0; /* of the table */
    if (xc_tbuf_enable(h->xc, RING_PAGES, &first, &bytes))
        return complain("tracing cannot be switched on: %s", strerror(errno));
    int cpus = xc_get_max_cpus(h->xc);
    uint32_t frame[MAX_TABLE_PAGES];
    size_t n = bytes / 4096;
    for (size_t i = 0; i < MAX_TABLE_PAGES; i++)
        frame[i] = (uint32_t)(first + i);
    const struct t_info *t = cpus > 0 && cpus <= (int)TRACE_MAX_CPUS && n <= MAX_TABLE_PAGES ? map(h, frame, n, PROT_READ) : NULL;
    if (!t)
        return complain("the trace's table cannot be mapped: %s", strerror(errno));
    r->size = (uint32_t)(t->tbuf_size * 4096u - sizeof(struct t_buf));
    for (; r->n < (unsigned)cpus; r->n++) {
        r->ring[r->n] = map(h, (const uint32_t *)t + t->mfn_offset[r->n], t->tbuf_size, PROT_READ | PROT_WRITE);
        if (!r->ring[r->n])
            return complain("the trace of CPU %u cannot be mapped: %s", r->n, strerror(errno));
        r->ring[r->n]->cons = *(volatile uint32_t *)&r->ring[r->n]->prod; /* what an earlier reader has left */
    }
    xenforeignmemory_unmap(h->mem, (void *)t, n);
    return 0;
}

/* --- reading --- */

static int piece(struct trace *t, FILE *out, unsigned cpu, const void *records, size_t bytes)
{
    struct trace_piece head = trace_piece(cpu, bytes);
    struct err e;
    if (bytes && trace_feed(t, cpu, records, bytes, &e))
        return complain_err(&e);
    if (bytes && out && (fwrite(&head, sizeof(head), 1, out) != 1 || fwrite(records, bytes, 1, out) != 1))
        return complain("the trace cannot be written: %s", strerror(errno));
    return 0;
}

static int drain(struct rings *r, struct trace *t, FILE *out)
{
    int rc = 0;
    for (unsigned cpu = 0; cpu < r->n && !rc; cpu++) {
        struct t_buf *b = r->ring[cpu];
        uint32_t prod = __atomic_load_n(&b->prod, __ATOMIC_ACQUIRE), cons = b->cons, size = r->size;
        uint32_t n = prod >= cons ? prod - cons : prod + 2 * size - cons, at = cons % size;
        uint32_t upto_end = n < size - at ? n : size - at;
        const char *records = (const char *)(b + 1);
        if (cons >= 2 * size || prod >= 2 * size || n > size)
            return complain("CPU %u: somebody else reads the trace", cpu);
        rc = piece(t, out, cpu, records + at, upto_end) || piece(t, out, cpu, records, n - upto_end);
        __atomic_store_n(&b->cons, prod, __ATOMIC_RELEASE);
    }
    return rc;
}

static int follow(struct handles *h, struct trace *t, FILE *out, unsigned long seconds)
{
    struct rings r = {0};
    struct timespec now, end, pause = {.tv_nsec = POLL_NS};
    int rc = map_rings(h, &r);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)seconds;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    do {
        if (!rc)
            nanosleep(&pause, NULL);
        rc = rc || drain(&r, t, out);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!rc && !stopped && (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec)));
    xc_tbuf_disable(h->xc);
    return rc || drain(&r, t, out);
}

static int live(struct handles *h, struct trace *t, const char *path, unsigned long seconds)
{
    int lock = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB))
        return complain("another bh trace is running");
    FILE *out = path ? fopen(path, "wb") : NULL;
    int rc = path && !out ? complain("%s: %s", path, strerror(errno)) : follow(h, t, out, seconds);
    if (out && fclose(out) && !rc)
        rc = complain("%s: %s", path, strerror(errno));
    if (lock >= 0)
        close(lock);
    return rc;
}

static int from_file(struct trace *t, const char *path)
{
    FILE *f = fopen(path, "rb");
    struct err e;
    if (!f)
        return complain("%s: %s", path, strerror(errno));
    int rc = trace_read(t, f, &e);
    fclose(f);
    return rc ? complain("%s: %s", path, e.text) : 0;
}

int verb_trace(struct handles *h, int argc, char **argv)
{
    const char *out = NULL, *in = NULL, *text = NULL;
    for (int i = 1; i < argc; i += 2) {
        const char **option = !strcmp(argv[i], "-o") || !strcmp(argv[i], "--output") ? &out
                              : !strcmp(argv[i], "-r") || !strcmp(argv[i], "--read") ? &in
                              : !strcmp(argv[i], "-s") || !strcmp(argv[i], "--seconds") ? &text : NULL;
        if (!option || i + 1 == argc)
            return usage(argv[0], option ? "'%s' lacks its value" : "'%s' is no option", argv[i]);
        *option = argv[i + 1];
    }
    char *end = NULL;
    unsigned long seconds = text ? strtoul(text, &end, 10) : 1;
    if (text && (text[0] < '0' || text[0] > '9' || *end || !seconds || seconds > MAX_SECONDS))
        return complain("seconds: '%s' is not a number from 1 to %lu", text, MAX_SECONDS);
    if (in && (out || text))
        return usage(argv[0], "--read goes with no other option");
    xc_physinfo_t p = {0};
    struct trace *t = xc_physinfo(h->xc, &p) ? NULL : trace_new(p.cpu_khz, intel());
    if (!t)
        return complain("the machine's clock is not known: %s", strerror(errno));
    int rc = in ? from_file(t, in) : live(h, t, out, seconds);
    if (!rc)
        trace_print(t, stdout);
    trace_free(t);
    return rc;
}
