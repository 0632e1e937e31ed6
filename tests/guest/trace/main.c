/* SPDX-License-Identifier: MIT */
/*
 * trace: XEN_SYSCTL_tbuf_op. The rings appear in the control domain's memory, only their indices to be written; a hypercall of ours
 * is found there by its number; off, nothing is written; and what is refused. BH_OP_profile: samples of ours and of the hypervisor.
 */
#include "tests/guest/lib.h"
#include <bulkhead/ext.h>
#include <bulkhead/trace.h>
#include <xen/memory.h>
#include <xen/sysctl.h>

#define PAGES 4u
#define TABLE (RT_WINDOW + 0x4000000ull)
#define RING (TABLE + RT_PAGE)

static struct xen_sysctl op;
static unsigned cpus;
static long tbuf(unsigned cmd, uint32_t size)
{
    op = (struct xen_sysctl){.cmd = XEN_SYSCTL_tbuf_op, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    op.u.tbuf_op.cmd = cmd;
    op.u.tbuf_op.size = size;
    op.u.tbuf_op.evt_mask = size;
    return rt_hypercall1(__HYPERVISOR_sysctl, &op);
}

static long map(uint64_t frame, uint64_t at)
{
    xen_ulong_t idx = frame;
    xen_pfn_t gpfn = at / RT_PAGE;
    int err = 77;
    struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = 1, .u.foreign_domid = DOMID_XEN};
    set_xen_guest_handle(b.idxs, &idx);
    set_xen_guest_handle(b.gpfns, &gpfn);
    set_xen_guest_handle(b.errs, &err);
    long rc = memory_op(XENMEM_add_to_physmap_batch, &b);
    return rc ? rc : err;
}

/* Does anything between the two offsets of the ring say that we called hypercall 60, operation 1234? */
static bool called(const struct t_buf *b, uint32_t from, uint32_t to)
{
    const uint32_t *word = (const uint32_t *)(b + 1);
    const uint32_t vmcall = TRC_HVM_VMMCALL | 2u << TRACE_EXTRA_SHIFT | 1u << 31;
    for (uint32_t i = from / 4; i + 5 <= to / 4 && to / 4 < PAGES * 1024 - 2; i += 1 + (word[i] >> 31) * 2 + TRC_HD_EXTRA(word[i]))
        if (word[i] == vmcall && word[i + 3] == 60 && word[i + 4] == 1234)
            return true;
    return false;
}

static void refusals(void)
{
    IS(tbuf(XEN_SYSCTL_TBUFOP_enable, 0), -XEN_ENODEV);
    IS(tbuf(XEN_SYSCTL_TBUFOP_set_size, 0), -XEN_EINVAL);
    IS(tbuf(XEN_SYSCTL_TBUFOP_set_size, 0xffffffff), -XEN_EINVAL);
    IS(tbuf(99, 0), -XEN_EINVAL);
    IS(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0), 0);
    check(op.u.tbuf_op.size == 0, "no table before there is a size");
    IS(map(1, RING), -XEN_EINVAL);
    check(map(~0ull, RING) < 0, "no frame with a wild number");
}

static volatile struct t_buf *ring(unsigned cpu)
{
    return (volatile struct t_buf *)(RING + (uint64_t)cpu * PAGES * RT_PAGE);
}

/* Puts every reader's index where its writer is. */
static void read_all(void)
{
    for (unsigned c = 0; c < cpus; c++)
        ring(c)->cons = ring(c)->prod;
}

/* Hypercall 60, operation 1234, `n` times while these events are recorded: has any CPU recorded one? */
static bool recorded(uint32_t events, unsigned n)
{
    bool found = false;
    IS(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, events), 0);
    IS(tbuf(XEN_SYSCTL_TBUFOP_enable, 0), 0);
    while (n--)
        rt_hypercall1(60, 1234);
    IS(tbuf(XEN_SYSCTL_TBUFOP_disable, 0), 0);
    for (unsigned c = 0; c < cpus; c++)
        found = found || called((const struct t_buf *)ring(c), ring(c)->cons, ring(c)->prod);
    return found;
}

static void map_rings(void)
{
    IS(tbuf(XEN_SYSCTL_TBUFOP_get_info, 0), 0);
    IS(map(op.u.tbuf_op.buffer_mfn, TABLE), 0);
    const struct t_info *info = (const struct t_info *)TABLE;
    check(op.u.tbuf_op.size == RT_PAGE && info->tbuf_size == PAGES, "the table: %u bytes, rings of %u pages", op.u.tbuf_op.size, info->tbuf_size);
    bool all = true;
    for (unsigned c = 0; c < cpus; c++)
        for (unsigned i = 0; i < PAGES; i++)
            all = all && map(((const uint32_t *)TABLE + info->mfn_offset[c])[i], (uint64_t)ring(c) + i * RT_PAGE) == 0;
    check(all, "the rings of %u CPUs are mapped", cpus);
}

static void rings(void)
{
    uint32_t value = 0, before = 0, after = 0;
    map_rings();
    check(try_write((volatile uint32_t *)TABLE, 0) == 13, "the table is not to be written");
    check(try_write((volatile uint32_t *)(RING + RT_PAGE), 0) == 13 && try_read((volatile uint32_t *)(RING + RT_PAGE), &value) == -1,
          "nor the records, but to be read");
    check(try_write(&ring(0)->cons, 0) == -1, "but the reader's index is");
    rt_hypercall1(60, 1234);
    for (unsigned c = 0; c < cpus; c++)
        before += ring(c)->prod;
    check(before == 0, "off, nothing is recorded");
    check(recorded(TRC_ALL, 1), "our hypercall is in a ring");
    read_all();
    check(!recorded(TRC_SCHED, 1), "events that were not asked for are not");
    for (unsigned c = 0; c < cpus; c++)
        ring(c)->cons = 0xfffffff0;
    recorded(TRC_ALL, 1000);
    for (unsigned c = 0; c < cpus; c++)
        after |= ring(c)->prod >= 2 * (PAGES * RT_PAGE - sizeof(struct t_buf));
    check(!after, "a wild index of the reader's does no harm");
}

/* --- the profiler --- */

static long profile(uint32_t period_us, uint16_t domid, uint32_t pad)
{
    struct bh_op b = {.version = BH_INTERFACE_VERSION, .domid = domid, .u.profile = {.period_us = period_us, .pad = pad}};
    return rt_hypercall2(BH_HYPERCALL, BH_OP_profile, &b);
}

/* Samples of ours in the rings: in our own code, in the hypervisor with somebody who called there, and odd ones. */
static void count(unsigned *inside, unsigned *hypervisor, unsigned *odd)
{
    const uint32_t size = PAGES * RT_PAGE - sizeof(struct t_buf), who = (uint32_t)rt_domid << 16;
    *inside = *hypervisor = *odd = 0;
    for (unsigned c = 0; c < cpus; c++) {
        bool ours = false;
        for (uint32_t at = ring(c)->cons, n; at != ring(c)->prod; at = (at + n) % (2 * size)) {
            const uint32_t *w = (const uint32_t *)((const char *)(ring(c) + 1) + at % size);
            uint64_t rip = w[4] | (uint64_t)w[5] << 32, own = w[6] | (uint64_t)w[7] << 32;
            n = (1 + (w[0] >> 31) * 2 + TRC_HD_EXTRA(w[0])) * 4;
            if (TRC_HD_TO_EVENT(w[0]) == BH_TRC_CALLERS)
                *hypervisor += ours;
            ours = false;
            if (TRC_HD_TO_EVENT(w[0]) != BH_TRC_SAMPLE || w[3] != who)
                continue;
            ours = own != 0;
            *inside += !own && rip >= (uint64_t)_text_start && rip < (uint64_t)_text_end;
            *odd += own ? own >> 32 != 0xffffffff : rip < (uint64_t)_text_start || rip >= (uint64_t)_text_end;
        }
    }
}

/* An NMI every ms wherever we are, first in our own code, then mostly in the hypervisor. */
static void samples(void)
{
    unsigned inside = 0, hypervisor, odd;
    IS(profile(999, DOMID_SELF, 0), -XEN_EINVAL);
    IS(profile(1000001, DOMID_SELF, 0), -XEN_EINVAL);
    IS(profile(1000, DOMID_SELF, 1), -XEN_EINVAL);
    IS(profile(1000, 0x7000, 0), -XEN_EINVAL);
    read_all();
    IS(tbuf(XEN_SYSCTL_TBUFOP_set_evt_mask, TRC_HW_PM), 0);
    IS(tbuf(XEN_SYSCTL_TBUFOP_enable, 0), 0);
    IS(profile(1000, DOMID_SELF, 0), 0);
    for (uint64_t end = rt_now() + 500000000; rt_now() < end && inside < 4; count(&inside, &hypervisor, &odd))
        for (unsigned i = 0; i < 100; i++)
            rt_now();
    check(inside > 3 && !odd, "%u samples of this loop, %u odd ones", inside, odd);
    for (uint64_t end = rt_now() + 200000000; rt_now() < end && !hypervisor; count(&inside, &hypervisor, &odd))
        for (unsigned i = 0; i < 100; i++)
            tbuf(XEN_SYSCTL_TBUFOP_get_info, 0);
    check((hypervisor > 0 || cpus == 1) && !odd, "%u samples of the hypervisor at our call, %u odd ones", hypervisor, odd);
    IS(profile(0, DOMID_SELF, 0), 0);
    for (uint64_t end = rt_now() + 5000000; rt_now() < end;)
        ;
    read_all();
    for (uint64_t end = rt_now() + 20000000; rt_now() < end;)
        ;
    count(&inside, &hypervisor, &odd);
    check(!inside && !hypervisor, "none when it is off");
    IS(tbuf(XEN_SYSCTL_TBUFOP_disable, 0), 0);
}

void domain_main(const char *cmdline)
{
    op = (struct xen_sysctl){.cmd = XEN_SYSCTL_physinfo, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
    IS(rt_hypercall1(__HYPERVISOR_sysctl, &op), 0);
    cpus = op.u.physinfo.max_cpu_id + 1;
    refusals();
    IS(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES), 0);
    IS(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES), 0);
    IS(tbuf(XEN_SYSCTL_TBUFOP_set_size, PAGES + 1), -XEN_EEXIST);
    rings();
    read_all();
    samples();
    test_done();
}
