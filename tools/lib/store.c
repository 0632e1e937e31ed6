/* SPDX-License-Identifier: MIT */
/* The registry as the toolstack writes it; see store.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xen/io/xenbus.h>
#include "tools/lib/store.h"

#define PATH_MAX_BYTES 256

/* A transaction under way: the first failure sticks and the commit is skipped. */
struct tx {
    struct handles *h;
    xs_transaction_t id;
    int error;
};

struct perm {
    struct xs_permissions p[2];
};

static struct perm perms(uint32_t owner, uint32_t reader)
{
    return (struct perm){{{owner, XS_PERM_NONE}, {reader, XS_PERM_READ}}};
}

static void tx_mkdir(struct tx *t, const char *path, struct perm p)
{
    unsigned n = p.p[0].id == p.p[1].id ? 1 : 2;
    if (t->error)
        return;
    if (!xs_mkdir(t->h->xs, t->id, path) || !xs_set_permissions(t->h->xs, t->id, path, p.p, n))
        t->error = errno ? errno : EIO;
}

__attribute__((format(printf, 4, 5))) static void tx_write(struct tx *t, const char *dir, const char *node, const char *fmt, ...)
{
    char path[PATH_MAX_BYTES + 64], value[2048];
    va_list ap;
    if (t->error)
        return;
    snprintf(path, sizeof(path), "%s%s%s", dir, node[0] ? "/" : "", node);
    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    if (!xs_write(t->h->xs, t->id, path, value, (unsigned)strlen(value)))
        t->error = errno ? errno : EIO;
}

/* Runs fn(t, arg) in a transaction, again after each conflict. 0 or -1 with errno. */
static int transact(struct handles *h, void (*fn)(struct tx *t, const void *arg), const void *arg)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        struct tx t = {h, xs_transaction_start(h->xs), 0};
        if (t.id == XBT_NULL)
            return -1;
        fn(&t, arg);
        if (xs_transaction_end(h->xs, t.id, t.error != 0) && !t.error)
            return 0;
        if (t.error)
            errno = t.error;
        if (t.error || errno != EAGAIN)
            return -1;
    }
    errno = EBUSY;
    return -1;
}

char *store_read(struct handles *h, const char *fmt, ...)
{
    char path[PATH_MAX_BYTES];
    unsigned len;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    return xs_read(h->xs, XBT_NULL, path, &len);
}

int store_number(struct handles *h, unsigned long *n, const char *fmt, ...)
{
    char path[PATH_MAX_BYTES], *rest;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    char *text = store_read(h, "%s", path);
    if (!text)
        return -1;
    errno = 0;
    unsigned long value = strtoul(text, &rest, 10);
    int rc = errno || rest == text || *rest || text[0] == '-' ? -1 : 0;
    free(text);
    if (!rc)
        *n = value;
    return rc;
}

int store_write(struct handles *h, const char *path, const char *value)
{
    return xs_write(h->xs, XBT_NULL, path, value, (unsigned)strlen(value)) ? 0 : -1;
}

int store_rm(struct handles *h, const char *path)
{
    return xs_rm(h->xs, XBT_NULL, path) ? 0 : -1;
}

/* --- the domain --- */

struct domain_args {
    const struct domcfg *cfg;
    const struct built *b;
    char dir[64];
};

/* What the guest itself may write. */
static void write_owned(struct tx *t, const struct domain_args *a)
{
    static const char *const nodes[] = {"control/shutdown", "control/feature-poweroff", "control/feature-reboot",
                                        "control/feature-suspend", "control/sysrq", "data", "drivers", "feature",
                                        "attr", "error"};
    static const char *const driver_nodes[] = {"backend", "control/failed", "control/fault", "control/memory"};
    char path[PATH_MAX_BYTES];
    for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", a->dir, nodes[i]);
        tx_mkdir(t, path, perms(a->b->domid, a->b->domid));
    }
    for (unsigned i = 0; a->cfg->driver_domain && i < sizeof(driver_nodes) / sizeof(driver_nodes[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", a->dir, driver_nodes[i]);
        tx_mkdir(t, path, perms(a->b->domid, a->b->domid));
    }
}

static void write_policy(struct tx *t, const struct domain_args *a)
{
    char dir[64], node[NAME_NODE];
    name_node(a->cfg->name, node);
    tx_write(t, node, "", "%u", a->b->domid);
    snprintf(dir, sizeof(dir), "/tool/bh/%u", a->b->domid);
    tx_write(t, dir, "name", "%s", a->cfg->name);
    tx_write(t, dir, "config", "%s", a->cfg->file);
    tx_write(t, dir, "driver_domain", "%d", a->cfg->driver_domain);
    tx_write(t, dir, "on_poweroff", "%s", dom_action_name(a->cfg->on_poweroff));
    tx_write(t, dir, "on_reboot", "%s", dom_action_name(a->cfg->on_reboot));
    tx_write(t, dir, "on_crash", "%s", dom_action_name(a->cfg->on_crash));
    tx_write(t, dir, "on_watchdog", "%s", dom_action_name(a->cfg->on_watchdog));
}

static void write_domain(struct tx *t, const void *arg)
{
    const struct domain_args *a = arg;
    char uuid[37], vm[64], node[48];
    uuid_format(a->cfg->uuid, uuid);
    snprintf(vm, sizeof(vm), "/vm/%s", uuid);
    tx_mkdir(t, vm, perms(0, a->b->domid));
    tx_write(t, vm, "name", "%s", a->cfg->name);
    tx_write(t, vm, "uuid", "%s", uuid);
    tx_mkdir(t, a->dir, perms(0, a->b->domid));
    tx_write(t, a->dir, "vm", "%s", vm);
    tx_write(t, a->dir, "name", "%s", a->cfg->name);
    tx_write(t, a->dir, "domid", "%u", a->b->domid);
    tx_write(t, a->dir, "memory/static-max", "%llu", (unsigned long long)a->cfg->maxmem_kib);
    tx_write(t, a->dir, "memory/target", "%llu", (unsigned long long)a->cfg->memory_kib);
    for (unsigned v = 0; v < a->cfg->vcpus; v++) {
        snprintf(node, sizeof(node), "cpu/%u/availability", v);
        tx_write(t, a->dir, node, "online");
    }
    tx_write(t, a->dir, "store/ring-ref", "%llu", (unsigned long long)a->b->store_gfn);
    tx_write(t, a->dir, "store/port", "%u", a->b->store_port);
    tx_write(t, a->dir, "console/backend-id", "0");
    tx_write(t, a->dir, "console/ring-ref", "%llu", (unsigned long long)a->b->console_gfn);
    tx_write(t, a->dir, "console/port", "%u", a->b->console_port);
    tx_write(t, a->dir, "console/type", "xenconsoled");
    tx_write(t, a->dir, "console/output", "pty");
    tx_write(t, a->dir, "console/limit", "1048576");
    tx_write(t, a->dir, "control/platform-feature-multiprocessor-suspend", "1");
    tx_write(t, a->dir, "device", "%s", "");
    write_owned(t, a);
    write_policy(t, a);
}

int store_domain(struct handles *h, const struct domcfg *cfg, const struct built *b, struct err *e)
{
    struct domain_args a = {cfg, b, ""};
    snprintf(a.dir, sizeof(a.dir), "/local/domain/%u", b->domid);
    if (transact(h, write_domain, &a))
        return err_set(e, "%s: cannot write %s in xenstore: %s", cfg->name, a.dir, strerror(errno));
    return 0;
}

int store_introduce(struct handles *h, const struct built *b, struct err *e)
{
    if (!xs_introduce_domain(h->xs, b->domid, b->store_gfn, b->store_port))
        return err_set(e, "domain %u: xenstored refused to serve it: %s", b->domid, strerror(errno));
    return 0;
}

/* --- devices --- */

struct device {
    const char *kind;
    uint32_t domid, devid, backend;
    char front[PATH_MAX_BYTES], back[PATH_MAX_BYTES];
    const void *spec;
    unsigned count; /* pci: functions */
};

static struct device device_paths(const char *kind, uint32_t domid, uint32_t devid, uint32_t backend)
{
    struct device d = {.kind = kind, .domid = domid, .devid = devid, .backend = backend};
    snprintf(d.front, sizeof(d.front), "/local/domain/%u/device/%s/%u", domid, kind, devid);
    snprintf(d.back, sizeof(d.back), "/local/domain/%u/backend/%s/%u/%u", backend, kind, domid, devid);
    return d;
}

/* Both directories with what every device has. */
static void write_device(struct tx *t, const struct device *d)
{
    tx_mkdir(t, d->back, perms(d->backend, d->domid));
    tx_write(t, d->back, "frontend", "%s", d->front);
    tx_write(t, d->back, "frontend-id", "%u", d->domid);
    tx_write(t, d->back, "online", "1");
    tx_write(t, d->back, "state", "%d", XenbusStateInitialising);
    tx_mkdir(t, d->front, perms(d->domid, d->backend));
    tx_write(t, d->front, "backend", "%s", d->back);
    tx_write(t, d->front, "backend-id", "%u", d->backend);
    tx_write(t, d->front, "state", "%d", XenbusStateInitialising);
}

static void write_disk(struct tx *t, const void *arg)
{
    const struct device *d = arg;
    const struct disk_spec *disk = d->spec;
    write_device(t, d);
    tx_write(t, d->back, "removable", "%d", disk->cdrom);
    tx_write(t, d->back, "bootable", "1");
    tx_write(t, d->back, "dev", "%s", disk->vdev);
    tx_write(t, d->back, "type", "phy");
    tx_write(t, d->back, "mode", "%s", disk->readonly || disk->cdrom ? "r" : "w");
    tx_write(t, d->back, "device-type", "%s", disk->cdrom ? "cdrom" : "disk");
    tx_write(t, d->back, "params", "%s", disk->target);
    tx_write(t, d->back, "discard-enable", "%d", !disk->no_discard);
    tx_write(t, d->front, "virtual-device", "%u", d->devid);
    tx_write(t, d->front, "device-type", "%s", disk->cdrom ? "cdrom" : "disk");
}

static int add_device(struct handles *h, struct device *d, void (*write)(struct tx *t, const void *arg), struct err *e)
{
    if (transact(h, write, d))
        return err_set(e, "%s %u of domain %u: cannot write %s in xenstore: %s", d->kind, d->devid, d->domid, d->back,
                       strerror(errno));
    return 0;
}

int store_add_disk(struct handles *h, uint32_t domid, const struct disk_spec *disk, uint32_t backend, struct err *e)
{
    struct device d = device_paths("vbd", domid, disk->devid, backend);
    d.spec = disk;
    char *there = store_read(h, "%s/state", d.front);
    free(there);
    if (there)
        return err_set(e, "vdev: domain %u has a %s already", domid, disk->vdev);
    return add_device(h, &d, write_disk, e);
}

static void write_vif(struct tx *t, const void *arg)
{
    const struct device *d = arg;
    const struct vif_spec *vif = d->spec;
    const char *const dirs[] = {d->back, d->front};
    write_device(t, d);
    for (unsigned i = 0; i < 2; i++) {
        tx_write(t, dirs[i], "handle", "%u", d->devid);
        tx_write(t, dirs[i], "mac", "%02x:%02x:%02x:%02x:%02x:%02x", vif->mac[0], vif->mac[1], vif->mac[2],
                 vif->mac[3], vif->mac[4], vif->mac[5]);
    }
    tx_write(t, d->back, "type", "vif");
    tx_write(t, d->back, "isolated", "%d", vif->isolated);
    if (vif->vlan)
        tx_write(t, d->back, "vlan", "%u", vif->vlan);
    if (vif->rate_bytes)
        tx_write(t, d->back, "rate", "%u,%u", vif->rate_bytes, vif->rate_us);
    if (vif->ip[0])
        tx_write(t, d->back, "ip", "%s", vif->ip);
    tx_write(t, d->front, "mtu", "1500");
    if (vif->bridge[0])
        tx_write(t, d->back, "bridge", "%s", vif->bridge);
}

int store_add_vif(struct handles *h, uint32_t domid, unsigned devid, const struct vif_spec *vif, uint32_t backend,
                  struct err *e)
{
    struct device d = device_paths("vif", domid, devid, backend);
    d.spec = vif;
    char *there = store_read(h, "%s/state", d.front);
    free(there);
    if (there)
        return err_set(e, "domain %u has a vif %u already", domid, devid);
    return add_device(h, &d, write_vif, e);
}

static void write_pci(struct tx *t, const void *arg)
{
    const struct device *d = arg;
    const uint32_t *sbdf = d->spec;
    char node[32], text[16];
    write_device(t, d);
    tx_write(t, d->back, "num_devs", "%u", d->count);
    for (unsigned i = 0; i < d->count; i++) {
        sbdf_format(sbdf[i], text);
        snprintf(node, sizeof(node), "dev-%u", i);
        tx_write(t, d->back, node, "%s", text);
        snprintf(node, sizeof(node), "vdev-%u", i);
        tx_write(t, d->back, node, "0000:00:%02x.0", i);
        snprintf(node, sizeof(node), "state-%u", i);
        tx_write(t, d->back, node, "%d", XenbusStateInitialised);
    }
    tx_write(t, d->back, "root_num", "1");
    tx_write(t, d->back, "root-0", "0000:00");
}

int store_add_pci(struct handles *h, uint32_t domid, const uint32_t *sbdf, unsigned n, struct err *e)
{
    struct device d = device_paths("pci", domid, 0, 0);
    d.spec = sbdf;
    d.count = n;
    return add_device(h, &d, write_pci, e);
}

char *store_backend(struct handles *h, const char *kind, uint32_t domid, uint32_t devid)
{
    return store_read(h, "/local/domain/%u/device/%s/%u/backend", domid, kind, devid);
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

int store_wait_backend(struct handles *h, const char *back, unsigned ms, struct err *e)
{
    unsigned long state = 0;
    for (unsigned waited = 0;; waited += 10) {
        char *error = store_read(h, "%s/error", back);
        bool bad = error && error[0];
        if (bad)
            err_set(e, "%s: backend: %s", back, error);
        free(error);
        if (bad)
            return -1;
        if (!store_number(h, &state, "%s/state", back) && state >= XenbusStateInitWait && state <= XenbusStateConnected)
            return 0;
        if (state >= XenbusStateClosing)
            return err_set(e, "%s: the backend closed the device", back);
        if (waited >= ms)
            return err_set(e, "%s: the backend did not answer within %u s (state %lu)", back, ms / 1000, state);
        sleep_ms(10);
    }
}

/* Backend says closed, or its directory is gone. */
static bool wait_closed(struct handles *h, const char *back, unsigned ms)
{
    unsigned long state;
    for (unsigned waited = 0;; waited += 10) {
        if (store_number(h, &state, "%s/state", back) || state == XenbusStateClosed)
            return true;
        if (waited >= ms)
            return false;
        sleep_ms(10);
    }
}

static void ask_close(struct tx *t, const void *arg)
{
    const char *back = arg;
    tx_write(t, back, "online", "0");
    tx_write(t, back, "state", "%d", XenbusStateClosing);
}

/* The directory of a backend, and the one above it (all of one front's domain) if nothing else is in it. */
static void remove_back(struct handles *h, const char *back)
{
    char parent[PATH_MAX_BYTES];
    unsigned n = 1;
    store_rm(h, back);
    snprintf(parent, sizeof(parent), "%s", back);
    *strrchr(parent, '/') = 0;
    free(xs_directory(h->xs, XBT_NULL, parent, &n));
    if (n == 0)
        store_rm(h, parent);
}

int store_remove_device(struct handles *h, const char *kind, uint32_t domid, uint32_t devid, unsigned ms, bool force,
                        struct err *e)
{
    char front[PATH_MAX_BYTES];
    char *back = store_backend(h, kind, domid, devid);
    if (!back)
        return err_set(e, "domain %u has no %s device %u", domid, kind, devid);
    snprintf(front, sizeof(front), "/local/domain/%u/device/%s/%u", domid, kind, devid);
    char prefix[64];
    unsigned backend;
    int used = 0;
    /* The guest may write its own directory: take no path from it that is not a backend's of this device. */
    if (sscanf(back, "/local/domain/%u/backend/%n", &backend, &used) != 1 || !used ||
        snprintf(prefix, sizeof(prefix), "%s/%u/%u", kind, domid, devid) < 0 || strcmp(back + used, prefix)) {
        free(back);
        store_rm(h, front);
        return err_set(e, "%s/backend does not name a backend of this device", front);
    }
    unsigned long state;
    bool there = !store_number(h, &state, "%s/state", back);
    bool closed = !there || state == XenbusStateClosed || (!transact(h, ask_close, back) && wait_closed(h, back, ms));
    int rc = 0;
    if (closed || force) {
        remove_back(h, back);
        store_rm(h, front);
    } else {
        rc = err_set(e, "%s: the device was not released within %u s; it may be in use", back, ms / 1000);
    }
    free(back);
    return rc;
}

static void forget_kind(struct handles *h, uint32_t domid, const char *kind)
{
    char path[PATH_MAX_BYTES];
    unsigned n = 0;
    struct err ignored;
    snprintf(path, sizeof(path), "/local/domain/%u/device/%s", domid, kind);
    char **ids = xs_directory(h->xs, XBT_NULL, path, &n);
    for (unsigned i = 0; i < n; i++) {
        /* The front is dead: it counts as closed for the backend. */
        snprintf(path, sizeof(path), "/local/domain/%u/device/%s/%s/state", domid, kind, ids[i]);
        store_write(h, path, "6");
    }
    for (unsigned i = 0; i < n; i++)
        store_remove_device(h, kind, domid, (uint32_t)strtoul(ids[i], NULL, 10), 500, true, &ignored);
    free(ids);
}

/* Take the domain's name out of the index, unless another has it by now. */
static void forget_name(struct handles *h, uint32_t domid)
{
    char node[NAME_NODE], *name = store_read(h, "/tool/bh/%u/name", domid);
    unsigned long holder;
    if (name) {
        name_node(name, node);
        if (!store_number(h, &holder, "%s", node) && holder == domid)
            store_rm(h, node);
    }
    free(name);
}

struct renaming {
    uint32_t domid;
    const char *name;
};

static void write_name(struct tx *t, const void *arg)
{
    const struct renaming *r = arg;
    char path[PATH_MAX_BYTES], node[NAME_NODE];
    snprintf(path, sizeof(path), "/local/domain/%u", r->domid);
    tx_write(t, path, "name", "%s", r->name);
    snprintf(path, sizeof(path), "/tool/bh/%u", r->domid);
    tx_write(t, path, "name", "%s", r->name);
    name_node(r->name, node);
    tx_write(t, node, "", "%u", r->domid);
}

int store_rename(struct handles *h, uint32_t domid, const char *name)
{
    struct renaming r = {domid, name};
    forget_name(h, domid);
    return transact(h, write_name, &r);
}

void store_forget(struct handles *h, uint32_t domid)
{
    char path[PATH_MAX_BYTES];
    char *vm = store_read(h, "/local/domain/%u/vm", domid);
    forget_kind(h, domid, "vbd");
    forget_kind(h, domid, "vif");
    forget_kind(h, domid, "pci");
    if (vm && !strncmp(vm, "/vm/", 4) && strlen(vm) == 40)
        store_rm(h, vm);
    free(vm);
    forget_name(h, domid);
    snprintf(path, sizeof(path), "/tool/bh/%u", domid);
    store_rm(h, path);
    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    store_rm(h, path);
    xs_release_domain(h->xs, domid);
}
