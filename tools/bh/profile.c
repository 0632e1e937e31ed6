/* SPDX-License-Identifier: MIT */
/* bh profile: where the CPUs are, in guests and in the hypervisor, sampled at a rate (docs/tracing.md, "Profiling"). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bulkhead/trace.h"
#include "tools/bh/rings.h"
#include "tools/lib/profile.h"
#include <xen/platform.h>

#define MAX_HZ 1000ul
#define MAX_DOMAINS 65536u
#define NAME_BYTES 256u

struct run {
    struct handles *h;
    struct profile *p;
    unsigned long hz;
    const char *out;
    bool perf;
    char **spec; /* --symbols, n of them */
    int specs;
    char *name[MAX_DOMAINS]; /* of each domain that was seen */
};

static const char *name(void *arg, uint32_t domid)
{
    struct run *r = arg;
    char **n = &r->name[domid % MAX_DOMAINS];
    if (!*n)
        *n = shown_name(r->h, domid);
    if (*n && !**n) { /* gone already */
        free(*n);
        *n = strdup("[gone]");
    }
    return *n ? *n : "unknown";
}

/* --- symbols --- */

/* The hypervisor's own, one after the other. */
static int own_symbols(struct run *r)
{
    struct symbols *t = profile_symbols(r->p, PROFILE_HYPERVISOR);
    struct { struct xen_platform_op op; char name[NAME_BYTES]; } *b = xencall_alloc_buffer(r->h->call, sizeof(*b));
    bool more = b && t;
    int rc = 0;
    for (uint32_t n = 0; more && !rc; n++) {
        memset(b, 0, sizeof(*b));
        b->op.cmd = XENPF_get_symbol;
        b->op.interface_version = XENPF_INTERFACE_VERSION;
        b->op.u.symdata.symnum = n;
        b->op.u.symdata.namelen = NAME_BYTES - 1;
        set_xen_guest_handle_raw(b->op.u.symdata.name, b->name);
        rc = xencall1(r->h->call, __HYPERVISOR_platform_op, (uint64_t)(uintptr_t)&b->op);
        more = b->op.u.symdata.symnum != n;
        if (!rc && more)
            rc = symbols_add(t, b->op.u.symdata.address, b->name);
    }
    if (b)
        xencall_free_buffer(r->h->call, b);
    if (!b || !t || rc)
        return complain("the hypervisor's symbols cannot be read: %s", rc ? strerror(errno) : "no memory");
    symbols_sort(t);
    return 0;
}

/* DOMAIN=FILE */
static int guest_symbols(struct run *r, const char *spec)
{
    const char *file = strchr(spec, '=');
    char who[NAME_BYTES];
    uint32_t domid;
    struct err e;
    if (!file || file == spec || !file[1] || (size_t)(file - spec) >= sizeof(who))
        return complain("--symbols: '%s' is not DOMAIN=FILE", spec);
    snprintf(who, sizeof(who), "%.*s", (int)(file - spec), spec);
    if (need_domain(r->h, who, &domid))
        return 1;
    struct symbols *t = profile_symbols(r->p, domid);
    if (!t)
        return complain("no memory");
    if (symbols_load(t, file + 1, &e))
        return complain("--symbols: %s", e.text);
    symbols_sort(t);
    return 0;
}

/* --- samples --- */

static int sampling(struct handles *h, uint32_t period_us)
{
    bh_start(h, DOMID_SELF)->u.profile.period_us = period_us;
    return bh_call(h, BH_OP_profile) ? complain("the CPUs cannot be sampled: %s", strerror(errno)) : 0;
}

static int began(struct handles *h, void *arg)
{
    const struct run *r = arg;
    return sampling(h, (uint32_t)(1000000 / r->hz));
}

static int piece(void *arg, unsigned cpu, const void *records, size_t bytes)
{
    struct run *r = arg;
    struct err e;
    return profile_feed(r->p, cpu, records, bytes, &e) ? complain_err(&e) : 0;
}

static int follow(struct run *r, unsigned long seconds)
{
    struct rings rings;
    struct err e;
    if (rings_open(&rings))
        return 1;
    int rc = rings_follow(&rings, r->h, TRC_HW_PM, seconds, began, piece, r);
    rc = sampling(r->h, 0) || rc;
    rings_close(&rings);
    return rc ? rc : profile_end(r->p, &e) ? complain_err(&e) : 0;
}

static int profile(struct run *r, unsigned long seconds)
{
    xc_physinfo_t m = {0};
    FILE *out = r->out ? fopen(r->out, "w") : stdout;
    if (!out)
        return complain("%s: %s", r->out, strerror(errno));
    r->p = xc_physinfo(r->h->xc, &m) ? NULL : profile_new(m.cpu_khz, name, r, r->perf ? out : NULL);
    int rc = r->p ? own_symbols(r) : complain("the machine's clock is not known: %s", strerror(errno));
    for (int i = 0; i < r->specs && !rc; i++)
        rc = guest_symbols(r, r->spec[i]);
    rc = rc || follow(r, seconds);
    if (!rc && !r->perf)
        profile_print(r->p, out);
    if (!rc)
        profile_summary(r->p, stderr);
    if (r->out && fclose(out) && !rc)
        rc = complain("%s: %s", r->out, strerror(errno));
    profile_free(r->p);
    return rc;
}

/* The options. 0, or has said what is wrong with them. */
static int options(struct run *r, int argc, char **argv, unsigned long *s)
{
    const char *hz = NULL, *seconds = NULL, *symbols = NULL;
    for (int i = 1; i < argc; i++) {
        const char **option = !strcmp(argv[i], "-o") || !strcmp(argv[i], "--output") ? &r->out
                              : !strcmp(argv[i], "-f") || !strcmp(argv[i], "--frequency") ? &hz
                              : !strcmp(argv[i], "-s") || !strcmp(argv[i], "--seconds") ? &seconds
                              : !strcmp(argv[i], "--symbols") ? &symbols : NULL;
        if (!strcmp(argv[i], "--perf")) {
            r->perf = true;
            continue;
        }
        if (!option || i + 1 == argc)
            return usage(argv[0], option ? "'%s' lacks its value" : "'%s' is no option", argv[i]);
        *option = argv[++i];
        if (option == &symbols)
            r->spec[r->specs++] = argv[i];
    }
    return need_number("seconds", seconds, 10, RINGS_MAX_SECONDS, s) || need_number("frequency", hz, 100, MAX_HZ, &r->hz);
}

int verb_profile(struct handles *h, int argc, char **argv)
{
    struct run *r = calloc(1, sizeof(*r));
    unsigned long seconds = 0;
    if (!r)
        return complain("no memory");
    r->h = h;
    r->spec = calloc((size_t)argc, sizeof(*r->spec));
    int rc = r->spec ? options(r, argc, argv, &seconds) : complain("no memory");
    rc = rc ? rc : profile(r, seconds);
    for (unsigned d = 0; d < MAX_DOMAINS; d++)
        free(r->name[d]);
    free(r->spec);
    free(r);
    return rc;
}
