/* SPDX-License-Identifier: MIT */
/*
 * Just enough of a hypervisor's libraries, preloaded, for Debian's xenstored and oxenstored to start on a plain Linux and serve their
 * Unix socket (bench/xenstore.sh): handles that are nothing, an event descriptor that never fires, a ring page nobody uses.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

static char nothing[64];
static int events = -1;

/* /proc/xen/xsd_port holds a port, /proc/xen/xsd_kva is a page. */
static int fake_file(const char *path)
{
    int fd = memfd_create("xen", MFD_CLOEXEC);

    if (ftruncate(fd, strstr(path, "port") ? 0 : 4096) || (strstr(path, "port") && pwrite(fd, "1", 1, 0) != 1))
        return -1;
    return fd;
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    va_list ap;
    mode_t mode;

    if (!strncmp(path, "/proc/xen/", 10))
        return fake_file(path);
    va_start(ap, flags);
    mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return real(path, flags, mode);
}

xenevtchn_handle *xenevtchn_open(xentoollog_logger *l, unsigned flags)
{
    events = eventfd(0, EFD_CLOEXEC);
    return (xenevtchn_handle *)nothing;
}

xenevtchn_handle *xenevtchn_fdopen(xentoollog_logger *l, int fd, unsigned flags)
{
    return xenevtchn_open(l, flags);
}

int xenevtchn_fd(xenevtchn_handle *h)
{
    return events;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domid, evtchn_port_t port)
{
    return 2;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *h, unsigned virq)
{
    return 3;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
    return 0;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
    return 0;
}

xengnttab_handle *xengnttab_open(xentoollog_logger *l, unsigned flags)
{
    return (xengnttab_handle *)nothing;
}

int xengnttab_set_max_grants(xengnttab_handle *h, uint32_t n)
{
    return 0;
}

xc_interface *xc_interface_open(xentoollog_logger *l, xentoollog_logger *d, unsigned flags)
{
    return (xc_interface *)nothing;
}

int xc_interface_close(xc_interface *h)
{
    return 0;
}

int xc_domain_getinfo(xc_interface *h, uint32_t domid, unsigned max, xc_dominfo_t *info)
{
    memset(info, 0, sizeof(*info));
    info->domid = domid;
    return 1;
}

/* oxenstored wants more files than a container may give, and ends without. */
int setrlimit(__rlimit_resource_t what, const struct rlimit *limit)
{
    return 0;
}
