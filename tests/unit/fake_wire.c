/* SPDX-License-Identifier: MIT */
/* A network card without a network; see fake_wire.h. */
#include "fake_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wire wire;

static int wire_send(struct nic *n, struct pkt *p)
{
    if (wire.busy) {
        wire.busy--;
        return -EBUSY;
    }
    wire.sent++;
    wire.last = *p;
    memcpy(wire.data, p->data, p->len);
    pkt_put(p);
    return 0;
}

static void wire_flush(struct nic *n)
{
    wire.flushes++;
}

static bool wire_room(struct nic *n)
{
    return !wire.full;
}

static const struct nic_ops wire_ops = {.send = wire_send, .flush = wire_flush, .room = wire_room};

void wire_new(void)
{
    memset(&wire, 0, sizeof(wire));
    wire.nic.ops = &wire_ops;
    wire.nic.frame_max = 1518;
    wire.nic.csum = wire.nic.tso4 = true;
    nic_register(&wire.nic);
}

void from_wire(const void *data, unsigned len)
{
    struct pkt *p = pkt_new(len);
    if (!p)
        abort();
    memcpy(p->data, data, len);
    p->validated = true;
    nic_received(&wire.nic, p);
    nic_settle();
}
