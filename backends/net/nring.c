/* SPDX-License-Identifier: MIT */
/* Answers on netif rings: see nring.h. x86 keeps stores in order, so a compiler barrier orders what a crash leaves. */
#include "backends/net/nring.h"

#include <errno.h>
#include <string.h>

#define PAGE_BYTES 4096u
#define NOTE_MAGIC 0x62686e74u

_Static_assert(sizeof(union netif_tx_sring_entry) == 12 && sizeof(union netif_rx_sring_entry) == 8, "netif.h");
_Static_assert(sizeof(struct nring_tx_note) <= RING_NOTE_BYTES && sizeof(struct nring_rx_note) <= RING_NOTE_BYTES, "a note");
_Static_assert(sizeof(struct nring_tx_note) % 4 == 0 && sizeof(struct nring_rx_note) % 4 == 0 &&
               offsetof(struct ring_shared, note) % 4 == 0, "a note is written by words");
_Static_assert(offsetof(struct netif_tx_request, id) >= sizeof(struct netif_tx_response), "an answer spares the id");
_Static_assert(offsetof(struct netif_rx_request, id) == offsetof(struct netif_rx_response, id), "an answer keeps the id");

static inline void order(void)
{
    __asm__ volatile("" ::: "memory");
}

static void write_note(volatile struct ring_shared *s, uint32_t index, const void *note, size_t bytes)
{
    uint32_t words[RING_NOTE_BYTES / 4];
    volatile uint32_t *to = (volatile void *)s->note;
    memcpy(words, note, bytes);
    s->note_check = 0;
    order();
    for (size_t i = 0; i < bytes / 4; i++)
        to[i] = words[i];
    s->note_index = index;
    order();
    s->note_check = ~index ^ NOTE_MAGIC;
    order();
}

/* The note for the answer at rsp_prod, if there is one. */
static bool read_note(volatile struct ring_shared *s, void *note, size_t bytes)
{
    uint32_t index = s->rsp_prod;
    uint8_t *to = note;
    for (size_t i = 0; i < bytes; i++)
        to[i] = s->note[i];
    return s->note_index == index && s->note_check == (~index ^ NOTE_MAGIC);
}

/* --- carrying a note out, as often as need be --- */

static void tx_slots(volatile struct ring_shared *s, uint32_t index, const struct nring_tx_note *n)
{
    volatile union netif_tx_sring_entry *ring = (volatile void *)((volatile uint8_t *)s + sizeof(*s));
    for (uint32_t i = 0; i < n->slots; i++) {
        volatile union netif_tx_sring_entry *e = &ring[(index + i) % NRING_SLOTS];
        e->rsp.id = e->req.id;
        e->rsp.status = (int16_t)(n->extras >> i & 1 ? NETIF_RSP_NULL : n->status);
    }
}

static void rx_extra(volatile union netif_rx_sring_entry *e, const struct nring_rx_note *n)
{
    volatile struct netif_extra_info *x = (volatile void *)e;
    x->type = XEN_NETIF_EXTRA_TYPE_GSO;
    x->flags = 0;
    x->u.gso.size = n->mss;
    x->u.gso.type = n->gso;
    x->u.gso.pad = 0;
    x->u.gso.features = 0;
}

static void rx_slots(volatile struct ring_shared *s, uint32_t index, const struct nring_rx_note *n)
{
    volatile union netif_rx_sring_entry *ring = (volatile void *)((volatile uint8_t *)s + sizeof(*s));
    uint32_t left = n->len;
    for (uint32_t i = 0; i < n->slots; i++) {
        volatile union netif_rx_sring_entry *e = &ring[(index + i) % NRING_SLOTS];
        bool first = i == 0;
        if (n->gso && i == 1 && !n->error) {
            rx_extra(e, n);
            continue;
        }
        uint32_t room = first && n->first && n->first < PAGE_BYTES ? n->first : PAGE_BYTES, bytes = left < room ? left : room;
        left -= bytes;
        unsigned flags = first ? n->flags | (n->gso ? NETRXF_extra_info : 0u) : 0;
        e->rsp.offset = 0;
        e->rsp.flags = (uint16_t)(n->error ? 0 : flags | (left ? NETRXF_more_data : 0u));
        e->rsp.status = n->error ? NETIF_RSP_ERROR : (int16_t)bytes;
    }
}

/* --- */

static void publish(struct ring *r, uint32_t slots)
{
    order();
    r->rsp_pvt += slots;
    r->shared->rsp_prod = r->rsp_pvt;
    order();
    r->shared->note_check = 0;
}

void nring_tx_answer(struct ring *r, const struct nring_tx_note *n)
{
    write_note(r->shared, r->rsp_pvt, n, sizeof(*n));
    tx_slots(r->shared, r->rsp_pvt, n);
    publish(r, n->slots);
}

void nring_rx_answer(struct ring *r, const struct nring_rx_note *n)
{
    write_note(r->shared, r->rsp_pvt, n, sizeof(*n));
    rx_slots(r->shared, r->rsp_pvt, n);
    publish(r, n->slots);
}

/* A note lies in the front's memory: it is believed as far as it stays in the ring. */
static void finish(volatile struct ring_shared *s, bool tx)
{
    uint32_t index = s->rsp_prod, open = s->req_prod - index, slots = 0;
    struct nring_tx_note t;
    struct nring_rx_note r;
    if (tx && read_note(s, &t, sizeof(t)) && t.slots <= open && t.slots <= NRING_PACKET_MAX) {
        slots = t.slots;
        tx_slots(s, index, &t);
    } else if (!tx && read_note(s, &r, sizeof(r)) && r.slots <= open && r.slots <= NRING_PACKET_MAX) {
        slots = r.slots;
        rx_slots(s, index, &r);
    }
    order();
    s->rsp_prod = index + slots;
}

int nring_attach(struct ring *r, void *page, bool tx, bool adopt)
{
    volatile struct ring_shared *s = page;
    if (adopt && s->req_prod - s->rsp_prod <= NRING_SLOTS)
        finish(s, tx);
    return ring_attach(r, page, PAGE_BYTES,
                       tx ? sizeof(union netif_tx_sring_entry) : sizeof(union netif_rx_sring_entry), true);
}
