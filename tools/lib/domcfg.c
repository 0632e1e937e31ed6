/* SPDX-License-Identifier: MIT */
/* Typed domain configuration; see domcfg.h. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "tools/lib/domcfg.h"

static const char *const action_names[] = {"destroy", "restart", "preserve"};

const char *dom_action_name(enum dom_action a)
{
    return action_names[a];
}

int dom_action_parse(const char *text, enum dom_action *a)
{
    static const struct { const char *word; enum dom_action act; } words[] = {
        {"destroy", ACT_DESTROY}, {"restart", ACT_RESTART}, {"preserve", ACT_PRESERVE},
        {"rename-restart", ACT_RESTART}, {"coredump-destroy", ACT_DESTROY}, {"coredump-restart", ACT_RESTART},
    };
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(text, words[i].word)) {
            *a = words[i].act;
            return 0;
        }
    return -1;
}

int uuid_parse(const char *text, uint8_t uuid[16])
{
    unsigned n = 0;
    if (strlen(text) != 36)
        return -1;
    for (unsigned i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return -1;
            continue;
        }
        if (!isxdigit((unsigned char)text[i]) || !isxdigit((unsigned char)text[i + 1]))
            return -1;
        char two[3] = {text[i], text[i + 1], 0};
        uuid[n++] = (uint8_t)strtoul(two, NULL, 16);
        i++;
    }
    return n == 16 ? 0 : -1;
}

void uuid_format(const uint8_t u[16], char text[37])
{
    snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4],
             u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* One item of a CPU list: "all", "N", "N-M", each with an optional ^ that takes CPUs out. */
static int cpus_item(const char *item, uint8_t map[32], struct err *e)
{
    bool out = item[0] == '^';
    const char *p = item + out;
    char *rest;
    unsigned long from = 0, to = 255;
    if (strcmp(p, "all")) {
        from = to = strtoul(p, &rest, 10);
        if (isdigit((unsigned char)*p) && *rest == '-' && isdigit((unsigned char)rest[1]))
            to = strtoul(rest + 1, &rest, 10);
        if (!isdigit((unsigned char)*p) || *rest || from > to || to > 255)
            return err_set(e, "'%s' is not a CPU (0-255) or a range of them", item);
    }
    for (unsigned long c = from; c <= to; c++)
        map[c / 8] = (uint8_t)(out ? map[c / 8] & ~(1u << c % 8) : map[c / 8] | 1u << c % 8);
    return 0;
}

int cpus_parse(const char *text, uint8_t map[32], struct err *e)
{
    char item[32];
    uint8_t any = 0;
    memset(map, 0, 32);
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ", ");
        if (n >= sizeof(item))
            return err_set(e, "'%s' is not a list of CPUs", text);
        memcpy(item, p, n);
        item[n] = 0;
        p += n + (p[n] != 0);
        if (n && cpus_item(item, map, e))
            return -1;
    }
    for (unsigned i = 0; i < 32; i++)
        any |= map[i];
    return any ? 0 : err_set(e, "'%s' leaves no CPU", text);
}

/* --- from the file --- */

static int read_text(struct cfg *cfg, const char *key, char *out, size_t size, struct err *e)
{
    const char *s;
    int rc = cfg_string(cfg, key, &s, e);
    if (rc <= 0)
        return rc;
    if (strlen(s) >= size)
        return cfg_error(cfg, key, e, "longer than %zu characters", size - 1);
    strcpy(out, s);
    return 1;
}

/* A file name relative to the directory of the .cfg. */
static int read_path(struct cfg *cfg, const char *key, const char *file, char *out, struct err *e)
{
    char name[DOMCFG_MAX_PATH];
    int rc = read_text(cfg, key, name, sizeof(name), e);
    if (rc <= 0)
        return rc;
    if (!name[0])
        return cfg_error(cfg, key, e, "empty file name");
    const char *slash = strrchr(file, '/');
    int dir = name[0] == '/' || !slash ? 0 : (int)(slash - file + 1);
    if (snprintf(out, DOMCFG_MAX_PATH, "%.*s%s", dir, file, name) >= DOMCFG_MAX_PATH)
        return cfg_error(cfg, key, e, "longer than %d characters", DOMCFG_MAX_PATH - 1);
    return 1;
}

static int read_name(struct cfg *cfg, struct domcfg *d, struct err *e)
{
    int rc = read_text(cfg, "name", d->name, sizeof(d->name), e);
    if (rc <= 0)
        return rc < 0 ? rc : cfg_error(cfg, "name", e, "missing");
    bool digits = true;
    for (const char *c = d->name; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("-_.+", *c))
            return cfg_error(cfg, "name", e, "'%s' may hold letters, digits and -_.+ only", d->name);
        digits = digits && isdigit((unsigned char)*c);
    }
    if (!d->name[0] || d->name[0] == '.' || digits)
        return cfg_error(cfg, "name", e, "'%s' cannot name a domain (empty, a number, or starts with a dot)", d->name);
    return 0;
}

static int read_type(struct cfg *cfg, struct err *e)
{
    const char *type = "pvh";
    int rc = cfg_string(cfg, "type", &type, e);
    if (rc < 0)
        return rc;
    if (strcmp(type, "pvh"))
        return cfg_error(cfg, "type", e, "'%s' is not supported, only \"pvh\"", type);
    const char *builder;
    if (cfg_string(cfg, "builder", &builder, e) == 1)
        return cfg_error(cfg, "builder", e, "not supported; use type = \"pvh\"");
    return 0;
}

static int read_memory(struct cfg *cfg, struct domcfg *d, struct err *e)
{
    long long mib = 0, max = 0;
    int rc = cfg_number(cfg, "memory", 1, 1 << 24, &mib, e);
    if (rc < 0)
        return rc;
    int rc_max = cfg_number(cfg, "maxmem", 1, 1 << 24, &max, e);
    if (rc_max < 0)
        return rc_max;
    if (!rc && !rc_max)
        return cfg_error(cfg, "memory", e, "missing");
    if (!rc)
        mib = max;
    if (!rc_max)
        max = mib;
    if (max < mib)
        return cfg_error(cfg, "maxmem", e, "%lld MiB is less than memory (%lld MiB)", max, mib);
    d->memory_kib = (uint64_t)mib << 10;
    d->maxmem_kib = (uint64_t)max << 10;
    return 0;
}

static int read_unsigned(struct cfg *cfg, const char *key, unsigned min, unsigned max, unsigned *out, struct err *e)
{
    long long n;
    int rc = cfg_number(cfg, key, min, max, &n, e);
    if (rc == 1)
        *out = (unsigned)n;
    return rc < 0 ? -1 : 0;
}

static int read_cpus(struct cfg *cfg, const char *key, uint8_t map[32], bool *has, struct err *e)
{
    const char *text;
    struct err why;
    int rc = cfg_string(cfg, key, &text, e);
    if (rc <= 0)
        return rc;
    if (cpus_parse(text, map, &why))
        return cfg_error(cfg, key, e, "%s", why.text);
    *has = true;
    return 0;
}

static int read_action(struct cfg *cfg, const char *key, enum dom_action *a, struct err *e)
{
    const char *word;
    int rc = cfg_string(cfg, key, &word, e);
    if (rc <= 0)
        return rc;
    if (dom_action_parse(word, a))
        return cfg_error(cfg, key, e, "'%s' is none of destroy, restart, preserve", word);
    return 0;
}

static int read_actions(struct cfg *cfg, struct domcfg *d, struct err *e)
{
    d->on_poweroff = ACT_DESTROY;
    d->on_reboot = ACT_RESTART;
    d->on_crash = d->on_watchdog = d->driver_domain ? ACT_RESTART : ACT_DESTROY;
    if (read_action(cfg, "on_crash", &d->on_crash, e))
        return -1;
    if (d->driver_domain)
        d->on_watchdog = d->on_crash;
    return read_action(cfg, "on_watchdog", &d->on_watchdog, e) || read_action(cfg, "on_poweroff", &d->on_poweroff, e) ||
           read_action(cfg, "on_reboot", &d->on_reboot, e) ? -1 : 0;
}

static int read_uuid(struct cfg *cfg, struct domcfg *d, struct err *e)
{
    const char *text;
    int rc = cfg_string(cfg, "uuid", &text, e);
    if (rc < 0)
        return rc;
    if (rc && uuid_parse(text, d->uuid))
        return cfg_error(cfg, "uuid", e, "'%s' is not a UUID", text);
    if (!rc) {
        if (getrandom(d->uuid, sizeof(d->uuid), GRND_NONBLOCK) != sizeof(d->uuid))
            return err_set(e, "no random number for the uuid: %s", strerror(errno));
        d->uuid[6] = (uint8_t)((d->uuid[6] & 0x0f) | 0x40);
        d->uuid[8] = (uint8_t)((d->uuid[8] & 0x3f) | 0x80);
    }
    return 0;
}

/* Calls parse for each string of the list `key`, at most max of them. */
static int read_specs(struct cfg *cfg, const char *key, unsigned max, unsigned *count, struct domcfg *d,
                      int (*parse)(const char *text, struct domcfg *d, unsigned n, struct err *why), struct err *e)
{
    const struct cfg_value *items;
    unsigned n;
    struct err why;
    int rc = cfg_list(cfg, key, &items, &n, e);
    if (rc <= 0)
        return rc;
    if (n > max)
        return cfg_error(cfg, key, e, "%u entries, at most %u are possible", n, max);
    for (unsigned i = 0; i < n; i++) {
        if (items[i].type != CFG_STRING)
            return cfg_error(cfg, key, e, "entry %u: must be a string in quotes", i + 1);
        if (parse(items[i].string, d, i, &why))
            return cfg_error(cfg, key, e, "entry %u: %s", i + 1, why.text);
    }
    *count = n;
    return 0;
}

static int one_disk(const char *text, struct domcfg *d, unsigned n, struct err *why)
{
    if (disk_parse(text, &d->disks[n], why))
        return -1;
    for (unsigned i = 0; i < n; i++)
        if (d->disks[i].devid == d->disks[n].devid)
            return err_set(why, "vdev: '%s' is used twice", d->disks[n].vdev);
    return 0;
}

static int one_vif(const char *text, struct domcfg *d, unsigned n, struct err *why)
{
    return vif_parse(text, &d->vifs[n], why) || vif_complete(&d->vifs[n], why) ? -1 : 0;
}

static int one_pci(const char *text, struct domcfg *d, unsigned n, struct err *why)
{
    if (pci_parse(text, &d->pci[n], why))
        return -1;
    for (unsigned i = 0; i < n; i++)
        if (d->pci[i].sbdf == d->pci[n].sbdf)
            return err_set(why, "'%s' is named twice", text);
    return 0;
}

static int read_cmdline(struct cfg *cfg, struct domcfg *d, struct err *e)
{
    char root[512] = "", extra[1024] = "";
    int rc = read_text(cfg, "cmdline", d->cmdline, sizeof(d->cmdline), e);
    if (rc)
        return rc < 0 ? rc : 0;
    if (read_text(cfg, "root", root, sizeof(root), e) < 0 || read_text(cfg, "extra", extra, sizeof(extra), e) < 0)
        return -1;
    snprintf(d->cmdline, sizeof(d->cmdline), "%s%s%s%s", root[0] ? "root=" : "", root, root[0] && extra[0] ? " " : "", extra);
    return 0;
}

static int read_flags(struct cfg *cfg, struct domcfg *d, struct err *e)
{
    unsigned driver = 0;
    if (read_unsigned(cfg, "driver_domain", 0, 1, &driver, e))
        return -1;
    d->driver_domain = driver;
    return 0;
}

/* Keys of xl that change nothing here and need no warning. */
static void ignore_known(struct cfg *cfg)
{
    static const char *const keys[] = {"vncviewer", "localtime", "rtc_timeoffset", "seclabel", "max_grant_frames",
                                       "max_maptrack_frames", "vfb", "sdl", "vnc", "serial", "pae", "acpi", "apic"};
    struct err e;
    const char *s;
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        (void)cfg_string(cfg, keys[i], &s, &e);
}

static void warn_unknown(struct cfg *cfg, void (*warn)(const char *text))
{
    unsigned pos = 0, line = 0;
    char text[256];
    for (const char *key; (key = cfg_unknown(cfg, &pos, &line));) {
        snprintf(text, sizeof(text), "%s:%u: %s: unknown key, ignored", cfg_name(cfg), line, key);
        if (warn)
            warn(text);
    }
}

int domcfg_read(struct cfg *cfg, const char *path, struct domcfg *d, void (*warn)(const char *text), struct err *e)
{
    memset(d, 0, sizeof(*d));
    if (strlen(path) >= sizeof(d->file))
        return err_set(e, "%s: file name is longer than %zu characters", path, sizeof(d->file) - 1);
    strcpy(d->file, path);
    d->vcpus = 1;
    int rc = read_path(cfg, "kernel", path, d->kernel, e);
    if (rc <= 0)
        return rc < 0 ? -1 : cfg_error(cfg, "kernel", e, "missing");
    if (read_name(cfg, d, e) || read_type(cfg, e) || read_memory(cfg, d, e) || read_flags(cfg, d, e) ||
        read_path(cfg, "ramdisk", path, d->ramdisk, e) < 0 || read_cmdline(cfg, d, e) ||
        read_unsigned(cfg, "vcpus", 1, DOMCFG_MAX_VCPUS, &d->vcpus, e) ||
        read_unsigned(cfg, "cpu_weight", 1, 65535, &d->weight, e) || read_unsigned(cfg, "cap", 0, 100 * 256, &d->cap, e) ||
        read_cpus(cfg, "cpus", d->cpus, &d->has_cpus, e) ||
        read_cpus(cfg, "cpus_soft", d->cpus_soft, &d->has_cpus_soft, e) || read_actions(cfg, d, e) || read_uuid(cfg, d, e) ||
        read_specs(cfg, "disk", DOMCFG_MAX_DISKS, &d->nr_disks, d, one_disk, e) ||
        read_specs(cfg, "vif", DOMCFG_MAX_VIFS, &d->nr_vifs, d, one_vif, e) ||
        read_specs(cfg, "pci", DOMCFG_MAX_PCI, &d->nr_pci, d, one_pci, e))
        return -1;
    ignore_known(cfg);
    warn_unknown(cfg, warn);
    return 0;
}
