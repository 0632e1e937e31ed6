/* SPDX-License-Identifier: MIT */
/*
 * bh: the toolstack command, with xl's verbs and xl's output. main.c holds the table of verbs; each verb is one
 * function here. A verb gets its own argv (argv[0] = its name), open handles, and returns the exit status:
 * 0 done, 1 refused or failed (the reason is on standard error), 2 wrong usage.
 */
#ifndef TOOLS_BH_H
#define TOOLS_BH_H
#include <stdbool.h>
#include "tools/lib/create.h"

typedef int verb_fn(struct handles *h, int argc, char **argv);

struct verb {
    const char *name;
    const char *args;    /* usage after the name */
    const char *summary; /* one line */
    const char *help;    /* more lines, or NULL */
    int min, max;        /* arguments after the name; max -1 = any number */
    verb_fn *run;
};

verb_fn verb_create, verb_destroy, verb_pause, verb_unpause, verb_shutdown, verb_reboot, verb_kill, verb_restart, verb_rename, verb_rest;
verb_fn verb_list, verb_domid, verb_domname, verb_info, verb_dmesg;
verb_fn verb_block_attach, verb_block_detach, verb_block_list, verb_pci_list;
verb_fn verb_network_attach, verb_network_detach, verb_network_list, verb_network_stats;
verb_fn verb_console;
verb_fn verb_sched_credit, verb_vcpu_list, verb_vcpu_pin, verb_vcpu_set;
verb_fn verb_trace, verb_profile, verb_top;

/* "bh: ..." on standard error; returns 1. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints e the same way. */
int complain_err(const struct err *e);
/* Wrong usage of a verb: says how it is used; returns 2. */
int usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* show.c: "rbpscd" with dashes for what it is not; a domain's name, that of domain 0 always known, to free(). */
void state_letters(const xc_domaininfo_t *d, char s[7]);
char *shown_name(struct handles *h, uint32_t domid);
/* Domain named on the command line: 0, or prints why not and returns 1. */
int need_domain(struct handles *h, const char *who, uint32_t *domid);
/* fn for each device of that kind ("vbd", "vif") of each domain named on the command line; 1 if one is not there or fn says so. */
int each_device(struct handles *h, int argc, char **argv, const char *kind, int (*fn)(struct handles *h, uint32_t domid, const char *id));
#endif
