/* SPDX-License-Identifier: MIT */
/*
 * Event channels. Interface: dom/event.h. Rules:
 * - A channel's entry is read and changed under its domain's event_lock; an interdomain pair under both locks.
 * - A port that is being given to or taken from a device is EV_RESERVED meanwhile: nobody else touches it.
 * - Pending bits, masks and selectors lie in memory that the guest writes too: atomic operations only, never trusted.
 * - An interdomain channel's peer stays in the domain table until the channel is closed (events_destroy comes first).
 */
#include "dom/domain.h"
#include "irq/handles.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/string.h"
#include "trace/trace.h"

#define FIRST_PORTS 128u
#define CLOSE_BUDGET 256u /* ports closed in one go */

struct event_msi {
    struct msi_handle handle;
    struct domain *dom;
    evtchn_port_t port;
    bool pirq;                  /* by event_map_pirq: the port is its own while it is unbound too */
    bool bound;                 /* e */
    bool held;                  /* e: back, to the end of the slot */
};
static domid_t virq_handler[NR_VIRQS]; /* of global VIRQs; domain 0 unless set */

static struct event_channel *channel(struct domain *d, evtchn_port_t port)
{
    if (port == 0 || port >= d->events.max_ports || d->events.ch[port].state == EV_FREE) return NULL;
    return &d->events.ch[port];
}
static struct vcpu *vcpu_of(struct domain *d, unsigned id) { return id < d->max_vcpus && id < MAX_VCPUS ? d->vcpu[id] : NULL; }

static void msi_slot_over(void *arg);

int events_init(struct domain *d)
{
    spin_init(&d->event_lock, LOCK_EVENT);
    timer_init(&d->events.msi_timer, msi_slot_over, d);
    d->events.ch = heap_alloc(FIRST_PORTS * sizeof(struct event_channel));
    if (!d->events.ch) return -ENOMEM;
    d->events.max_ports = FIRST_PORTS;
    d->events.limit = EVENT_MAX_PORTS;
    return 0;
}

static int grow(struct event_channels *e)
{
    unsigned n = MIN(e->max_ports * 2, (unsigned)EVENT_MAX_PORTS);
    if (e->max_ports >= e->limit) return -ENOSPC;
    struct event_channel *ch = heap_alloc(n * sizeof(*ch));
    if (!ch) return -ENOMEM;
    memcpy(ch, e->ch, e->max_ports * sizeof(*ch));
    heap_free(e->ch);
    e->ch = ch;
    e->max_ports = n;
    return 0;
}

/* A free port, now in `state` for `vcpu`. Lock held. -ENOSPC, -ENOMEM. */
static int take_port(struct domain *d, enum event_state state, unsigned vcpu)
{
    struct event_channels *e = &d->events;
    for (unsigned p = 1;; p++) {
        if (p >= e->limit) return -ENOSPC;
        if (p >= e->max_ports) {
            int rc = grow(e);
            if (rc) return rc;
        }
        if (e->ch[p].state != EV_FREE) continue;
        e->ch[p] = (struct event_channel){.state = state, .vcpu = vcpu};
        return (int)p;
    }
}

/* ---- making events pending ---- */

void event_mark_pending(struct vcpu *v)
{
    if (v->info && !__atomic_exchange_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST)) vcpu_event_upcall(v);
}

static void wake_pollers(struct domain *d, evtchn_port_t port)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        unsigned n = v ? __atomic_load_n(&v->poll_count, __ATOMIC_SEQ_CST) : 0;
        for (unsigned k = 0; k < n; k++)
            if (v->poll_list[k] == port) {
                v->poll_count = 0;
                sched_wake(&v->sched);
                break;
            }
    }
}

/* d's event_lock held. */
static void set_pending(struct domain *d, evtchn_port_t port, unsigned vcpu)
{
    struct vcpu *v = vcpu_of(d, vcpu);
    TRACE(BH_TRC_EVENT_SEND, vcpu | (uint32_t)d->id << 16, port);
    if (!v || bit_set(d->shared_info->evtchn_pending, port)) return;
    if (!bit_test(d->shared_info->evtchn_mask, port) && v->info && !bit_set(&v->info->evtchn_pending_sel, port / 64))
        event_mark_pending(v);
    wake_pollers(d, port);
}

bool event_any_pending(struct domain *d, const evtchn_port_t *ports, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (ports[i] < EVENT_MAX_PORTS && bit_test(d->shared_info->evtchn_pending, ports[i])) return true;
    return false;
}

/*
 * Locks d, and if `port` is an interdomain channel its peer as well. Returns the peer (it may be d itself), or NULL when only d is
 * locked; unlock_peer undoes either. Mostly the peer's lock is free; where it is not, both are taken anew in their order, and the peer is
 * held by a reference meanwhile, since the channel that keeps it may be closed.
 */
static struct domain *lock_peer(struct domain *d, evtchn_port_t port)
{
    for (;;) {
        spin_lock(&d->event_lock);
        struct event_channel *c = channel(d, port);
        if (!c || c->state != EV_INTERDOMAIN) return NULL;
        domid_t remote = c->remote;
        struct domain *peer = domain_known(remote);
        if (spin_try_pair(&d->event_lock, &peer->event_lock)) return peer;
        spin_unlock(&d->event_lock);
        peer = domain_find(remote);
        if (!peer) continue; /* it was closed a moment ago: look again */
        spin_lock_pair(&d->event_lock, &peer->event_lock);
        c = channel(d, port);
        bool open = c && c->state == EV_INTERDOMAIN && c->remote == remote;
        if (!open) spin_unlock_pair(&d->event_lock, &peer->event_lock);
        domain_put(peer); /* not the last one, if the channel is open */
        if (open) return peer;
    }
}
static void unlock_peer(struct domain *d, struct domain *peer)
{
    if (peer) spin_unlock_pair(&d->event_lock, &peer->event_lock);
    else spin_unlock(&d->event_lock);
}

int event_send(struct domain *d, evtchn_port_t port)
{
    struct domain *peer = lock_peer(d, port);
    struct event_channel *c = channel(d, port);
    int rc = 0;
    if (!c)
        rc = -EINVAL;
    else if (c->state == EV_INTERDOMAIN)
        set_pending(peer, c->remote_port, peer->events.ch[c->remote_port].vcpu);
    else if (c->state == EV_IPI)
        set_pending(d, port, c->vcpu);
    else if (c->state != EV_UNBOUND) /* nobody listens yet: dropped without a word */
        rc = -EINVAL;
    unlock_peer(d, peer);
    return rc;
}

/* ---- binding ---- */

int event_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port)
{
    spin_lock(&d->event_lock);
    int p = take_port(d, EV_UNBOUND, 0);
    if (p > 0) {
        d->events.ch[p].remote = remote;
        *port = (evtchn_port_t)p;
    }
    spin_unlock(&d->event_lock);
    return p < 0 ? p : 0;
}

int event_bind_interdomain(struct domain *d, domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port)
{
    struct domain *rd = domain_find(remote);
    if (!rd) return -ESRCH;
    spin_lock_pair(&d->event_lock, &rd->event_lock);
    struct event_channel *rc = channel(rd, remote_port);
    int p = -EINVAL;
    if (rc && rc->state == EV_UNBOUND && rc->remote == d->id) p = take_port(d, EV_INTERDOMAIN, 0);
    if (p > 0) {
        d->events.ch[p].remote = remote;
        d->events.ch[p].remote_port = remote_port;
        rc = &rd->events.ch[remote_port]; /* d may be rd, and its table may have moved */
        rc->state = EV_INTERDOMAIN;
        rc->remote = d->id;
        rc->remote_port = (uint32_t)p;
        *port = (evtchn_port_t)p;
        set_pending(d, *port, 0); /* the peer may have sent before we were there to hear it */
    }
    spin_unlock_pair(&d->event_lock, &rd->event_lock);
    domain_put(rd);
    return p < 0 ? p : 0;
}

/* Who may bind a global VIRQ; 0: not a global one. */
static uint32_t global_virq_roles(unsigned virq)
{
    switch (virq) {
    case VIRQ_CONSOLE: return BH_ROLE_CONSOLE;
    case VIRQ_DOM_EXC: return BH_ROLE_CONTROL | BH_ROLE_XENSTORE;
    case VIRQ_TBUF:
    case VIRQ_DEBUGGER:
    case VIRQ_CON_RING:
    case VIRQ_PCPU_STATE:
    case VIRQ_MEM_EVENT:
    case VIRQ_ENOMEM: return BH_ROLE_CONTROL;
    default: return 0;
    }
}
static bool vcpu_virq(unsigned virq)
{
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

int event_bind_virq(struct domain *d, unsigned virq, unsigned vcpu, evtchn_port_t *port)
{
    uint32_t roles = global_virq_roles(virq);
    if (!roles && !vcpu_virq(virq)) return -EINVAL;
    if (roles && vcpu != 0) return -EINVAL;
    if (roles && !domain_has_role(d, roles)) return -EPERM;
    struct vcpu *v = vcpu_of(d, vcpu);
    if (!v) return -ENOENT;
    spin_lock(&d->event_lock);
    int p = v->virq_port[virq] ? -EEXIST : take_port(d, EV_VIRQ, vcpu);
    if (p > 0) {
        d->events.ch[p].virq = (uint16_t)virq;
        v->virq_port[virq] = (uint32_t)p;
        *port = (evtchn_port_t)p;
    }
    spin_unlock(&d->event_lock);
    return p < 0 ? p : 0;
}

int event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port)
{
    if (!vcpu_of(d, vcpu)) return -ENOENT;
    spin_lock(&d->event_lock);
    int p = take_port(d, EV_IPI, vcpu);
    if (p > 0) *port = (evtchn_port_t)p;
    spin_unlock(&d->event_lock);
    return p < 0 ? p : 0;
}

/* The slot is over: what was held back goes on, and is told once for all that was lost. */
static void msi_slot_over(void *arg)
{
    struct domain *d = arg;
    spin_lock(&d->event_lock);
    for (evtchn_port_t p = 1; p < d->events.max_ports; p++) {
        struct event_channel *c = &d->events.ch[p];
        if (c->state != EV_MSI || !c->msi->held) continue;
        c->msi->held = false;
        msi_hold(&c->msi->handle, false);
        if (c->msi->bound) set_pending(d, p, c->vcpu);
    }
    spin_unlock(&d->event_lock);
}

/* d's event_lock held: no device takes the CPUs' time by its interrupts. */
static void count_msi(struct domain *d, struct event_msi *m)
{
    struct event_channels *e = &d->events;
    uint64_t now = now_ns();
    if (now - e->msi_slot >= EVENT_MSI_SLOT_NS) {
        e->msi_slot = now;
        e->msi_count = 0;
    }
    if (++e->msi_count <= EVENT_MSI_PER_SLOT || m->held) return;
    m->held = msi_hold(&m->handle, true);
    if (!m->held) return;
    timer_set(&e->msi_timer, e->msi_slot + EVENT_MSI_SLOT_NS);
    if (e->msi_count != EVENT_MSI_PER_SLOT + 1) return;
    e->msi_storms++;
    if (!(e->msi_storms & (e->msi_storms - 1)))
        log_warn("domain %u: more than %u interrupts of its devices in %llu us, the %u. time: held back", d->id, EVENT_MSI_PER_SLOT,
                 EVENT_MSI_SLOT_NS / 1000, e->msi_storms);
}

/* msi_handle.fire: the device's interrupt came. */
static void fire_msi(void *arg)
{
    struct event_msi *m = arg;
    spin_lock(&m->dom->event_lock);
    struct event_channel *c = channel(m->dom, m->port);
    if (c && c->state == EV_MSI && c->msi == m) {
        count_msi(m->dom, m);
        if (m->bound) set_pending(m->dom, m->port, c->vcpu);
    }
    spin_unlock(&m->dom->event_lock);
}

static int take_msi(struct domain *d, uint32_t sbdf, unsigned vcpu, bool pirq, struct event_msi **out)
{
    struct vcpu *v = vcpu_of(d, vcpu);
    if (!v) return -ENOENT;
    struct event_msi *m = heap_alloc(sizeof(*m));
    if (!m) return -ENOMEM;
    spin_lock(&d->event_lock);
    int p = d->events.nr_msi < EVENT_MAX_MSI ? take_port(d, EV_RESERVED, vcpu) : -ENOSPC;
    if (p > 0) d->events.nr_msi++;
    spin_unlock(&d->event_lock);
    int rc = p < 0 ? p : 0;
    if (!rc) {
        m->dom = d;
        m->port = (evtchn_port_t)p;
        m->pirq = pirq;
        m->bound = !pirq;
        rc = msi_alloc(&m->handle, sbdf, v->sched.cpu, fire_msi, m);
        spin_lock(&d->event_lock);
        d->events.ch[p].state = rc ? EV_FREE : EV_MSI;
        d->events.ch[p].msi = rc ? NULL : m;
        if (rc) d->events.nr_msi--;
        spin_unlock(&d->event_lock);
    }
    if (rc) heap_free(m);
    else *out = m;
    return rc;
}

int event_bind_msi(struct domain *d, uint32_t sbdf, unsigned vcpu, evtchn_port_t *port, uint64_t *addr, uint32_t *data)
{
    struct event_msi *m;
    int rc = take_msi(d, sbdf, vcpu, false, &m);
    if (rc) return rc;
    *port = m->port;
    *addr = m->handle.addr;
    *data = m->handle.data;
    return 0;
}

int event_map_pirq(struct domain *d, uint32_t sbdf, unsigned *pirq)
{
    struct event_msi *m;
    int rc = take_msi(d, sbdf, 0, true, &m);
    if (!rc) *pirq = m->port;
    return rc;
}

/* d's event_lock held. */
static struct event_msi *find_pirq(struct domain *d, unsigned pirq)
{
    struct event_channel *c = channel(d, pirq);
    return c && c->state == EV_MSI && c->msi->pirq ? c->msi : NULL;
}

int event_bind_pirq(struct domain *d, unsigned pirq)
{
    spin_lock(&d->event_lock);
    struct event_msi *m = find_pirq(d, pirq);
    int rc = !m ? -ESRCH : m->bound ? -EEXIST : 0;
    if (!rc) m->bound = true;
    spin_unlock(&d->event_lock);
    return rc;
}

int event_pirq_message(struct domain *d, unsigned pirq, uint64_t *addr, uint32_t *data)
{
    spin_lock(&d->event_lock);
    const struct event_msi *m = find_pirq(d, pirq);
    if (m) {
        *addr = m->handle.addr;
        *data = m->handle.data;
    }
    spin_unlock(&d->event_lock);
    return m ? 0 : -ESRCH;
}

/* ---- closing ---- */

/* What is left to do without locks when a port has been closed: its MSI handle is given back, and then the port. */
static void finish_msi(struct domain *d, evtchn_port_t port, struct event_msi *m)
{
    msi_free(&m->handle); /* waits for a fire() on another CPU, which takes the event lock */
    heap_free(m);
    spin_lock(&d->event_lock);
    d->events.ch[port] = (struct event_channel){.state = EV_FREE};
    d->events.nr_msi--;
    spin_unlock(&d->event_lock);
}

static void unbind_virq(struct domain *d, const struct event_channel *c, evtchn_port_t port)
{
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i] && d->vcpu[i]->virq_port[c->virq] == port) d->vcpu[i]->virq_port[c->virq] = 0;
}

int event_unmap_pirq(struct domain *d, unsigned pirq)
{
    spin_lock(&d->event_lock);
    struct event_msi *m = find_pirq(d, pirq);
    if (m) {
        d->events.ch[pirq] = (struct event_channel){.state = EV_RESERVED};
        bit_clear(d->shared_info->evtchn_pending, pirq);
    }
    spin_unlock(&d->event_lock);
    if (!m) return -ESRCH;
    finish_msi(d, pirq, m);
    return 0;
}

int event_close(struct domain *d, evtchn_port_t port)
{
    struct domain *peer = lock_peer(d, port);
    struct event_channel *c = channel(d, port);
    struct event_msi *m = c && c->state == EV_MSI ? c->msi : NULL;
    if (!c || c->state == EV_RESERVED || (m && !m->bound)) {
        unlock_peer(d, peer);
        return -EINVAL;
    }
    if (c->state == EV_INTERDOMAIN) {
        struct event_channel *r = &peer->events.ch[c->remote_port];
        r->state = EV_UNBOUND;
        r->remote = d->id;
        r->remote_port = 0;
    } else if (c->state == EV_VIRQ) {
        unbind_virq(d, c, port);
    }
    if (m && m->pirq) {
        m->bound = false;
        c->vcpu = 0;
    } else {
        *c = (struct event_channel){.state = m ? EV_RESERVED : EV_FREE};
    }
    bit_clear(d->shared_info->evtchn_pending, port);
    unlock_peer(d, peer);
    if (m && !m->pirq) finish_msi(d, port, m);
    return 0;
}

/* The first port from p on that is in use and not to be kept; 0: there is none. */
static evtchn_port_t next_used(struct domain *d, evtchn_port_t p, bool keep)
{
    spin_lock(&d->event_lock);
    const struct event_channels *e = &d->events;
    while (p < e->max_ports && (e->ch[p].state == EV_FREE || (keep && e->ch[p].keep))) p++;
    if (p >= e->max_ports) p = 0;
    spin_unlock(&d->event_lock);
    return p;
}

/* Every port but those to be kept; with `unmap` pirqs go, too. At most CLOSE_BUDGET at a time: false, if there may be more. */
static bool close_all(struct domain *d, bool unmap, bool keep)
{
    evtchn_port_t p = 0;
    for (unsigned n = 0; (p = next_used(d, p + 1, keep)); n++) {
        if (n == CLOSE_BUDGET) return false;
        if (!unmap || event_unmap_pirq(d, p)) event_close(d, p);
    }
    return true;
}

int event_reset(struct domain *d) { return close_all(d, false, false) ? 0 : -ERESTART; }

bool events_destroy(struct domain *d)
{
    spin_lock(&d->event_lock);
    d->events.limit = 0;
    spin_unlock(&d->event_lock);
    if (!close_all(d, true, false)) return false;
    timer_cancel(&d->events.msi_timer);
    for (unsigned i = 0; i < NR_VIRQS; i++)
        if (virq_handler[i] == d->id) virq_handler[i] = 0;
    return true;
}

/* ---- the rest of the operations ---- */

int event_status(struct domain *d, struct evtchn_status *s)
{
    spin_lock(&d->event_lock);
    int rc = s->port == 0 || s->port >= d->events.limit ? -EINVAL : 0;
    struct event_channel *c = channel(d, s->port);
    s->status = EVTCHNSTAT_closed;
    s->vcpu = c ? c->vcpu : 0;
    switch (c ? c->state : EV_FREE) {
    case EV_UNBOUND:
        s->status = EVTCHNSTAT_unbound;
        s->u.unbound.dom = c->remote;
        break;
    case EV_INTERDOMAIN:
        s->status = EVTCHNSTAT_interdomain;
        s->u.interdomain.dom = c->remote;
        s->u.interdomain.port = c->remote_port;
        break;
    case EV_VIRQ:
        s->status = EVTCHNSTAT_virq;
        s->u.virq = c->virq;
        break;
    case EV_IPI: s->status = EVTCHNSTAT_ipi; break;
    case EV_MSI:
        if (!c->msi->bound) break;
        s->status = EVTCHNSTAT_pirq;
        s->u.pirq = c->msi->pirq ? s->port : 0;
        break;
    default: break;
    }
    spin_unlock(&d->event_lock);
    return rc;
}

int event_unmask(struct domain *d, evtchn_port_t port)
{
    spin_lock(&d->event_lock);
    struct event_channel *c = channel(d, port);
    struct vcpu *v = c ? vcpu_of(d, c->vcpu) : NULL;
    int rc = v ? 0 : -EINVAL;
    if (v && bit_clear(d->shared_info->evtchn_mask, port) && bit_test(d->shared_info->evtchn_pending, port) && v->info &&
        !bit_set(&v->info->evtchn_pending_sel, port / 64))
        event_mark_pending(v);
    spin_unlock(&d->event_lock);
    return rc;
}

int event_bind_vcpu(struct domain *d, evtchn_port_t port, unsigned vcpu)
{
    if (!vcpu_of(d, vcpu)) return -ENOENT;
    spin_lock(&d->event_lock);
    struct event_channel *c = channel(d, port);
    int rc = -EINVAL;
    if (c && (c->state == EV_UNBOUND || c->state == EV_INTERDOMAIN || c->state == EV_MSI ||
              (c->state == EV_VIRQ && global_virq_roles(c->virq)))) {
        c->vcpu = (uint16_t)vcpu;
        rc = 0;
    }
    spin_unlock(&d->event_lock);
    return rc;
}

/* ---- virtual interrupts ---- */

static void raise_virq(struct vcpu *v, unsigned virq)
{
    struct domain *d = v->dom;
    spin_lock(&d->event_lock);
    evtchn_port_t port = v->virq_port[virq];
    if (port) set_pending(d, port, d->events.ch[port].vcpu);
    spin_unlock(&d->event_lock);
}
void event_set_pending_virq(struct vcpu *v, unsigned virq) { raise_virq(v, virq); }

void event_send_global_virq(unsigned virq)
{
    struct domain *d = domain_find(virq_handler[virq]);
    if (!d) return;
    if (d->vcpu[0]) raise_virq(d->vcpu[0], virq);
    domain_put(d);
}

int event_set_virq_handler(unsigned virq, domid_t handler)
{
    if (virq >= NR_VIRQS || !global_virq_roles(virq)) return -EINVAL;
    virq_handler[virq] = handler;
    return 0;
}

/* ---- restart in place ---- */

void events_mark_kept(struct domain *d)
{
    struct event_channels *e = &d->events;
    spin_lock(&d->event_lock);
    e->nr_kept = 0;
    for (evtchn_port_t p = 1; p < e->max_ports && e->nr_kept < EVENT_MAX_KEPT; p++) {
        struct event_channel *c = &e->ch[p];
        if (c->state != EV_UNBOUND && c->state != EV_INTERDOMAIN) continue;
        c->keep = 1;
        e->kept[e->nr_kept].port = p;
        e->kept[e->nr_kept++].remote = c->remote;
    }
    spin_unlock(&d->event_lock);
}

bool events_restart(struct domain *d)
{
    struct event_channels *e = &d->events;
    if (!close_all(d, true, true)) return false;
    spin_lock(&d->event_lock);
    for (unsigned i = 0; i < e->nr_kept; i++) {
        struct event_channel *c = &e->ch[e->kept[i].port];
        c->vcpu = 0;
        if (c->keep) continue;
        /* The old incarnation had closed it: it waits for its peer again, as at first. */
        *c = (struct event_channel){.state = EV_UNBOUND, .keep = 1, .remote = e->kept[i].remote};
    }
    spin_unlock(&d->event_lock);
    return true;
}
