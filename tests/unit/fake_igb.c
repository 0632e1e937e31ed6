/* SPDX-License-Identifier: MIT */
/* An 82576 for tests; see fake_igb.h. */
#include "fake_igb.h"
#include "driverdoms/net/card_hw.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(c)                                                        \
    do {                                                               \
        if (!(c)) {                                                    \
            fprintf(stderr, "\ncard: %s (line %d)\n", #c, __LINE__);   \
            abort();                                                   \
        }                                                              \
    } while (0)
#define PF FAKE_VFS /* index of the physical function in fn[] */

struct fake_igb igb;
struct fake_switch taken[FAKE_VFS + 1];
uint8_t wanted[FAKE_VFS + 1][8][6];

/* --- the switch of the domain --- */

void nic_register(struct nic *n) { taken[n->number].registered++; }
void nic_settle(void) { taken[0].settled++; }
void nic_resume(struct nic *n) { taken[n->number].resumed++; }
void nic_lost(struct nic *n, const char *why)
{
    n->gone = true;
    taken[n->number].lost++;
}
void nic_received(struct nic *n, struct pkt *p)
{
    struct fake_switch *s = &taken[n->number];
    s->received++;
    s->len = p->len;
    s->vlan = p->vlan;
    s->validated = p->validated;
    memcpy(s->data, p->data, p->len);
    pkt_put(p);
}
unsigned nic_addresses(const struct nic *n, uint8_t mac[][6], unsigned max)
{
    static const uint8_t none[6];
    unsigned i = 0;
    for (; i < max && i < 8 && memcmp(wanted[n->number][i], none, 6); i++)
        memcpy(mac[i], wanted[n->number][i], 6);
    return i;
}
void *host_alloc(size_t bytes);
void *host_alloc_pages(unsigned pages);
void *host_alloc(size_t bytes) { return calloc(1, bytes); }
void *host_alloc_pages(unsigned pages) { return aligned_alloc(4096, pages * 4096ul); }

/* --- registers --- */

uint32_t *igb_reg(unsigned offset)
{
    NEED(offset % 4 == 0 && offset < 0x20000);
    return &igb.reg[offset / 4];
}

static uint32_t get(unsigned offset)
{
    return *igb_reg(offset);
}

static unsigned pool_of(unsigned queue)
{
    return igb.vfs ? queue % 8 : IGB_POOL;
}

/* The function that moves a queue's data. */
static unsigned owner_of(unsigned queue)
{
    return pool_of(queue) < igb.vfs ? pool_of(queue) : PF;
}

/* Whom an event of a queue or the mailbox interrupts. */
static void raise_interrupt(unsigned n)
{
    igb.fn[n < igb.vfs ? n : PF].interrupt = true;
}

static void reset_all(void)
{
    memset(igb.reg, 0, sizeof(igb.reg));
    *igb_reg(CARD_STATUS) = igb.vfs << IGB_STATUS_VFS;
    *igb_reg(IGB_RAL0) = 0x12005452;
    *igb_reg(IGB_RAH0) = 0x80005634;
    *igb_reg(IGB_VFRE) = *igb_reg(IGB_VFTE) = 0xff;
    for (unsigned i = 0; i < FAKE_VFS; i++)
        *igb_reg(IGB_V2P0 + 4 * i) = IGB_V2P_RSTI;
    igb.resets++;
}

void igb_new(unsigned vfs)
{
    memset(&igb, 0, sizeof(igb));
    memset(taken, 0, sizeof(taken));
    memset(wanted, 0, sizeof(wanted));
    igb.vfs = vfs;
    igb.now = 1000;
    reset_all();
    *igb_reg(CARD_STATUS) |= CARD_STATUS_MASTER;
    igb.resets = 0;
    for (unsigned i = 0; i < FAKE_VFS; i++)
        igb.vf[i].n = i;
}

/* --- sending --- */

static void sent(unsigned queue)
{
    igb.frames++;
    igb.sent.pool = pool_of(queue);
    if (igb.vfs && get(IGB_DTXSWC) & IGB_DTXSWC_LOOPBACK && igb.sent.len <= PKT_SMALL)
        igb_from_wire(igb.sent.data, igb.sent.len);
}

static void fetch_one(unsigned queue, struct igb_tx *d)
{
    unsigned bytes = d->cmd & 0xffff;
    NEED(d->cmd & 1u << 29);
    if ((d->cmd >> 20 & 15) == 2) {
        memcpy(&igb.sent.context, d, sizeof(*d));
        igb.sent.has_context = true;
        return;
    }
    NEED((d->cmd >> 20 & 15) == 3 && bytes && bytes <= 4096 && igb.sent.len + bytes <= sizeof(igb.sent.data));
    memcpy(igb.sent.data + igb.sent.len, (void *)d->addr, bytes);
    igb.sent.len += bytes;
    igb.sent.pieces++;
    igb.sent.cmd = d->cmd;
    igb.sent.opts = d->opts;
    if (d->cmd & IGB_TX_EOP) {
        unsigned header = d->cmd & IGB_TX_TSE ? (igb.sent.context.where >> 9 & 127) + (igb.sent.context.where & 511) + (igb.sent.context.sizes >> 8 & 255) : 0;
        NEED((d->cmd & IGB_TX_RS) && d->opts >> IGB_TX_BYTES == igb.sent.len - header);
        sent(queue);
    }
    if (d->cmd & IGB_TX_RS)
        d->opts |= IGB_TX_DD;
}

static void fetch(unsigned queue)
{
    unsigned base = IGB_TX_QUEUE(queue);
    struct igb_tx *ring = (void *)(uintptr_t)(get(base + IGB_Q_BAL) | (uint64_t)get(base + IGB_Q_BAH) << 32);
    if (!(get(base + IGB_Q_DCTL) & IGB_DCTL_ENABLE) || (igb.vfs && !(get(IGB_VFTE) & 1u << pool_of(queue))) || !igb.fn[owner_of(queue)].dma)
        return;
    NEED((get(IGB_TCTL) & IGB_TCTL_EN) && get(base + IGB_Q_LEN) == CARD_TX * 16);
    while (get(base + IGB_Q_HEAD) != get(base + IGB_Q_TAIL) && !igb.dead) {
        fetch_one(queue, &ring[get(base + IGB_Q_HEAD)]);
        *igb_reg(base + IGB_Q_HEAD) = (get(base + IGB_Q_HEAD) + 1) % CARD_TX;
    }
    raise_interrupt(pool_of(queue));
}

/* --- receiving --- */

bool igb_deliver(unsigned queue, const void *data, unsigned len, uint32_t status, unsigned told, unsigned vlan)
{
    unsigned base = IGB_RX_QUEUE(queue), head = get(base + IGB_Q_HEAD);
    struct igb_rx *ring = (void *)(uintptr_t)(get(base + IGB_Q_BAL) | (uint64_t)get(base + IGB_Q_BAH) << 32);
    if (!(get(base + IGB_Q_DCTL) & IGB_DCTL_ENABLE) || head == get(base + IGB_Q_TAIL) || !igb.fn[owner_of(queue)].dma)
        return false;
    NEED(get(base + IGB_Q_LEN) == CARD_RX * 16 && get(base + IGB_Q_TAIL) < CARD_RX);
    NEED((get(base + IGB_Q_SRRCTL) & 0x7f) == 2 && (get(base + IGB_Q_SRRCTL) >> 25 & 7) == 1);
    NEED(ring[head].addr && !ring[head].status && !ring[head].len && !ring[head].vlan);
    memcpy((void *)ring[head].addr, data, len);
    ring[head].addr = 0xdeadbeefdeadbeef; /* written over */
    ring[head].len = (uint16_t)told;
    ring[head].vlan = (uint16_t)vlan;
    ring[head].status = IGB_RX_DD | status;
    *igb_reg(base + IGB_Q_HEAD) = (head + 1) % CARD_RX;
    raise_interrupt(pool_of(queue));
    return true;
}

static unsigned pools_for(const uint8_t *to)
{
    unsigned pools = 0;
    if (to[0] & 1)
        return 0xff;
    for (unsigned i = 0; i < IGB_FILTERS; i++) {
        unsigned at = i < 16 ? IGB_RAL0 + 8 * i : IGB_RAL16 + 8 * (i - 16);
        uint32_t half[2] = {get(at), get(at + 4)};
        if (half[1] & IGB_RAH_AV && !memcmp(half, to, 6))
            pools |= half[1] >> IGB_RAH_POOL & 0xff;
    }
    return pools ? pools : 1u << (get(IGB_VT_CTL) >> IGB_VT_CTL_POOL & 7);
}

unsigned igb_from_wire(const void *data, unsigned len)
{
    unsigned pools = 1u << IGB_POOL, got = 0;
    NEED(get(IGB_RCTL) & IGB_RCTL_EN);
    if (igb.vfs) {
        NEED((get(IGB_MRQC) & 7) == IGB_MRQC_POOLS);
        pools = pools_for(data) & get(IGB_VFRE);
    }
    for (unsigned i = 0; i < 8; i++)
        if (pools & 1u << i && igb_deliver(igb.vfs ? i : 0, data, len, IGB_RX_EOP, len, 0))
            got |= 1u << i;
    return got;
}

/* --- mailboxes --- */

static void mail_interrupt(void)
{
    *igb_reg(IGB_ICR) |= IGB_ICR_VMMB;
    if (get(IGB_IMS) & IGB_ICR_VMMB && get(IGB_IVAR_MISC) >> 8 & IGB_IVAR_VALID)
        raise_interrupt(PF);
}

static void pf_mailbox(unsigned vf, uint32_t value)
{
    uint32_t *p = igb_reg(IGB_P2V0 + 4 * vf), *v = igb_reg(IGB_V2P0 + 4 * vf);
    *v |= (value & IGB_P2V_STS ? IGB_V2P_PFSTS : 0) | (value & IGB_P2V_ACK ? IGB_V2P_PFACK : 0);
    if (value & IGB_P2V_RVFU) {
        *v &= ~(uint32_t)IGB_V2P_VFU;
        *p &= ~4u;
    }
    if (!(value & IGB_P2V_PFU))
        *p &= ~(uint32_t)IGB_P2V_PFU;
    else if (!(*v & IGB_V2P_VFU))
        *p |= IGB_P2V_PFU;
    if (value & IGB_P2V_STS)
        igb.fn[vf].interrupt = true;
}

static void vf_mailbox(unsigned vf, uint32_t value)
{
    uint32_t *p = igb_reg(IGB_P2V0 + 4 * vf), *v = igb_reg(IGB_V2P0 + 4 * vf);
    if (value & IGB_V2P_REQ)
        *igb_reg(IGB_MBVFICR) |= 1u << vf;
    if (value & IGB_V2P_ACK)
        *igb_reg(IGB_MBVFICR) |= 1u << (16 + vf);
    if (!(value & IGB_V2P_VFU))
        *v &= ~(uint32_t)IGB_V2P_VFU;
    else if (!(*p & IGB_P2V_PFU))
        *v |= IGB_V2P_VFU;
    if (value & (IGB_V2P_REQ | IGB_V2P_ACK))
        mail_interrupt();
}

static void vf_reset(unsigned vf)
{
    *igb_reg(IGB_VFRE) &= ~(1u << vf);
    *igb_reg(IGB_VFTE) &= ~(1u << vf);
    *igb_reg(IGB_RX_QUEUE(vf) + IGB_Q_DCTL) = *igb_reg(IGB_TX_QUEUE(vf) + IGB_Q_DCTL) = 0;
    *igb_reg(IGB_VFLRE) |= 1u << vf;
    mail_interrupt();
}

/* --- the registers of either kind of function --- */

/* Where a virtual function's register is in the physical one; those that only it has are kept above 10000h. */
static unsigned place(unsigned vf, unsigned offset)
{
    NEED(offset < 0x4000);
    if (offset >= IGBVF_RX && offset < IGBVF_RX + 0x40)
        return IGB_RX_QUEUE(vf) + offset - IGBVF_RX;
    if (offset >= IGBVF_TX && offset < IGBVF_TX + 0x40)
        return IGB_TX_QUEUE(vf) + offset - IGBVF_TX;
    if (offset >= IGBVF_MAIL && offset < IGBVF_MAIL + 64)
        return offset + 64 * vf;
    if (offset == IGBVF_V2P)
        return IGB_V2P0 + 4 * vf;
    NEED(offset == CARD_STATUS || offset == CARD_CTRL || (offset >= IGB_EIMS && offset <= IGB_EIAM) || offset == IGB_EITR0 ||
         offset == IGB_IVAR0 || offset == IGB_IVAR_MISC);
    return offset == CARD_STATUS ? CARD_STATUS : 0x10000 + 0x1000 * vf + (offset & 0xfff);
}

uint32_t card_hw_read(void *hw, unsigned offset)
{
    if (igb.absent)
        return 0xffffffffu;
    uint32_t *r = igb_reg(hw ? place(((struct fake_vf *)hw)->n, offset) : offset), value = *r;
    if (hw && offset == IGBVF_V2P)
        *r &= ~(uint32_t)(IGB_V2P_PFSTS | IGB_V2P_PFACK | IGB_V2P_RSTD);
    if (!hw && offset == IGB_ICR)
        *r = 0;
    return value;
}

static void pf_write(unsigned offset, uint32_t value)
{
    if (offset == IGB_MBVFICR || offset == IGB_VFLRE) {
        *igb_reg(offset) &= ~value;
    } else if (offset >= IGB_P2V0 && offset < IGB_P2V0 + 32) {
        pf_mailbox((offset - IGB_P2V0) / 4, value);
    } else if (offset == IGB_CTRL_EXT && value & IGB_CTRL_EXT_PFRSTD) {
        for (unsigned i = 0; i < FAKE_VFS; i++)
            *igb_reg(IGB_V2P0 + 4 * i) = (get(IGB_V2P0 + 4 * i) & ~(uint32_t)IGB_V2P_RSTI) | IGB_V2P_RSTD;
        *igb_reg(offset) = value;
    } else if (offset == CARD_CTRL && value & CARD_CTRL_RST) {
        if (igb.stuck_reset)
            *igb_reg(offset) = value;
        else
            reset_all();
    } else if (offset == CARD_CTRL) {
        *igb_reg(offset) = value;
        *igb_reg(CARD_STATUS) = (get(CARD_STATUS) & ~(uint32_t)CARD_STATUS_MASTER) | (value & CARD_CTRL_MASTER_OFF ? 0 : CARD_STATUS_MASTER);
    } else if (offset == IGB_MDIC) {
        NEED((value >> 21 & 31) == 1 && (value >> 16 & 31) == 0);
        if ((value & IGB_MDIC_WRITE) && (value & IGB_PHY_RESTART) && (value & IGB_PHY_AUTONEG)) {
            igb.autonegs++;
            if (!igb.no_link)
                *igb_reg(CARD_STATUS) |= CARD_STATUS_LU;
        }
        *igb_reg(offset) = value | IGB_MDIC_READY;
    } else {
        *igb_reg(offset) = value;
    }
}

void card_hw_write(void *hw, unsigned offset, uint32_t value)
{
    unsigned vf = hw ? ((struct fake_vf *)hw)->n : 0, at = hw ? place(vf, offset) : offset;
    if (hw && offset == IGBVF_V2P)
        vf_mailbox(vf, value);
    else if (hw && offset == CARD_CTRL && value & CARD_CTRL_RST)
        vf_reset(vf);
    else if (hw)
        *igb_reg(at) = value;
    else
        pf_write(offset, value);
    unsigned queue = (at & 0x3ff) / 0x40, in = at & 0x3f;
    bool rx = at >= IGB_RX_QUEUE(0) && at < IGB_RX_QUEUE(16), tx = at >= IGB_TX_QUEUE(0) && at < IGB_TX_QUEUE(16);
    if ((rx || tx) && in == IGB_Q_DCTL && igb.stuck_queue)
        *igb_reg(at) |= IGB_DCTL_ENABLE;
    if (tx && in == IGB_Q_TAIL && value != get(at - IGB_Q_TAIL + IGB_Q_HEAD)) {
        NEED(value < CARD_TX);
        fetch(queue);
    }
}

/* --- the place it runs in --- */

static unsigned index_of(void *hw)
{
    return hw ? ((struct fake_vf *)hw)->n : PF;
}

int card_hw_dma_on(void *hw)
{
    igb.fn[index_of(hw)].dma = true;
    return 0;
}

int card_hw_interrupt(void *hw, struct card *c)
{
    igb.fn[index_of(hw)].card = c;
    return 0;
}

void card_hw_timer(void *hw, uint64_t when) { igb.fn[index_of(hw)].timer = when; }
void *card_hw_pages(unsigned pages) { return memset(aligned_alloc(4096, pages * 4096ul), 0, pages * 4096ul); }
uint64_t card_hw_now(void) { return igb.now; }
void card_hw_relax(void) { igb.now += 2000; }
void card_hw_log(const char *fmt, ...) { (void)fmt; }

static bool interrupts(void)
{
    bool any = false;
    for (unsigned i = 0; i <= PF; i++)
        if (igb.fn[i].interrupt && igb.fn[i].card) {
            igb.fn[i].interrupt = false;
            card_interrupt(igb.fn[i].card);
            any = true;
        }
    return any;
}

void igb_run(uint64_t ns)
{
    uint64_t end = igb.now + ns;
    for (;;) {
        unsigned next = 0;
        for (unsigned n = 0; interrupts(); n++)
            NEED(n < 10000);
        for (unsigned i = 1; i <= PF; i++)
            if (igb.fn[i].timer && (!igb.fn[next].timer || igb.fn[i].timer < igb.fn[next].timer))
                next = i;
        if (!igb.fn[next].timer || igb.fn[next].timer > end)
            break;
        igb.now = igb.now > igb.fn[next].timer ? igb.now : igb.fn[next].timer;
        igb.fn[next].timer = 0;
        card_check(igb.fn[next].card);
    }
    igb.now = igb.now > end ? igb.now : end;
}
