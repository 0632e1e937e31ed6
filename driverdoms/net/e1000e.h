/* SPDX-License-Identifier: MIT */
/*
 * The Intel 82574L (Intel's 82574 GbE Controller Family Datasheet): registers and descriptors. Its driver is e1000e.c, a
 * struct card_ops: legacy receive descriptors, extended transmit descriptors with checksum and segmentation contexts.
 */
#ifndef DRIVERDOMS_E1000E_H
#define DRIVERDOMS_E1000E_H
#include "driverdoms/net/card.h"

/* Registers (datasheet chapter 10). */
enum { E1000E_EECD = 0x0010, E1000E_CTRL_EXT = 0x0018, E1000E_ICR = 0x00c0,
       E1000E_ITR_REG = 0x00c4, E1000E_IMS = 0x00d0, E1000E_IMC = 0x00d8, E1000E_EIAC = 0x00dc, E1000E_IVAR = 0x00e4,
       E1000E_EITR0 = 0x00e8, E1000E_RCTL = 0x0100, E1000E_TCTL = 0x0400, E1000E_TIPG = 0x0410, E1000E_RDBAL = 0x2800,
       E1000E_RDBAH = 0x2804, E1000E_RDLEN = 0x2808, E1000E_RDH = 0x2810, E1000E_RDT = 0x2818, E1000E_RXDCTL = 0x2828,
       E1000E_TDBAL = 0x3800, E1000E_TDBAH = 0x3804, E1000E_TDLEN = 0x3808, E1000E_TDH = 0x3810, E1000E_TDT = 0x3818,
       E1000E_TXDCTL = 0x3828, E1000E_RXCSUM = 0x5000, E1000E_RFCTL = 0x5008, E1000E_MTA = 0x5200, E1000E_RAL = 0x5400,
       E1000E_RAH = 0x5404, E1000E_MRQC = 0x5818 };
enum { E1000E_CTRL_SLU = 1u << 6, E1000E_CTRL_VME = 1u << 30,
       E1000E_EECD_AUTO_RD = 1u << 9,
       E1000E_RCTL_EN = 1u << 1, E1000E_RCTL_UPE = 1u << 3, E1000E_RCTL_MPE = 1u << 4, E1000E_RCTL_BAM = 1u << 15,
       E1000E_RCTL_SECRC = 1u << 26, E1000E_TCTL_EN = 1u << 1, E1000E_TCTL_PSP = 1u << 3,
       E1000E_INT_RXQ0 = 1u << 20, E1000E_INT_TXQ0 = 1u << 22 };
#define E1000E_INTS (E1000E_INT_RXQ0 | E1000E_INT_TXQ0)
#define E1000E_RAH_AV (1u << 31)

/* Descriptors (sections 7.1.4 and 7.2.10). */
struct e1000e_rx { uint64_t addr; uint16_t len, csum; uint8_t status, errors; uint16_t vlan; };
struct e1000e_tx { uint64_t addr; uint32_t cmd, opts; };
_Static_assert(sizeof(struct e1000e_rx) == sizeof(struct card_desc) && sizeof(struct e1000e_tx) == sizeof(struct card_desc), "16 bytes each");
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
#endif
