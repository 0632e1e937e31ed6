/* SPDX-License-Identifier: MIT */
/*
 * The profiler's two sides. Hypervisor: call/profile.c's NMI handler, fed with stacks good and bad, writes samples into real rings by
 * its softirq. Tools: tools/lib/profile.c makes folded stacks and perf's text of them, with names of tools/lib/symbols.c.
 */
#include "call/call.h"
#include "irq/apic.h"
#include "lib/softirq.h"
#include "trace/trace.h"
#include "mem/frames.h"
#include "hv/fake_hv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/profile.h"
#include "case.h"

#define PAGES 4u
#define SIZE (PAGES * (uint32_t)PAGE_SIZE - (uint32_t)sizeof(struct t_buf))
PERCPU(uint32_t, softirq_pending);

/* --- what call/profile.c stands on --- */

static struct vcpu vcpu;
static bool idle;
static unsigned nmi_to, nmis;
static struct timer *timer;
struct sched_unit *sched_current(void) { return idle ? NULL : &vcpu.sched; }
void apic_kick(unsigned cpu) { (void)cpu; }
void apic_nmi(unsigned cpu) { nmi_to = cpu, nmis++; }
uint64_t now_ns(void) { return 1000; }
void timer_init(struct timer *t, void (*fn)(void *), void *arg) { *t = (struct timer){.fn = fn, .arg = arg}; }
void timer_set(struct timer *t, uint64_t when) { t->when = when, timer = t; }

static struct t_buf *ring[2];

static void start(unsigned cpus)
{
    uint64_t first;
    nr_cpus = cpus;
    fake_memory(16ull << 20);
    while (trace_set_size(PAGES) == -ERESTART)
        ;
    trace_table(&first);
    const struct t_info *info = mfn_to_virt(mfn(first));
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        ring[cpu] = mfn_to_virt(mfn(((const uint32_t *)info)[info->mfn_offset[cpu]]));
    trace_set_mask(TRC_HW_PM);
    CHECK(trace_enable(true) == 0);
    vcpu.sched.who = 3 | 5u << 16;
    vcpu.hv.regs.rip = 0x401234;
}

static const char *name(void *arg, uint32_t domid)
{
    CHECK(arg == NULL);
    return domid == 5 ? "five" : "other";
}

static struct profile *profile(FILE *perf)
{
    struct profile *p = profile_new(1000, name, NULL, perf);
    struct symbols *own = profile_symbols(p, PROFILE_HYPERVISOR), *five = profile_symbols(p, 5);
    CHECK(symbols_add(own, 0xffffffff80002000, "act") == 0 && symbols_add(own, 0xffffffff80001000, "loop") == 0);
    CHECK(symbols_add(five, 0x401000, "work") == 0);
    symbols_sort(own);
    symbols_sort(five);
    return p;
}

/* What is in the ring of this CPU, as folded stacks. */
static char *folded(void)
{
    static char text[8192];
    struct profile *p = profile(NULL);
    struct err e;
    struct t_buf *b = ring[fake_cpu];
    FILE *f = fmemopen(text, sizeof(text), "w");
    CHECK(b->prod < SIZE && profile_feed(p, fake_cpu, (char *)(b + 1) + b->cons, b->prod - b->cons, &e) == 0);
    b->cons = b->prod;
    CHECK(profile_end(p, &e) == 0);
    profile_print(p, f);
    fclose(f);
    profile_free(p);
    return text;
}

/* --- the hypervisor's side --- */

static void off_is_off(void)
{
    start(2);
    profile_nmi(0xffffffff80002010, 0, 0);
    CHECK(!softirq_pending[0]);
    CHECK(profile_set(999999) == -EINVAL && profile_set(1000000001) == -EINVAL && profile_set(1000000) == 0);
    CHECK(softirq_pending[0] == 1u << SOFTIRQ_PROFILE && softirq_pending[1] == 1u << SOFTIRQ_PROFILE);
    profile_softirq();
    CHECK(timer && timer->when == 1001000);
    timer->when = 0;
    timer->fn(timer->arg);
    CHECK(nmis == 1 && nmi_to == 1 && timer->when == 1001000);
    timer->when = 0;
    trace_set_mask(TRC_SCHED); /* nobody reads samples: it ends by itself */
    timer->fn(timer->arg);
    CHECK(nmis == 1 && timer->when == 0);
    softirq_pending[0] = 0;
    profile_nmi(0xffffffff80002010, 0, 0);
    CHECK(!softirq_pending[0]);
}
CASE(off_is_off)

static void stacks(void)
{
    uint64_t stack[40] = {0}, a = (uint64_t)stack;
    start(2);
    CHECK(profile_set(1000000) == 0);
    profile_top[0] = (uint64_t)&stack[30];
    stack[4] = (uint64_t)&stack[10], stack[5] = 0xffffffff80002fff; /* the caller, called from act */
    stack[10] = (uint64_t)&stack[30], stack[11] = 0xffffffff80001008;
    profile_nmi(0xffffffff80002010, a, (uint64_t)&stack[4]);
    profile_nmi(0xffffffff80002010, a, 0x4141414141414141);      /* a guest's RBP */
    profile_nmi(0xffffffff80002010, a, (uint64_t)&stack[30]);    /* the loop itself */
    profile_nmi(0xffffffff80002010, a, (uint64_t)&stack[4] + 1);
    stack[10] = (uint64_t)&stack[4];                             /* goes round */
    profile_nmi(0xffffffff80002010, a, (uint64_t)&stack[10]);
    profile_nmi(0, a, 0);
    profile_guest(&vcpu);
    CHECK(softirq_pending[0] & 1u << SOFTIRQ_PROFILE);
    profile_softirq();
    const char *text = folded();
    CHECK(strstr(text, "five;[hypervisor];loop;act;act 1\n"));
    CHECK(strstr(text, "five;[hypervisor];act 3\n"));
    CHECK(strstr(text, "five;[hypervisor];loop;act 1\n"));
    CHECK(strstr(text, "five;work 1\n"));
    idle = true;
    profile_nmi(0xffffffff80001010, a, 0);
    profile_softirq();
    CHECK(strcmp(folded(), "idle;[hypervisor];loop 1\n") == 0);
}
CASE(stacks)

/* The handler runs while nobody takes samples away: it stops at its last slot. */
static void too_many(void)
{
    start(2);
    CHECK(profile_set(1000000) == 0);
    for (unsigned i = 0; i < 100; i++)
        profile_nmi(0xffffffff80002010, 0, 0);
    profile_softirq();
    CHECK(strcmp(folded(), "five;[hypervisor];act 8\n") == 0);
    profile_nmi(0xffffffff80002010, 0, 0);
    profile_softirq();
    CHECK(strcmp(folded(), "five;[hypervisor];act 1\n") == 0);
}
CASE(too_many)

static void one_cpu(void)
{
    start(1);
    CHECK(profile_set(1000000) == 0);
    profile_softirq();
    timer->fn(timer->arg);
    CHECK(nmis == 0);
    profile_softirq();
    CHECK(strcmp(folded(), "five;work 1\n") == 0);
}
CASE(one_cpu)

/* --- the tools' side --- */

static void perf_text(void)
{
    static char text[4096];
    FILE *f = fmemopen(text, sizeof(text), "w");
    struct profile *p = profile(f);
    struct err e;
    const uint32_t s = (uint32_t)TRC_HD_CYCLE_FLAG, lost = TRC_LOST_RECORDS | 4u << TRACE_EXTRA_SHIFT;
    const uint32_t records[] = {
        s | 5u << TRACE_EXTRA_SHIFT | BH_TRC_SAMPLE, 2500000, 0, 3 | 5u << 16, 0x401234, 0, 0x80002010, 0xffffffff,
        s | 2u << TRACE_EXTRA_SHIFT | BH_TRC_CALLERS, 2500000, 0, 0x80001009, 0x80000800,
        s | lost, 2600000, 0, 7, 0, 0, 0,
        s | 5u << TRACE_EXTRA_SHIFT | BH_TRC_SAMPLE, 2700000, 0, 3 | 6u << 16, 0x99, 0, 0, 0,
    };
    CHECK(profile_feed(p, 1, records, sizeof(records), &e) == 0 && profile_end(p, &e) == 0);
    fflush(f);
    CHECK(strstr(text, "five 5/3 [001] 2.500000: 1 cpu-clock: \n\tffffffff80002010 act+0x10 ([hypervisor])\n"
                       "\tffffffff80001009 loop+0x9 ([hypervisor])\n\tffffffff80000800 [unknown] ([hypervisor])\n\n"));
    CHECK(strstr(text, "other 6/3 [001] 2.700000: 1 cpu-clock: \n\t              99 [unknown] ([guest])\n\n"));
    fclose(f);
    f = fmemopen(text, sizeof(text), "w");
    profile_summary(p, f);
    fclose(f);
    CHECK(strstr(text, "2 samples: 50.0 % in guests, 50.0 % in the hypervisor for them, 0.0 % idle; 7 records lost"));
    profile_free(p);
}
CASE(perf_text)

static int load(const void *bytes, size_t n, struct symbols *t, struct err *e)
{
    char path[] = "/tmp/bulkhead-symbols-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
    *t = (struct symbols){0};
    int rc = symbols_load(t, path, e);
    unlink(path);
    symbols_sort(t);
    return rc;
}

static void symbol_files(void)
{
    static const char map[] = "ffffffff81000100 T second\nffffffff81000000 t first\t[module]\n0000000000001000 D data\n";
    struct symbols t;
    uint64_t offset;
    struct err e;
    CHECK(load(map, sizeof(map) - 1, &t, &e) == 0 && t.n == 2);
    CHECK(strcmp(symbols_find(&t, 0xffffffff810000ff, &offset), "first") == 0 && offset == 0xff);
    CHECK(strcmp(symbols_find(&t, 0xffffffff81000100, &offset), "second") == 0 && offset == 0);
    CHECK(!symbols_find(&t, 5, &offset) && !symbols_find(&t, 0xffffffffc0000000, &offset));
    symbols_free(&t);
    CHECK(load("nonsense\n", 9, &t, &e) && strstr(e.text, "no line"));
    CHECK(load("1 D x\n", 6, &t, &e) && strstr(e.text, "no function"));
    symbols_free(&t);
    CHECK(symbols_load(&t, "/nowhere/at/all", &e) && strstr(e.text, "/nowhere/at/all: No such file"));
    CHECK(symbols_load(&t, "/proc/self/exe", &e) == 0); /* this program */
    symbols_sort(&t);
    bool found = false;
    for (size_t i = 0; i < t.n; i++)
        found |= strcmp(t.s[i].name, "symbols_load") == 0;
    CHECK(found);
    symbols_free(&t);
}
CASE(symbol_files)

/* An ELF file with any byte wrong: symbols or an error, and no more. */
static void broken_elf(void)
{
    char *bytes = malloc(1 << 22);
    FILE *f = fopen("/proc/self/exe", "r");
    size_t n = fread(bytes, 1, 1 << 22, f);
    struct symbols t;
    struct err e;
    fclose(f);
    CHECK(n > 4096);
    for (unsigned i = 0; i < 120; i++) {
        char was = bytes[i % 64];
        bytes[i % 64] = (char)rand();
        load(bytes, i % 2 ? n : (size_t)rand() % n, &t, &e);
        symbols_free(&t);
        bytes[i % 64] = was;
    }
    CHECK(load(bytes, 60, &t, &e) && strstr(e.text, "ends within its head"));
    free(bytes);
}
CASE(broken_elf)

int main(void)
{
    CU_TestInfo tests[] = {{"off is off", test_off_is_off}, {"stacks", test_stacks}, {"too many", test_too_many}, {"one CPU", test_one_cpu},
        {"perf's text", test_perf_text}, {"symbol files", test_symbol_files}, {"broken ELF", test_broken_elf}, CU_TEST_INFO_NULL};
    return suite_run("profile", NULL, tests);
}
