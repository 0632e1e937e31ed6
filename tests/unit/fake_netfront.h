/* SPDX-License-Identifier: MIT */
/*
 * A network front for unit tests, on fake_host's guest memory; its state is shared, so it lives on while backends die.
 * It keeps the books a stock front keeps: an answer without a request, a wrong id or half a packet counts as `wrong`.
 */
#ifndef FAKE_NETFRONT_H
#define FAKE_NETFRONT_H
#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#define NF_BUFFERS 64u

struct netfront {
    uint16_t dom;
    char path[64], back[64];
    uint8_t mac[6];
    uint32_t tx_page, rx_page, tx_ref, rx_ref, tx_port, rx_port;
    uint32_t tx_buf[NF_BUFFERS], tx_buf_ref[NF_BUFFERS], rx_buf[NF_BUFFERS], rx_buf_ref[NF_BUFFERS];
    uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
    bool tx_busy[NF_BUFFERS], tx_extra[NF_BUFFERS];
    unsigned wrong, tx_ok, tx_error, tx_dropped, rx_error, packets;
    uint8_t last[70000]; /* the packet received last */
    unsigned last_len, last_flags;
    struct netif_extra_info last_gso;
    unsigned head; /* 0, or it sends like Linux: so many bytes in a slot of their own, then pages from the middle of one on */
    void (*received)(struct netfront *f); /* for each packet */
};
struct netfront *nf_new(uint16_t dom, uint8_t mac_end); /* toolstack's nodes */
void nf_publish(struct netfront *f, bool split);        /* rings and features; state Connected */
void nf_state(struct netfront *f, int state);
int nf_back_state(const struct netfront *f);
unsigned nf_free(const struct netfront *f);             /* tx slots */
struct netif_tx_request *nf_slot(struct netfront *f, uint32_t ahead, unsigned bytes); /* prepared, not yet pushed */
void nf_push(struct netfront *f, unsigned slots);
bool nf_send(struct netfront *f, const void *data, unsigned len, unsigned flags, unsigned gso, unsigned mss);
void nf_collect(struct netfront *f);                    /* tx answers */
void nf_receive(struct netfront *f);                    /* rx packets, then new buffers */
volatile struct netif_tx_sring *nf_tx(const struct netfront *f);
volatile struct netif_rx_sring *nf_rx(const struct netfront *f);
#endif
