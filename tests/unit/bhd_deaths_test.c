/* SPDX-License-Identifier: MIT */
/*
 * bhd's domains.c over a hypervisor and a registry that count: whom it looks at, what it asks and what it does when one domain of a
 * thousand ends, and that nothing of that depends on how many others there are.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backends/core/host_linux.h"
#include "tools/bhd/bhd.h"
#include "suite.h"

#define MANY 1000u
#define IDS 1024u

/* --- what lies around domains.c --- */

static struct {
    bool there, dying, shut, changed, console;
    unsigned reason;
    const char *driver; /* /tool/bh/ID/driver_domain; NULL: not made by bh */
} domain[IDS];
static unsigned asked_one, asked_list, asked_changed, store_ops, restarts, rebuilt, destroyed, quarantines, opened, closed;
static unsigned store_ops_at_restart;
static bool changed_refused;
static char last_written[128], last_removed[128];
static host_event_fn dom_exc;
static host_watch_fn on_introduce, on_policy;
static struct handles handles;
static struct bh_op op;

static void fill(unsigned id, xc_domaininfo_t *info)
{
    *info = (xc_domaininfo_t){.domain = (domid_t)id};
    info->flags = (domain[id].dying ? XEN_DOMINF_dying : 0u) | (domain[id].shut ? XEN_DOMINF_shutdown : 0u) |
                  domain[id].reason << XEN_DOMINF_shutdownshift;
}

int xc_domain_getinfolist(xc_interface *xc, uint32_t first, unsigned max, xc_domaininfo_t *info)
{
    int n = 0;
    asked_list++;
    for (unsigned id = first; id < IDS && (unsigned)n < max; id++)
        if (domain[id].there)
            fill(id, &info[n++]);
    return n;
}

int domain_info(struct handles *h, uint32_t domid, xc_domaininfo_t *info)
{
    asked_one++;
    if (!domain[domid].there) {
        errno = ESRCH;
        return -1;
    }
    fill(domid, info);
    return 0;
}

static int next_changed(struct handles *h)
{
    asked_changed++;
    errno = changed_refused ? ENOSYS : ENOENT;
    for (unsigned id = 0; !changed_refused && id < IDS; id++)
        if (domain[id].changed) {
            domain[id].changed = false;
            h->op->domid = (uint16_t)id;
            return 0;
        }
    return -1;
}

int bh_simple(struct handles *h, unsigned cmd, uint32_t domid)
{
    memset(h->op, 0, sizeof(*h->op));
    if (cmd == BH_OP_changed)
        return next_changed(h);
    if (cmd == BH_OP_restart) {
        store_ops_at_restart = store_ops;
        restarts++;
        domain[domid].shut = false;
        domain[domid].changed = true;
    }
    return 0;
}

static char *node(const char *fmt, va_list ap)
{
    char path[128];
    unsigned id;
    int used = 0;
    vsnprintf(path, sizeof(path), fmt, ap);
    store_ops++;
    if (sscanf(path, "/tool/bh/%u/%n", &id, &used) != 1 || !used || !domain[id].driver)
        return NULL;
    if (!strcmp(path + used, "driver_domain"))
        return strdup(domain[id].driver);
    if (!strcmp(path + used, "name"))
        return strdup("some");
    if (!strcmp(path + used, "on_crash"))
        return strdup(domain[id].driver[0] == '1' ? "restart" : "destroy");
    return NULL;
}

char *store_read(struct handles *h, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = node(fmt, ap);
    va_end(ap);
    return text;
}

int store_number(struct handles *h, unsigned long *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = node(fmt, ap);
    va_end(ap);
    int rc = text ? 0 : -1;
    if (text)
        *n = strtoul(text, NULL, 10);
    free(text);
    return rc;
}

int store_write(struct handles *h, const char *path, const char *value)
{
    store_ops++;
    snprintf(last_written, sizeof(last_written), "%s=%s", path, value);
    return 0;
}

int store_rm(struct handles *h, const char *path)
{
    store_ops++;
    snprintf(last_removed, sizeof(last_removed), "%s", path);
    return 0;
}

int dom_action_parse(const char *text, enum dom_action *a)
{
    *a = !strcmp(text, "restart") ? ACT_RESTART : ACT_DESTROY;
    return 0;
}

const char *dom_action_name(enum dom_action a) { return "action"; }

char *xs_control_command(struct xs_handle *xs, const char *cmd, void *data, unsigned len) { return NULL; }

void quarantine(struct handles *h, struct dom *d, const char *why)
{
    quarantines++;
    d->quarantined = true;
}

void spawn_bh(uint32_t domid, const char *name, const char *config)
{
    *(config ? &rebuilt : &destroyed) += 1;
}

void console_here(uint32_t domid)
{
    opened += !domain[domid].console;
    domain[domid].console = true;
}

void console_gone(uint32_t domid)
{
    if (domid < IDS && domain[domid].console) {
        domain[domid].console = false;
        closed++;
    }
}

void host_log(const char *fmt, ...) {}
uint64_t host_now(void) { return 5000000000ull; }
void host_timer_set(struct host_timer *t, uint64_t when_ns) {}
void host_timer_cancel(struct host_timer *t) {}
void host_xs_unwatch(const char *path, host_watch_fn fn, void *arg) { store_ops++; }

int host_linux_bind_virq(unsigned virq, host_event_fn fn, void *arg)
{
    CU_ASSERT_EQUAL(virq, VIRQ_DOM_EXC);
    dom_exc = fn;
    return 1;
}

int host_xs_watch(const char *path, host_watch_fn fn, void *arg)
{
    if (!strcmp(path, "@introduceDomain"))
        on_introduce = fn;
    else if (!strcmp(path, "/tool/bh"))
        on_policy = fn;
    return 0;
}

/* --- the tests --- */

static void forget_counts(void)
{
    asked_one = asked_list = asked_changed = store_ops = restarts = rebuilt = destroyed = quarantines = opened = closed = 0;
    last_written[0] = last_removed[0] = 0;
}

/* bhd as it stands with domains 1 to n, the first of them a driver domain. */
static void begin(unsigned n)
{
    for (unsigned id = 1; id < IDS; id++) { /* what the test before has left goes */
        domain[id].there = domain[id].dying = domain[id].shut = domain[id].changed = false;
        domain[id].driver = NULL;
    }
    changed_refused = false;
    handles.op = &op;
    CU_ASSERT_EQUAL(domains_start(&handles), 0);
    on_introduce("@introduceDomain", NULL);
    for (unsigned id = 1; id <= n; id++) {
        domain[id].there = true;
        domain[id].driver = id == 1 ? "1" : "0";
    }
    on_introduce("@introduceDomain", NULL); /* as a watch does when it is set */
    forget_counts();
}

static void changes(unsigned id)
{
    domain[id].changed = true;
    dom_exc(NULL);
}

/* What the destruction of one domain costs beside n - 1 others. */
static unsigned cost_of_destroy(unsigned n)
{
    begin(n);
    domain[n / 2].dying = true; /* held by the console's mapping */
    changes(n / 2);
    CU_ASSERT_EQUAL(closed, 1);
    CU_ASSERT_FALSE(domain[n / 2].console);
    domain[n / 2].there = domain[n / 2].dying = false;
    changes(n / 2); /* nothing is left to do */
    CU_ASSERT_EQUAL(closed, 1);
    CU_ASSERT_EQUAL(asked_list, 0);
    return asked_one + asked_changed + store_ops;
}

static void test_destroy(void)
{
    unsigned few = cost_of_destroy(10), many = cost_of_destroy(MANY);
    CU_ASSERT_EQUAL(many, few);
    CU_ASSERT_TRUE(many <= 6);
}

static void test_crash(void)
{
    begin(MANY);
    domain[1].shut = true;
    domain[1].reason = SHUTDOWN_crash;
    changes(1);
    CU_ASSERT_EQUAL(restarts, 1);
    CU_ASSERT_EQUAL(store_ops_at_restart, 0); /* first the restart */
    CU_ASSERT_EQUAL(asked_list, 0);
    CU_ASSERT_EQUAL(asked_one, 2); /* shut down, and running again */
    domain[7].shut = true;
    domain[7].reason = SHUTDOWN_crash;
    changes(7);
    changes(7); /* the same death */
    CU_ASSERT_EQUAL(destroyed, 1);
}

static void test_create(void)
{
    begin(MANY);
    domain[MANY + 1].there = true;
    domain[MANY + 1].driver = "0";
    on_policy("/tool/bh/1001/name", NULL);
    on_introduce("@introduceDomain", NULL);
    CU_ASSERT_EQUAL(asked_list, 0);
    CU_ASSERT_EQUAL(asked_one, 1);
    CU_ASSERT_EQUAL(opened, 1);
}

/* Another tool's domain, one that is not bh's, and one that went while nobody looked. */
static void test_look_at_all(void)
{
    begin(200);
    domain[64].there = domain[200].there = false;
    domain[300].there = true;
    on_introduce("@introduceDomain", NULL);
    CU_ASSERT_EQUAL(closed, 2);
    CU_ASSERT_EQUAL(opened, 1);
    CU_ASSERT_FALSE(domain[64].console || domain[200].console);
    CU_ASSERT_TRUE(domain[300].console && domain[199].console);
}

/* Whoever restarts a domain in quarantine: it is out, and its next death counts. */
static void test_out_of_quarantine(void)
{
    begin(3);
    for (unsigned i = 0; i < STORM_LIMIT; i++) {
        domain[1].shut = true;
        domain[1].reason = SHUTDOWN_crash;
        domain[1].changed = true;
        if (i) { /* it waits: somebody does not */
            dom_exc(NULL);
            domain[1].shut = false;
            changes(1);
        } else {
            dom_exc(NULL);
        }
    }
    domain[1].shut = true;
    changes(1);
    CU_ASSERT_EQUAL(quarantines, 1);
    forget_counts();
    changes(1);
    CU_ASSERT_EQUAL(quarantines + restarts, 0);
    domain[1].shut = false;
    changes(1);
    CU_ASSERT_STRING_EQUAL(last_removed, "/tool/bhd/some/quarantined");
    domain[1].shut = true;
    changes(1);
    CU_ASSERT_EQUAL(quarantines + restarts, 1);
}

/* A hypervisor that cannot tell: an error in the log, no loop. */
static void test_refused(void)
{
    begin(3);
    changed_refused = true;
    dom_exc(NULL);
    CU_ASSERT_EQUAL(asked_changed, 1);
}

int main(void)
{
    CU_TestInfo tests[] = {{"a destroy costs the same beside a thousand", test_destroy},
                           {"a crash costs the same beside a thousand", test_crash},
                           {"a create costs the same beside a thousand", test_create},
                           {"all are looked at for other tools", test_look_at_all},
                           {"out of quarantine", test_out_of_quarantine},
                           {"news refused", test_refused},
                           CU_TEST_INFO_NULL};
    return suite_run("bhd_deaths", NULL, tests);
}
