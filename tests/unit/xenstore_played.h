/* SPDX-License-Identifier: MIT */
/*
 * A hypervisor played for xenstored's transport: the libraries' calls, and the domains' ends of their rings. The ring pages are shared
 * with child processes, so that a daemon can die under a domain that goes on.
 */
#ifndef XENSTORE_PLAYED_H
#define XENSTORE_PLAYED_H
#include <stddef.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xen/io/xs_wire.h>

#define DOMAINS 8

extern struct xenstore_domain_interface *played_pages; /* one a domain */
extern unsigned played_mapped[DOMAINS];   /* times the page is mapped */
extern unsigned played_notified[DOMAINS], played_ports /* bound */;
extern xc_domaininfo_t played_infos[DOMAINS];
extern char played_log[600]; /* the last line */
extern void (*played_meanwhile)(void); /* called, if not NULL, at each line of the log */

void played_begin(void);
void played_end(void);
/* An event from the domain. */
void played_kick(unsigned domid);
/* Put bytes into the domain's ring; returns how many fit. */
size_t played_put(unsigned domid, const void *data, size_t len);
/* Take bytes out of it; returns how many there were. */
size_t played_get(unsigned domid, void *data, size_t len);
#endif
