/* SPDX-License-Identifier: MIT */
/* Permissions: see perm.h. */
#include "xenstore/core/perm.h"
#include "xenstore/core/path.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct perms *perms_new(uint32_t n)
{
    struct perms *p = malloc(sizeof(*p) + n * sizeof(p->p[0]));

    if (p) {
        p->ref = 1;
        p->n = n;
    }
    return p;
}

struct perms *perms_get(struct perms *p)
{
    p->ref++;
    return p;
}

void perms_put(struct perms *p)
{
    if (p && --p->ref == 0)
        free(p);
}

unsigned perms_access(const struct perms *p, const struct actor *a)
{
    uint16_t owner = p->p[0].domid;

    if (actor_privileged(a) || a->domid == owner || a->target == owner)
        return ACCESS_ALL;
    for (uint32_t i = 1; i < p->n; i++)
        if (p->p[i].domid == a->domid || p->p[i].domid == a->target)
            return p->p[i].access;
    return p->p[0].access;
}

struct perms *perms_inherit(struct perms *parent, const struct actor *a)
{
    struct perms *p;

    if (actor_privileged(a) || parent->p[0].domid == a->domid)
        return perms_get(parent);
    p = perms_new(parent->n);
    if (p) {
        memcpy(p->p, parent->p, parent->n * sizeof(p->p[0]));
        p->p[0].domid = a->domid;
    }
    return p;
}

bool perm_parse(const char *s, struct perm *out)
{
    static const char letters[] = "nrwb"; /* index = ACCESS_READ | ACCESS_WRITE */
    const char *l = *s ? strchr(letters, *s) : NULL;
    unsigned long domid;

    if (!l || !parse_number(s + 1, 0xffff, &domid))
        return false;
    out->domid = (uint16_t)domid;
    out->access = (uint16_t)(l - letters);
    return true;
}

size_t perm_format(struct perm p, char *out, size_t room)
{
    int n = snprintf(out, room, "%c%u", "nrwb"[p.access & 3], p.domid);

    return n > 0 && (size_t)n < room ? (size_t)n + 1 : 0;
}
