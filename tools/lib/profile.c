/* SPDX-License-Identifier: MIT */
/*
 * See profile.h. A sample is whole when its CPU records something that does not belong to it. Stacks are kept as the text that is
 * printed for them, in a hash table.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "bulkhead/trace.h"
#include "tools/lib/profile.h"
#include "tools/lib/trace.h"

#define CALLERS 32u
#define STACK_TEXT 2048u
#define BUCKETS 4096u
#define HYPERVISOR_HALF 0xffffffff00000000ull /* of its code's addresses */

struct sample { bool open; uint64_t tsc, guest, own; uint32_t who; unsigned callers; uint64_t caller[CALLERS]; };
struct stack { struct stack *next; uint64_t count; char text[]; };
struct table { uint32_t domid; struct symbols symbols; struct table *next; };
struct profile {
    uint32_t khz;
    const char *(*name)(void *arg, uint32_t domid);
    void *arg;
    FILE *perf;
    struct table *tables;
    struct stack *bucket[BUCKETS];
    struct sample cpu[TRACE_MAX_CPUS];
    uint64_t idle, guests, own, lost;
    bool no_memory;
};

struct profile *profile_new(uint32_t khz, const char *(*name)(void *arg, uint32_t domid), void *arg, FILE *perf)
{
    struct profile *p = calloc(1, sizeof(*p));
    if (p) {
        p->khz = khz ? khz : 1;
        p->name = name;
        p->arg = arg;
        p->perf = perf;
    }
    return p;
}

void profile_free(struct profile *p)
{
    for (unsigned b = 0; p && b < BUCKETS; b++)
        for (struct stack *s = p->bucket[b], *next; s; s = next) {
            next = s->next;
            free(s);
        }
    for (struct table *t = p ? p->tables : NULL, *next; t; t = next) {
        next = t->next;
        symbols_free(&t->symbols);
        free(t);
    }
    free(p);
}

static struct table *table(const struct profile *p, uint32_t domid)
{
    struct table *t = p->tables;
    while (t && t->domid != domid)
        t = t->next;
    return t;
}

struct symbols *profile_symbols(struct profile *p, uint32_t domid)
{
    struct table *t = table(p, domid);
    if (!t && (t = calloc(1, sizeof(*t)))) {
        t->domid = domid;
        t->next = p->tables;
        p->tables = t;
    }
    return t ? &t->symbols : NULL;
}

/* --- samples in words --- */

static const char *domain_name(const struct profile *p, uint32_t who)
{
    return who >> 16 == BH_TRC_IDLE_DOMAIN ? "idle" : p->name(p->arg, who >> 16);
}

/* What is at that address of a domain's: the symbol and how far behind it; a bare address has no name. */
static const char *symbol(const struct profile *p, uint32_t domid, uint64_t address, uint64_t *offset)
{
    const struct table *t = table(p, domid);
    return t ? symbols_find(&t->symbols, address, offset) : NULL;
}

struct text { size_t n; char s[STACK_TEXT]; };

static void append(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, fmt, ap);
    va_end(ap);
    t->n += n > 0 ? (size_t)n : 0;
    if (t->n >= sizeof(t->s))
        t->n = sizeof(t->s) - 1;
}

static void fold_frame(const struct profile *p, struct text *t, uint32_t domid, uint64_t address)
{
    uint64_t offset;
    const char *name = symbol(p, domid, address, &offset);
    if (name)
        append(t, ";%s", name);
    else
        append(t, ";0x%llx", (unsigned long long)address);
}

/* A return address may be behind its function's end: the call before it is what counts. */
static void fold(const struct profile *p, const struct sample *s, struct text *t)
{
    append(t, "%s", domain_name(p, s->who));
    if (!s->own) {
        fold_frame(p, t, s->who >> 16, s->guest);
        return;
    }
    append(t, ";[hypervisor]");
    for (unsigned i = s->callers; i--;)
        fold_frame(p, t, PROFILE_HYPERVISOR, s->caller[i] - 1);
    fold_frame(p, t, PROFILE_HYPERVISOR, s->own);
}

static void perf_frame(const struct profile *p, uint32_t domid, uint64_t address, uint64_t named_by, const char *where)
{
    uint64_t offset;
    const char *name = symbol(p, domid, named_by, &offset);
    if (name)
        fprintf(p->perf, "\t%16llx %s+0x%llx (%s)\n", (unsigned long long)address, name, (unsigned long long)(offset + address - named_by), where);
    else
        fprintf(p->perf, "\t%16llx [unknown] (%s)\n", (unsigned long long)address, where);
}

static void print_perf(const struct profile *p, unsigned cpu, const struct sample *s)
{
    double seconds = (double)s->tsc / 1000 / p->khz;
    fprintf(p->perf, "%s %u/%u [%03u] %.6f: 1 cpu-clock: \n", domain_name(p, s->who), s->who >> 16, s->who & 0xffff, cpu, seconds);
    if (s->own)
        perf_frame(p, PROFILE_HYPERVISOR, s->own, s->own, "[hypervisor]");
    else
        perf_frame(p, s->who >> 16, s->guest, s->guest, "[guest]");
    for (unsigned i = 0; i < s->callers; i++)
        perf_frame(p, PROFILE_HYPERVISOR, s->caller[i], s->caller[i] - 1, "[hypervisor]");
    fputc('\n', p->perf);
}

/* --- counting --- */

static void count(struct profile *p, const char *text)
{
    unsigned hash = 5381;
    for (const char *c = text; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    struct stack **at = &p->bucket[hash % BUCKETS], *s = *at;
    while (s && strcmp(s->text, text))
        s = s->next;
    if (!s) {
        size_t n = strlen(text) + 1;
        s = malloc(sizeof(*s) + n);
        if (!s) {
            p->no_memory = true;
            return;
        }
        memcpy(s->text, text, n);
        s->count = 0;
        s->next = *at;
        *at = s;
    }
    s->count++;
}

static void finish(struct profile *p, unsigned cpu)
{
    struct sample *s = &p->cpu[cpu];
    struct text t = {0};
    if (!s->open)
        return;
    s->open = false;
    *(s->who >> 16 == BH_TRC_IDLE_DOMAIN ? &p->idle : s->own ? &p->own : &p->guests) += 1;
    fold(p, s, &t);
    count(p, t.s);
    if (p->perf)
        print_perf(p, cpu, s);
}

static void record(void *arg, unsigned cpu, const struct trace_record *r)
{
    struct profile *p = arg;
    struct sample *s = &p->cpu[cpu];
    if (r->event == BH_TRC_CALLERS && s->open) {
        for (unsigned i = 0; i < r->words && s->callers < CALLERS; i++)
            s->caller[s->callers++] = HYPERVISOR_HALF | r->word[i];
        return;
    }
    finish(p, cpu);
    if (r->event == TRC_LOST_RECORDS && r->words >= 1)
        p->lost += r->word[0];
    if (r->event == BH_TRC_SAMPLE && r->words >= 5)
        *s = (struct sample){.open = true, .tsc = r->tsc, .who = r->word[0], .guest = r->word[1] | (uint64_t)r->word[2] << 32,
                             .own = r->word[3] | (uint64_t)r->word[4] << 32};
}

int profile_feed(struct profile *p, unsigned cpu, const void *records, size_t bytes, struct err *e)
{
    int rc = trace_walk(cpu, records, bytes, record, p, e);
    return !rc && p->no_memory ? err_set(e, "profile: no memory") : rc;
}

int profile_end(struct profile *p, struct err *e)
{
    for (unsigned cpu = 0; cpu < TRACE_MAX_CPUS; cpu++)
        finish(p, cpu);
    return p->no_memory ? err_set(e, "profile: no memory") : 0;
}

void profile_print(const struct profile *p, FILE *out)
{
    for (unsigned b = 0; b < BUCKETS; b++)
        for (const struct stack *s = p->bucket[b]; s; s = s->next)
            fprintf(out, "%s %llu\n", s->text, (unsigned long long)s->count);
}

void profile_summary(const struct profile *p, FILE *out)
{
    uint64_t all = p->idle + p->guests + p->own;
    double one = all ? 100.0 / (double)all : 0;
    fprintf(out, "%llu samples: %.1f %% in guests, %.1f %% in the hypervisor for them, %.1f %% idle; %llu records lost\n", (unsigned long long)all,
            (double)p->guests * one, (double)p->own * one, (double)p->idle * one, (unsigned long long)p->lost);
}
