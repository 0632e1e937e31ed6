/* SPDX-License-Identifier: MIT */
/*
 * What the 82576's physical function does for its virtual ones: pools, addresses, mailboxes (igb.h).
 * They are other domains' and hostile. What one says can only cost itself: it gets no address that another has, no more of them than its share,
 * no promiscuity and no VLAN filter; a mailbox is looked at once for each of its interrupts, without waiting.
 * What they have is in the card alone (addresses, VFRE, VFTE): a successor of ours reads it there, and they notice nothing.
 */
#include "driverdoms/net/card_hw.h"
#include "driverdoms/net/igb.h"

#include <errno.h>
#include <string.h>

#define WORDS 3u /* of a message that anybody here looks at */

static uint32_t rd(struct igb *g, unsigned offset)
{
    return card_read(&g->card, offset);
}

static void wr(struct igb *g, unsigned offset, uint32_t value)
{
    card_write(&g->card, offset, value);
}

/* --- addresses --- */

static unsigned filter_at(unsigned i)
{
    return i < 16 ? IGB_RAL0 + 8 * i : IGB_RAL16 + 8 * (i - 16);
}

static void filter_write(struct igb *g, unsigned i)
{
    const uint8_t *m = g->filter[i].mac;
    uint32_t low = m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24, high = m[4] | (uint32_t)m[5] << 8;
    if (g->filter[i].used)
        high |= 1u << (IGB_RAH_POOL + g->filter[i].pool);
    wr(g, filter_at(i) + 4, 0); /* never half of one and half of the other */
    wr(g, filter_at(i), g->filter[i].used ? low : 0);
    wr(g, filter_at(i) + 4, g->filter[i].used ? high | IGB_RAH_AV : 0);
}

/* What the card holds; the first entry is ours whatever it says. */
static void filters_load(struct igb *g)
{
    for (unsigned i = 0; i < IGB_FILTERS; i++) {
        uint32_t low = rd(g, filter_at(i)), high = rd(g, filter_at(i) + 4);
        unsigned pools = high >> IGB_RAH_POOL & 0xff;
        unsigned pool = pools && !(pools & (pools - 1)) ? (unsigned)__builtin_ctz(pools) : IGB_QUEUES;
        g->filter[i].used = !g->fresh && (high & IGB_RAH_AV) && (pool < g->vfs || pool == IGB_POOL);
        g->filter[i].pool = (uint8_t)pool;
        for (unsigned k = 0; k < 6; k++)
            g->filter[i].mac[k] = (uint8_t)(k < 4 ? low >> 8 * k : high >> 8 * (k - 4));
    }
    memcpy(g->filter[0].mac, g->card.nic.mac, 6);
    g->filter[0].pool = IGB_POOL;
    g->filter[0].used = true;
    for (unsigned i = 0; i < IGB_FILTERS; i++)
        filter_write(g, i);
}

/* All of a pool's but our own address. */
static void filters_drop(struct igb *g, unsigned pool)
{
    for (unsigned i = 1; i < IGB_FILTERS; i++)
        if (g->filter[i].used && g->filter[i].pool == pool) {
            g->filter[i].used = false;
            filter_write(g, i);
        }
}

/* 0, or -EINVAL (no unicast address), -EEXIST (another pool's), -ENOSPC. */
static int filter_add(struct igb *g, const uint8_t mac[6], unsigned pool)
{
    static const uint8_t none[6];
    unsigned most = pool == IGB_POOL ? IGB_FILTERS_OWN : (IGB_FILTERS - IGB_FILTERS_OWN) / g->vfs, has = 0, slot = 0;
    if (mac[0] & 1 || !memcmp(mac, none, 6))
        return -EINVAL;
    for (unsigned i = 0; i < IGB_FILTERS; i++) {
        if (!g->filter[i].used) {
            slot = slot ? slot : i;
        } else {
            if (!memcmp(g->filter[i].mac, mac, 6))
                return g->filter[i].pool == pool ? 0 : -EEXIST;
            has += g->filter[i].pool == pool;
        }
    }
    if (has >= most || !slot)
        return -ENOSPC;
    memcpy(g->filter[slot].mac, mac, 6);
    g->filter[slot].pool = (uint8_t)pool;
    g->filter[slot].used = true;
    filter_write(g, slot);
    return 0;
}

void igb_own_addresses(struct card *c)
{
    struct igb *g = (struct igb *)c;
    uint8_t mac[IGB_ADDRESSES][6];
    if (!g->vfs)
        return; /* all frames come in */
    unsigned n = nic_addresses(&c->nic, mac, IGB_ADDRESSES);
    filters_drop(g, IGB_POOL);
    for (unsigned i = 0; i < n; i++)
        if (filter_add(g, mac[i], IGB_POOL))
            card_hw_log("%s: %02x:%02x:%02x:%02x:%02x:%02x gets nothing from virtual functions: no room, or it is one's own", c->nic.name,
                        mac[i][0], mac[i][1], mac[i][2], mac[i][3], mac[i][4], mac[i][5]);
}

/* The one that virtual function vf is given: ours, but local and with its number. */
static void vf_address(const struct igb *g, unsigned vf, uint8_t mac[6])
{
    memcpy(mac, g->card.nic.mac, 6);
    mac[0] = (uint8_t)((mac[0] | 2) & ~1);
    mac[3] ^= (uint8_t)(0x80 | vf << 4);
}

/* --- pools --- */

void igb_pools_start(struct igb *g)
{
    uint32_t vfs = (1u << g->vfs) - 1, enabled = g->fresh ? 0 : vfs;
    wr(g, IGB_MRQC, g->vfs ? IGB_MRQC_POOLS : 0);
    wr(g, IGB_VT_CTL, g->vfs ? IGB_POOL << IGB_VT_CTL_POOL | IGB_VT_CTL_REPLICATE : 0);
    for (unsigned i = 0; i < 128; i++)
        wr(g, IGB_MTA + 4 * i, g->vfs ? 0xffffffffu : 0);
    if (!g->vfs)
        return;
    for (unsigned i = 0; i <= IGB_POOL; i++)
        wr(g, IGB_VMOLR0 + 4 * i, (CARD_FRAME + 4) | IGB_VMOLR_UNTAGGED | IGB_VMOLR_MULTICAST | IGB_VMOLR_BROADCAST | IGB_STRVLAN | IGB_STRCRC);
    wr(g, IGB_RPLOLR, IGB_STRVLAN | IGB_STRCRC);
    wr(g, IGB_DTXSWC, IGB_DTXSWC_LOOPBACK | vfs);
    wr(g, IGB_VFRE, (rd(g, IGB_VFRE) & enabled) | 1u << IGB_POOL);
    wr(g, IGB_VFTE, (rd(g, IGB_VFTE) & enabled) | 1u << IGB_POOL);
    filters_load(g);
}

void igb_vfs_start(struct igb *g)
{
    if (!g->vfs)
        return;
    wr(g, IGB_IVAR_MISC, IGB_IVAR_VALID << 8); /* vector 0 */
    wr(g, IGB_MBVFIMR, (1u << g->vfs) - 1);
    wr(g, IGB_IMS, IGB_ICR_VMMB);
    uint32_t ext = rd(g, IGB_CTRL_EXT);
    if (g->fresh || !(ext & IGB_CTRL_EXT_PFRSTD))
        wr(g, IGB_CTRL_EXT, ext | IGB_CTRL_EXT_PFRSTD); /* they see that, and begin anew */
    g->fresh = false;
    igb_vfs_serve(g);
}

static void vf_off(struct igb *g, unsigned vf)
{
    wr(g, IGB_VFRE, rd(g, IGB_VFRE) & ~(1u << vf));
    wr(g, IGB_VFTE, rd(g, IGB_VFTE) & ~(1u << vf));
    filters_drop(g, vf);
}

/* --- mailboxes --- */

static bool mailbox_take(struct igb *g, unsigned vf)
{
    unsigned at = IGB_P2V0 + 4 * vf;
    wr(g, at, IGB_P2V_PFU);
    if (rd(g, at) & IGB_P2V_PFU)
        return true;
    wr(g, at, IGB_P2V_RVFU); /* it holds it, while it waits for us */
    wr(g, at, IGB_P2V_PFU);
    return rd(g, at) & IGB_P2V_PFU;
}

static uint32_t vf_reset(struct igb *g, unsigned vf, uint32_t word[WORDS])
{
    uint8_t mac[6];
    vf_off(g, vf);
    vf_address(g, vf, mac);
    if (filter_add(g, mac, vf))
        return IGB_MSG_RESET | IGB_MSG_NACK;
    memset(word, 0, WORDS * sizeof(*word));
    memcpy(word + 1, mac, 6);
    wr(g, IGB_VFRE, rd(g, IGB_VFRE) | 1u << vf);
    wr(g, IGB_VFTE, rd(g, IGB_VFTE) | 1u << vf);
    card_hw_log("%s: virtual function %u is up", g->card.nic.name, vf);
    return IGB_MSG_RESET | IGB_MSG_ACK;
}

/* Its own address stays what we gave it; of others it may have a share. */
static bool vf_mac(struct igb *g, unsigned vf, const uint32_t word[WORDS])
{
    uint8_t own[6], mac[6];
    vf_address(g, vf, own);
    memcpy(mac, word + 1, 6);
    switch (word[0] & IGB_MSG_INFO) {
    case 0: return !memcmp(mac, own, 6);
    case IGB_MSG_CLEAR:
        filters_drop(g, vf);
        return !filter_add(g, own, vf);
    case IGB_MSG_ADD: return !filter_add(g, mac, vf);
    default: return false;
    }
}

static uint32_t answer(struct igb *g, unsigned vf, uint32_t word[WORDS])
{
    uint32_t what = word[0] & (IGB_MSG_KIND | IGB_MSG_INFO);
    bool good = false;
    if (what == IGB_MSG_RESET)
        return vf_reset(g, vf, word);
    if (!(rd(g, IGB_VFRE) & 1u << vf))
        return what | IGB_MSG_NACK; /* reset first */
    if ((what & IGB_MSG_KIND) == IGB_MSG_MAC)
        good = vf_mac(g, vf, word);
    else if ((what & IGB_MSG_KIND) == IGB_MSG_MULTICAST)
        good = true; /* it gets all of it */
    else if ((what & IGB_MSG_KIND) == IGB_MSG_LPE)
        good = word[1] <= CARD_FRAME + 4;
    return what | (good ? IGB_MSG_ACK : (uint32_t)IGB_MSG_NACK) | IGB_MSG_CTS;
}

static void serve(struct igb *g, unsigned vf)
{
    unsigned mail = IGB_MAIL0 + 64 * vf;
    uint32_t word[WORDS];
    if (!mailbox_take(g, vf))
        return;
    for (unsigned i = 0; i < WORDS; i++)
        word[i] = rd(g, mail + 4 * i);
    wr(g, IGB_P2V0 + 4 * vf, IGB_P2V_ACK);
    if (word[0] & (IGB_MSG_ACK | IGB_MSG_NACK))
        return; /* an answer of ours, and no question since */
    word[0] = answer(g, vf, word);
    if (!mailbox_take(g, vf))
        return;
    for (unsigned i = 0; i < WORDS; i++)
        wr(g, mail + 4 * i, word[i]);
    wr(g, IGB_P2V0 + 4 * vf, IGB_P2V_STS);
}

void igb_vfs_serve(struct igb *g)
{
    uint32_t all = (1u << g->vfs) - 1, asks = rd(g, IGB_MBVFICR);
    wr(g, IGB_MBVFICR, asks);
    uint32_t gone = rd(g, IGB_VFLRE) & all; /* second: who resets and then asks is not reset after the answer */
    wr(g, IGB_VFLRE, gone);
    for (unsigned vf = 0; vf < g->vfs; vf++) {
        if (gone & 1u << vf)
            vf_off(g, vf);
        if (asks & 1u << vf)
            serve(g, vf);
    }
}
