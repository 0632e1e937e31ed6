/* SPDX-License-Identifier: MIT */
/*
 * Event channels, 2-level ABI (xen/event_channel.h). One table per domain under d->event_lock (LOCK_EVENT);
 * two domains' tables are locked as a pair. Pending bits live in the domain's shared info, written atomically.
 */
#ifndef DOM_EVENT_H
#define DOM_EVENT_H
#include <xen/event_channel.h>
#include "lib/lock.h"
#include "sched/timer.h"

#define EVENT_MAX_PORTS 4096 /* 64 * 64; port 0 is never used */
enum event_state { EV_FREE, EV_RESERVED, EV_UNBOUND, EV_INTERDOMAIN, EV_VIRQ, EV_IPI, EV_MSI };
struct event_msi;
struct event_channel {
    uint8_t state;              /* enum event_state */
    uint8_t keep;               /* survives restart in place (was there at the snapshot) */
    uint16_t vcpu;              /* to notify */
    domid_t remote;             /* UNBOUND: who may bind (never DOMID_SELF); INTERDOMAIN: the peer */
    uint32_t remote_port;       /* INTERDOMAIN */
    uint16_t virq;
    struct event_msi *msi;      /* MSI */
};
#define EVENT_MAX_KEPT 8
#define EVENT_MAX_MSI 64     /* of one domain: CPU vectors are few and all driver domains' */
/* Messages of a domain's devices that are taken in one slot; one that comes beyond is held back to its end, and tells then. */
#define EVENT_MSI_SLOT_NS 10000000ull
#define EVENT_MSI_PER_SLOT 2500u
struct event_channels {
    struct event_channel *ch;   /* heap, max_ports entries; grown by doubling up to `limit` */
    unsigned max_ports, limit;
    unsigned nr_msi;            /* ports bound to messages of devices */
    uint64_t msi_slot;          /* start of the present slot, ns */
    unsigned msi_count, msi_storms; /* messages in it; slots that had too many */
    struct timer msi_timer;     /* the end of a slot that had too many */
    struct { evtchn_port_t port; domid_t remote; } kept[EVENT_MAX_KEPT]; /* ports of the snapshot */
    unsigned nr_kept;
};

struct domain;
struct vcpu;
int events_init(struct domain *d);
/* Closes all: peers' ends become EV_UNBOUND, remote = d; no new ones. False: call again to go on. */
bool events_destroy(struct domain *d);
/* The evtchn_op family: guest-visible semantics of xen/event_channel.h. `d` is the domain operated on. Return 0, port or -errno. */
int event_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port);
int event_bind_interdomain(struct domain *d, domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port);
int event_bind_virq(struct domain *d, unsigned virq, unsigned vcpu, evtchn_port_t *port);
int event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port);
/* A message of the function `sbdf` (owned by d) that makes *port pending; *addr and *data are for the device. */
int event_bind_msi(struct domain *d, uint32_t sbdf, unsigned vcpu, evtchn_port_t *port, uint64_t *addr, uint32_t *data);
/* The same in Xen's two steps: a pirq is a message, which makes a port pending once it is bound to one. Pirqs are numbered as the ports
 * that they keep for themselves until they are unmapped; closing such a port only unbinds it. -ESRCH: no such pirq. */
int event_map_pirq(struct domain *d, uint32_t sbdf, unsigned *pirq);
int event_unmap_pirq(struct domain *d, unsigned pirq);
int event_bind_pirq(struct domain *d, unsigned pirq); /* to port `pirq`. -EEXIST bound already */
int event_pirq_message(struct domain *d, unsigned pirq, uint64_t *addr, uint32_t *data);
int event_close(struct domain *d, evtchn_port_t port);
int event_send(struct domain *d, evtchn_port_t port);
int event_status(struct domain *d, struct evtchn_status *s);
int event_unmask(struct domain *d, evtchn_port_t port);
int event_bind_vcpu(struct domain *d, evtchn_port_t port, unsigned vcpu);
int event_reset(struct domain *d); /* 0; -ERESTART: call again to go on */
void event_set_pending_virq(struct vcpu *v, unsigned virq);  /* per-vCPU virq (timer, debug) */
void event_send_global_virq(unsigned virq);                  /* to its handler: domain 0 unless set otherwise. No event lock held */
int event_set_virq_handler(unsigned virq, domid_t handler);  /* XEN_DOMCTL_set_virq_handler. -EINVAL: not a global one */
void event_mark_pending(struct vcpu *v);                     /* upcall for v without a port; v's event_lock held */
bool event_any_pending(struct domain *d, const evtchn_port_t *ports, unsigned n); /* no lock */
/* Restart in place: close everything but `keep` ports; interdomain peers of closed ports become UNBOUND, remote = d. False: call again. */
bool events_restart(struct domain *d);
void events_mark_kept(struct domain *d);                     /* at the snapshot */
#endif
