/* SPDX-License-Identifier: MIT */
/* See rings.h. The rings belong to domain DOMID_XEN; what we write into them is how far we have read. */
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
#include "tools/bh/rings.h"

#define LOCK_FILE "/run/bulkhead/trace.lock" /* two readers would take each other's records */
#define RING_PAGES 64u
#define MAX_TABLE_PAGES 65u /* its offsets are 16 bits, in words */
#define POLL_NS 10000000l

static volatile sig_atomic_t stopped;
static void stop(int signal)
{
    stopped = signal;
}

int rings_open(struct rings *r)
{
    *r = (struct rings){.lock = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (r->lock >= 0 && flock(r->lock, LOCK_EX | LOCK_NB)) {
        close(r->lock);
        return complain("another bh trace or bh profile is running");
    }
    return 0;
}

void rings_close(struct rings *r)
{
    if (r->lock >= 0)
        close(r->lock);
}

static void *map(struct handles *h, const uint32_t *frame, size_t n, int prot)
{
    xen_pfn_t *pfn = calloc(n, sizeof(*pfn));
    for (size_t i = 0; pfn && i < n; i++)
        pfn[i] = frame[i];
    void *p = pfn ? xenforeignmemory_map(h->mem, DOMID_XEN, prot, n, pfn, NULL) : NULL;
    free(pfn);
    return p;
}

static int map_rings(struct handles *h, struct rings *r, uint32_t events)
{
    unsigned long first = 0, bytes = 0; /* of the table */
    if (xc_tbuf_set_evt_mask(h->xc, events) || xc_tbuf_enable(h->xc, RING_PAGES, &first, &bytes))
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

static int drain(struct rings *r, ring_fn *fn, void *arg)
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
        rc = (upto_end && fn(arg, cpu, records + at, upto_end)) || (n > upto_end && fn(arg, cpu, records, n - upto_end));
        __atomic_store_n(&b->cons, prod, __ATOMIC_RELEASE);
    }
    return rc;
}

int rings_follow(struct rings *r, struct handles *h, uint32_t events, unsigned long seconds, int (*began)(struct handles *h, void *arg),
                 ring_fn *fn, void *arg)
{
    struct timespec now, end, pause = {.tv_nsec = POLL_NS};
    int rc = map_rings(h, r, events) || (began && began(h, arg));
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)seconds;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    do {
        if (!rc)
            nanosleep(&pause, NULL);
        rc = rc || drain(r, fn, arg);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!rc && !stopped && (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec)));
    xc_tbuf_disable(h->xc);
    return rc || drain(r, fn, arg);
}

int need_number(const char *what, const char *text, unsigned long otherwise, unsigned long most, unsigned long *n)
{
    char *end = NULL;
    *n = text ? strtoul(text, &end, 10) : otherwise;
    if (text && (text[0] < '0' || text[0] > '9' || *end || !*n || *n > most))
        return complain("%s: '%s' is not a number from 1 to %lu", what, text, most);
    return 0;
}
