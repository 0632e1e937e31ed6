/* SPDX-License-Identifier: MIT */
/* A network card that keeps the last packet sent, for tests of netback. */
#ifndef TESTS_FAKE_WIRE_H
#define TESTS_FAKE_WIRE_H
#include "backends/net/nic.h"

/* busy: so many sends are refused; full: no room. */
struct wire { struct nic nic; unsigned sent, flushes, busy, full; struct pkt last; uint8_t data[70000]; };
extern struct wire wire;
void wire_new(void);                              /* with checksum and segmentation offload, registered */
void from_wire(const void *data, unsigned len);   /* a packet comes in and is handed on */
#endif
