/* SPDX-License-Identifier: MIT */
/* bh's verbs about CPUs: sched-credit, vcpu-list, vcpu-pin, vcpu-set. Output as xl prints it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/bh/bh.h"
#include "tools/lib/store.h"

#define MAX_DOMAINS 1024u
#define MAP_CPUS 256u

/* --- sched-credit --- */

static int show_credit(struct handles *h, uint32_t domid)
{
    struct xen_domctl_sched_credit c;
    if (xc_sched_credit_domain_get(h->xc, domid, &c))
        return complain("domain %u: no weight and cap: %s", domid, strerror(errno));
    char *name = domain_name(h, domid);
    printf("%-33s %4u %6u %4u\n", name && name[0] ? name : domid ? "" : "Domain-0", domid, c.weight, c.cap);
    free(name);
    return 0;
}

static int show_all_credit(struct handles *h)
{
    struct xen_sysctl_credit_schedule s;
    xc_domaininfo_t *d = calloc(MAX_DOMAINS, sizeof(*d));
    int rc = 0, n = d ? xc_domain_getinfolist(h->xc, 0, MAX_DOMAINS, d) : -1;
    if (xc_sched_credit_params_get(h->xc, 0, &s))
        fprintf(stderr, "bh: round robin is in use: weights and caps are kept and have no effect (boot option sched=credit)\n");
    else
        printf("Cpupool Pool-0: tslice=%ums ratelimit=%uus migration-delay=%uus\n", s.tslice_ms, s.ratelimit_us, s.vcpu_migr_delay_us);
    printf("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap");
    for (int i = 0; i < n; i++)
        rc |= show_credit(h, d[i].domain);
    free(d);
    return n < 0 ? complain("cannot list the domains: %s", strerror(errno)) : rc;
}

static int number(const char *what, const char *text, unsigned long min, unsigned long max, uint16_t *out)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || n < min || n > max)
        return complain("%s: '%s' is not a number from %lu to %lu", what, text, min, max);
    *out = (uint16_t)n;
    return 0;
}

int verb_sched_credit(struct handles *h, int argc, char **argv)
{
    const char *who = NULL, *weight = NULL, *cap = NULL;
    struct xen_domctl_sched_credit c;
    xc_domaininfo_t d;
    uint32_t domid;
    for (int i = 1; i < argc; i += 2) {
        const char **option = !strcmp(argv[i], "-d") || !strcmp(argv[i], "--domain") ? &who
                              : !strcmp(argv[i], "-w") || !strcmp(argv[i], "--weight") ? &weight
                              : !strcmp(argv[i], "-c") || !strcmp(argv[i], "--cap") ? &cap : NULL;
        if (!option || i + 1 == argc)
            return usage(argv[0], option ? "'%s' lacks its value" : "'%s' is no option", argv[i]);
        *option = argv[i + 1];
    }
    if (!who)
        return weight || cap ? usage(argv[0], "-d says which domain") : show_all_credit(h);
    if (need_domain(h, who, &domid))
        return 1;
    if (!weight && !cap)
        return printf("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap") < 0 || show_credit(h, domid);
    if (xc_sched_credit_domain_get(h->xc, domid, &c) || xc_domain_getinfolist(h->xc, domid, 1, &d) != 1)
        return complain("domain %u: no weight and cap: %s", domid, strerror(errno));
    if ((weight && number("weight", weight, 1, 65535, &c.weight)) ||
        (cap && number("cap", cap, 0, 100ul * (d.max_vcpu_id + 1), &c.cap)))
        return 1;
    return xc_sched_credit_domain_set(h->xc, domid, &c) ? complain("domain %u: %s", domid, strerror(errno)) : 0;
}

/* --- vcpu-list --- */

/* A CPU list as bh takes it: "all", "0,2-3", "none". */
static void print_cpus(const uint8_t *map, unsigned cpus)
{
    unsigned n = 0, printed = 0;
    for (unsigned c = 0; c < cpus; c++)
        n += map[c / 8] >> c % 8 & 1;
    if (n == 0 || n == cpus) {
        printf("%s", n ? "all" : "none");
        return;
    }
    for (unsigned c = 0, last; c < cpus; c = last + 1) {
        last = c;
        if (!(map[c / 8] >> c % 8 & 1))
            continue;
        while (last + 1 < cpus && map[(last + 1) / 8] >> (last + 1) % 8 & 1)
            last++;
        printf(last > c ? "%s%u-%u" : "%s%u", printed++ ? "," : "", c, last);
    }
}

static int affinity(struct handles *h, uint32_t domid, unsigned vcpu, uint8_t *hard, uint8_t *soft)
{
    return xc_vcpu_getaffinity(h->xc, domid, (int)vcpu, hard, soft, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT);
}

static int list_vcpus(struct handles *h, const xc_domaininfo_t *d)
{
    int cpus = xc_get_max_cpus(h->xc), rc = 0;
    uint8_t *hard = xc_cpumap_alloc(h->xc), *soft = xc_cpumap_alloc(h->xc);
    char *name = domain_name(h, d->domain);
    for (unsigned v = 0; hard && soft && cpus > 0 && v <= d->max_vcpu_id; v++) {
        xc_vcpuinfo_t i;
        if (xc_vcpu_getinfo(h->xc, d->domain, v, &i) || affinity(h, d->domain, v, hard, soft)) {
            rc = complain("domain %u: vCPU %u: %s", d->domain, v, strerror(errno));
            break;
        }
        printf("%-33s %4u %5u ", name && name[0] ? name : d->domain ? "" : "Domain-0", d->domain, v);
        if (i.online)
            printf("%4u   %c%c-  %9.1f  ", i.cpu, i.running ? 'r' : '-', i.blocked ? 'b' : '-', (double)i.cpu_time / 1e9);
        else
            printf("%4s   %3s  %9.1f  ", "-", "--p", (double)i.cpu_time / 1e9);
        print_cpus(hard, (unsigned)cpus);
        printf(" / ");
        print_cpus(soft, (unsigned)cpus);
        putchar('\n');
    }
    free(name);
    free(hard);
    free(soft);
    return rc;
}

int verb_vcpu_list(struct handles *h, int argc, char **argv)
{
    xc_domaininfo_t *d = calloc(MAX_DOMAINS, sizeof(*d));
    int rc = 0, n = d && argc == 1 ? xc_domain_getinfolist(h->xc, 0, MAX_DOMAINS, d) : 0;
    for (int i = 1; d && i < argc && !rc; i++) {
        uint32_t domid;
        rc = need_domain(h, argv[i], &domid);
        if (!rc && (xc_domain_getinfolist(h->xc, domid, 1, &d[n++]) != 1 || d[n - 1].domain != domid))
            rc = complain("domain %u is gone", domid);
    }
    if (!d || n < 0)
        rc = complain("cannot list the domains: %s", strerror(errno));
    if (!rc)
        printf("%-33s %4s %5s %4s %5s %10s  %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)", "Affinity (Hard / Soft)");
    for (int i = 0; i < n && !rc; i++)
        rc = list_vcpus(h, &d[i]);
    free(d);
    return rc;
}

/* --- vcpu-pin --- */

/* "-" leaves it as it is: then *map is NULL. To free(). */
static int parse_map(struct handles *h, const char *text, xc_cpumap_t *map)
{
    uint8_t cpus[MAP_CPUS / 8];
    struct err e;
    *map = NULL;
    if (!strcmp(text, "-"))
        return 0;
    if (cpus_parse(text, cpus, &e))
        return complain_err(&e);
    int size = xc_get_cpumap_size(h->xc);
    *map = size > 0 ? xc_cpumap_alloc(h->xc) : NULL;
    if (!*map)
        return complain("no map of CPUs: %s", strerror(errno));
    memcpy(*map, cpus, (size_t)size < sizeof(cpus) ? (size_t)size : sizeof(cpus));
    return 0;
}

static int pin(struct handles *h, uint32_t domid, unsigned first, unsigned last, char **cpus, xc_cpumap_t hard, xc_cpumap_t soft)
{
    uint32_t which = (hard ? XEN_VCPUAFFINITY_HARD : 0u) | (soft ? XEN_VCPUAFFINITY_SOFT : 0u);
    for (unsigned v = first; which && v <= last; v++)
        if (xc_vcpu_setaffinity(h->xc, domid, (int)v, hard, soft, which))
            return complain("CPUs '%s'%s%s%s: %s", cpus[0], cpus[1] ? ", '" : "", cpus[1] ? cpus[1] : "", cpus[1] ? "'" : "",
                            errno == EINVAL ? "none of them runs vCPUs" : strerror(errno));
    return 0;
}

int verb_vcpu_pin(struct handles *h, int argc, char **argv)
{
    xc_cpumap_t hard = NULL, soft = NULL;
    xc_domaininfo_t d;
    uint32_t domid;
    uint16_t only = 0;
    bool all = !strcmp(argv[2], "all");
    if (need_domain(h, argv[1], &domid))
        return 1;
    if (domain_info(h, domid, &d))
        return complain("domain %u is gone", domid);
    if ((!all && number("VCPU", argv[2], 0, d.max_vcpu_id, &only)))
        return 1;
    int rc = parse_map(h, argv[3], &hard);
    if (!rc && argc > 4)
        rc = parse_map(h, argv[4], &soft);
    if (!rc)
        rc = pin(h, domid, all ? 0 : only, all ? d.max_vcpu_id : only, (char *[]){argv[3], argc > 4 ? argv[4] : NULL}, hard, soft);
    free(hard);
    free(soft);
    return rc;
}

/* --- vcpu-set --- */

int verb_vcpu_set(struct handles *h, int argc, char **argv)
{
    xc_domaininfo_t d;
    uint32_t domid;
    uint16_t n;
    if (need_domain(h, argv[1], &domid))
        return 1;
    if (domain_info(h, domid, &d))
        return complain("domain %u is gone", domid);
    if (number("COUNT", argv[2], 1, d.max_vcpu_id + 1, &n))
        return 1;
    for (unsigned v = 0; v <= d.max_vcpu_id; v++) {
        char path[64];
        snprintf(path, sizeof(path), "/local/domain/%u/cpu/%u/availability", domid, v);
        if (store_write(h, path, v < n ? "online" : "offline"))
            return complain("%s cannot be written: %s", path, strerror(errno));
    }
    return 0;
}
