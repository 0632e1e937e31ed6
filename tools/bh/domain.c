/* SPDX-License-Identifier: MIT */
/* bh's verbs that make, change and end domains; see bh.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tools/bh/bh.h"

static void warn(const char *text)
{
    fprintf(stderr, "bh: warning: %s\n", text);
}

/* Reads the file and the overrides of the command line. 0 or 1. */
static int read_config(const char *file, char **overrides, int n, struct domcfg *d)
{
    struct err e;
    char path[PATH_MAX];
    if (!realpath(file, path))
        return complain("%s: %s", file, strerror(errno));
    struct cfg *cfg = cfg_load(path, &e);
    int rc = cfg ? 0 : complain_err(&e);
    for (int i = 0; !rc && i < n; i++)
        if (cfg_override(cfg, overrides[i], "command line", &e))
            rc = complain_err(&e);
    if (!rc && domcfg_read(cfg, path, d, warn, &e))
        rc = complain_err(&e);
    cfg_free(cfg);
    return rc;
}

int verb_create(struct handles *h, int argc, char **argv)
{
    static struct domcfg d;
    const char *file = NULL;
    char **overrides = argv; /* compacted in place */
    int n = 0;
    bool paused = false, quiet = false;
    uint32_t domid;
    struct err e;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-p") || !strcmp(argv[i], "--paused"))
            paused = true;
        else if (!strcmp(argv[i], "-q") || !strcmp(argv[i], "--quiet"))
            quiet = true;
        else if (argv[i][0] == '-')
            return usage("create", "unknown option %s", argv[i]);
        else if (strchr(argv[i], '='))
            overrides[n++] = argv[i];
        else if (file)
            return usage("create", "two files: %s and %s", file, argv[i]);
        else
            file = argv[i];
    }
    if (!file)
        return usage("create", "no configuration file");
    if (!quiet)
        fprintf(stderr, "Parsing config from %s\n", file);
    if (read_config(file, overrides, n, &d))
        return 1;
    return dom_create(h, &d, paused, &domid, &e) ? complain_err(&e) : 0;
}

/* The domain of a one-argument verb; domain 0 is refused. */
static int guest_argument(struct handles *h, const char *who, const char *verb, uint32_t *domid)
{
    if (need_domain(h, who, domid))
        return 1;
    return *domid ? 0 : complain("%s: domain 0 is the control domain", verb);
}

int verb_destroy(struct handles *h, int argc, char **argv)
{
    uint32_t domid;
    struct err e;
    if (guest_argument(h, argv[1], "destroy", &domid))
        return 1;
    return dom_destroy(h, domid, &e) ? complain_err(&e) : 0;
}

int verb_pause(struct handles *h, int argc, char **argv)
{
    uint32_t domid;
    if (guest_argument(h, argv[1], "pause", &domid))
        return 1;
    return xc_domain_pause(h->xc, domid) ? complain("pause %s: %s", argv[1], strerror(errno)) : 0;
}

int verb_unpause(struct handles *h, int argc, char **argv)
{
    uint32_t domid;
    if (guest_argument(h, argv[1], "unpause", &domid))
        return 1;
    return xc_domain_unpause(h->xc, domid) ? complain("unpause %s: %s", argv[1], strerror(errno)) : 0;
}

static int wait_gone(struct handles *h, uint32_t domid)
{
    xc_domaininfo_t info;
    struct timespec t = {0, 50000000};
    for (unsigned i = 0; i < 60 * 20; i++) {
        if (domain_info(h, domid, &info) || (info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying)))
            return 0;
        nanosleep(&t, NULL);
    }
    return complain("domain %u has not shut down within 60 s", domid);
}

/* Asks through control/shutdown; the guest's kernel does the rest. */
static int request(struct handles *h, int argc, char **argv, const char *what)
{
    uint32_t domid;
    char path[64];
    bool wait = false;
    const char *who = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-w") || !strcmp(argv[i], "--wait"))
            wait = true;
        else if (argv[i][0] == '-' || who)
            return usage(argv[0], "unexpected '%s'", argv[i]);
        else
            who = argv[i];
    }
    if (!who)
        return usage(argv[0], "no domain");
    if (guest_argument(h, who, argv[0], &domid))
        return 1;
    snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
    if (store_write(h, path, what))
        return complain("%s: %s: %s", argv[0], path, strerror(errno));
    return wait ? wait_gone(h, domid) : 0;
}

int verb_shutdown(struct handles *h, int argc, char **argv)
{
    return request(h, argc, argv, "poweroff");
}

int verb_reboot(struct handles *h, int argc, char **argv)
{
    return request(h, argc, argv, "reboot");
}

int verb_rename(struct handles *h, int argc, char **argv)
{
    uint32_t domid, other;
    struct err ignored;
    if (guest_argument(h, argv[1], "rename", &domid))
        return 1;
    if (!domain_find(h, argv[2], &other, &ignored))
        return complain("rename: domain %u is called '%s' already", other, argv[2]);
    if (!argv[2][0] || strlen(argv[2]) > 63 || strspn(argv[2], "0123456789") == strlen(argv[2]) || strchr(argv[2], '/'))
        return complain("rename: '%s' cannot name a domain", argv[2]);
    return store_rename(h, domid, argv[2]) ? complain("rename: %s", strerror(errno)) : 0;
}

int verb_kill(struct handles *h, int argc, char **argv)
{
    uint32_t domid;
    if (guest_argument(h, argv[1], "kill", &domid))
        return 1;
    return bh_simple(h, BH_OP_crash, domid) ? complain("kill %s: %s", argv[1], strerror(errno)) : 0;
}

int verb_restart(struct handles *h, int argc, char **argv)
{
    uint32_t domid;
    if (guest_argument(h, argv[1], "restart", &domid))
        return 1;
    char path[64], *failed = store_read(h, "/local/domain/%u/control/failed", domid);
    snprintf(path, sizeof(path), "/local/domain/%u/control/failed", domid);
    if (failed && failed[0])
        store_write(h, path, ""); /* it had given up; it gets another chance */
    free(failed);
    if (bh_simple(h, BH_OP_restart, domid))
        return complain("restart %s: %s", argv[1],
                        errno == ENODATA ? "it has no pristine image (not a driver domain)" : strerror(errno));
    const struct bh_op *op = h->op;
    printf("%s: incarnation %u, stopped for %.3f ms\n", argv[1], op->u.info.incarnation,
           (double)(op->u.info.started_ns - op->u.info.died_ns) / 1e6);
    return 0;
}

int verb_rest(struct handles *h, int argc, char **argv)
{
    char *end;
    unsigned long seconds = strtoul(argv[1], &end, 10);
    if (*end || !seconds || seconds > 60)
        return usage("rest", "'%s' is not a number of seconds from 1 to 60", argv[1]);
    bh_start(h, DOMID_SELF)->u.rest.ms = (uint32_t)seconds * 1000;
    return bh_call(h, BH_OP_rest) ? complain("rest: %s", strerror(errno)) : 0;
}
