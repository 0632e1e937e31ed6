/* SPDX-License-Identifier: MIT */
/*
 * netback: the network backend (xen/io/netif.h) on the seams backends/core/host.h and backends/net/nic.h.
 *
 * Interface: pkt_pool(), nic_register() for each card, then netback_start(); interfaces then come and go by xenstore.
 * Rules: a packet is taken, copied and answered whole, in ring order, so a successor can adopt the rings (nring.h): a
 * packet may be lost in between, an answer never, and no state node moves. A packet that is wrong gets an error answer,
 * a ring that is wrong loses its device. A front sends with the MAC address of its `mac` node only.
 */
#ifndef BACKENDS_NETBACK_H
#define BACKENDS_NETBACK_H
#include <stdint.h>

#define NET_MAX_QUEUES 4    /* multi-queue-max-queues */
#define NET_MAX_DATA_SLOTS 18 /* of one packet, as netif.h has it */
#define NET_MAX_EXTRAS 4
#define NET_SEGMENT_MAX 255u /* number of a segment */
#define NET_MAX_MCAST 64    /* addresses of one front's filter */
#define NET_BATCH 32        /* packets copied in one go */
#define NET_BUDGET 128      /* packets of one queue before others have their turn */
#define NET_EVENT_NS 1000u  /* what an event costs before its handler runs */
#define NET_WAIT_MAX 256    /* packets that wait for one front's buffers ... */
#define NET_WAIT_BIG 8      /* ... and large ones among them */

int netback_start(void); /* 0 or -errno */
/* Event moderation: a front that has just sent is looked at again after so many ns, and need not notify meanwhile. 0 (default): it
 * notifies at every packet that finds its ring empty. */
void netback_moderate(uint64_t ns);
/* A card is gone for good: `control/failed` says why, its interfaces are closed in order. */
void netback_lost(unsigned number, const char *why);
#endif
