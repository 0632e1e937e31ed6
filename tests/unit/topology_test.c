/* SPDX-License-Identifier: MIT */
/* cpu/topology.c: CPUID of several kinds of CPU to the shifts in their APIC ids, and those to cores and sockets. */
#include "cpu/topology.h"
#include "irq/apic.h"
#include <string.h>
#include "suite.h"

_Thread_local unsigned fake_cpu;
unsigned nr_cpus;
PERCPU(uint32_t, apic_id);

static struct { uint32_t leaf, sub; struct cpuid r; } table[16];
static unsigned n;
static struct cpuid fake(uint32_t leaf, uint32_t sub)
{
    for (unsigned i = 0; i < n; i++)
        if (table[i].leaf == leaf && table[i].sub == sub)
            return table[i].r;
    return (struct cpuid){0};
}
static void add(uint32_t leaf, uint32_t sub, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    table[n].leaf = leaf;
    table[n].sub = sub;
    table[n++].r = (struct cpuid){a, b, c, d};
}
static void expect(unsigned core, unsigned socket)
{
    unsigned got_core, got_socket;
    topology_shifts(fake, &got_core, &got_socket);
    CU_ASSERT_EQUAL(got_core, core);
    CU_ASSERT_EQUAL(got_socket, socket);
    n = 0;
}
#define INTEL 0x6c65746e
#define AMD 0x444d4163

static void levels(void)
{
    add(0, 0, 0xd, 0, INTEL, 0);
    add(0xb, 0, 1, 2, 1 << 8, 0);
    add(0xb, 1, 5, 16, 2 << 8 | 1, 0);
    expect(1, 5);
    add(0, 0, 0xd, 0, INTEL, 0); /* no thread level */
    add(0xb, 0, 3, 8, 2 << 8, 0);
    expect(0, 3);
    add(0, 0, 0xd, 0, INTEL, 0); /* more levels than there are: it ends */
    for (uint32_t s = 0; s < 10; s++)
        add(0xb, s, 7, 1, 3 << 8, 0);
    expect(0, 7);
}

static void older_amd(void)
{
    add(0, 0, 1, 0, AMD, 0);
    add(0x80000000, 0, 0x8000001e, 0, 0, 0);
    add(0x80000001, 0, 0, 0, 1u << 22, 0);
    add(0x80000008, 0, 0, 0, 4u << 12 | 15, 0);
    add(0x8000001e, 0, 0, 1 << 8, 0, 0);
    expect(1, 4);
    add(0, 0, 1, 0, AMD, 0);
    add(0x80000000, 0, 0x80000008, 0, 0, 0);
    add(0x80000008, 0, 0, 0, 5, 0); /* six cores, no size of the field */
    expect(0, 3);
}

static void older_intel(void)
{
    add(0, 0, 4, 0, INTEL, 0);
    add(1, 0, 0, 8u << 16, 0, 1u << 28);
    add(4, 0, 3u << 26, 0, 0, 0);
    expect(1, 3);
    add(0, 0, 4, 0, INTEL, 0); /* no HTT: one */
    add(1, 0, 0, 8u << 16, 0, 0);
    expect(0, 0);
}

/* The masks of a machine, from this CPU's own CPUID: whatever it says, they must be consistent. */
static void masks(void)
{
    nr_cpus = 16;
    for (unsigned c = 0; c < nr_cpus; c++)
        apic_id[c] = c * 2 + (c >= 8 ? 240 : 0);
    topology_init();
    for (unsigned c = 0; c < nr_cpus; c++) {
        CU_ASSERT(topology[c].threads & BIT(c));
        CU_ASSERT_EQUAL(topology[c].threads & ~topology[c].cores, 0);
        for (unsigned o = 0; o < nr_cpus; o++) {
            CU_ASSERT_EQUAL(topology[c].cores >> o & 1, topology[o].cores >> c & 1);
            CU_ASSERT_EQUAL(topology[c].cores >> o & 1, topology[c].socket == topology[o].socket);
        }
    }
}

int main(void)
{
    CU_TestInfo tests[] = {{"leaf Bh", levels}, {"older AMD", older_amd}, {"older Intel", older_intel}, {"masks", masks}, CU_TEST_INFO_NULL};
    return suite_run("topology", NULL, tests);
}
