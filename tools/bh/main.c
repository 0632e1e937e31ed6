/* SPDX-License-Identifier: MIT */
/* bh: table of verbs, help, dispatch; see bh.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/bh/bh.h"

static const struct verb verbs[] = {
    {"create", "FILE [-p] [-q] [KEY=VALUE]...", "create a domain from a configuration file",
     "  -p, --paused   leave it paused\n"
     "  -q, --quiet    print nothing on success\n"
     "  KEY=VALUE      replaces a key of the file, in the file's syntax: memory=256, name='\"other\"'\n"
     "Waits up to 10 s for the backend domains that its devices name.\n", 1, -1, verb_create},
    {"destroy", "DOMAIN", "destroy a domain at once", NULL, 1, 1, verb_destroy},
    {"list", "[-l] [DOMAIN]", "list domains",
     "  -l, --long   everything about each domain, as JSON\n"
     "State: r running, b blocked, p paused, s shut down, c crashed, d dying.\n", 0, 2, verb_list},
    {"console", "DOMAIN", "attach to a domain's console; Ctrl-] leaves",
     "Shows the last 64 KiB first. Several may watch and type at the same time. Needs bhd.\n", 1, 1, verb_console},
    {"shutdown", "[-w] DOMAIN", "ask a domain to power off", "  -w, --wait   until it is gone (at most 60 s)\n", 1, 2,
     verb_shutdown},
    {"reboot", "[-w] DOMAIN", "ask a domain to reboot", NULL, 1, 2, verb_reboot},
    {"pause", "DOMAIN", "stop a domain's CPUs", NULL, 1, 1, verb_pause},
    {"unpause", "DOMAIN", "let a paused domain run", NULL, 1, 1, verb_unpause},
    {"rename", "DOMAIN NAME", "give a domain another name", NULL, 2, 2, verb_rename},
    {"kill", "DOMAIN", "crash a domain now, as a fault of its own would",
     "What follows is bhd's policy (on_crash): a driver domain is restarted in place.\n", 1, 1, verb_kill},
    {"restart", "DOMAIN", "restart a driver domain in place",
     "Its guests keep their devices and wait. Prints the incarnation and how long it was stopped.\n", 1, 1, verb_restart},
    {"rest", "SECONDS", "stop the control domain itself for a while (1 to 60 s), to see that nobody needs it", NULL, 1, 1, verb_rest},
    {"domid", "NAME", "print a domain's id", NULL, 1, 1, verb_domid},
    {"domname", "ID", "print a domain's name", NULL, 1, 1, verb_domname},
    {"info", "[-n]", "print facts about the machine and the hypervisor",
     "  -n, --numa   and which CPUs are threads of one core, cores of one socket\n", 0, 1, verb_info},
    {"dmesg", "[-c]", "print the hypervisor's log", "  -c, --clear   and empty it\n", 0, 1, verb_dmesg},
    {"sched-credit", "[-d DOMAIN [-w WEIGHT] [-c CAP]]", "show or set domains' shares of the CPUs",
     "  -w, --weight   1 to 65535, 256 unless set: share where CPUs are scarce\n"
     "  -c, --cap      percent of one CPU that the domain uses at most, 0: no limit\n"
     "Without -w and -c: shows. They have effect where the hypervisor was booted with sched=credit.\n", 0, 6, verb_sched_credit},
    {"vcpu-list", "[DOMAIN...]", "list domains' virtual CPUs", "State: r running, b blocked, p offline.\n", 0, 1023, verb_vcpu_list},
    {"vcpu-pin", "DOMAIN VCPU|all CPUS [SOFT]", "say which CPUs a domain's virtual CPUs may run on",
     "CPUS as in the configuration: 0-3,^2 or all; SOFT: those of them that they prefer. -: as it is.\n", 3, 4, verb_vcpu_pin},
    {"vcpu-set", "DOMAIN COUNT", "say how many of its virtual CPUs a domain shall use",
     "At most as many as it was created with. The domain's kernel takes the others offline at once; one that comes\n"
     "back is there for the domain's udev to take it online.\n", 2, 2, verb_vcpu_set},
    {"top", "[-b] [-i COUNT] [-d SECONDS]", "watch what the domains use; q or Ctrl-C ends it",
     "  -b, --batch        one table after the other, for a file or another program\n"
     "  -i, --iterations   so many tables\n"
     "  -d, --delay        seconds between two, 1 to 3600 (3)\n", 0, 5, verb_top},
    {"trace", "[--seconds N] [-o FILE] | --read FILE", "record what the hypervisor does, and print sums",
     "  -s, --seconds   how long (1)\n"
     "  -o, --output    write the records to FILE, as xentrace does: xenalyze reads it\n"
     "  -r, --read      sums of a file that was written so\n"
     "For each domain: exits by reason and hypercalls by operation, how many and how long. Ctrl-C ends it early.\n", 0, 4, verb_trace},
    {"profile", "[--seconds N] [--frequency HZ] [--symbols DOMAIN=FILE]... [--perf] [-o FILE]", "sample where the CPUs are, in guests and hypervisor",
     "  -s, --seconds    how long (10)\n"
     "  -f, --frequency  samples a second of each CPU, 1 to 1000 (100)\n"
     "  --symbols        names for a domain's addresses: a System.map, a copy of /proc/kallsyms, or an ELF file that is not stripped\n"
     "  --perf           each sample as `perf script` prints it; else each stack with its count, as flamegraph.pl reads them\n"
     "  -o, --output     to FILE, not to standard output\n"
     "Ctrl-C ends it early.\n", 0, -1, verb_profile},
    {"block-attach", "DOMAIN DISKSPEC...", "give a domain another disk",
     "DISKSPEC as in the configuration: backend=disk vdev=xvdb target=nvme0n2 [access=r] [no-discard]\n", 2, -1,
     verb_block_attach},
    {"block-detach", "DOMAIN VDEV", "take a disk away from a domain (--force: even if it is in use)", NULL, 2, 3,
     verb_block_detach},
    {"block-list", "DOMAIN...", "list a domain's disks", NULL, 1, -1, verb_block_list},
    {"network-attach", "DOMAIN [VIFSPEC...]", "give a domain another network interface",
     "VIFSPEC as in the configuration: backend=net [mac=00:16:3e:xx:xx:xx] [bridge=wire0]\n"
     "  [isolated=1] [vlan=5] [ip='10.0.0.1 fe80::1'] [rate=10Mb/s@50ms]\n", 1, -1, verb_network_attach},
    {"network-detach", "DOMAIN NUMBER|MAC", "take a network interface away from a domain (--force: at once)", NULL, 2, 3,
     verb_network_detach},
    {"network-list", "DOMAIN...", "list a domain's network interfaces", NULL, 1, -1, verb_network_list},
    {"network-stats", "DOMAIN...", "print what a domain's network interfaces have sent and received",
     "As the domain sees it: Tx is what it sent. Drop: by the switch, for a rule of the interface or for want of room; Err: what was\n"
     "no packet. Counted since the network domain started last (its incarnation).\n", 1, -1, verb_network_stats},
    {"pci-assignable-list", "", "list PCI functions that can be assigned", "Needs pcid.\n", 0, 0, verb_pci_list},
};
#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

int complain(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("bh: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 1;
}

int complain_err(const struct err *e)
{
    return complain("%s", e->text);
}

static const struct verb *find_verb(const char *name)
{
    for (unsigned i = 0; i < NR_VERBS; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

int usage(const char *name, const char *fmt, ...)
{
    const struct verb *v = find_verb(name);
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "bh %s: ", name);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\nusage: bh %s %s\n", name, v ? v->args : "");
    va_end(ap);
    return 2;
}

int need_domain(struct handles *h, const char *who, uint32_t *domid)
{
    struct err e;
    return domain_find(h, who, domid, &e) ? complain_err(&e) : 0;
}

int each_device(struct handles *h, int argc, char **argv, const char *kind, int (*fn)(struct handles *h, uint32_t domid, const char *id))
{
    int rc = 0;
    for (int i = 1; i < argc; i++) {
        char path[64];
        uint32_t domid;
        unsigned n = 0;
        if (need_domain(h, argv[i], &domid)) {
            rc = 1;
            continue;
        }
        snprintf(path, sizeof(path), "/local/domain/%u/device/%s", domid, kind);
        char **ids = xs_directory(h->xs, XBT_NULL, path, &n);
        for (unsigned d = 0; d < n; d++)
            rc |= fn(h, domid, ids[d]);
        free(ids);
    }
    return rc;
}

static int help(const char *name)
{
    const struct verb *v = name ? find_verb(name) : NULL;
    if (name && !v) {
        fprintf(stderr, "bh: no verb '%s'; `bh help` lists them\n", name);
        return 2;
    }
    if (v) {
        printf("usage: bh %s %s\n%s\n%s", v->name, v->args, v->summary, v->help ? v->help : "");
        return 0;
    }
    printf("usage: bh VERB [ARGUMENTS]\n"
           "Create, watch and restart the domains of a Bulkhead machine. DOMAIN is a name or an id.\n\n");
    for (unsigned i = 0; i < NR_VERBS; i++)
        printf("  %-20s %s\n", verbs[i].name, verbs[i].summary);
    printf("  %-20s %s\n\n`bh VERB --help` says more about a verb. "
           "Exit status: 0 done, 1 failed, 2 wrong usage.\n", "help [VERB]", "this text");
    return 0;
}

static int run(const struct verb *v, int argc, char **argv)
{
    struct handles h;
    struct err e;
    if (argc - 1 < v->min || (v->max >= 0 && argc - 1 > v->max))
        return usage(v->name, argc - 1 < v->min ? "something is missing" : "too many arguments");
    if (handles_open(&h, &e))
        return complain_err(&e);
    int rc = handles_store(&h, &e) ? complain_err(&e) : v->run(&h, argc, argv);
    handles_close(&h);
    if (fflush(stdout) || ferror(stdout))
        return complain("cannot write to standard output");
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(NULL);
        return 2;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return help(argc > 2 ? argv[2] : NULL);
    const struct verb *v = find_verb(argv[1]);
    if (!v)
        return help(argv[1]);
    for (int i = 2; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return help(v->name);
    return run(v, argc - 1, argv + 1);
}
