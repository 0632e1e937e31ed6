/* SPDX-License-Identifier: MIT */
/*
 * An 82576 for tests: a physical function (the driver's hw is NULL) and its virtual ones (hw is &igb.vf[n]), with queues, the switch
 * between their pools, and mailboxes. It reads descriptors from memory as the device would and aborts the test where they break the datasheet.
 * It implements card_hw.h, and of nic.h what drivers call.
 */
#ifndef TESTS_FAKE_IGB_H
#define TESTS_FAKE_IGB_H
#include "driverdoms/net/igb.h"

#define FAKE_VFS 7u

/* A packet that went to the wire. */
struct igb_sent {
    uint8_t data[70000];
    unsigned len, pieces, pool;
    uint32_t cmd, opts;
    struct igb_context context;
    bool has_context;
};
struct fake_vf { unsigned n; };
struct fake_igb {
    uint32_t reg[0x20000 / 4];
    struct fake_vf vf[FAKE_VFS];
    bool absent, stuck_reset, stuck_queue, no_link, dead; /* dead: sends nothing */
    unsigned resets, frames, autonegs, vfs;
    uint64_t now;
    struct igb_sent sent;
    struct { struct card *card; uint64_t timer; bool interrupt, dma; } fn[FAKE_VFS + 1]; /* the physical one is the last */
};
extern struct fake_igb igb;

/* What the switch got, by the number of the card. */
struct fake_switch { unsigned received, settled, resumed, registered, lost; uint8_t data[2048]; unsigned len, vlan; bool validated; };
extern struct fake_switch taken[FAKE_VFS + 1];
extern uint8_t wanted[FAKE_VFS + 1][8][6]; /* what nic_addresses() says, until an address of zeros */

void igb_new(unsigned vfs);      /* as from power on */
uint32_t *igb_reg(unsigned offset);
/* A frame from the wire or the card itself into a queue, or whatever else a card may write. false: no descriptor. */
bool igb_deliver(unsigned queue, const void *data, unsigned len, uint32_t status, unsigned told, unsigned vlan);
unsigned igb_from_wire(const void *data, unsigned len); /* through the pools' filters; returns the pools that got it, as bits */
void igb_run(uint64_t ns);       /* time goes on: timers and interrupts */
#endif
