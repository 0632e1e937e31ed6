/* SPDX-License-Identifier: MIT */
/* Threads, cores and sockets; see topology.h. */
#include "cpu/topology.h"
#include "irq/apic.h"

#define LEVEL_THREADS 1u
#define MAX_LEVELS 6u

struct topology topology[MAX_CPUS];

static unsigned bits_for(unsigned n)
{
    unsigned bits = 0;
    while (bits < 31 && 1u << bits < n)
        bits++;
    return bits;
}

/* Leaf Bh, of Intel and newer AMD CPUs. */
static bool from_levels(struct cpuid (*leaf)(uint32_t, uint32_t), unsigned *core, unsigned *socket)
{
    if (leaf(0, 0).a < 0xb || !leaf(0xb, 0).b)
        return false;
    for (uint32_t sub = 0; sub < MAX_LEVELS; sub++) {
        struct cpuid r = leaf(0xb, sub);
        uint32_t type = r.c >> 8 & 0xff;
        if (!type)
            break;
        *socket = r.a & 31;
        if (type == LEVEL_THREADS)
            *core = r.a & 31;
    }
    return true;
}

static void from_amd(struct cpuid (*leaf)(uint32_t, uint32_t), unsigned *core, unsigned *socket)
{
    uint32_t max = leaf(0x80000000, 0).a, c = max >= 0x80000008 ? leaf(0x80000008, 0).c : 0;
    *socket = c >> 12 & 15 ? c >> 12 & 15 : bits_for((c & 0xff) + 1);
    if (max >= 0x8000001e && (leaf(0x80000001, 0).c & BIT(22)))
        *core = bits_for((leaf(0x8000001e, 0).b >> 8 & 0xff) + 1);
}

static void from_counts(struct cpuid (*leaf)(uint32_t, uint32_t), unsigned *core, unsigned *socket)
{
    struct cpuid one = leaf(1, 0);
    unsigned cores = leaf(0, 0).a >= 4 ? (leaf(4, 0).a >> 26) + 1 : 1;
    if (!(one.d & BIT(28)))
        return;
    *socket = bits_for(one.b >> 16 & 0xff);
    *core = *socket > bits_for(cores) ? *socket - bits_for(cores) : 0;
}

void topology_shifts(struct cpuid (*leaf)(uint32_t leaf, uint32_t sub), unsigned *core, unsigned *socket)
{
    bool amd = leaf(0, 0).c == 0x444d4163 || leaf(0, 0).c == 0x656e6975; /* "cAMD", "uine" of HygonGenuine */
    *core = *socket = 0;
    if (!from_levels(leaf, core, socket)) {
        if (amd)
            from_amd(leaf, core, socket);
        else
            from_counts(leaf, core, socket);
    }
    if (*socket < *core)
        *socket = *core;
}

void topology_init(void)
{
    unsigned core, socket;
    topology_shifts(cpuid, &core, &socket);
    for (unsigned c = 0; c < nr_cpus; c++) {
        uint32_t id = per_cpu(apic_id, c);
        struct topology *t = &topology[c];
        t->core = (id & (uint32_t)(BIT(socket) - 1)) >> core;
        t->socket = id >> socket;
        for (unsigned o = 0; o < nr_cpus; o++) {
            t->threads |= per_cpu(apic_id, o) >> core == id >> core ? BIT(o) : 0;
            t->cores |= per_cpu(apic_id, o) >> socket == id >> socket ? BIT(o) : 0;
        }
    }
}
