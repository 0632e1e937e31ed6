/* SPDX-License-Identifier: MIT */
/*
 * Parser of the DMAR table. A malformed table is refused as a whole: half a table would leave functions that nobody guards.
 * Structures of unknown type are skipped, as the specification asks (8.1).
 */
#include "mem/dmar.h"
#include "lib/log.h"
#include "lib/string.h"

enum { TYPE_UNIT = 0, TYPE_RESERVED = 1 };
#define TABLE_HEADER 48u
#define PCI_SECONDARY_BUS 0x19
#define PCI_SUBORDINATE_BUS 0x1a

static uint16_t get16(const uint8_t *p) { uint16_t v; memcpy(&v, p, sizeof(v)); return v; }
static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, sizeof(v)); return v; }
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, sizeof(v)); return v; }

/* Follow the path of (device, function) pairs from the start bus (8.3.1). `e` is one scope of e[1] bytes. */
static int resolve(const uint8_t *e, uint16_t segment, struct dmar_scope *s)
{
    uint8_t bus = e[5];
    for (unsigned at = 6; at < e[1]; at += 2) {
        if (e[at] > 31 || e[at + 1] > 7) {
            log_error("DMAR: device scope: path %u.%u is no device and function", e[at], e[at + 1]);
            return -EINVAL;
        }
        s->bus = bus;
        s->devfn = (uint8_t)(e[at] << 3 | e[at + 1]);
        bool last = at + 2 == e[1];
        if (last && s->type != SCOPE_BRIDGE)
            return 0;
        if (segment) {
            log_error("DMAR: device scope through a bridge of segment %u cannot be followed", segment);
            return -EINVAL;
        }
        bus = iommu_pci_read8(s->bus, s->devfn, PCI_SECONDARY_BUS);
        s->last_bus = iommu_pci_read8(s->bus, s->devfn, PCI_SUBORDINATE_BUS);
    }
    s->first_bus = bus;
    return 0;
}

static int parse_scopes(const uint8_t *p, const uint8_t *end, uint16_t segment, struct dmar *d, struct dmar_scopes *out)
{
    out->first = d->nr_scopes;
    while (p < end) {
        if (end - p < 6 || p[1] < 8 || p[1] % 2 || p[1] > end - p) {
            log_error("DMAR: device scope: bad length");
            return -EINVAL;
        }
        if (d->nr_scopes == ARRAY_SIZE(d->scope)) {
            log_error("DMAR: more than %u device scopes", (unsigned)ARRAY_SIZE(d->scope));
            return -E2BIG;
        }
        struct dmar_scope *s = &d->scope[d->nr_scopes++];
        s->type = p[0];
        s->id = p[4];
        int rc = resolve(p, segment, s);
        if (rc)
            return rc;
        p += p[1];
    }
    out->count = d->nr_scopes - out->first;
    return 0;
}

/* 8.3: flags, size, segment, register base, scopes. */
static int parse_unit(const uint8_t *e, uint16_t len, struct dmar *d)
{
    if (len < 16) {
        log_error("DMAR: remapping unit: length %u is too short", len);
        return -EINVAL;
    }
    if (d->nr_units == ARRAY_SIZE(d->unit)) {
        log_error("DMAR: more than %u remapping units", (unsigned)ARRAY_SIZE(d->unit));
        return -E2BIG;
    }
    struct dmar_unit *u = &d->unit[d->nr_units++];
    u->rest = e[4] & 1;
    u->segment = get16(e + 6);
    u->base = get64(e + 8);
    if (!u->base || u->base % PAGE_SIZE) {
        log_error("DMAR: remapping unit: register base %#lx is not a page's address", (unsigned long)u->base);
        return -EINVAL;
    }
    for (unsigned i = 0; i + 1 < d->nr_units; i++)
        if (d->unit[i].base == u->base) {
            log_error("DMAR: two remapping units at %#lx", (unsigned long)u->base);
            return -EINVAL;
        }
    return parse_scopes(e + 16, e + len, u->segment, d, &u->scopes);
}

/* 8.4: segment, base, limit, scopes. */
static int parse_reserved(const uint8_t *e, uint16_t len, struct dmar *d)
{
    if (len < 24) {
        log_error("DMAR: reserved region: length %u is too short", len);
        return -EINVAL;
    }
    if (d->nr_regions == ARRAY_SIZE(d->region)) {
        log_error("DMAR: more than %u reserved regions", (unsigned)ARRAY_SIZE(d->region));
        return -E2BIG;
    }
    struct dmar_region *r = &d->region[d->nr_regions++];
    r->segment = get16(e + 6);
    r->first = get64(e + 8);
    r->last = get64(e + 16);
    return parse_scopes(e + 24, e + len, r->segment, d, &r->scopes);
}

int dmar_parse(const void *table, struct dmar *d)
{
    const uint8_t *t = table;
    uint32_t size = get32(t + 4);
    memset(d, 0, sizeof(*d));
    if (size < TABLE_HEADER) {
        log_error("DMAR: length %u is too short", size);
        return -EINVAL;
    }
    d->interrupts = t[37] & 1;
    for (uint32_t at = TABLE_HEADER; at < size;) {
        uint16_t len = size - at >= 4 ? get16(t + at + 2) : 0;
        if (len < 4 || len > size - at) {
            log_error("DMAR: structure at %u: bad length %u", at, len);
            return -EINVAL;
        }
        uint16_t type = get16(t + at);
        int rc = type == TYPE_UNIT ? parse_unit(t + at, len, d) : type == TYPE_RESERVED ? parse_reserved(t + at, len, d) : 0;
        if (rc)
            return rc;
        at += len;
    }
    return d->nr_units ? 0 : -ENODEV;
}

static bool in_scopes(const struct dmar *d, const struct dmar_scopes *l, uint32_t sbdf)
{
    uint8_t bus = (uint8_t)(sbdf >> 8);
    for (unsigned i = 0; i < l->count; i++) {
        const struct dmar_scope *s = &d->scope[l->first + i];
        bool self = s->bus == bus && s->devfn == (uint8_t)sbdf;
        if ((s->type == SCOPE_ENDPOINT || s->type == SCOPE_BRIDGE) && self)
            return true;
        if (s->type == SCOPE_BRIDGE && bus >= s->first_bus && bus <= s->last_bus)
            return true;
    }
    return false;
}

int dmar_unit_of(const struct dmar *d, uint32_t sbdf)
{
    int rest = -1;
    for (unsigned i = 0; i < d->nr_units; i++) {
        if (d->unit[i].segment != sbdf >> 16)
            continue;
        if (in_scopes(d, &d->unit[i].scopes, sbdf))
            return (int)i;
        if (d->unit[i].rest)
            rest = (int)i;
    }
    return rest;
}

bool dmar_reserved(const struct dmar *d, uint32_t sbdf)
{
    for (unsigned i = 0; i < d->nr_regions; i++)
        if (d->region[i].segment == sbdf >> 16 && in_scopes(d, &d->region[i].scopes, sbdf))
            return true;
    return false;
}
