/* SPDX-License-Identifier: MIT */
/*
 * The Intel 82576 (Intel's 82576EB Gigabit Ethernet Controller Datasheet): registers, descriptors, and what its driver's files
 * share. igb.c: the physical function; igb_vfs.c: what it does for its virtual functions; igbvf.c: a virtual function;
 * igb_queue.c: queues and advanced descriptors.
 *
 * Pools: with virtual functions enabled (STATUS tells how many; the control domain enables them, not we) pool n is virtual function n with queue n,
 * and pool IGB_POOL is the physical function. The card switches between the pools and the wire: by exact addresses, of
 * which each pool owns some; all multicast goes to all pools, and unicast from the wire that nobody owns to the physical function.
 * Mailbox messages are those of the 82576's drivers elsewhere, so that theirs and ours understand each other.
 */
#ifndef DRIVERDOMS_IGB_H
#define DRIVERDOMS_IGB_H
#include "driverdoms/net/card.h"

#define IGB_QUEUES 16u
#define IGB_POOL 7u       /* of the physical function; its queue too */
#define IGB_VFS 7u        /* virtual functions at most */
#define IGB_FILTERS 24u   /* addresses that the card compares with */
#define IGB_FILTERS_OWN 8u /* of them for the physical function; the others are shared out evenly */
#define IGB_ADDRESSES 8u  /* that a nic tells the card of */
#define IGB_RX_QUEUE(n) (0xc000u + 0x40u * (n)) /* where the registers of the physical function's queue n begin */
#define IGB_TX_QUEUE(n) (0xe000u + 0x40u * (n))

/* Registers (datasheet chapter 8). */
enum { IGB_CTRL_EXT = 0x0018, IGB_MDIC = 0x0020, IGB_VET = 0x0038, IGB_ICR = 0x00c0, IGB_IMS = 0x00d0, IGB_IMC = 0x00d8, IGB_GPIE = 0x1514,
       IGB_EIMS = 0x1524, IGB_EIMC = 0x1528, IGB_EIAC = 0x152c, IGB_EIAM = 0x1530, IGB_EICR = 0x1580, IGB_EITR0 = 0x1680,
       IGB_IVAR0 = 0x1700, IGB_IVAR_MISC = 0x1740, IGB_RCTL = 0x0100, IGB_TCTL = 0x0400, IGB_RXCSUM = 0x5000, IGB_RLPML = 0x5004,
       IGB_RFCTL = 0x5008, IGB_MTA = 0x5200, IGB_RAL0 = 0x5400, IGB_RAH0 = 0x5404, IGB_RAL16 = 0x54e0, IGB_MRQC = 0x5818,
       IGB_VT_CTL = 0x581c, IGB_DTXSWC = 0x3500, IGB_RPLOLR = 0x5af0, IGB_VMOLR0 = 0x5ad0, IGB_MBVFICR = 0x0c80, IGB_MBVFIMR = 0x0c84,
       IGB_VFLRE = 0x0c88, IGB_VFRE = 0x0c8c, IGB_VFTE = 0x0c90, IGB_P2V0 = 0x0c00, IGB_V2P0 = 0x0c40, IGB_MAIL0 = 0x0800 };
/* Of a virtual function, in its own registers; the rest is where the physical function has it. */
enum { IGBVF_RX = 0x2800, IGBVF_TX = 0x3800, IGBVF_V2P = IGB_V2P0, IGBVF_MAIL = IGB_MAIL0 };
/* Within a queue. */
enum { IGB_Q_BAL = 0x00, IGB_Q_BAH = 0x04, IGB_Q_LEN = 0x08, IGB_Q_SRRCTL = 0x0c, IGB_Q_HEAD = 0x10, IGB_Q_TAIL = 0x18, IGB_Q_DCTL = 0x28 };
enum { IGB_CTRL_LRST = 1u << 3, IGB_CTRL_SLU = 1u << 6, IGB_CTRL_VME = 1u << 30,
       IGB_RCTL_EN = 1u << 1, IGB_RCTL_UPE = 1u << 3, IGB_RCTL_MPE = 1u << 4, IGB_RCTL_BAM = 1u << 15,
       IGB_RCTL_SECRC = 1u << 26, IGB_TCTL_EN = 1u << 1, IGB_DCTL_ENABLE = 1u << 25, IGB_GPIE_NSICR = 1u << 0, IGB_GPIE_MSIX = 1u << 4,
       IGB_CTRL_EXT_PFRSTD = 1u << 14, IGB_STATUS_VFS = 14, IGB_ICR_VMMB = 1u << 8, IGB_MRQC_POOLS = 3, IGB_VT_CTL_POOL = 7,
       IGB_VT_CTL_REPLICATE = 1u << 30, IGB_RAH_POOL = 18, IGB_VMOLR_UNTAGGED = 1u << 24, IGB_VMOLR_MULTICAST = 1u << 25,
       IGB_VMOLR_BROADCAST = 1u << 27, IGB_STRVLAN = 1u << 30, IGB_SRRCTL_2K = 2, IGB_SRRCTL_ADVANCED = 1u << 25, IGB_IVAR_VALID = 0x80 };
#define IGB_GPIE_PBA (1u << 31)
#define IGB_SRRCTL_DROP (1u << 31) /* no buffer: drop, and do not stop the other queues */
#define IGB_RAH_AV (1u << 31)
#define IGB_STRCRC (1u << 31)            /* with IGB_STRVLAN: of VMOLR and RPLOLR */
#define IGB_DTXSWC_LOOPBACK (1u << 31)   /* the low byte: which pools may only send from addresses they own */
/* Mailboxes (7.10.2.9): 64 bytes of memory for each virtual function, a register at either end of it. */
enum { IGB_P2V_STS = 1, IGB_P2V_ACK = 2, IGB_P2V_PFU = 8, IGB_P2V_RVFU = 16,
       IGB_V2P_REQ = 1, IGB_V2P_ACK = 2, IGB_V2P_VFU = 4, IGB_V2P_PFSTS = 16, IGB_V2P_PFACK = 32, IGB_V2P_RSTI = 64, IGB_V2P_RSTD = 128 };
enum { IGB_MSG_RESET = 1, IGB_MSG_MAC = 2, IGB_MSG_MULTICAST = 3, IGB_MSG_LPE = 5, IGB_MSG_KIND = 0xffff, /* low half; then what of it */
       IGB_MSG_CLEAR = 1 << 16, IGB_MSG_ADD = 2 << 16, IGB_MSG_INFO = 0xff << 16, IGB_MSG_NACK = 1 << 30, IGB_MSG_CTS = 1 << 29 };
#define IGB_MSG_ACK (1u << 31)
/* MDIC: one register of the PHY (8.2.4), and of the PHY what restarts the negotiation of the link (IEEE 802.3, 22.2.4.1). */
enum { IGB_MDIC_REG = 16, IGB_MDIC_PHY1 = 1 << 21, IGB_MDIC_WRITE = 1 << 26, IGB_MDIC_READ = 2 << 26, IGB_MDIC_READY = 1 << 28,
       IGB_PHY_CONTROL = 0, IGB_PHY_AUTONEG = 1 << 12, IGB_PHY_RESTART = 1 << 9 };

/* Advanced descriptors (7.1.5, 7.2.2). The card writes over all of a receive descriptor. */
struct igb_rx { uint64_t addr; uint32_t status; uint16_t len, vlan; };
struct igb_tx { uint64_t addr; uint32_t cmd, opts; };
struct igb_context { uint32_t where, seed, cmd, sizes; };
_Static_assert(sizeof(struct igb_rx) == sizeof(struct card_desc) && sizeof(struct igb_tx) == sizeof(struct card_desc) &&
               sizeof(struct igb_context) == sizeof(struct card_desc), "16 bytes each");
enum { IGB_RX_DD = 1u << 0, IGB_RX_EOP = 1u << 1, IGB_RX_VP = 1u << 3, IGB_RX_L4CS = 1u << 5, IGB_RX_BADSUM = 3u << 29 };
#define IGB_RX_ERROR (1u << 31)
enum { IGB_TX_CONTEXT = 2u << 20 | 1u << 29, IGB_TX_DATA = 3u << 20 | 1u << 29, IGB_TX_EOP = 1u << 24, IGB_TX_IFCS = 1u << 25,
       IGB_TX_RS = 1u << 27, IGB_TX_VLE = 1u << 30, IGB_TX_IP4 = 1u << 10, IGB_TX_TCP = 1u << 11 }; /* the last two: of a context */
#define IGB_TX_TSE (1u << 31)
enum { IGB_TX_DD = 1u, IGB_TX_IXSM = 1u << 8, IGB_TX_TXSM = 1u << 9, IGB_TX_BYTES = 14 }; /* in opts: the last is a position */

struct igb {
    struct card card;          /* first */
    unsigned rx, tx;           /* registers of its queues */
    /* of a physical function: */
    unsigned vfs;              /* virtual functions */
    bool fresh;                /* the card was reset: they must begin anew */
    struct { uint8_t mac[6], pool; bool used; } filter[IGB_FILTERS]; /* the first is our own address */
};

/* igb_vfs.c: pools, addresses and mailboxes. vfs is set; the first three also make a card without virtual functions one of a single pool. */
void igb_pools_start(struct igb *g);  /* before the receiver is on */
void igb_vfs_start(struct igb *g);    /* the card is up: from now on they may ask */
void igb_vfs_serve(struct igb *g);    /* what they ask for */
void igb_own_addresses(struct card *c); /* those of the interfaces behind us */

/* igb_queue.c: the queues of a function and their descriptors, for physical and virtual ones. */
bool igb_queues_stop(struct igb *g);   /* false: they do not stop */
void igb_queue_start_tx(struct igb *g);
void igb_queue_start_rx(struct igb *g); /* the receiver is on */
void igb_rx_give(struct card *c, unsigned i, uint64_t addr);
bool igb_rx_done(const struct card *c, unsigned i, struct card_received *r);
bool igb_tx_context(struct card *c, unsigned i, const struct pkt *p);
void igb_tx_data(struct card *c, unsigned i, const struct pkt *p, uint32_t at, uint32_t bytes);
bool igb_tx_done(const struct card *c, unsigned i);
#define IGB_DESCRIPTORS .rx_give = igb_rx_give, .rx_done = igb_rx_done, .tx_context = igb_tx_context, .tx_data = igb_tx_data, .tx_done = igb_tx_done
#endif
