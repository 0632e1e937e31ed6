/* SPDX-License-Identifier: MIT */
/* Device specifications; see devspec.h. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "tools/lib/devspec.h"

/* Copies the next comma-separated field, blanks trimmed; returns what follows, or NULL after the last; -1 in *bad. */
static const char *next_field(const char *p, char *field, size_t size, bool *bad)
{
    size_t n = 0;
    while (*p == ' ' || *p == '\t')
        p++;
    for (; *p && *p != ','; p++) {
        if (n == size - 1) {
            *bad = true;
            return NULL;
        }
        field[n++] = *p;
    }
    while (n && (field[n - 1] == ' ' || field[n - 1] == '\t'))
        n--;
    field[n] = 0;
    return *p ? p + 1 : NULL;
}

static int copy(char *to, size_t size, const char *from, const char *field, struct err *e)
{
    if (!from[0])
        return err_set(e, "%s: empty", field);
    if (strlen(from) >= size)
        return err_set(e, "%s: longer than %zu characters", field, size - 1);
    for (const char *c = from; *c; c++)
        if (!isprint((unsigned char)*c))
            return err_set(e, "%s: has a character that cannot be printed", field);
    strcpy(to, from);
    return 0;
}

static int access_parse(const char *v, struct disk_spec *d, struct err *e)
{
    if (!strcmp(v, "r") || !strcmp(v, "ro"))
        d->readonly = true;
    else if (!strcmp(v, "w") || !strcmp(v, "rw"))
        d->readonly = false;
    else
        return err_set(e, "access: '%s' is neither r, ro, w nor rw", v);
    return 0;
}

static int format_parse(const char *v, struct err *e)
{
    static const char *const known[] = {"raw", "aio", "phy", "qcow2", "vhd", "qcow", "qed"};
    for (unsigned i = 0; i < 3; i++)
        if (!strcmp(v, known[i]))
            return 0;
    for (unsigned i = 3; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(v, known[i]))
            return err_set(e, "format: '%s' is not supported, only raw", v);
    return err_set(e, "format: '%s' is unknown, only raw is supported", v);
}

static int disk_flag(const char *f, struct disk_spec *d)
{
    if (!strcmp(f, "discard"))
        d->no_discard = false;
    else if (!strcmp(f, "no-discard"))
        d->no_discard = true;
    else if (!strcmp(f, "cdrom"))
        d->cdrom = true;
    else
        return -1;
    return 0;
}

static int disk_key(const char *key, const char *v, struct disk_spec *d, struct err *e)
{
    if (!strcmp(key, "vdev"))
        return copy(d->vdev, sizeof(d->vdev), v, key, e);
    if (!strcmp(key, "target"))
        return copy(d->target, sizeof(d->target), v, key, e);
    if (!strcmp(key, "backend"))
        return copy(d->backend, sizeof(d->backend), v, key, e);
    if (!strcmp(key, "access"))
        return access_parse(v, d, e);
    if (!strcmp(key, "format"))
        return format_parse(v, e);
    if (!strcmp(key, "devtype")) {
        if (strcmp(v, "disk") && strcmp(v, "cdrom"))
            return err_set(e, "devtype: '%s' is neither disk nor cdrom", v);
        d->cdrom = v[0] == 'c';
        return 0;
    }
    if (!strcmp(key, "backendtype"))
        return strcmp(v, "phy") ? err_set(e, "backendtype: '%s' is not supported, only phy", v) : 0;
    return err_set(e, "unknown key '%s'", key);
}

static int disk_positional(unsigned pos, const char *v, struct disk_spec *d, struct err *e)
{
    if (!v[0])
        return 0;
    switch (pos) {
    case 0: return copy(d->target, sizeof(d->target), v, "target", e);
    case 1: return format_parse(v, e);
    case 2: return copy(d->vdev, sizeof(d->vdev), v, "vdev", e);
    case 3: return access_parse(v, d, e);
    default: return err_set(e, "too many positional fields at '%s'", v);
    }
}

static int disk_check(const struct disk_spec *d, struct err *e)
{
    uint32_t devid;
    if (!d->vdev[0])
        return err_set(e, "vdev: missing");
    if (disk_devid(d->vdev, &devid))
        return err_set(e, "vdev: '%s' is not a virtual disk name (xvda, sdb, hda, d0p1)", d->vdev);
    if (!d->target[0] && !d->cdrom)
        return err_set(e, "target: missing");
    return 0;
}

int disk_parse(const char *text, struct disk_spec *d, struct err *e)
{
    char field[320];
    bool bad = false;
    unsigned pos = 0;
    memset(d, 0, sizeof(*d));
    for (const char *p = text; p;) {
        p = next_field(p, field, sizeof(field), &bad);
        if (bad)
            return err_set(e, "a field is longer than %zu characters", sizeof(field) - 1);
        char *eq = strchr(field, '=');
        if (eq)
            *eq++ = 0;
        if (eq ? disk_key(field, eq, d, e) : !disk_flag(field, d) ? 0 : disk_positional(pos++, field, d, e))
            return -1;
    }
    if (disk_check(d, e))
        return -1;
    return disk_devid(d->vdev, &d->devid);
}

/* Decimal of up to `max`, no leading zero unless "0": advances *p. -1 if there is none. */
static long small_number(const char **p, long max)
{
    long n = 0;
    const char *s = *p;
    if (!isdigit((unsigned char)*s) || (s[0] == '0' && isdigit((unsigned char)s[1])))
        return -1;
    for (; isdigit((unsigned char)*s); s++)
        if ((n = n * 10 + (*s - '0')) > max)
            return -1;
    *p = s;
    return n;
}

/* "a".."z", "aa".. -> 0..; advances *p past the letters. */
static long letters(const char **p, long max)
{
    long n = 0;
    if (!islower((unsigned char)**p))
        return -1;
    for (; islower((unsigned char)**p); (*p)++)
        if ((n = n * 26 + (**p - 'a' + 1)) - 1 > max)
            return -1;
    return n - 1;
}

static int devid_number(char kind, long disk, long part, uint32_t *devid)
{
    if (kind == 'x' && (disk > 15 || part > 15))
        *devid = (1u << 28) | (uint32_t)disk << 8 | (uint32_t)part;
    else if (kind == 'x')
        *devid = 202u << 8 | (uint32_t)disk << 4 | (uint32_t)part;
    else if (kind == 's' && disk <= 15 && part <= 15)
        *devid = 8u << 8 | (uint32_t)disk << 4 | (uint32_t)part;
    else if (kind == 'h' && disk <= 3 && part <= 63)
        *devid = (disk < 2 ? 3u : 22u) << 8 | (uint32_t)(disk & 1) << 6 | (uint32_t)part;
    else
        return -1;
    return 0;
}

int disk_devid(const char *vdev, uint32_t *devid)
{
    const char *p = vdev;
    char kind = *p;
    long disk, part = 0;
    enum { MAX_DISK = (1 << 20) - 1, MAX_PART = 255 };
    if (!strncmp(p, "xvd", 3) || !strncmp(p, "sd", 2) || !strncmp(p, "hd", 2)) {
        p += kind == 'x' ? 3 : 2;
        disk = letters(&p, MAX_DISK);
        if (disk < 0 || (*p && (part = small_number(&p, MAX_PART)) < 1))
            return -1;
    } else if (kind == 'd' && isdigit((unsigned char)p[1])) {
        p++;
        kind = 'x';
        disk = small_number(&p, MAX_DISK);
        if (disk < 0 || (*p == 'p' && (p++, part = small_number(&p, MAX_PART)) < 0))
            return -1;
    } else {
        return -1;
    }
    return *p ? -1 : devid_number(kind, disk, part, devid);
}

void disk_vdev_name(uint32_t devid, char *name, unsigned size)
{
    const char *stem = "xvd";
    uint32_t disk = devid >> 4 & 15, part = devid & 15;
    char letter[8];
    unsigned n = sizeof(letter) - 1;
    if (devid >> 28 == 1) {
        disk = devid >> 8 & 0xfffff;
        part = devid & 255;
    } else if (devid >> 8 == 8) {
        stem = "sd";
    } else if (devid >> 8 == 3 || devid >> 8 == 22) {
        stem = "hd";
        disk = (devid >> 8 == 22 ? 2 : 0) + (devid >> 6 & 1);
        part = devid & 63;
    } else if (devid >> 8 != 202) {
        snprintf(name, size, "?");
        return;
    }
    letter[n] = 0;
    for (disk++; disk; disk = (disk - 1) / 26)
        letter[--n] = (char)('a' + (disk - 1) % 26);
    if (part)
        snprintf(name, size, "%s%s%u", stem, letter + n, part);
    else
        snprintf(name, size, "%s%s", stem, letter + n);
}

static int mac_parse(const char *v, struct vif_spec *vif, struct err *e)
{
    unsigned m[6];
    int used = 0;
    if (strlen(v) != 17 || sscanf(v, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &used) != 6 ||
        used != 17)
        return err_set(e, "mac: '%s' is not six bytes xx:xx:xx:xx:xx:xx", v);
    if (m[0] & 1)
        return err_set(e, "mac: '%s' is a multicast address", v);
    for (unsigned i = 0; i < 6; i++)
        vif->mac[i] = (uint8_t)m[i];
    vif->has_mac = true;
    return 0;
}

/* xl's: NUMBER[K|M|G](b|B)/s, decimal prefixes, bits or bytes; then @NUMBER(s|ms|us), 50 ms if it is left out. */
static int rate_parse(const char *v, struct vif_spec *vif, struct err *e)
{
    static const struct { const char *name; uint64_t scale; } units[] = {
        {"b/s", 1}, {"Kb/s", 1000}, {"Mb/s", 1000000}, {"Gb/s", 1000000000},
        {"B/s", 8}, {"KB/s", 8000}, {"MB/s", 8000000}, {"GB/s", 8000000000}}, times[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
    uint64_t bits = 0, us = 50000;
    const char *p = v, *at = strchrnul(v, '@');
    long n = small_number(&p, 1000000000);
    for (unsigned i = 0; n > 0 && i < sizeof(units) / sizeof(units[0]); i++)
        if ((size_t)(at - p) == strlen(units[i].name) && !strncmp(p, units[i].name, (size_t)(at - p)))
            bits = (uint64_t)n * units[i].scale;
    if (*at) {
        p = at + 1;
        n = small_number(&p, 1000000);
        us = 0;
        for (unsigned i = 0; n > 0 && i < sizeof(times) / sizeof(times[0]); i++)
            if (!strcmp(p, times[i].name))
                us = (uint64_t)n * times[i].scale;
    }
    if (!bits || !us)
        return err_set(e, "rate: '%s' is not NUMBER[K|M|G]b/s or B/s, which may be followed by @NUMBERs, ms or us", v);
    if (us > 1000000)
        return err_set(e, "rate: '%s': intervals are a second long at most", v);
    unsigned __int128 bytes = (unsigned __int128)bits * us / 8000000;
    if (!bytes || bytes > UINT32_MAX)
        return err_set(e, "rate: '%s' is %s in an interval", v, bytes ? "more than 4294967295 bytes" : "less than a byte");
    vif->rate_bytes = (uint32_t)bytes;
    vif->rate_us = (uint32_t)us;
    return 0;
}

static int vlan_parse(const char *v, struct vif_spec *vif, struct err *e)
{
    const char *p = v;
    long n = small_number(&p, 4094);
    if (n < 1 || *p)
        return err_set(e, "vlan: '%s' is not one number from 1 to 4094", v);
    vif->vlan = (unsigned)n;
    return 0;
}

static int ip_parse(const char *v, struct vif_spec *vif, struct err *e)
{
    char word[sizeof(vif->ip)], *save = NULL;
    uint8_t addr[16];
    unsigned n = 0;
    if (copy(vif->ip, sizeof(vif->ip), v, "ip", e))
        return -1;
    strcpy(word, v);
    for (char *w = strtok_r(word, " ", &save); w; w = strtok_r(NULL, " ", &save), n++)
        if (inet_pton(AF_INET, w, addr) != 1 && (inet_pton(AF_INET6, w, addr) != 1 || (strchr(w, ':') && strchr(w, '.'))))
            return err_set(e, "ip: '%s' is not an IPv4 or IPv6 address", w);
    return n > 8 ? err_set(e, "ip: more than 8 addresses") : 0;
}

static int vif_key(const char *key, const char *v, struct vif_spec *vif, struct err *e)
{
    static const char *const ignored[] = {"model", "type", "script", "vifname"};
    if (!strcmp(key, "mac"))
        return mac_parse(v, vif, e);
    if (!strcmp(key, "backend"))
        return copy(vif->backend, sizeof(vif->backend), v, key, e);
    if (!strcmp(key, "bridge"))
        return copy(vif->bridge, sizeof(vif->bridge), v, key, e);
    if (!strcmp(key, "rate"))
        return rate_parse(v, vif, e);
    if (!strcmp(key, "vlan"))
        return vlan_parse(v, vif, e);
    if (!strcmp(key, "ip"))
        return ip_parse(v, vif, e);
    if (!strcmp(key, "isolated")) {
        if (strcmp(v, "0") && strcmp(v, "1"))
            return err_set(e, "isolated: '%s' is neither 0 nor 1", v);
        vif->isolated = v[0] == '1';
        return 0;
    }
    for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        if (!strcmp(key, ignored[i]))
            return 0;
    return err_set(e, "unknown key '%s'", key);
}

int vif_parse(const char *text, struct vif_spec *vif, struct err *e)
{
    char field[192];
    bool bad = false;
    memset(vif, 0, sizeof(*vif));
    for (const char *p = text; p;) {
        p = next_field(p, field, sizeof(field), &bad);
        if (bad)
            return err_set(e, "a field is longer than %zu characters", sizeof(field) - 1);
        if (!field[0])
            continue;
        char *eq = strchr(field, '=');
        if (!eq)
            return err_set(e, "'%s' is not of the form key=value", field);
        *eq++ = 0;
        if (vif_key(field, eq, vif, e))
            return -1;
    }
    return 0;
}

int vif_complete(struct vif_spec *vif, struct err *e)
{
    static const uint8_t prefix[3] = {0x00, 0x16, 0x3e};
    if (vif->has_mac)
        return 0;
    memcpy(vif->mac, prefix, 3);
    if (getrandom(vif->mac + 3, 3, GRND_NONBLOCK) != 3)
        return err_set(e, "mac: no random number: %s", strerror(errno));
    vif->mac[3] &= 0x7f;
    vif->has_mac = true;
    return 0;
}

/* Exactly `digits` hex digits followed by `stop`; advances *p past it. */
static long hex_part(const char **p, unsigned digits, char stop)
{
    long n = 0;
    const char *s = *p;
    for (unsigned i = 0; i < digits; i++, s++) {
        if (!isxdigit((unsigned char)*s))
            return -1;
        n = n * 16 + (isdigit((unsigned char)*s) ? *s - '0' : tolower((unsigned char)*s) - 'a' + 10);
    }
    if (*s != stop)
        return -1;
    *p = s + 1;
    return n;
}

static int pci_option(const char *field, struct pci_spec *pci)
{
    char *rest;
    if (!strcmp(field, "unsafe") || !strcmp(field, "unsafe=1")) {
        pci->unsafe = true;
        return 0;
    }
    if (strncmp(field, "vfs=", 4) || field[4] < '0' || field[4] > '9')
        return strcmp(field, "permissive=0") && strcmp(field, "unsafe=0") ? -1 : 0;
    unsigned long n = strtoul(field + 4, &rest, 10);
    pci->vfs = (unsigned)n;
    return *rest || n > PCI_VFS_MAX ? -1 : 0;
}

int pci_parse(const char *text, struct pci_spec *pci, struct err *e)
{
    char field[32];
    bool bad = false;
    const char *rest = next_field(text, field, sizeof(field), &bad), *p = field;
    long seg = bad ? -1 : hex_part(&p, 4, ':');
    if (seg < 0)
        seg = 0, p = field;
    long bus = bad ? -1 : hex_part(&p, 2, ':');
    long dev = bus < 0 ? -1 : hex_part(&p, 2, '.');
    long fn = dev < 0 ? -1 : hex_part(&p, 1, 0);
    if (fn < 0 || fn > 7 || dev > 31)
        return err_set(e, "'%s' is not a PCI function ([SSSS:]BB:DD.F)", text);
    *pci = (struct pci_spec){.sbdf = (uint32_t)(seg << 16 | bus << 8 | dev << 3 | fn)};
    while (rest) {
        rest = next_field(rest, field, sizeof(field), &bad);
        if (bad || pci_option(field, pci))
            return err_set(e, "'%s': unknown option '%s'", text, bad ? "..." : field);
    }
    return 0;
}

void sbdf_format(uint32_t sbdf, char text[16])
{
    snprintf(text, 16, "%04x:%02x:%02x.%x", sbdf >> 16 & 0xffff, sbdf >> 8 & 0xff, sbdf >> 3 & 0x1f, sbdf & 7);
}
