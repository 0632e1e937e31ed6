/* SPDX-License-Identifier: MIT */
/* The list of disks that a domain can serve: see disk.h. */
#include "backends/blk/disk.h"

#include <stddef.h>
#include <string.h>

static struct disk *first;
static void (*listeners[DISK_LISTENERS])(struct disk *d, const char *why);

static void tell(struct disk *d, const char *why)
{
    for (unsigned i = 0; i < DISK_LISTENERS && listeners[i]; i++)
        listeners[i](d, why);
}

struct disk *disk_find(const char *name)
{
    struct disk *d = first;
    while (d && strcmp(d->name, name))
        d = d->next;
    return d;
}

struct disk *disk_first(void)
{
    return first;
}

void disk_register(struct disk *d)
{
    struct disk **end = &first;
    while (*end)
        end = &(*end)->next;
    d->next = NULL;
    *end = d;
    tell(d, NULL);
}

void disk_gone(struct disk *d, const char *why)
{
    if (d->gone)
        return;
    d->gone = true;
    tell(d, why);
    for (struct disk *p = first; p; p = p->next)
        if (p->parent == d)
            disk_gone(p, why);
}

void disk_listen(void (*fn)(struct disk *d, const char *why))
{
    for (unsigned i = 0; i < DISK_LISTENERS; i++)
        if (!listeners[i]) {
            listeners[i] = fn;
            return;
        }
}
