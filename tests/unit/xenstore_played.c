/* SPDX-License-Identifier: MIT */
/* See xenstore_played.h. */
#define _GNU_SOURCE
#include "xenstore_played.h"
#include "xenstore/transport/loop.h"
#include <CUnit/Basic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/grant_table.h>

struct xenstore_domain_interface *played_pages;
unsigned played_mapped[DOMAINS], played_ports, played_notified[DOMAINS];
static uint16_t port_owner[256];   /* domain at the other end of a local port */
static unsigned next_port;
static int event_fd = -1;
static int queue[256];
static unsigned queued;
xc_domaininfo_t played_infos[DOMAINS];
char played_log[600];
void (*played_meanwhile)(void);

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned flags)
{
    event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return (xenevtchn_handle *)&event_fd;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
    return event_fd;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
    eventfd_t v;

    if (queued)
        return queue[--queued];
    return eventfd_read(event_fd, &v) ? -1 : -1;
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
    return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid, evtchn_port_t remote)
{
    if (remote == 99)
        return -1;
    port_owner[++next_port] = (uint16_t)domid;
    played_ports++;
    return (int)next_port;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
    CU_ASSERT(port_owner[port] != 0);
    port_owner[port] = 0;
    played_ports--;
    return 0;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
    CU_ASSERT(port_owner[port] != 0);
    played_notified[port_owner[port]]++;
    return 0;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags)
{
    return (xengnttab_handle *)played_pages;
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref, int prot)
{
    if (domid >= DOMAINS || ref != GNTTAB_RESERVED_XENSTORE)
        return NULL;
    played_mapped[domid]++;
    return &played_pages[domid];
}

int xengnttab_unmap(xengnttab_handle *h, void *page, uint32_t count)
{
    played_mapped[(struct xenstore_domain_interface *)page - played_pages]--;
    return 0;
}

xc_interface *xc_interface_open(xentoollog_logger *l, xentoollog_logger *d, unsigned flags)
{
    return (xc_interface *)&played_infos;
}

int xc_domain_getinfolist(xc_interface *h, uint32_t domid, unsigned max, xc_domaininfo_t *info)
{
    int n = 0;

    for (unsigned i = 0; i < DOMAINS; i++)
        if (played_infos[i].domain >= domid && (unsigned)n < max)
            info[n++] = played_infos[i];
    return n;
}

void played_begin(void)
{
    played_pages = mmap(NULL, DOMAINS * sizeof(*played_pages), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(played_pages != MAP_FAILED);
    memset(played_infos, 0, sizeof(played_infos));
    for (unsigned i = 0; i < DOMAINS; i++)
        played_infos[i].domain = (domid_t)i;
    next_port = queued = 0;
}

void played_end(void)
{
    munmap(played_pages, DOMAINS * sizeof(*played_pages));
    close(event_fd);
}

void log_line(const char *line)
{
    strcpy(played_log, line);
    if (played_meanwhile)
        played_meanwhile();
}

/* There are no sockets here, and nothing is updated. */
struct conn *socket_adopt(struct store *s, uint32_t key)
{
    return NULL;
}

int update_ask(struct store *s, const char *path)
{
    return EINVAL;
}

void played_kick(unsigned domid)
{
    for (unsigned p = 1; p <= next_port; p++)
        if (port_owner[p] == domid && queued < 256)
            queue[queued++] = (int)p;
    eventfd_write(event_fd, 1);
}

size_t played_put(unsigned domid, const void *data, size_t len)
{
    struct xenstore_domain_interface *p = &played_pages[domid];
    size_t n = 0;

    while (n < len && p->req_prod - p->req_cons < XENSTORE_RING_SIZE)
        p->req[MASK_XENSTORE_IDX(p->req_prod++)] = ((const char *)data)[n++];
    return n;
}

size_t played_get(unsigned domid, void *data, size_t len)
{
    struct xenstore_domain_interface *p = &played_pages[domid];
    size_t n = 0;

    while (n < len && p->rsp_cons != p->rsp_prod)
        ((char *)data)[n++] = p->rsp[MASK_XENSTORE_IDX(p->rsp_cons++)];
    return n;
}
