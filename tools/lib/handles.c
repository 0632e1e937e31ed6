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

/* What a path may not hold is written as '@' and two hexadecimal digits; a name has no '@' of its own. */
void name_node(const char *name, char node[NAME_NODE])
{
    int at = snprintf(node, NAME_NODE, "/tool/bh/names/");
    for (; *name && at < NAME_NODE - 4; name++)
        at += snprintf(node + at, (size_t)(NAME_NODE - at), isalnum((unsigned char)*name) || *name == '-' || *name == '_' ? "%c" : "@%02x",
                       (unsigned char)*name);
}

static bool is_called(struct handles *h, uint32_t domid, const char *name)
{
    xc_domaininfo_t info;
    char *is = domain_name(h, domid);
    bool called = is && !strcmp(is, name) && !domain_info(h, domid, &info);
    free(is);
    return called;
}

int domain_named(struct handles *h, const char *name, uint32_t *domid)
{
    char node[NAME_NODE];
    unsigned len;
    name_node(name, node);
    char *text = xs_read(h->xs, XBT_NULL, node, &len);
    *domid = text ? (uint32_t)strtoul(text, NULL, 10) : 0; /* nobody indexes the control domain */
    free(text);
    return is_called(h, *domid, name) ? 0 : -1;
}

int domain_find(struct handles *h, const char *who, uint32_t *domid, struct err *e)
{
    unsigned n = 0;
    bool found = false;
    if (isdigit((unsigned char)who[0]))
        return find_number(h, who, domid, e);
    if (!domain_named(h, who, domid))
        return 0;
    char **ids = xs_directory(h->xs, XBT_NULL, "/local/domain", &n);
    for (unsigned i = 0; i < n && !found; i++) {
        *domid = (uint32_t)strtoul(ids[i], NULL, 10);
        found = is_called(h, *domid, who);
    }
    free(ids);
    return found ? 0 : err_set(e, "no domain called '%s'", who);
}
