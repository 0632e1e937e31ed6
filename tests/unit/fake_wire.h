/* SPDX-License-Identifier: MIT */
/* A network card that keeps the last packet sent, for tests of netback. */
#ifndef TESTS_FAKE_WIRE_H
#define TESTS_FAKE_WIRE_H
#include "backends/net/nic.h"

/* busy: so many sends are refused; full: no room. */
struct wire { struct nic nic; unsigned sent, flushes, busy, full; struct pkt last; uint8_t data[70000]; };
extern struct wire wire;
void wire_new(void);                              /* with checksum and segmentation offload, registered */
void on_wire(const void *data, unsigned len);     /* one of several packets that come in; then nic_settle() */
void from_wire(const void *data, unsigned len);   /* a packet comes in and is handed on */

extern uint8_t frame[70000];
/* An Ethernet frame of `len` bytes into frame, type 88b5h (local experiments), or TCP over IPv4 with tcp. */
void make_frame(const uint8_t *to, const uint8_t *from, unsigned len, bool tcp);
#endif
