/* SPDX-License-Identifier: MIT */
/*
 * Sums over a trace; see trace.h. A vCPU is in the hypervisor from its VMEXIT to its next VMENTRY on that CPU; when it leaves the CPU
 * before, only until then. That time counts for the exit's reason, and for the first hypercall in it.
 */
#define __XEN_TOOLS__ 1 /* the present numbers of hypercalls */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include "bulkhead/ext.h"
#include "bulkhead/trace.h"
#include "tools/lib/trace.h"

#define NOBODY UINT32_MAX
#define RUNNING 0u /* RUNSTATE_running */

struct tally { uint64_t key, count, ticks; };
struct tallies { struct tally *t; size_t n; };
struct domain_sums {
    uint32_t id; /* NOBODY: not known yet who was on that CPU */
    uint64_t ran, wakes, sends, injections, switches;
    struct tallies exits, calls; /* calls: number << 32 | operation */
};
struct cpu {
    uint32_t who; /* vCPU, domain << 16 */
    bool inside, called, known;
    uint64_t exit_at, reason, call, since, first, last;
};
struct trace {
    uint32_t khz;
    bool intel;
    uint64_t records, lost;
    struct cpu cpu[TRACE_MAX_CPUS];
    struct domain_sums *dom;
    size_t doms;
    bool no_memory;
};

struct trace *trace_new(uint32_t khz, bool intel)
{
    struct trace *t = calloc(1, sizeof(*t));
    for (unsigned c = 0; t && c < TRACE_MAX_CPUS; c++)
        t->cpu[c].who = NOBODY;
    if (t) {
        t->khz = khz ? khz : 1;
        t->intel = intel;
    }
    return t;
}

void trace_free(struct trace *t)
{
    for (size_t i = 0; t && i < t->doms; i++) {
        free(t->dom[i].exits.t);
        free(t->dom[i].calls.t);
    }
    if (t)
        free(t->dom);
    free(t);
}

/* --- sums --- */

static struct domain_sums *domain(struct trace *t, uint32_t who)
{
    static struct domain_sums scrap;
    uint32_t id = who == NOBODY ? NOBODY : who >> 16;
    for (size_t i = 0; i < t->doms; i++)
        if (t->dom[i].id == id)
            return &t->dom[i];
    struct domain_sums *more = realloc(t->dom, (t->doms + 1) * sizeof(*more));
    if (!more) {
        t->no_memory = true;
        return &scrap;
    }
    t->dom = more;
    t->dom[t->doms] = (struct domain_sums){.id = id};
    return &t->dom[t->doms++];
}

static void count(struct trace *t, struct tallies *s, uint64_t key, uint64_t ticks)
{
    size_t i = 0;
    while (i < s->n && s->t[i].key != key)
        i++;
    if (i == s->n) {
        struct tally *more = realloc(s->t, (s->n + 1) * sizeof(*more));
        if (!more) {
            t->no_memory = true;
            return;
        }
        s->t = more;
        s->t[s->n++] = (struct tally){.key = key};
    }
    s->t[i].count++;
    s->t[i].ticks += ticks;
}

/* --- records --- */

static void leave_hypervisor(struct trace *t, struct cpu *c, uint64_t now)
{
    struct domain_sums *d = domain(t, c->who);
    if (c->inside) {
        count(t, &d->exits, c->reason, now - c->exit_at);
        if (c->called)
            count(t, &d->calls, c->call, now - c->exit_at);
    }
    c->inside = c->called = false;
}

static void runstate(struct trace *t, struct cpu *c, uint32_t event, uint32_t who, uint64_t now)
{
    uint32_t from = event >> 8 & 3, to = event >> 4 & 3;
    if (from == RUNNING) {
        leave_hypervisor(t, c, now);
        if (c->who == who)
            domain(t, who)->ran += now - c->since;
        c->who = NOBODY;
    }
    if (to == RUNNING) {
        c->inside = c->called = false;
        c->who = who;
        c->since = now;
        domain(t, who)->switches++;
    }
}

static void record(struct trace *t, struct cpu *c, const struct trace_record *r, uint64_t now)
{
    const uint32_t event = r->event, *w = r->word;
    if ((event & ~0xff0u) == TRC_SCHED_RUNSTATE_CHANGE && r->words >= 1) {
        runstate(t, c, event, w[0], now);
    } else if (event == TRC_SCHED_WAKE && r->words >= 2) {
        domain(t, w[0] << 16)->wakes++;
    } else if (event == BH_TRC_EVENT_SEND && r->words >= 2) {
        domain(t, w[0])->sends++;
    } else if (event == TRC_HVM_INJ_VIRQ) {
        domain(t, c->who)->injections++;
    } else if (event == TRC_HVM_VMEXIT64 && r->words >= 1) {
        c->inside = true;
        c->called = false;
        c->reason = w[0];
        c->exit_at = now;
    } else if (event == TRC_HVM_VMMCALL && r->words >= 2 && !c->called) {
        c->called = true;
        c->call = (uint64_t)w[0] << 32 | w[1];
    } else if (event == TRC_HVM_VMENTRY) {
        leave_hypervisor(t, c, now);
    } else if (event == TRC_LOST_RECORDS && r->words >= 1) {
        t->lost += w[0];
        c->inside = c->called = false; /* what is open now has no known end */
        c->who = NOBODY;
    }
}

static void sum_up(void *arg, unsigned cpu, const struct trace_record *r)
{
    struct trace *t = arg;
    struct cpu *c = &t->cpu[cpu];
    if (r->tsc) {
        c->last = r->tsc;
        if (!c->known)
            c->first = c->last;
        c->known = true;
    }
    t->records += r->event != TRC_TRACE_WRAP_BUFFER;
    record(t, c, r, c->last);
}

int trace_walk(unsigned cpu, const void *records, size_t bytes, void (*fn)(void *arg, unsigned cpu, const struct trace_record *r), void *arg,
               struct err *e)
{
    const char *at = records, *end = at + bytes;
    if (cpu >= TRACE_MAX_CPUS)
        return err_set(e, "trace: there is no CPU %u", cpu);
    while (at < end) {
        uint32_t word[3 + TRACE_EXTRA_MAX], header;
        if (end - at < 4)
            return err_set(e, "trace: CPU %u: %zu bytes behind the last record", cpu, (size_t)(end - at));
        memcpy(&header, at, 4);
        unsigned stamp = TRC_HD_INCLUDES_CYCLE_COUNT(header) ? 2 : 0, n = TRC_HD_EXTRA(header);
        size_t size = (1 + stamp + n) * 4;
        if ((size_t)(end - at) < size)
            return err_set(e, "trace: CPU %u: the record at %zu of %zu ends behind its piece", cpu, (size_t)(at - (const char *)records), bytes);
        memcpy(word, at, size);
        struct trace_record r = {TRC_HD_TO_EVENT(header), word + 1 + stamp, n, stamp ? word[1] | (uint64_t)word[2] << 32 : 0};
        fn(arg, cpu, &r);
        at += size;
    }
    return 0;
}

int trace_feed(struct trace *t, unsigned cpu, const void *records, size_t bytes, struct err *e)
{
    int rc = trace_walk(cpu, records, bytes, sum_up, t, e);
    return !rc && t->no_memory ? err_set(e, "trace: no memory") : rc;
}

struct trace_piece trace_piece(unsigned cpu, size_t bytes)
{
    return (struct trace_piece){TRC_TRACE_CPU_CHANGE | 2u << TRACE_EXTRA_SHIFT, cpu, (uint32_t)bytes};
}

int trace_read(struct trace *t, FILE *f, struct err *e)
{
    static const size_t most = 256u << 20;
    struct trace_piece p;
    size_t got;
    while ((got = fread(&p, 1, sizeof(p), f)) == sizeof(p)) {
        char *piece = p.header == trace_piece(0, 0).header && p.bytes <= most ? malloc(p.bytes + 1u) : NULL;
        if (!piece)
            return err_set(e, "trace: this is no trace, or a broken one: %s", p.bytes <= most ? "no CPU's records where some should begin"
                                                                                              : "a piece of more than 256 MiB");
        int rc = fread(piece, 1, p.bytes, f) == p.bytes ? trace_feed(t, p.cpu, piece, p.bytes, e)
                                                        : err_set(e, "trace: the file ends within CPU %u's records", p.cpu);
        free(piece);
        if (rc)
            return rc;
    }
    return got || ferror(f) ? err_set(e, "trace: %s", ferror(f) ? "it cannot be read" : "the file ends within a piece's head") : 0;
}

/* --- the summary --- */

/* By AMD's APM volume 2, appendix C; from 60h on. */
static const char *const svm_names[] = {
    "intr", "nmi", "smi", "init", "vintr", "cr0 write", "idtr read", "gdtr read", "ldtr read", "tr read", "idtr write",
    "gdtr write", "ldtr write", "tr write", "rdtsc", "rdpmc", "pushf", "popf", "cpuid", "rsm", "iret", "int n", "invd", "pause",
    "hlt", "invlpg", "invlpga", "io", "msr", "task switch", "ferr freeze", "shutdown", "vmrun", "vmmcall", "vmload", "vmsave",
    "stgi", "clgi", "skinit", "rdtscp", "icebp", "wbinvd", "monitor", "mwait", "mwait armed", "xsetbv",
};
/* By Intel's SDM volume 3, appendix C. */
static const char *const vmx_names[] = {
    [0] = "exception or nmi", [1] = "interrupt", [2] = "triple fault", [3] = "init", [4] = "sipi", [7] = "interrupt window",
    [8] = "nmi window", [9] = "task switch", [10] = "cpuid", [12] = "hlt", [13] = "invd", [14] = "invlpg", [15] = "rdpmc",
    [16] = "rdtsc", [18] = "vmcall", [28] = "cr access", [29] = "mov dr", [30] = "io", [31] = "rdmsr", [32] = "wrmsr",
    [33] = "invalid guest state", [36] = "mwait", [39] = "monitor", [40] = "pause", [43] = "tpr below threshold",
    [44] = "apic access", [45] = "virtualized eoi", [46] = "gdtr or idtr", [47] = "ldtr or tr", [48] = "ept violation",
    [49] = "ept misconfiguration", [52] = "preemption timer", [54] = "wbinvd", [55] = "xsetbv", [56] = "apic write",
};
static const char *const call_names[64] = {
    [__HYPERVISOR_platform_op] = "platform_op", [__HYPERVISOR_memory_op] = "memory_op", [__HYPERVISOR_multicall] = "multicall",
    [__HYPERVISOR_set_timer_op] = "set_timer_op", [__HYPERVISOR_xen_version] = "xen_version", [__HYPERVISOR_console_io] = "console_io",
    [__HYPERVISOR_grant_table_op] = "grant_table_op", [__HYPERVISOR_vm_assist] = "vm_assist", [__HYPERVISOR_vcpu_op] = "vcpu_op",
    [__HYPERVISOR_sched_op] = "sched_op", [__HYPERVISOR_event_channel_op] = "event_channel_op",
    [__HYPERVISOR_physdev_op] = "physdev_op", [__HYPERVISOR_hvm_op] = "hvm_op", [__HYPERVISOR_sysctl] = "sysctl",
    [__HYPERVISOR_domctl] = "domctl", [BH_HYPERCALL] = "bulkhead_op",
};

static const char *exit_name(const struct trace *t, uint64_t code)
{
    const char *const *names = t->intel ? vmx_names : svm_names;
    uint64_t first = t->intel ? 0 : 0x60, n = (t->intel ? sizeof(vmx_names) : sizeof(svm_names)) / sizeof(*names);
    if (!t->intel && code == 0x400)
        return "nested page fault";
    return code >= first && code - first < n && names[code - first] ? names[code - first] : "other";
}

static int by_ticks(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return x->ticks < y->ticks ? 1 : -(x->ticks > y->ticks);
}

static void sort(struct tallies *s)
{
    if (s->n)
        qsort(s->t, s->n, sizeof(*s->t), by_ticks);
}

static double us(const struct trace *t, uint64_t ticks)
{
    return (double)ticks * 1000 / t->khz;
}

static void line(const struct trace *t, FILE *out, const char *name, const struct tally *y)
{
    fprintf(out, "    %-28s %9llu %13.1f %9.2f\n", name, (unsigned long long)y->count, us(t, y->ticks), us(t, y->ticks) / (double)y->count);
}

static void print_domain(const struct trace *t, const struct domain_sums *d, FILE *out)
{
    char name[64];
    if (d->id == NOBODY)
        fprintf(out, "\ndomains not known yet\n");
    else
        fprintf(out, "\ndomain %u: ran %.3f s in %llu turns; woken %llu times, %llu events sent to it, %llu interrupts injected\n", d->id,
                us(t, d->ran) / 1e6, (unsigned long long)d->switches, (unsigned long long)d->wakes, (unsigned long long)d->sends,
                (unsigned long long)d->injections);
    if (d->exits.n)
        fprintf(out, "    %-28s %9s %13s %9s\n", "exit", "count", "us in all", "us each");
    for (size_t i = 0; i < d->exits.n; i++) {
        snprintf(name, sizeof(name), "%s (%llx)", exit_name(t, d->exits.t[i].key), (unsigned long long)d->exits.t[i].key);
        line(t, out, name, &d->exits.t[i]);
    }
    if (d->calls.n)
        fprintf(out, "    %-28s %9s %13s %9s\n", "hypercall, operation", "count", "us in all", "us each");
    for (size_t i = 0; i < d->calls.n; i++) {
        uint32_t number = (uint32_t)(d->calls.t[i].key >> 32), op = (uint32_t)d->calls.t[i].key;
        const char *call = number < 64 && call_names[number] ? call_names[number] : "unknown";
        if (number == __HYPERVISOR_set_timer_op || number == __HYPERVISOR_multicall) /* the first argument is a time, an address */
            snprintf(name, sizeof(name), "%s", call);
        else
            snprintf(name, sizeof(name), "%s (%u) %u", call, number, op);
        line(t, out, name, &d->calls.t[i]);
    }
}

static int by_id(const void *a, const void *b)
{
    const struct domain_sums *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

void trace_print(const struct trace *t, FILE *out)
{
    uint64_t ticks = 0;
    for (unsigned c = 0; c < TRACE_MAX_CPUS; c++)
        if (t->cpu[c].last - t->cpu[c].first > ticks)
            ticks = t->cpu[c].last - t->cpu[c].first;
    fprintf(out, "%.3f s, %llu records, %llu lost\n", us(t, ticks) / 1e6, (unsigned long long)t->records, (unsigned long long)t->lost);
    if (t->doms)
        qsort(t->dom, t->doms, sizeof(*t->dom), by_id);
    for (size_t i = 0; i < t->doms; i++) {
        sort(&t->dom[i].exits);
        sort(&t->dom[i].calls);
        if (t->dom[i].id != BH_TRC_IDLE_DOMAIN)
            print_domain(t, &t->dom[i], out);
    }
}
