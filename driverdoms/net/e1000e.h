/* SPDX-License-Identifier: MIT */
/*
 * Driver for the Intel 82574L (Intel's 82574 GbE Controller Family Datasheet) for small domains.
 *
 * Interface: e1000e_begin() stops and resets the card (DMA is still blocked), e1000e_finish() brings it up and registers
 * it as a struct nic. Files: e1000e.c (reset, start, interrupts, a stuck card), e1000e_ring.c (descriptors).
 * Registers, time and interrupts come from e1000e_hw.h.
 * Rules: one receive and one transmit queue, one MSI-X vector. Legacy receive descriptors, extended transmit
 * descriptors with checksum and segmentation contexts; a packet takes as many descriptors as it has pages. What the card
 * writes (lengths, status) is hostile and checked. A card that does not send is reset; after E1000E_RESETS_MAX resets
 * without a packet sent in between it is gone.
 */
#ifndef DRIVERDOMS_E1000E_H
#define DRIVERDOMS_E1000E_H
#include "backends/net/nic.h"

#define E1000E_VENDOR 0x8086
#define E1000E_DEVICE 0x10d3
#define E1000E_RX 256u           /* descriptors; 16 bytes each */
#define E1000E_TX 512u
#define E1000E_TX_ROOM 24u       /* descriptors of the largest packet: pages and a context, and the gap */
#define E1000E_FRAME 1518u       /* with a VLAN tag, without FCS */
#define E1000E_ITR 200u          /* least time between interrupts, in 256 ns */
#define E1000E_RESET_NS 100000000ull
#define E1000E_STUCK_NS 2000000000ull /* without progress while packets are out */
#define E1000E_CHECK_NS 500000000ull
#define E1000E_RESETS_MAX 3u

/* Registers (datasheet chapter 10). */
enum { E1000E_CTRL = 0x0000, E1000E_STATUS = 0x0008, E1000E_EECD = 0x0010, E1000E_CTRL_EXT = 0x0018, E1000E_ICR = 0x00c0,
       E1000E_ITR_REG = 0x00c4, E1000E_IMS = 0x00d0, E1000E_IMC = 0x00d8, E1000E_EIAC = 0x00dc, E1000E_IVAR = 0x00e4,
       E1000E_EITR0 = 0x00e8, E1000E_RCTL = 0x0100, E1000E_TCTL = 0x0400, E1000E_TIPG = 0x0410, E1000E_RDBAL = 0x2800,
       E1000E_RDBAH = 0x2804, E1000E_RDLEN = 0x2808, E1000E_RDH = 0x2810, E1000E_RDT = 0x2818, E1000E_RXDCTL = 0x2828,
       E1000E_TDBAL = 0x3800, E1000E_TDBAH = 0x3804, E1000E_TDLEN = 0x3808, E1000E_TDH = 0x3810, E1000E_TDT = 0x3818,
       E1000E_TXDCTL = 0x3828, E1000E_RXCSUM = 0x5000, E1000E_RFCTL = 0x5008, E1000E_MTA = 0x5200, E1000E_RAL = 0x5400,
       E1000E_RAH = 0x5404, E1000E_MRQC = 0x5818 };
enum { E1000E_CTRL_MASTER_OFF = 1u << 2, E1000E_CTRL_SLU = 1u << 6, E1000E_CTRL_RST = 1u << 26, E1000E_CTRL_VME = 1u << 30,
       E1000E_STATUS_LU = 1u << 1, E1000E_STATUS_MASTER = 1u << 19, E1000E_EECD_AUTO_RD = 1u << 9,
       E1000E_RCTL_EN = 1u << 1, E1000E_RCTL_UPE = 1u << 3, E1000E_RCTL_MPE = 1u << 4, E1000E_RCTL_BAM = 1u << 15,
       E1000E_RCTL_SECRC = 1u << 26, E1000E_TCTL_EN = 1u << 1, E1000E_TCTL_PSP = 1u << 3,
       E1000E_INT_RXQ0 = 1u << 20, E1000E_INT_TXQ0 = 1u << 22 };
#define E1000E_INTS (E1000E_INT_RXQ0 | E1000E_INT_TXQ0)
#define E1000E_RAH_AV (1u << 31)

/* Descriptors (sections 7.1.4 and 7.2.10). */
struct e1000e_rx { uint64_t addr; uint16_t len, csum; uint8_t status, errors; uint16_t vlan; };
struct e1000e_tx { uint64_t addr; uint32_t cmd, opts; };
_Static_assert(sizeof(struct e1000e_rx) == 16 && sizeof(struct e1000e_tx) == 16, "16 bytes each");
enum { E1000E_RX_DD = 0x01, E1000E_RX_EOP = 0x02, E1000E_RX_IXSM = 0x04, E1000E_RX_VP = 0x08, E1000E_RX_TCPCS = 0x20, E1000E_RX_IPCS = 0x40,
       E1000E_RX_BADSUM = 0x60, E1000E_RX_BADFRAME = 0x97 }; /* status bits, then masks of the errors byte */
#define E1000E_TX_DATA (1u << 20 | 1u << 29)  /* DTYP = data, DEXT */
#define E1000E_TX_CONTEXT (1u << 29)          /* DTYP = context, DEXT */
enum { E1000E_TX_EOP = 1u << 24, E1000E_TX_IFCS = 1u << 25, E1000E_TX_TSE = 1u << 26, E1000E_TX_RS = 1u << 27, E1000E_TX_VLE = 1u << 30,
       E1000E_TX_TCP = 1u << 24, E1000E_TX_IP4 = 1u << 25 }; /* the last two: of a context */
#define E1000E_TX_DD 1u                       /* in opts */
#define E1000E_TX_IXSM (1u << 8)              /* insert the IP checksum */
#define E1000E_TX_VLAN 16                     /* where the tag lies in opts */
#define E1000E_TX_TXSM (1u << 9)              /* insert the TCP or UDP checksum */

struct e1000e {
    struct nic nic;               /* first */
    void *hw;
    volatile struct e1000e_rx *rx;
    volatile struct e1000e_tx *tx;
    struct pkt *rx_pkt[E1000E_RX]; /* NULL: the slot waits for a buffer */
    struct pkt *tx_pkt[E1000E_TX]; /* at the last descriptor of its packet */
    uint16_t tx_last[E1000E_TX];   /* at the first descriptor of a packet: its last */
    unsigned rx_next, rx_fill;     /* next to look at; next to give a buffer to */
    unsigned tx_next, tx_done, tx_told; /* next to write; oldest not done; as TDT last said */
    bool rx_skip;                  /* in the middle of a frame that does not fit one buffer */
    bool link, tso;
    uint64_t progress;             /* when a packet was last sent or the ring was empty */
    unsigned resets;
    char why[96];
    uint64_t rx_bad;               /* frames with errors or lengths that cannot be */
};

/* Stop and reset; nothing of DMA yet. 0 or -errno, reason in c->why. tso: let the card cut large TCP packets. */
int e1000e_begin(struct e1000e *c, void *hw, unsigned number, bool tso);
/* Let DMA through, bring it up, register the nic. */
int e1000e_finish(struct e1000e *c);
void e1000e_interrupt(struct e1000e *c);
void e1000e_check(struct e1000e *c); /* on the timer: a stuck card, missing buffers */

/* --- between the files --- */
extern const struct nic_ops e1000e_ops;
void e1000e_rings_reset(struct e1000e *c); /* everything in them is dropped; descriptors as new */
void e1000e_rx_fill(struct e1000e *c);
bool e1000e_rx_drain(struct e1000e *c);    /* true: something came */
bool e1000e_tx_reclaim(struct e1000e *c);  /* true: something was sent */
#endif
