/* SPDX-License-Identifier: MIT */
/* irq/handles.c over a fake IOMMU and vector table: messages, source checks, running out, freeing, blocking. */
#include "hv/fake_hv.h"
#include "irq/apic.h"
#include "irq/handles.h"
#include "mem/iommu.h"
#include <string.h>
#include "suite.h"

#define IRTES 128u
static struct { bool set; uint8_t vector; uint32_t apic, sbdf; } irte[IRTES];
static irq_fn handler[256];
static bool remaps = true;
static int irte_error;
PERCPU(uint32_t, apic_id) = {9};

static int irte_set(unsigned i, uint8_t vector, uint32_t apic, uint32_t sbdf, bool level)
{
    if (irte_error)
        return irte_error;
    irte[i].set = true;
    irte[i].vector = vector;
    irte[i].apic = apic;
    irte[i].sbdf = sbdf;
    return 0;
}
static void irte_clear(unsigned i) { irte[i].set = false; }
static const struct iommu_ops ops = {.name = "fake", .irte_set = irte_set, .irte_clear = irte_clear, .nr_irte = IRTES};
const struct iommu_ops *iommu = &ops;
bool iommu_remaps_interrupts(void) { return remaps; }
void irq_set_handler(uint8_t vector, irq_fn fn) { handler[vector] = fn; }

static unsigned fired;
static void fire(void *arg) { fired += *(unsigned *)arg; }
static unsigned weight = 10;

static void test_hold(void)
{
    struct msi_handle h;
    CU_ASSERT_EQUAL_FATAL(msi_alloc(&h, 0x20, 0, fire, &weight), 0);
    CU_ASSERT(msi_hold(&h, true) && !irte[h.index].set);
    CU_ASSERT(msi_hold(&h, false) && irte[h.index].set && irte[h.index].vector == h.vector && irte[h.index].sbdf == 0x20);
    CU_ASSERT(msi_hold(&h, true));
    msi_block(0x20);
    CU_ASSERT(msi_hold(&h, false) && !irte[h.index].set); /* its owner has lost the function meanwhile */
    msi_free(&h);
    remaps = false;
    CU_ASSERT_EQUAL_FATAL(msi_alloc(&h, 0x20, 0, fire, &weight), 0);
    CU_ASSERT_FALSE(msi_hold(&h, true));
    msi_free(&h);
    remaps = true;
}

static void test_remapped(void)
{
    struct msi_handle h;
    CU_ASSERT_EQUAL_FATAL(msi_alloc(&h, 0x20, 0, fire, &weight), 0);
    CU_ASSERT(h.index > 0 && h.index < IRTES);
    CU_ASSERT(h.vector >= VECTOR_FIRST_MSI && h.vector <= VECTOR_LAST_MSI);
    CU_ASSERT(irte[h.index].set && irte[h.index].vector == h.vector && irte[h.index].apic == 9 && irte[h.index].sbdf == 0x20);
    CU_ASSERT_EQUAL(h.addr >> 20, 0xfee);
    CU_ASSERT_EQUAL(h.addr >> 4 & 1, 1);            /* remappable format */
    CU_ASSERT_EQUAL(h.addr >> 3 & 1, 0);            /* no subhandle */
    CU_ASSERT_EQUAL((h.addr >> 5 & 0x7fff) | (h.addr >> 2 & 1) << 15, h.index);
    CU_ASSERT_EQUAL(h.data, 0);
    fired = 0;
    handler[h.vector](h.vector);
    CU_ASSERT_EQUAL(fired, 10);
    unsigned index = h.index;
    uint8_t vector = h.vector;
    msi_free(&h);
    CU_ASSERT(!irte[index].set);
    handler[vector](vector); /* late: reaches nobody */
    CU_ASSERT_EQUAL(fired, 10);
    CU_ASSERT_EQUAL(fake_locks_held, 0);
}

static void test_entries_run_out(void)
{
    static struct msi_handle h[IRTES];
    unsigned n = 0;
    while (n < IRTES && msi_alloc(&h[n], 0x20, 0, fire, &weight) == 0)
        n++;
    CU_ASSERT_EQUAL(n, IRTES - 1); /* entry 0 is never given out */
    CU_ASSERT(!irte[0].set);
    struct msi_handle more;
    CU_ASSERT_EQUAL(msi_alloc(&more, 0x20, 0, fire, &weight), -ENOSPC);
    for (unsigned a = 0; a < n; a++)
        for (unsigned b = 0; b < a; b++)
            CU_ASSERT_FATAL(h[a].index != h[b].index && h[a].vector != h[b].vector);
    msi_free(&h[50]);
    CU_ASSERT_EQUAL(msi_alloc(&h[50], 0x21, 0, fire, &weight), 0);
    for (unsigned i = 0; i < n; i++)
        msi_free(&h[i]);
    for (unsigned i = 0; i < IRTES; i++)
        CU_ASSERT_FALSE(irte[i].set);
}

static void test_compatibility(void)
{
    static struct msi_handle h[VECTOR_LAST_MSI - VECTOR_FIRST_MSI + 2];
    remaps = false;
    unsigned n = 0;
    while (n < ARRAY_SIZE(h) && msi_alloc(&h[n], 0x20, 0, fire, &weight) == 0)
        n++;
    CU_ASSERT_EQUAL(n, VECTOR_LAST_MSI - VECTOR_FIRST_MSI + 1); /* every vector of the CPU */
    CU_ASSERT_EQUAL(h[0].addr, 0xfee09000);
    CU_ASSERT_EQUAL(h[0].data, h[0].vector);
    while (n)
        msi_free(&h[--n]);
    this_cpu(apic_id) = 300;
    CU_ASSERT_EQUAL(msi_alloc(&h[0], 0x20, 0, fire, &weight), -ERANGE);
    this_cpu(apic_id) = 9;
    remaps = true;
}

static void test_unit_refuses(void)
{
    struct msi_handle h;
    irte_error = -ERANGE;
    for (unsigned i = 0; i < 2 * IRTES; i++) /* nothing is lost by failing */
        CU_ASSERT_EQUAL_FATAL(msi_alloc(&h, 0x20, 0, fire, &weight), -ERANGE);
    irte_error = 0;
    CU_ASSERT_EQUAL(msi_alloc(&h, 0x20, 0, fire, &weight), 0);
    msi_free(&h);
}

static void test_block(void)
{
    struct msi_handle a, b;
    CU_ASSERT_EQUAL(msi_alloc(&a, 0x20, 0, fire, &weight), 0);
    CU_ASSERT_EQUAL(msi_alloc(&b, 0x28, 0, fire, &weight), 0);
    msi_block(0x20);
    CU_ASSERT(!irte[a.index].set && irte[b.index].set);
    struct msi_handle c;
    CU_ASSERT_EQUAL(msi_alloc(&c, 0x20, 0, fire, &weight), 0);
    CU_ASSERT_NOT_EQUAL(c.index, a.index); /* still taken until it is freed */
    msi_free(&a);
    msi_free(&b);
    msi_free(&c);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"remapped message", test_remapped}, {"holding back", test_hold},
        {"entries run out", test_entries_run_out},
        {"compatibility message", test_compatibility},
        {"unit refuses", test_unit_refuses},
        {"block a function", test_block},
        CU_TEST_INFO_NULL,
    };
    return suite_run("handles", NULL, tests);
}
