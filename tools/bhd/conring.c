/* SPDX-License-Identifier: MIT */
/* The console ring; see conring.h. */
#include <stdatomic.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/io/console.h>
#include "tools/bhd/conring.h"

static uint32_t load(const XENCONS_RING_IDX *index)
{
    uint32_t v = *(const volatile XENCONS_RING_IDX *)index;
    atomic_thread_fence(memory_order_acquire);
    return v;
}

static void store(XENCONS_RING_IDX *index, uint32_t v)
{
    atomic_thread_fence(memory_order_seq_cst);
    *(volatile XENCONS_RING_IDX *)index = v;
}

unsigned conring_read(struct xencons_interface *ring, char *buf, bool *bad)
{
    uint32_t cons = load(&ring->out_cons), prod = load(&ring->out_prod), n = prod - cons;
    *bad = n > CONRING_OUT;
    if (*bad)
        n = 0;
    for (uint32_t i = 0; i < n; i++)
        buf[i] = ((volatile char *)ring->out)[MASK_XENCONS_IDX(cons + i, ring->out)];
    if (n || *bad)
        store(&ring->out_cons, prod);
    return n;
}

unsigned conring_write(struct xencons_interface *ring, const char *buf, unsigned n, bool *bad)
{
    uint32_t cons = load(&ring->in_cons), prod = load(&ring->in_prod), used = prod - cons;
    *bad = used > sizeof(ring->in);
    if (*bad)
        return 0;
    uint32_t room = (uint32_t)sizeof(ring->in) - used;
    if (n > room)
        n = room;
    for (uint32_t i = 0; i < n; i++)
        ((volatile char *)ring->in)[MASK_XENCONS_IDX(prod + i, ring->in)] = buf[i];
    if (n)
        store(&ring->in_prod, prod + n);
    return n;
}
