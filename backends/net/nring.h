/* SPDX-License-Identifier: MIT */
/*
 * Answers on netif rings (xen/io/netif.h): whole packets at a time, safe to die at any instant.
 *
 * A packet takes several slots, and a front may never see half of its answers, nor a successor half of its requests.
 * So before the first slot of a packet is overwritten the answer to all of them is noted in the ring header's padding
 * (backends/core/ring.h); rsp_prod then moves once. A successor that finds a note for rsp_prod carries it out again:
 * it gives the same slots, since an answer leaves a request's id where it is (tx: at another offset, rx: at the same).
 */
#ifndef BACKENDS_NRING_H
#define BACKENDS_NRING_H
#include "backends/core/ring.h"

#include <xen/xen.h>
#include <xen/io/netif.h>

#define NRING_SLOTS 256u     /* in one page, tx and rx */
#define NRING_PACKET_MAX 32u /* slots of one packet that can be answered */

struct nring_tx_note {
    uint32_t slots;
    int32_t status;  /* NETIF_RSP_* */
    uint32_t extras; /* bit n: slot n is extra info, answered NETIF_RSP_NULL */
};
struct nring_rx_note {
    uint16_t slots;
    uint16_t flags;  /* NETRXF_csum_blank, NETRXF_data_validated of the first slot */
    uint32_t len;    /* bytes, 4096 in each slot but the first and the last */
    uint16_t mss;    /* with gso */
    uint8_t gso;     /* 0 or XEN_NETIF_GSO_TYPE_*: slot 1 is extra info */
    uint8_t error;   /* every slot is answered NETIF_RSP_ERROR */
    uint16_t first;  /* bytes in the first slot; 0: 4096, or all there are */
};

/* Attach to one page of ring memory; what a predecessor began to answer is finished when adopting. As ring_attach(). */
int nring_attach(struct ring *r, void *page, bool tx, bool adopt);
/* Answer the next slots; all of them were taken. */
void nring_tx_answer(struct ring *r, const struct nring_tx_note *n);
void nring_rx_answer(struct ring *r, const struct nring_rx_note *n);
#endif
