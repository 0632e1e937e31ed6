/* SPDX-License-Identifier: MIT */
/*
 * The trace from end to end: hypervisor/trace/trace.c writes rings in fake RAM, a reader takes them out as bh does, tools/lib/trace.c
 * sums them up.
 */
#include "trace/trace.h" /* Xen's errno names before the host's macros */
#include "mem/frames.h"
#include "lib/softirq.h"
#include "hv/fake_hv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/trace.h"
#include "case.h"

#define PAGES 2u
#define SIZE (PAGES * (uint32_t)PAGE_SIZE - (uint32_t)sizeof(struct t_buf))
PERCPU(uint32_t, softirq_pending);

static struct t_buf *ring[2];
static const struct t_info *info;

static void start(void)
{
    uint64_t first;
    int rc;
    nr_cpus = 2;
    fake_memory(16ull << 20);
    CHECK(trace_enable(true) == -ENODEV);
    CHECK(trace_table(&first) == 0 && first == 0);
    CHECK(trace_set_size(0) == -EINVAL && trace_set_size(TRACE_MAX_PAGES + 1) == -EINVAL);
    while ((rc = trace_set_size(PAGES)) == -ERESTART)
        CHECK(trace_set_size(PAGES + 1) == -EEXIST);
    CHECK(rc == 0 && trace_set_size(PAGES) == 0 && trace_set_size(PAGES + 1) == -EEXIST);
    CHECK(trace_table(&first) == PAGE_SIZE);
    info = mfn_to_virt(mfn(first));
    CHECK(info->tbuf_size == PAGES);
    for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
        ring[cpu] = mfn_to_virt(mfn(((const uint32_t *)info)[info->mfn_offset[cpu]]));
    CHECK(trace_enable(true) == 0);
}

/* Takes everything out of a ring, into `t` if it is given; the number of bytes. */
static uint32_t take(struct trace *t, unsigned cpu)
{
    struct t_buf *b = ring[cpu];
    uint32_t n = (b->prod + 2 * SIZE - b->cons) % (2 * SIZE), at = b->cons % SIZE, first = MIN(n, SIZE - at);
    struct err e;
    CHECK(n <= SIZE);
    CHECK(!t || (trace_feed(t, cpu, (char *)(b + 1) + at, first, &e) == 0 && trace_feed(t, cpu, b + 1, n - first, &e) == 0));
    b->cons = b->prod;
    return n;
}

static char *summary(struct trace *t)
{
    static char text[8192];
    FILE *f = fmemopen(text, sizeof(text), "w");
    trace_print(t, f);
    fclose(f);
    return text;
}

static void off_is_off(void)
{
    start();
    CHECK(trace_enable(false) == 0);
    TRACE(TRC_HVM_VMENTRY);
    CHECK(take(NULL, 0) == 0);
    trace_set_mask(TRC_SCHED);
    trace_enable(true);
    TRACE(TRC_HVM_VMENTRY);
    CHECK(take(NULL, 0) == 0);
    trace_set_mask(TRC_HVM_HANDLER); /* of the class HVM only this subclass */
    TRACE(TRC_HVM_VMENTRY);
    CHECK(take(NULL, 0) == 0);
    TRACE(TRC_HVM_INJ_VIRQ, 1, 2);
    CHECK(take(NULL, 0) == 20);
    trace_set_cpus(2);
    TRACE(TRC_HVM_INJ_VIRQ, 1, 2);
    CHECK(take(NULL, 0) == 0);
    fake_cpu = 1;
    TRACE(TRC_HVM_INJ_VIRQ, 1, 2);
    CHECK(take(NULL, 1) == 20);
}
CASE(off_is_off)

/* Records of every length go round the ring many times, and all come out. */
static void goes_round(void)
{
    start();
    struct trace *t = trace_new(1000, false);
    uint64_t records = 0;
    for (unsigned i = 0; i < 20000; i++, records++) {
        const uint32_t word[TRACE_EXTRA_MAX] = {i};
        trace_record(BH_TRC_EVENT_SEND, word, i % (TRACE_EXTRA_MAX + 1));
        if (i % 97 == 0)
            take(t, 0);
    }
    take(t, 0);
    char want[64];
    snprintf(want, sizeof(want), " %lu records, 0 lost", records);
    CHECK(strstr(summary(t), want));
    trace_free(t);
}
CASE(goes_round)

/* With nobody reading the ring fills, and what is lost is counted to the last record. */
static void lost(void)
{
    start();
    struct trace *t = trace_new(1000, false);
    unsigned kept = 0;
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t before = ring[0]->prod;
        TRACE(TRC_HVM_VMENTRY);
        kept += ring[0]->prod != before;
    }
    CHECK(kept > 500 && kept < 3000);
    CHECK(softirq_pending[0] == 1u << SOFTIRQ_TRACE);
    take(t, 0);
    TRACE(TRC_HVM_VMENTRY);
    take(t, 0);
    char want[64];
    snprintf(want, sizeof(want), " %u records, %u lost", kept + 2, 3000 - kept);
    CHECK(strstr(summary(t), want));
    trace_free(t);
}
CASE(lost)

/* Whatever the reader writes, the hypervisor writes into its ring and nowhere else. */
static void hostile_reader(void)
{
    start();
    char *behind = (char *)ring[1] + PAGES * PAGE_SIZE, guard[64];
    memcpy(guard, behind, sizeof(guard));
    fake_cpu = 1;
    for (unsigned i = 0; i < 100000; i++) {
        ring[1]->cons = i % 7 ? (uint32_t)rand() % (3 * SIZE) : ~(uint32_t)rand();
        ring[1]->prod = (uint32_t)rand();
        TRACE(TRC_HVM_INJ_VIRQ, i, 0);
        CHECK(ring[1]->prod < 2 * SIZE);
    }
    CHECK(memcmp(guard, behind, sizeof(guard)) == 0);
}
CASE(hostile_reader)

static void frames(void)
{
    uint64_t first;
    bool writable;
    start();
    trace_table(&first);
    CHECK(trace_frame(mfn(first), &writable) && !writable);
    CHECK(trace_frame(virt_to_mfn(ring[1]), &writable) && writable);
    CHECK(trace_frame(mfn_add(virt_to_mfn(ring[1]), 1), &writable) && !writable);
    CHECK(!trace_frame(frame_alloc(0), &writable));
    CHECK(!trace_frame(mfn(0), &writable) && !trace_frame(mfn(~0ull >> 12), &writable));
}
CASE(frames)

static void no_memory(void)
{
    nr_cpus = 2;
    fake_memory(2ull << 20); /* one MiB is there */
    uint64_t before = frames_free();
    int rc;
    while ((rc = trace_set_size(TRACE_MAX_PAGES / 2)) == -ERESTART)
        ;
    CHECK(rc == -ENOMEM && frames_free() == before && trace_enable(true) == -ENODEV);
}
CASE(no_memory)

/* Times: an exit lasts until the entry, or until its vCPU leaves the CPU. */
static void sums(void)
{
    const uint32_t who = 3 | 5u << 16, run = TRC_SCHED_RUNSTATE_CHANGE | 1u << 8, stop = TRC_SCHED_RUNSTATE_CHANGE | 2u << 4;
    const uint32_t s = (uint32_t)TRC_HD_CYCLE_FLAG, x3 = 3u << TRACE_EXTRA_SHIFT, x2 = 2u << TRACE_EXTRA_SHIFT, x1 = 1u << TRACE_EXTRA_SHIFT;
    const uint32_t records[] = {
        s | x1 | run, 1000, 0, who,
        s | x3 | TRC_HVM_VMEXIT64, 2000, 0, 0x81, 0, 0, s | x2 | TRC_HVM_VMMCALL, 2100, 0, 29, 1, s | TRC_HVM_VMENTRY, 5000, 0,
        s | x3 | TRC_HVM_VMEXIT64, 6000, 0, 0x78, 0, 0, s | x1 | stop, 6500, 0, who,
        s | x3 | TRC_HVM_VMEXIT64, 7000, 0, 0x78, 0, 0, /* of somebody unknown, and open at the end */
    };
    struct trace *t = trace_new(1000, false);
    struct err e;
    CHECK(trace_feed(t, 0, records, sizeof(records), &e) == 0);
    const char *text = summary(t);
    CHECK(strstr(text, "domain 5: ran 0.005 s in 1 turns"));
    CHECK(strstr(text, "vmmcall (81)                         1        3000.0   3000.00"));
    CHECK(strstr(text, "hlt (78)                             1         500.0    500.00"));
    CHECK(strstr(text, "sched_op (29) 1                      1        3000.0   3000.00"));
    trace_free(t);
}
CASE(sums)

static int read_bytes(const void *bytes, size_t n, struct err *e)
{
    struct trace *t = trace_new(1000, true);
    FILE *f = fmemopen((void *)bytes, n, "r");
    int rc = trace_read(t, f, e);
    fclose(f);
    trace_free(t);
    return rc;
}

static void broken_files(void)
{
    struct err e;
    struct { struct trace_piece p; uint32_t r[3]; } good = {trace_piece(1, 12), {TRC_HVM_VMENTRY | (uint32_t)TRC_HD_CYCLE_FLAG, 0, 0}}, bad = good;
    CHECK(read_bytes(&good, sizeof(good), &e) == 0);
    CHECK(read_bytes(&good, sizeof(good) - 1, &e) && strstr(e.text, "ends within CPU 1's records"));
    CHECK(read_bytes(&good, 5, &e) && strstr(e.text, "within a piece's head"));
    bad.p.cpu = 64;
    CHECK(read_bytes(&bad, sizeof(bad), &e) && strstr(e.text, "no CPU 64"));
    bad = good;
    bad.p.bytes = ~0u;
    CHECK(read_bytes(&bad, sizeof(bad), &e) && strstr(e.text, "256 MiB"));
    bad = good;
    bad.r[0] |= 7u << TRACE_EXTRA_SHIFT;
    CHECK(read_bytes(&bad, sizeof(bad), &e) && strstr(e.text, "ends behind its piece"));
    bad.p.header = 1;
    CHECK(read_bytes(&bad, sizeof(bad), &e) && strstr(e.text, "no trace"));
    for (unsigned i = 0; i < 20000; i++) { /* any records: an error or sums, and no more */
        bad = good;
        for (unsigned k = 0; k < 3; k++)
            bad.r[k] = (uint32_t)rand();
        read_bytes(&bad, sizeof(bad), &e);
    }
}
CASE(broken_files)

int main(void)
{
    CU_TestInfo tests[] = {{"off is off", test_off_is_off}, {"goes round", test_goes_round}, {"lost records", test_lost},
        {"hostile reader", test_hostile_reader}, {"frames", test_frames}, {"no memory", test_no_memory}, {"sums", test_sums},
        {"broken files", test_broken_files}, CU_TEST_INFO_NULL};
    return suite_run("trace", NULL, tests);
}
