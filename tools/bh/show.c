/* SPDX-License-Identifier: MIT */
/* bh's verbs that show: list, domid, domname, info, dmesg, pci-assignable-list. Output as xl prints it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "tools/bh/bh.h"
#include "tools/lib/pcidc.h"

#define MAX_DOMAINS 1024u

char *shown_name(struct handles *h, uint32_t domid)
{
    char *name = domain_name(h, domid);
    if (domid == 0 && name && !name[0]) {
        free(name);
        name = strdup("Domain-0");
    }
    return name;
}

static unsigned shutdown_reason(const xc_domaininfo_t *d)
{
    return d->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}

void state_letters(const xc_domaininfo_t *d, char s[7])
{
    bool shut = d->flags & XEN_DOMINF_shutdown, crashed = shut && shutdown_reason(d) == SHUTDOWN_crash;
    bool dying = d->flags & XEN_DOMINF_dying;
    snprintf(s, 7, "%c%c%c%c%c%c", d->flags & XEN_DOMINF_running ? 'r' : '-', d->flags & XEN_DOMINF_blocked ? 'b' : '-',
             d->flags & XEN_DOMINF_paused ? 'p' : '-', shut && !crashed ? 's' : '-', crashed ? 'c' : '-', dying ? 'd' : '-');
}

static void list_line(struct handles *h, const xc_domaininfo_t *d)
{
    char state[7], *name = shown_name(h, d->domain);
    state_letters(d, state);
    printf("%-40s %5u %5lu %5u     %6s  %8.1f\n", name ? name : "", d->domain,
           (unsigned long)((d->tot_pages + d->outstanding_pages) >> 8), d->nr_online_vcpus, state, (double)d->cpu_time / 1e9);
    free(name);
}

static void json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 32)
            printf("\\u%04x", (unsigned char)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static void json_store(struct handles *h, uint32_t domid, const char *key)
{
    char *v = store_read(h, "/tool/bh/%u/%s", domid, key);
    if (v) {
        printf(",\n            \"%s\": ", key);
        json_string(v);
    }
    free(v);
}

static void json_bulkhead(struct handles *h, uint32_t domid)
{
    if (bh_simple(h, BH_OP_info, domid))
        return;
    const struct bh_op *op = h->op;
    char why[sizeof(op->u.info.why) + 1];
    memcpy(why, op->u.info.why, sizeof(op->u.info.why));
    why[sizeof(op->u.info.why)] = 0;
    printf(",\n        \"roles\": %u,\n        \"incarnation\": %u,\n        \"died_ns\": %llu,\n        \"started_ns\": %llu,\n"
           "        \"last_reason\": %u,\n        \"dma_faults\": %u,\n        \"why\": ",
           op->u.info.roles, op->u.info.incarnation, (unsigned long long)op->u.info.died_ns,
           (unsigned long long)op->u.info.started_ns, op->u.info.last_reason, op->u.info.dma_faults);
    json_string(why);
}

static void list_long(struct handles *h, const xc_domaininfo_t *d, bool last)
{
    static const char *const keys[] = {"config", "driver_domain", "on_poweroff", "on_reboot", "on_crash", "on_watchdog"};
    char state[7], uuid[37], *name = shown_name(h, d->domain);
    state_letters(d, state);
    uuid_format(d->handle, uuid);
    printf("    {\n        \"domid\": %u,\n        \"config\": {\n            \"name\": ", d->domain);
    json_string(name ? name : "");
    printf(",\n            \"uuid\": \"%s\"", uuid);
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        json_store(h, d->domain, keys[i]);
    printf("\n        },\n        \"state\": \"%s\",\n        \"shutdown_reason\": %d,\n        \"memory_kib\": %llu,\n"
           "        \"max_memory_kib\": %llu,\n        \"vcpus_online\": %u,\n        \"vcpus\": %u,\n        \"cpu_time_ns\": %llu",
           state, d->flags & XEN_DOMINF_shutdown ? (int)shutdown_reason(d) : -1, (unsigned long long)d->tot_pages * 4,
           (unsigned long long)d->max_pages * 4, d->nr_online_vcpus, d->max_vcpu_id + 1, (unsigned long long)d->cpu_time);
    json_bulkhead(h, d->domain);
    printf("\n    }%s\n", last ? "" : ",");
    free(name);
}

static int list_print(struct handles *h, bool detail, const xc_domaininfo_t *d, int n)
{
    if (detail)
        printf("[\n");
    else
        printf("Name                                        ID   Mem VCPUs\tState\tTime(s)\n");
    for (int i = 0; i < n; i++) {
        if (detail)
            list_long(h, &d[i], i == n - 1);
        else
            list_line(h, &d[i]);
    }
    if (detail)
        printf("]\n");
    return 0;
}

int verb_list(struct handles *h, int argc, char **argv)
{
    bool detail = false;
    const char *who = NULL;
    uint32_t domid = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-l") || !strcmp(argv[i], "--long"))
            detail = true;
        else if (argv[i][0] == '-' || who)
            return usage("list", "unexpected '%s'", argv[i]);
        else
            who = argv[i];
    }
    if (who && need_domain(h, who, &domid))
        return 1;
    xc_domaininfo_t *d = calloc(MAX_DOMAINS, sizeof(*d));
    int n = d ? xc_domain_getinfolist(h->xc, domid, who ? 1 : MAX_DOMAINS, d) : -1;
    int rc = n < 0 ? complain("cannot list the domains: %s", strerror(errno)) : list_print(h, detail, d, n);
    free(d);
    return rc;
}

int verb_domid(struct handles *h, int argc, char **argv)
{
    uint32_t domid;
    if (need_domain(h, argv[1], &domid))
        return 1;
    printf("%u\n", domid);
    return 0;
}

int verb_domname(struct handles *h, int argc, char **argv)
{
    uint32_t domid;
    if (need_domain(h, argv[1], &domid))
        return 1;
    char *name = shown_name(h, domid);
    printf("%s\n", name ? name : "");
    free(name);
    return 0;
}

/* What is in use and no domain's own: the hypervisor's image, its table of frames, its heap and page tables, pristine images. */
static void info_hypervisor(struct handles *h, uint64_t pages)
{
    xc_domaininfo_t *d = calloc(MAX_DOMAINS, sizeof(*d));
    int n = d ? xc_domain_getinfolist(h->xc, 0, MAX_DOMAINS, d) : -1;
    for (int i = 0; i < n; i++)
        pages -= d[i].tot_pages;
    if (n >= 0)
        printf("hypervisor_memory_kib  : %llu\n", (unsigned long long)pages << 2);
    free(d);
}

static void info_physical(struct handles *h)
{
    xc_physinfo_t p;
    memset(&p, 0, sizeof(p));
    if (xc_physinfo(h->xc, &p)) {
        complain("the hypervisor gives no physical information: %s", strerror(errno));
        return;
    }
    printf("nr_cpus                : %u\nmax_cpu_id             : %u\nnr_nodes               : %u\n", p.nr_cpus, p.max_cpu_id,
           p.nr_nodes);
    printf("cores_per_socket       : %u\nthreads_per_core       : %u\ncpu_mhz                : %u.%03u\nhw_caps                : ",
           p.cores_per_socket, p.threads_per_core, p.cpu_khz / 1000, p.cpu_khz % 1000);
    for (unsigned i = 0; i < 8; i++)
        printf("%08x%c", p.hw_cap[i], i < 7 ? ':' : '\n');
    printf("virt_caps              :%s%s%s%s%s\n", p.capabilities & XEN_SYSCTL_PHYSCAP_pv ? " pv" : "",
           p.capabilities & XEN_SYSCTL_PHYSCAP_hvm ? " hvm" : "",
           p.capabilities & XEN_SYSCTL_PHYSCAP_hvm && p.capabilities & XEN_SYSCTL_PHYSCAP_directio ? " hvm_directio" : "",
           p.capabilities & XEN_SYSCTL_PHYSCAP_directio ? " directio" : "", p.capabilities & XEN_SYSCTL_PHYSCAP_hap ? " hap" : "");
    printf("total_memory           : %llu\nfree_memory            : %llu\n", (unsigned long long)p.total_pages >> 8,
           (unsigned long long)p.free_pages >> 8);
    info_hypervisor(h, p.total_pages - p.free_pages);
}

static void info_version(struct handles *h)
{
    xen_extraversion_t extra = "";
    xen_capabilities_info_t caps = "";
    xen_commandline_t line = "";
    int version = xc_version(h->xc, XENVER_version, NULL);
    xc_version(h->xc, XENVER_extraversion, &extra);
    xc_version(h->xc, XENVER_capabilities, &caps);
    xc_version(h->xc, XENVER_commandline, &line);
    if (version >= 0)
        printf("xen_major              : %d\nxen_minor              : %d\nxen_extra              : %.*s\n"
               "xen_version            : %d.%d%.*s\n",
               version >> 16, version & 0xffff, (int)sizeof(extra), extra, version >> 16, version & 0xffff,
               (int)sizeof(extra), extra);
    printf("xen_caps               : %.*s\nxen_pagesize           : 4096\nxen_commandline        : %.*s\n", (int)sizeof(caps), caps,
           (int)sizeof(line), line);
}

static int info_topology(struct handles *h)
{
    unsigned n = 0;
    if (xc_cputopoinfo(h->xc, &n, NULL))
        return complain("the hypervisor gives no topology: %s", strerror(errno));
    xc_cputopo_t *t = calloc(n ? n : 1, sizeof(*t));
    if (!t || xc_cputopoinfo(h->xc, &n, t)) {
        free(t);
        return complain("the hypervisor gives no topology: %s", strerror(errno));
    }
    printf("cpu_topology           :\ncpu:    core    socket     node\n");
    for (unsigned c = 0; c < n; c++)
        if (t[c].core != XEN_INVALID_CORE_ID)
            printf("%3u:    %4u      %4u     %4u\n", c, t[c].core, t[c].socket, t[c].node);
    free(t);
    xc_meminfo_t m;
    uint32_t distance;
    unsigned nodes = 1;
    if (xc_numainfo(h->xc, &nodes, &m, &distance))
        return complain("the hypervisor gives no NUMA information: %s", strerror(errno));
    printf("numa_info              :\nnode:    memsize    memfree    distances\n%4u:    %7llu    %7llu      %u\n", 0,
           (unsigned long long)m.memsize >> 20, (unsigned long long)m.memfree >> 20, distance);
    return 0;
}

int verb_info(struct handles *h, int argc, char **argv)
{
    struct utsname u;
    if (argc > 1 && strcmp(argv[1], "-n") && strcmp(argv[1], "--numa"))
        return usage(argv[0], "unexpected '%s'", argv[1]);
    if (!uname(&u))
        printf("host                   : %s\nrelease                : %s\nversion                : %s\n"
               "machine                : %s\n", u.nodename, u.release, u.version, u.machine);
    info_physical(h);
    info_version(h);
    if (!bh_simple(h, BH_OP_info, DOMID_SELF))
        printf("uptime_ns              : %llu\n", (unsigned long long)h->op->u.info.now_ns);
    return argc > 1 ? info_topology(h) : 0;
}

int verb_dmesg(struct handles *h, int argc, char **argv)
{
    static char buf[32768];
    bool clear = argc > 1;
    if (clear && strcmp(argv[1], "-c") && strcmp(argv[1], "--clear"))
        return usage("dmesg", "unexpected '%s'", argv[1]);
    uint32_t index = 0;
    for (;;) {
        unsigned n = sizeof(buf);
        if (xc_readconsolering(h->xc, buf, &n, 0, 1, &index))
            return complain("dmesg: %s", strerror(errno));
        if (!n)
            break;
        fwrite(buf, 1, n, stdout);
    }
    unsigned n = 1;
    if (clear && xc_readconsolering(h->xc, buf, &n, 1, 0, NULL))
        return complain("dmesg: cannot empty the log: %s", strerror(errno));
    return 0;
}

int verb_pci_list(struct handles *h, int argc, char **argv)
{
    static char answer[16384];
    struct err e;
    if (pcid_request("list", answer, sizeof(answer), &e))
        return complain_err(&e);
    for (char *save, *p = strtok_r(answer, " ", &save); p; p = strtok_r(NULL, " ", &save))
        printf("%s\n", p);
    return 0;
}
