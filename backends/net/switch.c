/* SPDX-License-Identifier: MIT */
/*
 * The switch of a net domain: each card is a segment of its own, to which the interfaces that name it belong.
 *
 * The addresses of interfaces are known from the toolstack and cannot move: a front sends with its own address only,
 * and a frame from the wire that claims one of them is dropped. Everything else is on the wire, unicast to an address
 * of the wire is never copied to an interface, broadcast and wanted multicast to all others of the segment.
 *
 * On a segment each VLAN is a network of its own. Interfaces send and get untagged frames; the card puts tags in and takes them out.
 * A tagged frame from an interface, or a second tag from the wire, passes nowhere: nobody changes networks by himself.
 */
#include "backends/net/net.h"

#include <errno.h>
#include <string.h>

#define POOL_RESERVE 64u /* small packets kept for what a large one may be cut into */

static struct nic *nics;

struct nic *nic_first(void)
{
    return nics;
}

struct nic *nic_find(unsigned number)
{
    struct nic *n = nics;
    while (n && n->number != number)
        n = n->next;
    return n;
}

void nic_register(struct nic *n)
{
    n->next = nics;
    nics = n;
}

static bool multicast(const uint8_t *mac)
{
    return mac[0] & 1;
}

static bool same_mac(const uint8_t *a, const uint8_t *b)
{
    uint32_t a4, b4;
    uint16_t a2, b2;
    memcpy(&a4, a, 4);
    memcpy(&b4, b, 4);
    memcpy(&a2, a + 4, 2);
    memcpy(&b2, b + 4, 2);
    return a4 == b4 && a2 == b2;
}

static bool broadcast(const uint8_t *mac)
{
    return same_mac(mac, (const uint8_t *)"\xff\xff\xff\xff\xff\xff");
}

static bool tagged(const struct pkt *p)
{
    unsigned type = (unsigned)p->data[12] << 8 | p->data[13];
    return type == 0x8100 || type == 0x88a8;
}

static struct vif *find(unsigned wire, unsigned vlan, const uint8_t *mac)
{
    for (struct vif *v = vifs_up; v; v = v->next)
        if (v->wire == wire && v->vlan == vlan && same_mac(v->mac, mac))
            return v;
    return NULL;
}

static bool wants(const struct vif *v, const uint8_t *mac)
{
    if (!v->mcast_filter || broadcast(mac))
        return true;
    for (unsigned i = 0; i < v->nmcast; i++)
        if (same_mac(v->mcast[i], mac))
            return true;
    return false;
}

/* --- towards the wire --- */

static void to_wire_now(struct pkt *p, void *arg)
{
    struct nic *n = arg;
    uint32_t frame = (p->gso ? (uint32_t)p->payload + p->mss : p->len) + (p->vlan ? 4 : 0);
    if (p->csum_blank && !n->csum)
        pkt_checksum(p);
    if (frame > n->frame_max || n->ops->send(n, p))
        pkt_put(p);
}

static void to_wire(unsigned wire, struct pkt *p)
{
    struct nic *n = nic_find(wire);
    if (!n || n->gone) {
        pkt_put(p);
        return;
    }
    bool whole = !p->gso || (p->refs == 1 && (p->gso == 4 ? n->tso4 : n->tso6));
    if (whole) {
        to_wire_now(p, n);
    } else {
        pkt_segment(p, to_wire_now, n);
        pkt_put(p);
    }
}

/* --- in between --- */

static bool kept_apart(const struct vif *v, const struct vif *w)
{
    return v && v->isolated && w->isolated;
}

/* Every interface of the network but one gets a broadcast or multicast; p stays the caller's. */
static void flood(unsigned wire, const struct vif *but, struct pkt *p)
{
    for (struct vif *v = vifs_up; v; v = v->next)
        if (v != but && v->wire == wire && v->vlan == p->vlan && wants(v, p->data) && !kept_apart(but, v))
            rx_queue(v, pkt_hold(p));
}

void switch_from_vif(struct vif *v, struct pkt *p)
{
    if (!same_mac(p->data + 6, v->mac) || tagged(p) || !guard_allows(&v->guard, v->mac, p->data, p->len)) {
        v->stats.tx_dropped++;
        pkt_put(p);
        return;
    }
    p->vlan = v->vlan;
    struct vif *to = multicast(p->data) ? NULL : find(v->wire, v->vlan, p->data);
    if (to) {
        if (to != v && !kept_apart(v, to))
            rx_queue(to, p);
        else
            pkt_put(p);
        return;
    }
    if (multicast(p->data))
        flood(v->wire, v, p);
    to_wire(v->wire, p);
}

void nic_received(struct nic *n, struct pkt *p)
{
    if (p->len < PKT_ETH || tagged(p) || find(n->number, p->vlan, p->data + 6)) {
        pkt_put(p);
        return;
    }
    struct vif *to = multicast(p->data) ? NULL : find(n->number, p->vlan, p->data);
    if (to) {
        rx_queue(to, p);
        return;
    }
    if (multicast(p->data))
        flood(n->number, NULL, p);
    pkt_put(p);
}

bool switch_room(const struct vif *v)
{
    struct nic *n = nic_find(v->wire);
    bool room = !n || n->gone || n->ops->room(n); /* gives back to the pool what was sent */
    return room && pkt_free_small() >= POOL_RESERVE && pkt_free_big();
}

bool switch_wire_busy(const struct vif *v)
{
    struct nic *n = nic_find(v->wire);
    return n && !n->gone && !n->ops->room(n) && n->ops->busy && n->ops->busy(n);
}

unsigned nic_addresses(const struct nic *n, uint8_t mac[][6], unsigned max)
{
    unsigned found = 0, i;
    for (struct vif *v = vifs_up; v && found < max; v = v->next) {
        for (i = 0; i < found && !same_mac(mac[i], v->mac); i++)
            ;
        if (v->wire == n->number && i == found)
            memcpy(mac[found++], v->mac, 6);
    }
    return found;
}

void switch_addresses(unsigned wire)
{
    struct nic *n = nic_find(wire);
    if (n && !n->gone && n->ops->addresses)
        n->ops->addresses(n);
}

void switch_settle(void)
{
    struct vif *next;
    for (struct vif *v = vifs_up; v; v = next) {
        next = v->next;
        for (unsigned i = 0; i < v->nqueues && v->up; i++)
            if (v->queue[i]->rx_dirty)
                rx_run(v->queue[i]);
    }
    for (struct nic *n = nics; n; n = n->next)
        if (!n->gone)
            n->ops->flush(n);
}

void nic_settle(void)
{
    switch_settle();
    tx_resume();
}

void nic_lost(struct nic *n, const char *why)
{
    n->gone = true;
    netback_lost(n->number, why);
}

void nic_resume(struct nic *n)
{
    (void)n;
    tx_resume();
}
