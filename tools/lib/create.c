/* SPDX-License-Identifier: MIT */
/*
 * Whole domains; see create.h. The order matters: roles before anything runs, functions assigned and the registry
 * connected before the pristine image is kept, the image kept before the first instruction.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tools/lib/create.h"
#include "tools/lib/pcidc.h"

struct creation {
    struct handles *h;
    const struct domcfg *cfg;
    struct built b;
    bool assigned; /* some function is pcid's to take back */
    uint32_t disk_backend[DOMCFG_MAX_DISKS], vif_backend[DOMCFG_MAX_VIFS];
    struct err *e;
};

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

int backend_find(struct handles *h, const char *backend, uint32_t *domid, struct err *e)
{
    struct err why;
    *domid = 0;
    if (!backend[0] || !strcmp(backend, "0") || !strcmp(backend, "Domain-0"))
        return 0;
    for (unsigned waited = 0; domain_find(h, backend, domid, &why); waited += 50) {
        if (waited >= BACKEND_WAIT_MS)
            return err_set(e, "backend: %s, waited %u s", why.text, BACKEND_WAIT_MS / 1000);
        sleep_ms(50);
    }
    return 0;
}

static int check_name(struct creation *c)
{
    uint32_t other;
    if (!domain_named(c->h, c->cfg->name, &other))
        return err_set(c->e, "name: domain '%s' exists already (id %u)", c->cfg->name, other);
    return 0;
}

static int find_backends(struct creation *c)
{
    for (unsigned i = 0; i < c->cfg->nr_disks; i++)
        if (backend_find(c->h, c->cfg->disks[i].backend, &c->disk_backend[i], c->e))
            return err_prefix(c->e, "%s: disk %s", c->cfg->name, c->cfg->disks[i].vdev);
    for (unsigned i = 0; i < c->cfg->nr_vifs; i++)
        if (backend_find(c->h, c->cfg->vifs[i].backend, &c->vif_backend[i], c->e))
            return err_prefix(c->e, "%s: vif %u", c->cfg->name, i);
    return 0;
}

static int set_roles(struct creation *c)
{
    if (!c->cfg->driver_domain)
        return 0;
    bh_start(c->h, c->b.domid)->u.roles.roles = BH_ROLE_DEVICE;
    if (bh_call(c->h, BH_OP_set_roles))
        return err_set(c->e, "%s: driver_domain: cannot set the role: %s", c->cfg->name, strerror(errno));
    return 0;
}

static int assign_pci(struct creation *c)
{
    char line[96], sbdf[16], answer[256];
    for (unsigned i = 0; i < c->cfg->nr_pci; i++) {
        sbdf_format(c->cfg->pci[i].sbdf, sbdf);
        snprintf(line, sizeof(line), "assign %u %s,vfs=%u%s", c->b.domid, sbdf, c->cfg->pci[i].vfs, c->cfg->pci[i].unsafe ? ",unsafe" : "");
        if (pcid_request(line, answer, sizeof(answer), c->e))
            return err_prefix(c->e, "%s: pci %s", c->cfg->name, sbdf);
        c->assigned = true;
    }
    return 0;
}

static int write_store(struct creation *c)
{
    return store_domain(c->h, c->cfg, &c->b, c->e);
}

static int introduce(struct creation *c)
{
    return store_introduce(c->h, &c->b, c->e);
}

static int add_devices(struct creation *c)
{
    for (unsigned i = 0; i < c->cfg->nr_disks; i++)
        if (store_add_disk(c->h, c->b.domid, &c->cfg->disks[i], c->disk_backend[i], c->e))
            return -1;
    for (unsigned i = 0; i < c->cfg->nr_vifs; i++)
        if (store_add_vif(c->h, c->b.domid, i, &c->cfg->vifs[i], c->vif_backend[i], c->e))
            return -1;
    return 0;
}

/* The image keeps the console channel as it is then: let bhd, if it runs, connect first. */
static void wait_console(struct creation *c)
{
    char *bhd = store_read(c->h, "/tool/bhd/pid");
    for (unsigned waited = 0; bhd && waited < 2000; waited += 5) {
        char *tty = store_read(c->h, "/local/domain/%u/console/tty", c->b.domid);
        bool ready = tty && tty[0];
        free(tty);
        if (ready)
            break;
        sleep_ms(5);
    }
    free(bhd);
}

static int snapshot(struct creation *c)
{
    if (!c->cfg->driver_domain)
        return 0;
    wait_console(c);
    if (bh_simple(c->h, BH_OP_snapshot, c->b.domid))
        return err_set(c->e, "%s: cannot keep the pristine image for restarts: %s", c->cfg->name, strerror(errno));
    return 0;
}

static int wait_backend(struct creation *c, const char *kind, uint32_t devid)
{
    char *back = store_backend(c->h, kind, c->b.domid, devid);
    int rc = back ? store_wait_backend(c->h, back, BACKEND_WAIT_MS, c->e) : err_set(c->e, "its nodes are gone");
    free(back);
    return rc;
}

static int wait_backends(struct creation *c)
{
    for (unsigned i = 0; i < c->cfg->nr_disks; i++)
        if (wait_backend(c, "vbd", c->cfg->disks[i].devid))
            return err_prefix(c->e, "%s: disk %s", c->cfg->name, c->cfg->disks[i].vdev);
    for (unsigned i = 0; i < c->cfg->nr_vifs; i++)
        if (wait_backend(c, "vif", i))
            return err_prefix(c->e, "%s: vif %u", c->cfg->name, i);
    return 0;
}

static void undo(struct creation *c)
{
    struct err ignored;
    char line[64], answer[64];
    if (c->assigned) {
        snprintf(line, sizeof(line), "release %u", c->b.domid);
        pcid_request(line, answer, sizeof(answer), &ignored);
    }
    xc_domain_destroy(c->h->xc, c->b.domid);
    store_forget(c->h, c->b.domid);
}

int dom_create(struct handles *h, const struct domcfg *cfg, bool paused, uint32_t *domid, struct err *e)
{
    static int (*const steps[])(struct creation *c) = {
        set_roles, write_store, assign_pci, introduce, add_devices, snapshot, wait_backends,
    };
    struct creation c = {.h = h, .cfg = cfg, .e = e};
    if (check_name(&c) || find_backends(&c) || dom_build(h, cfg, &c.b, e))
        return -1;
    int rc = 0;
    for (unsigned i = 0; !rc && i < sizeof(steps) / sizeof(steps[0]); i++)
        rc = steps[i](&c);
    if (!rc && !paused && xc_domain_unpause(h->xc, c.b.domid))
        rc = err_set(e, "%s: cannot start it: %s", cfg->name, strerror(errno));
    if (rc)
        undo(&c);
    *domid = c.b.domid;
    return rc;
}

int dom_destroy(struct handles *h, uint32_t domid, struct err *e)
{
    char line[64], answer[64];
    struct err ignored;
    char *pci = store_read(h, "/local/domain/0/backend/pci/%u/0/num_devs", domid);
    xc_domain_pause(h->xc, domid);
    if (pci) {
        snprintf(line, sizeof(line), "release %u", domid);
        pcid_request(line, answer, sizeof(answer), &ignored);
    }
    free(pci);
    if (xc_domain_destroy(h->xc, domid))
        return err_set(e, "domain %u: cannot destroy it: %s", domid, strerror(errno));
    store_forget(h, domid);
    return 0;
}
