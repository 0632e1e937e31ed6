/* SPDX-License-Identifier: MIT */
/*
 * blkback: the block backend (xen/io/blkif.h) on the seams backends/core/host.h and backends/blk/disk.h.
 *
 * Interface: blkback_start() once; devices then come and go by xenstore. Each names its disk in `params`.
 * Rules: responses are published in request order (backends/core/ring.h), so a successor can adopt the ring;
 * sector quantities on the ring and the node `sectors` count 512 bytes whatever `sector-size` says, as stock fronts
 * read them; a request that is wrong gets an error response, a ring that is wrong loses its device.
 */
#ifndef BACKENDS_BLKBACK_H
#define BACKENDS_BLKBACK_H

#define BLK_MAX_QUEUES 4     /* multi-queue-max-queues */
#define BLK_MAX_ORDER 2      /* max-ring-page-order */
#define BLK_MAX_SEGS 256     /* feature-max-indirect-segments */
#define BLK_MAX_INFLIGHT 64  /* requests of one queue taken and not answered; half of it where there are several: memory is for all fronts */
#define BLK_TURN 64u         /* requests of one queue, or 8 segments for one, before others have their turn */
#define BLK_MAX_PERSISTENT 1152 /* grants of one queue kept mapped */

int blkback_start(void); /* 0 or -errno */
/* After a restart: fronts whose disk did not come back. Their requests end with errors, the devices are closed. */
void blkback_lost(const char *why); /* soon */
#endif
