/* SPDX-License-Identifier: MIT */
/*
 * Deaths and policies; see bhd.h. VIRQ_DOM_EXC says that some domain's state has changed, BH_OP_changed whose: what a death
 * costs does not depend on how many others there are. For a driver domain the restart comes before anything is logged or written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backends/core/host_linux.h"
#include "tools/bhd/bhd.h"

#define CHUNK 64u

static struct handles *h;
static struct dom *doms[DOMID_FIRST_RESERVED]; /* by id; NULL for what is none of ours */
static uint64_t noticed_ns; /* when the event at hand came in */

static const char *reason_name(unsigned reason)
{
    static const char *const names[] = {"poweroff", "reboot", "suspend", "crash", "watchdog", "soft-reset"};
    return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}

/* --- what bh has left below /tool/bh --- */

static enum dom_action read_action(uint32_t domid, const char *key, enum dom_action fallback)
{
    enum dom_action a = fallback;
    char *text = store_read(h, "/tool/bh/%u/%s", domid, key);
    if (text && dom_action_parse(text, &a))
        host_log("domain %u: %s: '%s' is unknown, taking %s", domid, key, text, dom_action_name(fallback));
    free(text);
    return a;
}

static void read_text(uint32_t domid, const char *key, char *out, size_t size)
{
    char *text = store_read(h, "/tool/bh/%u/%s", domid, key);
    snprintf(out, size, "%s", text ? text : "");
    free(text);
}

static void later_fired(void *arg);

/* A driver domain that loses its device says why in control/failed, and closes its devices itself while it lives. */
static void failed_changed(const char *path, void *arg)
{
    struct dom *d = arg;
    char node[128], *why = store_read(h, "/local/domain/%u/control/failed", d->domid);
    bool gave_up = why && why[0];
    if (gave_up && !d->gave_up) {
        host_log("quarantine %s domid=%u reason=%s; it says so itself", d->name, d->domid, why);
        snprintf(node, sizeof(node), "/tool/bhd/%s/quarantined", d->name);
        store_write(h, node, why);
    }
    d->gave_up = gave_up;
    free(why);
}

static void watch_failed(struct dom *d, bool on)
{
    char path[64];
    if (!d->driver)
        return;
    snprintf(path, sizeof(path), "/local/domain/%u/control/failed", d->domid);
    if (!on)
        host_xs_unwatch(path, failed_changed, d);
    else if (host_xs_watch(path, failed_changed, d))
        host_log("%s domid=%u: cannot watch control/failed", d->name, d->domid);
}

/* A domain that bh has made; NULL for one that it has not. */
static struct dom *learn(uint32_t domid)
{
    unsigned long driver = 0;
    if (store_number(h, &driver, "/tool/bh/%u/driver_domain", domid))
        return NULL;
    struct dom *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->domid = domid;
    d->driver = driver == 1;
    read_text(domid, "name", d->name, sizeof(d->name));
    read_text(domid, "config", d->config, sizeof(d->config));
    d->on_poweroff = read_action(domid, "on_poweroff", ACT_DESTROY);
    d->on_reboot = read_action(domid, "on_reboot", ACT_RESTART);
    d->on_crash = read_action(domid, "on_crash", ACT_DESTROY);
    d->on_watchdog = read_action(domid, "on_watchdog", d->on_crash);
    d->later.fn = later_fired;
    d->later.arg = d;
    doms[domid] = d;
    watch_failed(d, true);
    return d;
}

static struct dom *find(uint32_t domid)
{
    return domid < DOMID_FIRST_RESERVED ? doms[domid] : NULL;
}

/* --- restart in place --- */

static void publish(const struct dom *d, const char *line)
{
    char path[128], number[24];
    snprintf(path, sizeof(path), "/tool/bhd/%s/restarts", d->name);
    snprintf(number, sizeof(number), "%lu", d->restarts);
    store_write(h, path, number);
    snprintf(path, sizeof(path), "/tool/bhd/%s/last", d->name);
    store_write(h, path, line);
}

/* The hypervisor's clock minus ours. Of a few questions the one that was answered fastest tells best. */
static int64_t clock_offset;
static void compare_clocks(void)
{
    uint64_t best = UINT64_MAX;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t before = host_now();
        if (bh_simple(h, BH_OP_info, DOMID_SELF))
            return;
        uint64_t after = host_now();
        if (after - before < best) {
            best = after - before;
            clock_offset = (int64_t)(h->op->u.info.now_ns - (before + best / 2));
        }
    }
}

static void report(struct dom *d, unsigned reason)
{
    const struct bh_op *op = h->op;
    char line[256];
    uint64_t noticed = d->noticed_ns + (uint64_t)clock_offset;
    uint64_t died = op->u.info.died_ns;
    snprintf(line, sizeof(line), "restart %s domid=%u incarnation=%u reason=%s detected_us=%llu restarted_us=%llu", d->name,
             d->domid, op->u.info.incarnation, reason_name(reason),
             (unsigned long long)(noticed > died ? (noticed - died) / 1000 : 0),
             (unsigned long long)((op->u.info.started_ns - died) / 1000));
    host_log("%s", line);
    d->restarts++;
    publish(d, line);
    compare_clocks(); /* for the next time */
}

static void restart_now(struct dom *d)
{
    int rc = bh_simple(h, BH_OP_restart, d->domid);
    uint64_t now = host_now();
    if (!rc) {
        storm_started(&d->storm, now);
        d->handled = false;
        report(d, d->reason);
    } else if (errno != ESRCH) {
        char why[128];
        snprintf(why, sizeof(why), "restart in place failed: %s", strerror(errno));
        quarantine(h, d, why);
    }
}

static void later_fired(void *arg)
{
    restart_now(arg);
}

static bool was_ordered(const struct dom *d)
{
    return !bh_simple(h, BH_OP_info, d->domid) && !strncmp(h->op->u.info.why, "kill", 4);
}

static void recover(struct dom *d)
{
    uint64_t delay, now = noticed_ns;
    bool ordered = !storm_calm(&d->storm, now) && was_ordered(d);
    if (!storm_death(&d->storm, now, ordered, &delay)) {
        char why[128];
        snprintf(why, sizeof(why), "died %u times (last: %s) without one healthy second", STORM_LIMIT + 1,
                 reason_name(d->reason));
        quarantine(h, d, why);
    } else if (delay) {
        host_log("death %s domid=%u reason=%s, the %u. in a row: restart in %llu ms", d->name, d->domid,
                 reason_name(d->reason), d->storm.deaths, (unsigned long long)delay / 1000000);
        host_timer_set(&d->later, host_now() + delay);
    } else {
        restart_now(d);
    }
}

/* --- policy --- */

static enum dom_action action_of(const struct dom *d, unsigned reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff: return d->on_poweroff;
    case SHUTDOWN_reboot: return d->on_reboot;
    case SHUTDOWN_watchdog: return d->on_watchdog;
    case SHUTDOWN_suspend: return ACT_PRESERVE;
    default: return d->on_crash;
    }
}

static void preserve(const struct dom *d)
{
    host_log("death %s domid=%u reason=%s: preserved", d->name, d->domid, reason_name(d->reason));
    free(xs_control_command(h->xs, "domains", NULL, 0));
}

static void died(struct dom *d, unsigned reason)
{
    enum dom_action act = action_of(d, reason);
    d->handled = true;
    d->reason = reason;
    d->noticed_ns = noticed_ns;
    if (d->quarantined)
        return;
    if (d->driver && reason != SHUTDOWN_crash && reason != SHUTDOWN_watchdog)
        failed_changed(NULL, d); /* its last word may still be on the way; a crash must not wait for that */
    if (d->gave_up) {
        quarantine(h, d, "it had given its device up and died");
    } else if (d->driver && act == ACT_RESTART) {
        recover(d);
    } else if (act == ACT_PRESERVE) {
        preserve(d);
    } else {
        host_log("death %s domid=%u reason=%s: %s", d->name, d->domid, reason_name(reason), dom_action_name(act));
        spawn_bh(d->domid, d->name, act == ACT_RESTART ? d->config : NULL);
    }
}

static void alive(struct dom *d)
{
    char path[128];
    d->handled = false;
    if (d->quarantined) {
        d->quarantined = false;
        snprintf(path, sizeof(path), "/tool/bhd/%s/quarantined", d->name);
        store_rm(h, path);
        host_log("%s domid=%u: runs again, out of quarantine", d->name, d->domid);
    }
}

/* There is no such domain, or it is being destroyed and must not be held on to. */
static void gone(uint32_t domid)
{
    struct dom *d = find(domid);
    console_gone(domid);
    if (!d)
        return;
    doms[domid] = NULL;
    host_timer_cancel(&d->later);
    watch_failed(d, false);
    free(d);
}

static void look_at(const xc_domaininfo_t *info)
{
    struct dom *d = find(info->domain);
    if (info->flags & XEN_DOMINF_dying) {
        gone(info->domain);
        return;
    }
    if (!d)
        d = learn(info->domain);
    if (d && info->flags & XEN_DOMINF_shutdown) {
        if (!d->handled)
            died(d, info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
    } else if (d) {
        alive(d);
    }
    console_here(info->domain);
}

static void look(uint32_t domid)
{
    xc_domaininfo_t info;
    if (domain_info(h, domid, &info))
        gone(domid);
    else
        look_at(&info);
}

/* Every domain there is. */
static void look_at_all(void)
{
    static xc_domaininfo_t info[CHUNK];
    uint32_t next = 1;
    int n;
    do {
        n = xc_domain_getinfolist(h->xc, next, CHUNK, info);
        if (n < 0) {
            host_log("cannot list the domains: %s", strerror(errno));
            return;
        }
        for (int i = 0; i < n; i++) {
            while (next < info[i].domain)
                gone(next++);
            look_at(&info[i]);
            next++;
        }
    } while (n == (int)CHUNK);
    while (next < DOMID_FIRST_RESERVED)
        gone(next++);
}

static void domains_changed(void *arg)
{
    noticed_ns = host_now();
    while (!bh_simple(h, BH_OP_changed, DOMID_SELF))
        look(h->op->domid);
    if (errno != ENOENT)
        host_log("cannot ask which domain has changed: %s", strerror(errno));
}

/* Domains that bh has named and not yet introduced: who is new is then known without a look at all the others. */
static uint32_t expected[16];
static unsigned nr_expected;

static void introduced(const char *path, void *arg)
{
    unsigned n = nr_expected;
    nr_expected = 0;
    noticed_ns = host_now();
    if (!n || n > sizeof(expected) / sizeof(expected[0]))
        look_at_all(); /* another tool's, or too many at once */
    else
        for (unsigned i = 0; i < n; i++)
            look(expected[i]);
}

/* `bh create` or `bh rename` */
static void policy_changed(const char *path, void *arg)
{
    unsigned domid;
    int used = 0;
    struct dom *d;
    if (sscanf(path, "/tool/bh/%u/name%n", &domid, &used) != 1 || !used || path[used])
        return;
    if ((d = find(domid)))
        read_text(domid, "name", d->name, sizeof(d->name));
    else if (nr_expected++ < sizeof(expected) / sizeof(expected[0]))
        expected[nr_expected - 1] = domid;
}

int domains_start(struct handles *handles)
{
    h = handles;
    compare_clocks();
    int port = host_linux_bind_virq(VIRQ_DOM_EXC, domains_changed, NULL);
    if (port < 0) {
        host_log("cannot bind VIRQ_DOM_EXC: %s; is another supervisor running?", strerror(-port));
        return -1;
    }
    if (host_xs_watch("@introduceDomain", introduced, NULL) || host_xs_watch("/tool/bh", policy_changed, NULL)) {
        host_log("cannot watch xenstore: %s", strerror(errno));
        return -1;
    }
    return 0;
}
