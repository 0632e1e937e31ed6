/* SPDX-License-Identifier: MIT */
/*
 * A connection over a ring page (ring.h): the core's transport, whatever host maps the page and carries the events. The host's struct, which
 * is the connection's `transport`, begins with its struct ring.
 */
#ifndef XENSTORE_TRANSPORT_RINGCONN_H
#define XENSTORE_TRANSPORT_RINGCONN_H
#include "xenstore/core/conn.h"
#include "xenstore/transport/ring.h"

extern const struct transport_ops ring_ops;
/* The host's: send an event to the other side. */
void ring_notify(struct ring *r);
#endif
