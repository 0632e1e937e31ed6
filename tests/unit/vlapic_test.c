/* SPDX-License-Identifier: MIT */
/* irq/vlapic.c: priorities, end of interrupt, IPIs, timers, reserved bits. Numbers are MSRs of Intel SDM vol. 3, table 11-6. */
#include "cpu/cpu.h"
#include "irq/vlapic.h"
#include <stdio.h>
#include "suite.h"

enum { ID = 0x802, VERSION = 0x803, TPR = 0x808, PPR = 0x80a, EOI = 0x80b, LDR = 0x80d, SVR = 0x80f, ISR0 = 0x810, TMR0 = 0x818,
       IRR0 = 0x820, ESR = 0x828, CMCI = 0x82f, ICR = 0x830, LVT_TIMER = 0x832, LINT0 = 0x835, LVT_ERROR = 0x837, INITIAL = 0x838,
       CURRENT = 0x839, DIVIDE = 0x83e, SELF = 0x83f, BASE = 0x1b, DEADLINE = 0x6e0 };

static struct vlapic l;
static struct vlapic_ipi ipi;
static bool changed;
static uint64_t now;

static int put(uint32_t msr, uint64_t v)
{
    return vlapic_msr_write(&l, msr, v, now, &changed, &ipi);
}

static uint64_t get(uint32_t msr)
{
    uint64_t v = 0xdead;

    CU_ASSERT_EQUAL(vlapic_msr_read(&l, msr, now, &v), 0);
    return v;
}

static void start(uint32_t id)
{
    now = 1000000;
    vlapic_reset(&l, id, id == 0);
    CU_ASSERT_EQUAL(put(SVR, 0x1ff), 0);
}

static void reset_state(void)
{
    vlapic_reset(&l, 6, false);
    CU_ASSERT_EQUAL(get(BASE), 0xfee00c00);
    CU_ASSERT_EQUAL(get(ID), 6);
    CU_ASSERT_EQUAL(get(SVR), 0xff);
    CU_ASSERT_EQUAL(get(LVT_TIMER), 0x10000);
    CU_ASSERT_EQUAL(get(LINT0), 0x10000);
    CU_ASSERT_EQUAL(get(VERSION) >> 16 & 0xff, 6);
    vlapic_reset(&l, 0, true);
    CU_ASSERT_EQUAL(get(BASE), 0xfee00d00);
}

/* What a CPU that delivers by itself sees and does between give and take; another CPU requests meanwhile. */
static void page_of_registers(void)
{
    static uint32_t page[1024];

    start(2);
    CU_ASSERT_TRUE(vlapic_direct(&l));
    CU_ASSERT_EQUAL(put(TPR, 0x20), 0);
    vlapic_set_irr(&l, 0x51);
    vlapic_set_irr(&l, 0xe3);
    vlapic_set_irr(&l, 0x31);
    vlapic_ack(&l, 0x31);
    CU_ASSERT_EQUAL(vlapic_give(&l, page), 0x31e3);
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    CU_ASSERT_EQUAL(page[0x80 / 4], 0x20);
    CU_ASSERT_EQUAL(page[0x110 / 4], 1u << (0x31 - 0x20));
    CU_ASSERT_EQUAL(page[0x220 / 4], 1u << (0x51 - 0x40));
    CU_ASSERT_EQUAL(page[0x270 / 4], 1u << (0xe3 - 0xe0));
    CU_ASSERT_TRUE(vlapic_set_irr(&l, 0xe3)); /* once more, while the CPU delivers the first */
    CU_ASSERT_TRUE(vlapic_set_irr(&l, 0x61));
    page[0x270 / 4] = 0, page[0x170 / 4] = 1u << (0xe3 - 0xe0);
    page[0x80 / 4] = 0x10;
    vlapic_take(&l, page);
    CU_ASSERT_EQUAL(get(TPR), 0x10);
    CU_ASSERT_EQUAL(get(PPR), 0xe0);
    CU_ASSERT_EQUAL(put(EOI, 0), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xe3);
    vlapic_ack(&l, 0xe3);
    CU_ASSERT_EQUAL(put(EOI, 0), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0x61);
    CU_ASSERT_EQUAL(vlapic_give(&l, page), 0x3161);
    CU_ASSERT_EQUAL(put(SVR, 0xff), 0);
    CU_ASSERT_FALSE(vlapic_direct(&l));
    vlapic_reset(&l, 2, false);
    CU_ASSERT_FALSE(vlapic_direct(&l));
    CU_ASSERT_EQUAL(vlapic_give(&l, page), 0);
}

static void disabled_takes_nothing(void)
{
    vlapic_reset(&l, 0, true);
    CU_ASSERT_FALSE(vlapic_set_irr(&l, 0x40));
    CU_ASSERT_EQUAL(put(SVR, 0x1ff), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    CU_ASSERT_TRUE(vlapic_set_irr(&l, 0x40));
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0x50), 0);
    CU_ASSERT_EQUAL(put(SVR, 0xff), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    CU_ASSERT_EQUAL(get(LVT_TIMER), 0x10050);
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0x51), 0); /* the mask cannot be taken off now */
    CU_ASSERT_EQUAL(get(LVT_TIMER), 0x10051);
    CU_ASSERT_EQUAL(put(SVR, 0x1ff), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0x40);
}

static void priorities(void)
{
    start(0);
    CU_ASSERT_FALSE(vlapic_set_irr(&l, 15));
    CU_ASSERT_TRUE(vlapic_set_irr(&l, 0x31));
    CU_ASSERT_FALSE(vlapic_set_irr(&l, 0x31));
    CU_ASSERT_TRUE(vlapic_set_irr(&l, 0xef));
    CU_ASSERT_EQUAL(get(IRR0 + 1), 1u << 17);
    CU_ASSERT_EQUAL(get(IRR0 + 7), 1u << 15);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xef);
    vlapic_ack(&l, 0xef);
    CU_ASSERT_EQUAL(get(ISR0 + 7), 1u << 15);
    CU_ASSERT_EQUAL(get(PPR), 0xe0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    CU_ASSERT_TRUE(vlapic_set_irr(&l, 0xe0)); /* same class: must wait */
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    CU_ASSERT_TRUE(vlapic_set_irr(&l, 0xf0));
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xf0);
    vlapic_ack(&l, 0xf0);
    CU_ASSERT_EQUAL(put(EOI, 0), 0); /* the innermost first */
    CU_ASSERT_EQUAL(get(ISR0 + 7), 1u << 15);
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    CU_ASSERT_EQUAL(put(EOI, 0), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xe0);
    vlapic_ack(&l, 0xe0);
    CU_ASSERT_EQUAL(put(EOI, 0), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0x31);
    CU_ASSERT_EQUAL(put(TPR, 0x2f), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0x31);
    CU_ASSERT_EQUAL(put(TPR, 0x30), 0);
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    CU_ASSERT_EQUAL(get(PPR), 0x30);
    CU_ASSERT_EQUAL(put(TPR, 0), 0);
    vlapic_ack(&l, 0x31);
    CU_ASSERT_EQUAL(put(EOI, 0), 0);
    CU_ASSERT_EQUAL(put(EOI, 0), 0); /* nothing in service: harmless */
    CU_ASSERT_EQUAL(get(PPR), 0);
}

static void refusals(void)
{
    static const struct { uint32_t msr; uint64_t v; } bad[] = {
        {ID, 0}, {VERSION, 0}, {PPR, 0}, {LDR, 0}, {ISR0, 0}, {TMR0, 0}, {IRR0 + 7, 0}, {CURRENT, 0}, {0x80e, 0}, {0x831, 0},
        {0x800, 0}, {0x801, 0}, {0x804, 0}, {0x83a, 0}, {0x840, 0}, {EOI, 1}, {TPR, 0x100}, {SVR, 0x1400}, {ESR, 1}, {DIVIDE, 4},
        {SELF, 0x100}, {TPR, 1ull << 32}, {INITIAL, 1ull << 32}, {LVT_TIMER, 0x60000}, {LVT_TIMER, 0x100}, {LVT_ERROR, 0x20000},
        {LINT0, 0x20000}, {CMCI, 0x2000}, {ICR, 0x1040}, {ICR, 0x100040}, {BASE, 0}, {BASE, 0xfee00900}, {BASE, 0xfee00800},
        {BASE, 0xfee00500}, {BASE, 0xfed00d00}, {BASE, 0xfee00c00},
    };
    uint64_t v;

    start(0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        if (put(bad[i].msr, bad[i].v) != -EINVAL) {
            fprintf(stderr, "write of %lx to MSR %x was not refused\n", (unsigned long)bad[i].v, bad[i].msr);
            CU_FAIL("accepted");
        }
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
    CU_ASSERT_EQUAL(put(BASE, 0xfee00d00), 0);
    CU_ASSERT_EQUAL(vlapic_msr_read(&l, EOI, now, &v), -EINVAL);
    CU_ASSERT_EQUAL(vlapic_msr_read(&l, SELF, now, &v), -EINVAL);
    CU_ASSERT_EQUAL(vlapic_msr_read(&l, 0x831, now, &v), -EINVAL);
    CU_ASSERT_EQUAL(vlapic_msr_read(&l, 0x7ff, now, &v), -EINVAL);
    CU_ASSERT_EQUAL(vlapic_msr_read(&l, 0x840, now, &v), -EINVAL);
}

static void ipis(void)
{
    start(0);
    CU_ASSERT_EQUAL(put(ICR, 4ull << 32 | 0x41), 0);
    CU_ASSERT(ipi.kind == IPI_FIXED && ipi.vector == 0x41 && ipi.dest == 4 && !ipi.logical && !ipi.self && !ipi.all && !ipi.others);
    CU_ASSERT_EQUAL(get(ICR), 4ull << 32 | 0x41);
    CU_ASSERT_EQUAL(put(ICR, 0x00020001ull << 32 | 0x841), 0);
    CU_ASSERT(ipi.kind == IPI_FIXED && ipi.logical);
    CU_ASSERT_EQUAL(put(ICR, 0x40041), 0);
    CU_ASSERT(ipi.self && !ipi.all && !ipi.others);
    CU_ASSERT_EQUAL(put(ICR, 0x80041), 0);
    CU_ASSERT(ipi.all && !ipi.self && !ipi.others);
    CU_ASSERT_EQUAL(put(ICR, 0xc0041), 0);
    CU_ASSERT(ipi.others && !ipi.self && !ipi.all);
    CU_ASSERT_EQUAL(put(ICR, 2ull << 32 | 0x4500), 0);
    CU_ASSERT(ipi.kind == IPI_INIT && ipi.dest == 2);
    CU_ASSERT_EQUAL(put(ICR, 2ull << 32 | 0x8500), 0); /* de-assert does nothing */
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
    CU_ASSERT_EQUAL(put(ICR, 2ull << 32 | 0x69a), 0);
    CU_ASSERT(ipi.kind == IPI_SIPI && ipi.vector == 0x9a);
    CU_ASSERT_EQUAL(put(ICR, 2ull << 32 | 0x400), 0);
    CU_ASSERT_EQUAL(ipi.kind, IPI_NMI);
    CU_ASSERT_EQUAL(put(ICR, 0x80500), 0); /* INIT to all including oneself is no valid combination */
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
    CU_ASSERT_EQUAL(put(ICR, 0x340), 0); /* reserved delivery mode */
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
    CU_ASSERT_EQUAL(put(SELF, 0x77), 0);
    CU_ASSERT(ipi.kind == IPI_FIXED && ipi.self && ipi.vector == 0x77);
}

static void illegal_vectors(void)
{
    start(0);
    CU_ASSERT_EQUAL(put(LVT_ERROR, 0xfe), 0);
    CU_ASSERT_EQUAL(put(ICR, 0x4000f), 0);
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xfe);
    CU_ASSERT_EQUAL(get(ESR), 0); /* only after a write */
    CU_ASSERT_EQUAL(put(ESR, 0), 0);
    CU_ASSERT_EQUAL(get(ESR), 0x20);
    CU_ASSERT_EQUAL(put(ESR, 0), 0);
    CU_ASSERT_EQUAL(get(ESR), 0);
    CU_ASSERT_EQUAL(put(SELF, 3), 0);
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
}

static bool matches(uint32_t id, uint32_t dest, bool logical)
{
    vlapic_reset(&l, id, false);
    return vlapic_match(&l, &(struct vlapic_ipi){.kind = IPI_FIXED, .dest = dest, .logical = logical});
}

static void destinations(void)
{
    CU_ASSERT_TRUE(matches(4, 4, false));
    CU_ASSERT_FALSE(matches(4, 5, false));
    CU_ASSERT_TRUE(matches(4, 0xffffffff, false));
    CU_ASSERT_FALSE(matches(4, 0xff, false)); /* no broadcast in x2APIC mode */
    CU_ASSERT_TRUE(matches(4, 0xffffffff, true));
    CU_ASSERT_TRUE(matches(4, 0x10, true));
    CU_ASSERT_FALSE(matches(4, 0x8, true));
    CU_ASSERT_FALSE(matches(4, 0x10010, true)); /* cluster 1 */
    CU_ASSERT_TRUE(matches(0x25, 0x20020, true));
    CU_ASSERT_TRUE(matches(0x25, 0x2ffff, true));
    CU_ASSERT_FALSE(matches(0x25, 0x20000, true));
    vlapic_reset(&l, 0x25, false);
    CU_ASSERT_EQUAL(get(LDR), 0x20020);
}

static void one_shot(void)
{
    start(0);
    CU_ASSERT_EQUAL(put(DIVIDE, 0xb), 0); /* by 1: 10 ns a tick */
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0xec), 0);
    CU_ASSERT_EQUAL(put(INITIAL, 1000), 0);
    CU_ASSERT_TRUE(changed);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, now + 10000);
    CU_ASSERT_EQUAL(get(CURRENT), 1000);
    now += 4000;
    CU_ASSERT_EQUAL(get(CURRENT), 600);
    vlapic_timer_expired(&l, now); /* too early */
    CU_ASSERT_EQUAL(vlapic_highest(&l), -1);
    now += 6000;
    vlapic_timer_expired(&l, now);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xec);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, 0);
    CU_ASSERT_EQUAL(get(CURRENT), 0);
    vlapic_ack(&l, 0xec);
    vlapic_timer_expired(&l, now + 1000000); /* not armed */
    CU_ASSERT_EQUAL(get(IRR0 + 7), 0);
    CU_ASSERT_EQUAL(put(INITIAL, 1000), 0);
    CU_ASSERT_EQUAL(put(INITIAL, 0), 0);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, 0);
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0x100ec), 0); /* masked: counts, tells nobody */
    CU_ASSERT_EQUAL(put(INITIAL, 1), 0);
    now += 10;
    vlapic_timer_expired(&l, now);
    CU_ASSERT_EQUAL(get(IRR0 + 7), 0);
}

static void divisors(void)
{
    static const struct { uint32_t code; unsigned by; } row[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {0xa, 128}, {0xb, 1}};

    for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
        start(0);
        CU_ASSERT_EQUAL(put(DIVIDE, row[i].code), 0);
        CU_ASSERT_EQUAL(put(INITIAL, 100), 0);
        CU_ASSERT_EQUAL(l.timer_deadline_ns - now, 1000 * row[i].by);
    }
    start(0);
    CU_ASSERT_EQUAL(put(DIVIDE, 0xb), 0);
    CU_ASSERT_EQUAL(put(INITIAL, 100), 0);
    now += 400;
    CU_ASSERT_EQUAL(put(DIVIDE, 0), 0); /* 60 left, now at half the speed */
    CU_ASSERT_EQUAL(get(CURRENT), 60);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, now + 60 * 20);
}

static void periodic(void)
{
    uint64_t first;

    start(0);
    CU_ASSERT_EQUAL(put(DIVIDE, 0xb), 0);
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0x200ec), 0);
    CU_ASSERT_EQUAL(put(INITIAL, 100000), 0); /* 1 ms */
    first = l.timer_deadline_ns;
    CU_ASSERT_EQUAL(first, now + 1000000);
    now = first + 5;
    vlapic_timer_expired(&l, now);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xec);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, first + 1000000); /* no drift */
    CU_ASSERT_FALSE(vlapic_timer_resume(&l, now));
    now = first + 1000000;
    vlapic_timer_expired(&l, now); /* the last one has not been taken: it stands still */
    CU_ASSERT_EQUAL(l.timer_deadline_ns, 0);
    CU_ASSERT_FALSE(vlapic_timer_resume(&l, now));
    now = first + 1500000;
    vlapic_ack(&l, 0xec);
    CU_ASSERT_TRUE(vlapic_timer_resume(&l, now));
    CU_ASSERT_EQUAL(l.timer_deadline_ns, first + 2000000); /* where it would have been */
    now = first + 5500000; /* late by several periods: they are one interrupt */
    vlapic_timer_expired(&l, now);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, first + 6000000);
    CU_ASSERT_EQUAL(get(CURRENT), 50000);
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0x300ec), 0); /* masked: nobody waits for it */
    now = l.timer_deadline_ns;
    vlapic_timer_expired(&l, now);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, 0);
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0x200ec), 0);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, now + 1000000);
    vlapic_ack(&l, 0xec);
    CU_ASSERT_EQUAL(put(INITIAL, 1), 0); /* 10 ns: may not flood the CPU */
    now = l.timer_deadline_ns;
    vlapic_timer_expired(&l, now);
    CU_ASSERT(l.timer_deadline_ns >= now + VLAPIC_MIN_PERIOD_NS);
    now = l.timer_deadline_ns;
    vlapic_timer_expired(&l, now);
    vlapic_ack(&l, 0xec);
    CU_ASSERT(vlapic_timer_resume(&l, now) && l.timer_deadline_ns >= now + VLAPIC_MIN_PERIOD_NS);
}

static void tsc_deadline(void)
{
    start(0);
    CU_ASSERT_EQUAL(put(DEADLINE, 12345), 0); /* another mode: ignored */
    CU_ASSERT_FALSE(changed);
    CU_ASSERT_EQUAL(get(DEADLINE), 0);
    CU_ASSERT_EQUAL(put(INITIAL, 100), 0);
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0x400ec), 0); /* disarms the count */
    CU_ASSERT_TRUE(changed);
    CU_ASSERT_EQUAL(l.timer_deadline_ns, 0);
    CU_ASSERT_EQUAL(put(INITIAL, 100), 0);
    CU_ASSERT_EQUAL(get(INITIAL), 0);
    CU_ASSERT_EQUAL(put(DEADLINE, 0x123456789abc), 0);
    CU_ASSERT_TRUE(changed);
    CU_ASSERT_EQUAL(get(DEADLINE), 0x123456789abc);
    CU_ASSERT_EQUAL(get(CURRENT), 0);
    vlapic_timer_expired(&l, now);
    CU_ASSERT_EQUAL(vlapic_highest(&l), 0xec);
    CU_ASSERT_EQUAL(get(DEADLINE), 0);
    vlapic_ack(&l, 0xec);
    vlapic_timer_expired(&l, now);
    CU_ASSERT_EQUAL(get(IRR0 + 7), 0);
    CU_ASSERT_EQUAL(put(DEADLINE, 99), 0);
    CU_ASSERT_EQUAL(put(LVT_TIMER, 0xec), 0);
    CU_ASSERT_EQUAL(l.tsc_deadline, 0);
}

/* Whatever is written, the state stays one that can be read, and no vector below 16 is ever delivered. */
static void random_writes(void)
{
    uint64_t r = 88172645463325252ull, v;

    start(0);
    for (unsigned i = 0; i < 300000; i++) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        uint32_t msr = i % 50 == 0 ? DEADLINE : 0x800 + (uint32_t)(r >> 40) % 0x44;

        put(msr, r >> (r & 63));
        now += r & 0xffff;
        vlapic_timer_expired(&l, now);
        int h = vlapic_highest(&l);
        CU_ASSERT_FATAL(h == -1 || (h >= 16 && h < 256));
        if (h >= 0 && r & 1)
            vlapic_ack(&l, (uint8_t)h);
        vlapic_msr_read(&l, 0x800 + (uint32_t)(r >> 20) % 0x44, now, &v);
        CU_ASSERT_FATAL(l.base == 0xfee00d00);
    }
}

/* --- xAPIC mode: offsets in the page --- */

static void page_put(unsigned offset, uint32_t v) { vlapic_mmio_write(&l, offset, v, now, &changed, &ipi); }
static uint32_t page_get(unsigned offset) { return vlapic_mmio_read(&l, offset, now); }

static void start_xapic(uint32_t id)
{
    start(id);
    CU_ASSERT_EQUAL(put(BASE, l.base & 0x1ff), -EINVAL); /* not moved */
    CU_ASSERT_EQUAL(put(BASE, l.base & ~0xc00ull), 0);
    CU_ASSERT_TRUE(changed); /* a running timer stops */
    CU_ASSERT_FALSE(vlapic_has_page(&l));
    CU_ASSERT_EQUAL(put(BASE, l.base | 0x800), 0);
    CU_ASSERT_TRUE(vlapic_has_page(&l));
    page_put(0xf0, 0x1ff);
}

static bool xapic_matches(uint32_t dest, bool logical)
{
    return vlapic_match(&l, &(struct vlapic_ipi){.kind = IPI_FIXED, .dest = dest, .logical = logical});
}

static void xapic_mode(void)
{
    start_xapic(6);
    CU_ASSERT_EQUAL(put(TPR, 0), -EINVAL);
    CU_ASSERT_EQUAL(page_get(0x20), 6u << 24);
    page_put(0x310, 0xff123456);
    page_put(0x300, 0x4541);
    CU_ASSERT(ipi.kind == IPI_INIT && ipi.dest == 0xffffffff && !ipi.logical);
    CU_ASSERT(page_get(0x310) == 0xff000000 && page_get(0x300) == 0x4541);
    page_put(0x310, 4u << 24);
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
    page_put(0x300, 0x841);
    CU_ASSERT(ipi.kind == IPI_FIXED && ipi.dest == 4 && ipi.logical && ipi.vector == 0x41);
    page_put(0x3f0, 0x41);
    CU_ASSERT_EQUAL(ipi.kind, IPI_NONE);
    CU_ASSERT(xapic_matches(6, false) && !xapic_matches(4, false) && !xapic_matches(6, true) && xapic_matches(0xffffffff, true));
    page_put(0xd0, 0x42ffffff);
    CU_ASSERT(page_get(0xd0) == 0x42000000 && xapic_matches(2, true) && xapic_matches(0x40, true) && !xapic_matches(0x3c, true));
    page_put(0xe0, 0);
    CU_ASSERT(page_get(0xe0) == 0x0fffffff && xapic_matches(0x42, true) && xapic_matches(0x46, true));
    CU_ASSERT(!xapic_matches(0x52, true) && !xapic_matches(0x41, true) && !xapic_matches(0x142, true));
    CU_ASSERT_EQUAL(put(BASE, l.base | 0x400), 0);
    CU_ASSERT_FALSE(vlapic_has_page(&l));
    CU_ASSERT_EQUAL(get(ID), 6);
    CU_ASSERT_EQUAL(put(BASE, l.base & ~0x400ull), -EINVAL);
    vlapic_init(&l); /* INIT keeps the mode */
    CU_ASSERT_EQUAL(get(SVR), 0xff);
}

static void random_page(void)
{
    uint64_t r = 88172645463325252ull;

    start_xapic(0);
    for (unsigned i = 0; i < 300000; i++) {
        r ^= r << 13, r ^= r >> 7, r ^= r << 17;
        page_put((unsigned)(r >> 40) & 0xff0, (uint32_t)(r >> (r & 31)));
        CU_ASSERT_FATAL(!ipi.kind || ipi.kind != IPI_FIXED || ipi.vector >= 16);
        now += r & 0xffff;
        vlapic_timer_expired(&l, now);
        int h = vlapic_highest(&l);
        CU_ASSERT_FATAL(h == -1 || (h >= 16 && h < 256));
        if (h >= 0 && r & 1)
            vlapic_ack(&l, (uint8_t)h);
        page_get((unsigned)(r >> 20) & 0xff0);
    }
}

static void decode_is(const char *insn, unsigned n, const struct mmio_access *want)
{
    struct mmio_access a = {0};
    int rc = mmio_decode((const uint8_t *)insn, n, &a);

    CU_ASSERT_EQUAL(rc, want ? 0 : -EINVAL);
    if (want)
        CU_ASSERT(a.len == want->len && a.read == want->read && a.write == want->write && a.reg == want->reg &&
                  a.immediate == want->immediate && a.value == want->value);
    for (unsigned cut = 0; want && cut < want->len; cut++)
        CU_ASSERT_EQUAL(mmio_decode((const uint8_t *)insn, cut, &a), -EINVAL);
}

static void instructions(void)
{
    decode_is("\x8b\x00", 2, &(struct mmio_access){.read = true, .len = 2});
    decode_is("\x8b\x05\1\2\3\4", 6, &(struct mmio_access){.read = true, .len = 6}); /* RIP-relative */
    decode_is("\x8b\x0c\x25\1\2\3\4", 7, &(struct mmio_access){.read = true, .reg = 1, .len = 7});
    decode_is("\x8b\x0c\x24", 3, &(struct mmio_access){.read = true, .reg = 1, .len = 3});
    decode_is("\x89\x5e\x10", 3, &(struct mmio_access){.write = true, .reg = 3, .len = 3});
    decode_is("\x45\x89\x9d\1\2\3\4", 7, &(struct mmio_access){.write = true, .reg = 11, .len = 7});
    decode_is("\xc7\x40\x10\x78\x56\x34\x12", 7,
              &(struct mmio_access){.write = true, .immediate = true, .value = 0x12345678, .len = 7});
    decode_is("\x87\x44\x8d\0", 4, &(struct mmio_access){.read = true, .write = true, .len = 4});
    decode_is("\xa1\1\2\3\4\5\6\7\x8", 9, &(struct mmio_access){.read = true, .len = 9});
    decode_is("\xa3\1\2\3\4\5\6\7\x8", 9, &(struct mmio_access){.write = true, .len = 9});
    decode_is("\x8b\xc0", 2, NULL);             /* a register */
    decode_is("\x48\x8b\x00", 3, NULL);        /* 64 bits */
    decode_is("\x66\x8b\x00", 3, NULL);        /* 16 bits */
    decode_is("\xc7\x48\x10\1\2\3\4", 7, NULL); /* group 11 has only /0 */
    decode_is("\x8a\x00", 2, NULL);
    decode_is("\x0f\x11\x00", 3, NULL);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"state after reset", reset_state}, {"disabled in SVR", disabled_takes_nothing}, {"a page of registers", page_of_registers}, {"priorities and EOI", priorities},
        {"reserved bits, read-only and absent registers", refusals}, {"ICR and self-IPI", ipis}, {"illegal vectors", illegal_vectors},
        {"destinations", destinations}, {"one-shot timer", one_shot}, {"divisors", divisors}, {"periodic timer", periodic},
        {"TSC deadline", tsc_deadline}, {"random writes", random_writes}, {"xAPIC mode", xapic_mode},
        {"random writes of the page", random_page}, {"instructions for the page", instructions}, CU_TEST_INFO_NULL,
    };
    return suite_run("virtual local APIC", NULL, tests);
}
