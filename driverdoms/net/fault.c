/* SPDX-License-Identifier: MIT */
/* Faults on purpose (driverdoms/base/fault.h): a layer over each card's send and room. Not there unless asked for. */
#include "driverdoms/net/options.h"
#include "backends/net/nic.h"
#include "rt/rt.h"

#include <errno.h>

static const struct nic_ops *real; /* all cards have the same */
static struct nic_ops faulty;

static int send(struct nic *n, struct pkt *p)
{
    fault_step();
    if (fault_now == FAULT_STALL)
        return -EBUSY;
    if (fault_now != FAULT_WILDDMA || p->gso)
        return real->send(n, p);
    uint8_t *data = p->data;
    p->data = (uint8_t *)(uintptr_t)FAULT_WILD;
    int rc = real->send(n, p);
    p->data = data;
    return rc;
}

static bool room(struct nic *n)
{
    return fault_now != FAULT_STALL && real->room(n);
}

void net_fault_install(const struct net_options *o)
{
    if (!fault_start(&o->fault))
        return;
    for (struct nic *n = nic_first(); n; n = n->next) {
        real = n->ops;
        faulty = *real;
        faulty.send = send;
        faulty.room = room;
        n->ops = &faulty;
    }
}
