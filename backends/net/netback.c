/* SPDX-License-Identifier: MIT */
/* Devices of netback: what is offered, negotiation, adoption, closing. See netback.h and net.h. */
#include "backends/net/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xen/io/xenbus.h>

#define RULE_TEXT 384u /* eight IPv6 addresses */
#define VLAN_MAX 4094u

static const struct xb_ops ops;
struct vif *vifs_up;

/* --- the backend's own nodes --- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++, text += 3) {
        if (hex(text[0]) < 0 || hex(text[1]) < 0 || text[2] != (i == 5 ? 0 : ':'))
            return false;
        mac[i] = (uint8_t)(hex(text[0]) << 4 | hex(text[1]));
    }
    return !(mac[0] & 1);
}

static int wrong(struct xb_dev *d, const char *what)
{
    xb_error(d, "%s", what);
    return -EINVAL;
}

/* A text that may be missing: then it is empty. */
static bool read_text(struct xb_dev *d, const char *node, char *text, unsigned size)
{
    int rc = xb_read_str(d->back, node, text, size);
    if (rc)
        *text = 0;
    return rc != -ERANGE;
}

/* What it may do. A rule that cannot be read is no permission: the interface does not come up. */
static int read_rules(struct xb_dev *d, struct vif *v)
{
    char text[RULE_TEXT];
    uint64_t isolated = 1, vlan = 0;
    int rc = xb_read_uint(d->back, "isolated", 1, &isolated);
    v->isolated = rc != -ENOENT && isolated;
    rc = xb_read_uint(d->back, "vlan", VLAN_MAX, &vlan);
    if (rc != -ENOENT && (rc || !vlan))
        return wrong(d, "vlan is not a number from 1 to 4094");
    v->vlan = (uint16_t)vlan;
    if (!read_text(d, "ip", text, sizeof(text)) || !guard_parse(&v->guard, text))
        return wrong(d, "ip is not a list of at most 8 addresses");
    memset(&v->rate, 0, sizeof(v->rate));
    if (!read_text(d, "rate", text, sizeof(text)) || (text[0] && !rate_parse(&v->rate, text)))
        return wrong(d, "rate is not BYTES,MICROSECONDS");
    return 0;
}

/* The segment that a bridge's name means: the number at its end (wire1, xenbr12), 0 without one. */
static bool segment_of(const char *name, unsigned *number)
{
    size_t n = strlen(name);
    while (n && name[n - 1] >= '0' && name[n - 1] <= '9')
        n--;
    *number = 0;
    for (name += n; *name && *number <= NET_SEGMENT_MAX; name++)
        *number = *number * 10 + (unsigned)(*name - '0');
    return *number <= NET_SEGMENT_MAX;
}

/* Whose address it is, on which segment, and its rules. */
static int read_own(struct xb_dev *d, struct vif *v)
{
    char text[40];
    int rc = xb_read_str(d->back, "mac", text, sizeof(text));
    if (rc || !parse_mac(text, v->mac))
        return wrong(d, rc == -ENOENT ? "mac is missing" : "mac is not a unicast address xx:xx:xx:xx:xx:xx");
    if (!read_text(d, "bridge", text, sizeof(text)))
        return wrong(d, "bridge: the name is too long");
    if (!segment_of(text, &v->wire))
        return wrong(d, "bridge ends with a number above 255: no such segment");
    return read_rules(d, v);
}

static struct vif *vif_of(struct xb_dev *d)
{
    struct vif *v = d->priv;
    if (!v && (v = host_alloc(sizeof(*v)))) {
        v->xb = d;
        v->idle_at = UINT32_MAX;
        snprintf(v->name, sizeof(v->name), "vif%u.%u", d->domid, d->devid);
        d->priv = v;
    }
    return v;
}

static int probe(struct xb_dev *d)
{
    static const char *const offered[] = {
        "feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload", "feature-rx-copy",
        "feature-multicast-control", "feature-split-event-channels",
    };
    struct vif *v = vif_of(d);
    if (!v) {
        xb_error(d, "out of memory");
        return -ENOMEM;
    }
    int rc = read_own(d, v);
    if (rc)
        return rc;
    for (unsigned i = 0; i < sizeof(offered) / sizeof(offered[0]); i++)
        xb_printf(d->back, offered[i], "1");
    xb_printf(d->back, "feature-rx-flip", "0");
    xb_printf(d->back, "multi-queue-max-queues", "%u", NET_MAX_QUEUES);
    return 0;
}

/* --- the front's nodes --- */

struct wires { uint32_t tx_ref, rx_ref, tx_port, rx_port; }; /* of one queue */

static int number(struct xb_dev *d, const char *node, uint64_t max, uint64_t def, uint64_t *n)
{
    int rc = xb_read_uint(d->front, node, max, n);
    if (rc == -ENOENT) {
        *n = def;
        return 0;
    }
    if (rc)
        xb_error(d, "front's %s is not a number up to %llu", node, (unsigned long long)max);
    return rc;
}

static int needed(struct xb_dev *d, const char *prefix, const char *name, uint32_t *n)
{
    char node[64];
    uint64_t v;
    snprintf(node, sizeof(node), "%s%s", prefix, name);
    int rc = xb_read_uint(d->front, node, UINT32_MAX, &v);
    if (rc) {
        xb_error(d, "front's %s is %s", node, rc == -ENOENT ? "missing" : "not a 32-bit number");
        return -EINVAL;
    }
    *n = (uint32_t)v;
    return 0;
}

static int read_queue(struct xb_dev *d, unsigned n, unsigned queues, struct wires *w)
{
    char prefix[24] = "", node[64];
    uint64_t port;
    if (queues > 1)
        snprintf(prefix, sizeof(prefix), "queue-%u/", n);
    if (needed(d, prefix, "tx-ring-ref", &w->tx_ref) || needed(d, prefix, "rx-ring-ref", &w->rx_ref))
        return -EINVAL;
    snprintf(node, sizeof(node), "%sevent-channel-tx", prefix);
    if (xb_read_uint(d->front, node, UINT32_MAX, &port) != -ENOENT)
        return needed(d, prefix, "event-channel-tx", &w->tx_port) || needed(d, prefix, "event-channel-rx", &w->rx_port)
                   ? -EINVAL : 0;
    int rc = needed(d, prefix, "event-channel", &w->tx_port);
    w->rx_port = w->tx_port;
    return rc;
}

static int read_features(struct xb_dev *d, struct vif *v, unsigned *queues)
{
    uint64_t copy, sg, gso4, gso6, no_csum4, csum6, mcast, n;
    if (number(d, "request-rx-copy", 1, 0, &copy) || number(d, "feature-sg", 1, 0, &sg) ||
        number(d, "feature-gso-tcpv4", 1, 0, &gso4) || number(d, "feature-gso-tcpv6", 1, 0, &gso6) ||
        number(d, "feature-no-csum-offload", 1, 0, &no_csum4) || number(d, "feature-ipv6-csum-offload", 1, 0, &csum6) ||
        number(d, "request-multicast-control", 1, 0, &mcast) ||
        number(d, "multi-queue-num-queues", NET_MAX_QUEUES, 1, &n))
        return -EINVAL;
    if (!copy || !n) {
        xb_error(d, copy ? "front's multi-queue-num-queues is 0" : "front does not write request-rx-copy");
        return -EOPNOTSUPP;
    }
    v->sg = sg;
    v->gso4 = gso4;
    v->gso6 = gso6;
    v->csum4 = !no_csum4;
    v->csum6 = csum6;
    v->mcast_filter = mcast;
    v->nmcast = 0;
    *queues = (unsigned)n;
    return 0;
}

/* --- queues --- */

static void queue_free(struct vif_queue *q)
{
    progress_remove(&q->tx_progress);
    progress_remove(&q->rx_progress);
    rx_forget(q);
    if (q->rx_port >= 0 && q->rx_port != q->tx_port)
        host_event_close(q->rx_port);
    if (q->tx_port >= 0)
        host_event_close(q->tx_port);
    if (q->tx_map.n)
        host_unmap(&q->tx_map);
    if (q->rx_map.n)
        host_unmap(&q->rx_map);
    host_free(q);
}

static void mute(struct vif *v, bool on)
{
    for (unsigned i = 0; i < v->nqueues; i++) {
        host_event_mute(v->queue[i]->tx_port, on);
        if (v->queue[i]->rx_port != v->queue[i]->tx_port)
            host_event_mute(v->queue[i]->rx_port, on);
    }
}

static void rested(void *arg)
{
    struct vif *v = arg;
    if (patience_lost(&v->patience, host_now())) {
        host_timer_set(&v->rest, patience_when(&v->patience));
        return;
    }
    v->resting = false;
    mute(v, false);
    for (unsigned i = 0; i < v->nqueues && v->up; i++)
        tx_run(v->queue[i]);
    switch_settle();
}

void vif_wasted(struct vif *v, uint64_t ns)
{
    uint64_t now = host_now();
    patience_spend(&v->patience, now, ns);
    if (v->resting || !patience_lost(&v->patience, now))
        return;
    v->resting = true;
    mute(v, true);
    v->rest.fn = rested;
    v->rest.arg = v;
    host_timer_set(&v->rest, patience_when(&v->patience));
}

/* Serve its rings; both for the port of the front's packets and for that of its buffers, which may be the same. */
static void serve(struct vif_queue *q, bool tx)
{
    struct vif *v = q->vif;
    uint64_t begin = host_now();
    uint32_t took = v->took;
    if (!v->up || v->resting)
        return;
    if (q->wait_n)
        rx_run(q);
    if (tx && v->up)
        tx_run(q); /* q may be gone */
    if (v->took == took) {
        if (v->idle_at == took) /* not the first event with nothing behind it since the last packet */
            vif_wasted(v, host_now() - begin + NET_EVENT_NS);
        v->idle_at = took;
        return;
    }
    switch_settle();
    tx_resume();
    switch_settle();
}

static void event(void *arg)
{
    serve(arg, true);
}

static void rx_event(void *arg)
{
    serve(arg, false);
}

static int map_ring(struct xb_dev *d, struct host_map *m, struct ring *r, uint32_t ref, bool tx, bool adopt)
{
    int rc = host_map(m, d->domid, &ref, 1, false);
    if (rc) {
        m->n = 0;
        xb_error(d, "%s-ring-ref cannot be mapped (%d)", tx ? "tx" : "rx", rc);
        return rc;
    }
    rc = nring_attach(r, m->addr, tx, adopt);
    if (rc)
        xb_error(d, "the %s ring's indices are broken", tx ? "tx" : "rx");
    return rc;
}

static int bind(struct xb_dev *d, uint32_t remote, host_event_fn fn, struct vif_queue *q, int *port)
{
    int rc = *port = host_event_bind(d->domid, remote, fn, q);
    if (rc < 0) {
        xb_error(d, "event-channel %u cannot be bound (%d)", remote, rc);
        return rc;
    }
    return 0;
}

static int queue_connect(struct vif *v, const struct wires *w, bool adopt)
{
    struct xb_dev *d = v->xb;
    struct vif_queue *q = host_alloc(sizeof(*q));
    if (!q) {
        xb_error(d, "out of memory");
        return -ENOMEM;
    }
    q->vif = v;
    q->tx_port = q->rx_port = -1;
    int rc = map_ring(d, &q->tx_map, &q->tx, w->tx_ref, true, adopt);
    if (!rc)
        rc = map_ring(d, &q->rx_map, &q->rx, w->rx_ref, false, adopt);
    if (!rc)
        rc = bind(d, w->tx_port, event, q, &q->tx_port);
    if (!rc && w->rx_port == w->tx_port)
        q->rx_port = q->tx_port;
    else if (!rc)
        rc = bind(d, w->rx_port, rx_event, q, &q->rx_port);
    if (rc) {
        queue_free(q);
        return rc;
    }
    v->queue[v->nqueues++] = q;
    q->tx_progress = (struct progress){.waits = tx_waits, .arg = q, .what = v->name};
    q->rx_progress = (struct progress){.waits = rx_waits, .arg = q, .what = v->name};
    progress_add(&q->tx_progress);
    progress_add(&q->rx_progress);
    return 0;
}

/* --- connecting and letting go --- */

static bool disconnect(struct xb_dev *d)
{
    struct vif *v = d->priv;
    for (struct vif **p = &vifs_up; *p; p = &(*p)->next)
        if (*p == v) {
            *p = v->next;
            break;
        }
    if (v->up)
        switch_addresses(v->wire);
    v->up = false;
    tx_stop(v);
    while (v->nqueues)
        queue_free(v->queue[--v->nqueues]);
    return true;
}

static int connect(struct xb_dev *d, bool adopt)
{
    struct wires w[NET_MAX_QUEUES];
    unsigned queues;
    struct vif *v = vif_of(d);
    if (!v)
        return -ENOMEM;
    int rc = adopt ? read_own(d, v) : 0;
    if (!rc)
        rc = read_features(d, v, &queues);
    for (unsigned i = 0; !rc && i < queues; i++)
        rc = read_queue(d, i, queues, &w[i]);
    for (unsigned i = 0; !rc && i < queues; i++)
        rc = queue_connect(v, &w[i], adopt);
    if (rc) {
        disconnect(d);
        return rc;
    }
    if (adopt)
        v->mcast_filter = false; /* the predecessor's list is lost: the front gets all of them */
    v->next = vifs_up;
    vifs_up = v;
    v->up = true;
    switch_addresses(v->wire);
    host_log("vif %u/%u: %s on wire%u%s, %u queue(s)%s%s%s", d->domid, d->devid, adopt ? "adopted" : "connected", v->wire,
             nic_find(v->wire) ? "" : " (no card: it reaches the interfaces there, and no others)",
             queues, v->sg ? ", sg" : "", v->gso4 ? ", gso4" : "", v->gso6 ? ", gso6" : "");
    return 0;
}

static void run(struct xb_dev *d)
{
    struct vif *v = d->priv;
    for (unsigned i = 0; i < v->nqueues && v->up; i++) {
        struct vif_queue *q = v->queue[i];
        host_event_send(q->tx_port); /* a predecessor may have answered and died before telling */
        if (q->rx_port != q->tx_port)
            host_event_send(q->rx_port);
        tx_run(q);
    }
    switch_settle();
}

void vif_broken(struct vif *v, const char *why)
{
    xb_error(v->xb, "front broke the ring protocol: %s", why);
    xb_break(v->xb);
}

/* Whoever writes "?" to `statistics` gets the figures there. */
static void written(struct xb_dev *d, const char *node)
{
    const struct vif *v = d->priv;
    char text[4];
    if (strcmp(node, "statistics") || !v || xb_read_str(d->back, node, text, sizeof(text)) || strcmp(text, "?"))
        return;
    const struct vif_stats *s = &v->stats;
    xb_printf(d->back, node, "incarnation=%u tx_packets=%llu tx_bytes=%llu tx_errors=%llu tx_dropped=%llu rx_packets=%llu "
              "rx_bytes=%llu rx_errors=%llu rx_dropped=%llu", host_incarnation(),
              (unsigned long long)s->tx_packets, (unsigned long long)s->tx_bytes, (unsigned long long)s->tx_errors,
              (unsigned long long)s->tx_dropped, (unsigned long long)s->rx_packets, (unsigned long long)s->rx_bytes,
              (unsigned long long)s->rx_errors, (unsigned long long)s->rx_dropped);
}

static void forget(struct xb_dev *d)
{
    struct vif *v = d->priv;
    if (v)
        host_timer_cancel(&v->rest);
    host_free(v);
    d->priv = NULL;
}

static const struct xb_ops ops = {
    .type = "vif", .probe = probe, .connect = connect, .run = run, .disconnect = disconnect, .forget = forget,
    .written = written,
};

static void tell_failed(void *arg)
{
    host_xs_write(0, "control/failed", arg);
}

void netback_lost(unsigned number, const char *why)
{
    static char reason[96];
    static struct host_work failed = {.fn = tell_failed, .arg = reason};
    host_log("failed: wire%u: %s", number, why);
    snprintf(reason, sizeof(reason), "%s", why);
    host_defer(&failed);
    for (struct vif *v = vifs_up, *next; v; v = next) {
        next = v->next;
        if (v->wire == number) {
            xb_error(v->xb, "the card is gone: %s", why);
            xb_break(v->xb);
        }
    }
}

int netback_start(void)
{
    return xb_start(&ops);
}
