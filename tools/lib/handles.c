/* SPDX-License-Identifier: MIT */
/* Handles to hypervisor and registry; see handles.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/handles.h"

int handles_open(struct handles *h, struct err *e)
{
    memset(h, 0, sizeof(*h));
    h->xc = xc_interface_open(NULL, NULL, 0);
    h->call = xencall_open(NULL, 0);
    h->mem = xenforeignmemory_open(NULL, 0);
    if (h->call)
        h->op = xencall_alloc_buffer(h->call, sizeof(*h->op));
    if (h->xc && h->call && h->mem && h->op)
        return 0;
    err_set(e, "cannot reach the hypervisor (/dev/xen/privcmd, /dev/xen/hypercall): %s", strerror(errno));
    handles_close(h);
    return -1;
}

int handles_store(struct handles *h, struct err *e)
{
    if (!h->xs)
        h->xs = xs_open(0);
    return h->xs ? 0 : err_set(e, "cannot reach xenstored: %s", strerror(errno));
}

void handles_close(struct handles *h)
{
    if (h->op)
        xencall_free_buffer(h->call, h->op);
    if (h->xs)
        xs_close(h->xs);
    if (h->mem)
        xenforeignmemory_close(h->mem);
    if (h->call)
        xencall_close(h->call);
    if (h->xc)
        xc_interface_close(h->xc);
    memset(h, 0, sizeof(*h));
}

struct bh_op *bh_start(struct handles *h, uint32_t domid)
{
    memset(h->op, 0, sizeof(*h->op));
    h->op->version = BH_INTERFACE_VERSION;
    h->op->domid = (uint16_t)domid;
    return h->op;
}

int bh_call(struct handles *h, unsigned cmd)
{
    return xencall2(h->call, BH_HYPERCALL, cmd, (uint64_t)(uintptr_t)h->op) < 0 ? -1 : 0;
}

int bh_simple(struct handles *h, unsigned cmd, uint32_t domid)
{
    bh_start(h, domid);
    return bh_call(h, cmd);
}

int domain_info(struct handles *h, uint32_t domid, xc_domaininfo_t *info)
{
    int n = xc_domain_getinfolist(h->xc, domid, 1, info);
    if (n == 1 && info->domain == domid)
        return 0;
    errno = n < 0 ? errno : ESRCH;
    return -1;
}

char *domain_name(struct handles *h, uint32_t domid)
{
    char path[64];
    unsigned len;
    snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    char *name = xs_read(h->xs, XBT_NULL, path, &len);
    return name ? name : strdup("");
}

static int find_number(struct handles *h, const char *who, uint32_t *domid, struct err *e)
{
    xc_domaininfo_t info;
    char *rest;
    unsigned long n = strtoul(who, &rest, 10);
    if (*rest || n >= DOMID_FIRST_RESERVED)
        return err_set(e, "'%s' is not a domain id", who);
    if (domain_info(h, (uint32_t)n, &info))
        return err_set(e, "no domain with id %lu", n);
    *domid = (uint32_t)n;
    return 0;
}

int domain_find(struct handles *h, const char *who, uint32_t *domid, struct err *e)
{
    unsigned n = 0;
    int found = 0;
    if (isdigit((unsigned char)who[0]))
        return find_number(h, who, domid, e);
    char **ids = xs_directory(h->xs, XBT_NULL, "/local/domain", &n);
    for (unsigned i = 0; i < n && !found; i++) {
        xc_domaininfo_t info;
        uint32_t id = (uint32_t)strtoul(ids[i], NULL, 10);
        char *name = domain_name(h, id);
        if (name && !strcmp(name, who) && !domain_info(h, id, &info)) {
            *domid = id;
            found = 1;
        }
        free(name);
    }
    free(ids);
    return found ? 0 : err_set(e, "no domain called '%s'", who);
}
