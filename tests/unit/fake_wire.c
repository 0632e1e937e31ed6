/* SPDX-License-Identifier: MIT */
/* A network card without a network; see fake_wire.h. */
#include "fake_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wire wire;
uint8_t frame[70000];

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

void on_wire(const void *data, unsigned len)
{
    struct pkt *p = pkt_new(len);
    if (!p)
        abort();
    memcpy(p->data, data, len);
    p->validated = true;
    nic_received(&wire.nic, p);
}

void from_wire(const void *data, unsigned len)
{
    on_wire(data, len);
    nic_settle();
}

void make_frame(const uint8_t *to, const uint8_t *from, unsigned len, bool tcp)
{
    for (unsigned i = 0; i < len; i++)
        frame[i] = (uint8_t)(i * 7 + len);
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    memcpy(frame + 12, tcp ? "\x08\x00" : "\x88\xb5", 2);
    if (!tcp)
        return;
    memset(frame + 14, 0, 40);
    frame[14] = 0x45;
    frame[16] = (uint8_t)((len - 14) >> 8);
    frame[17] = (uint8_t)(len - 14);
    frame[23] = 6;
    frame[46] = 0x50;
}
