/* SPDX-License-Identifier: MIT */
/*
 * The host under a hypervisor: domains' rings by grant GNTTAB_RESERVED_XENSTORE and event channel, and the ring of the kernel we
 * run under, which that kernel allocates and waits for us to serve (/dev/xen/xenbus_backend, or /proc/xen/xsd_kva and xsd_port).
 */
#include "xenstore/transport/loop.h"
#include "xenstore/transport/ringconn.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/grant_table.h>

#define PAGE_BYTES 4096u
#define BACKEND_EVTCHN _IOC(_IOC_NONE, 'B', 0, 0) /* of /dev/xen/xenbus_backend: returns the ring's port */
#define EVENTS_A_TURN 64

struct link {
    struct ring ring; /* first: ringconn.h */
    struct conn *conn;
    void *page;
    bool granted; /* unmap by grant, else by munmap */
    evtchn_port_t port;
};

static xenevtchn_handle *events;
static xengnttab_handle *grants;
static xc_interface *control;
static struct event *event_event;
static struct link *own_ring; /* of the kernel we run under */
static struct link **by_port;
static size_t ports;

void ring_notify(struct ring *r)
{
    xenevtchn_notify(events, ((struct link *)r)->port);
}

static void link_free(struct link *l)
{
    if (l->conn) {
        loop_forget(l->conn);
        conn_close(l->conn);
    }
    if (l->port) {
        if (l->port < ports)
            by_port[l->port] = NULL;
        xenevtchn_unbind(events, l->port);
    }
    if (l->granted)
        xengnttab_unmap(grants, l->page, 1);
    else
        munmap(l->page, PAGE_BYTES);
    free(l);
}

static bool remember_port(struct link *l)
{
    if (l->port >= ports) {
        size_t n = (l->port + 64u) & ~63u;
        struct link **p = realloc(by_port, n * sizeof(*p));

        if (!p)
            return false;
        memset(p + ports, 0, (n - ports) * sizeof(*p));
        by_port = p;
        ports = n;
    }
    by_port[l->port] = l;
    return true;
}

/* Serve a mapped page over the remote port. Takes over the page. NULL with errno on error. */
static struct link *link_open(struct store *s, uint16_t domid, void *page, bool granted, uint32_t remote)
{
    const struct account *acc = account_of(s, domid);
    struct link *l = acc ? calloc(1, sizeof(*l)) : NULL;
    int port, err = ENOMEM;

    if (!l) {
        if (granted)
            xengnttab_unmap(grants, page, 1);
        else
            munmap(page, PAGE_BYTES);
        errno = ENOMEM;
        return NULL;
    }
    l->page = page;
    l->granted = granted;
    port = xenevtchn_bind_interdomain(events, domid, remote);
    if (port > 0) {
        l->port = (evtchn_port_t)port;
        ring_start(&l->ring, page, WIRE_FEATURES & ~acc->features_off);
        if (remember_port(l))
            l->conn = conn_open(s, &ring_ops, l, (struct actor){ domid, NO_TARGET }, domid);
    } else {
        err = EINVAL;
    }
    if (!l->conn) {
        link_free(l);
        errno = err;
        return NULL;
    }
    xenevtchn_notify(events, l->port);
    loop_wake(l->conn);
    return l;
}

static void ring_close(struct domain *d)
{
    if (d->ring)
        link_free(d->ring);
    d->ring = NULL;
    d->conn = NULL;
}

static int ring_open(struct store *s, struct domain *d, uint64_t gfn, uint32_t port)
{
    struct link *l;
    void *page;

    ring_close(d);
    page = xengnttab_map_grant_ref(grants, d->domid, GNTTAB_RESERVED_XENSTORE, PROT_READ | PROT_WRITE);
    if (!page) {
        store_log(s, "domain %u: grant %d of its ring page: %s", d->domid, GNTTAB_RESERVED_XENSTORE, strerror(errno));
        return EINVAL;
    }
    l = link_open(s, d->domid, page, true, port);
    if (!l) {
        store_log(s, "domain %u: port %u of its ring: %s", d->domid, port, strerror(errno));
        return errno;
    }
    d->ring = l;
    d->conn = l->conn;
    return 0;
}

static int domains(uint16_t first, struct domain_info *out, unsigned max)
{
    static xc_domaininfo_t infos[INFOS_AT_ONCE];
    int n;

    if (!control)
        control = xc_interface_open(NULL, NULL, 0);
    n = control ? xc_domain_getinfolist(control, first, max < INFOS_AT_ONCE ? max : INFOS_AT_ONCE, infos) : -1;
    for (int i = 0; i < n; i++) {
        bool dying = infos[i].flags & XEN_DOMINF_dying, shutdown = infos[i].flags & XEN_DOMINF_shutdown;

        out[i] = (struct domain_info){ infos[i].domain, dying ? DOMAIN_GONE : shutdown ? DOMAIN_SHUTDOWN : DOMAIN_RUNS };
    }
    return n;
}

const struct host_ops xen_host = { log_line, loop_wake, loop_alarm, ring_open, ring_close, domains, socket_adopt,
                                   update_ask };

static void take_events(evutil_socket_t fd, short what, void *arg)
{
    for (int i = 0; i < EVENTS_A_TURN; i++) {
        xenevtchn_port_or_error_t port = xenevtchn_pending(events);

        if (port < 0)
            return;
        xenevtchn_unmask(events, (evtchn_port_t)port);
        if ((size_t)port < ports && by_port[port])
            loop_wake(by_port[port]->conn);
    }
}

/* The number in a file of /proc/xen; 0 if there is none. */
static uint32_t proc_number(const char *path)
{
    FILE *f = fopen(path, "r");
    unsigned n = 0;

    if (f && fscanf(f, "%u", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n;
}

static void *map_file(const char *path, uint32_t *port)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *page;

    if (fd < 0)
        return NULL;
    if (!*port) {
        int n = ioctl(fd, BACKEND_EVTCHN, NULL);

        *port = n > 0 ? (uint32_t)n : 0;
    }
    page = *port ? mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

/* The ring of the kernel we run under. */
static bool own_kernel_ring(struct store *s)
{
    uint32_t port = 0;
    void *page = map_file("/dev/xen/xenbus_backend", &port);

    if (!page) {
        port = proc_number("/proc/xen/xsd_port");
        page = port ? map_file("/proc/xen/xsd_kva", &port) : NULL;
    }
    if (!page) {
        store_log(s, "control kernel's ring: neither /dev/xen/xenbus_backend nor /proc/xen/xsd_kva gives it");
        return false;
    }
    own_ring = link_open(s, 0, page, false, port);
    if (!own_ring) {
        store_log(s, "control kernel's ring: port %u: %s", port, strerror(errno));
        return false;
    }
    return true;
}

bool xen_host_open(struct event_base *base, struct store *s)
{
    int fd;

    events = xenevtchn_open(NULL, 0);
    if (!events) {
        store_log(s, "/dev/xen/evtchn: %s", strerror(errno));
        return false;
    }
    grants = xengnttab_open(NULL, 0);
    if (!grants) {
        store_log(s, "/dev/xen/gntdev: %s", strerror(errno));
        return false;
    }
    fd = xenevtchn_fd(events);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    event_event = event_new(base, fd, EV_READ | EV_PERSIST, take_events, NULL);
    if (!event_event || event_add(event_event, NULL))
        return false;
    return own_kernel_ring(s);
}

void xen_host_close(void)
{
    if (own_ring)
        link_free(own_ring);
    if (event_event)
        event_free(event_event);
    free(by_port);
    own_ring = NULL;
    event_event = NULL;
    by_port = NULL;
    ports = 0;
}
