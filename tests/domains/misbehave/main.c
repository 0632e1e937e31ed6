/* SPDX-License-Identifier: MIT */
/*
 * misbehave: a small domain that does what no domain should. Its command line says what:
 *   garbage    execute pseudo-random bytes, over and over, faults survived or not
 *   triple     a fault without any handler
 *   flood      hypercalls with pseudo-random numbers and arguments, for ever
 *   events     send events on every port, for ever
 *   spin       never give the CPU back
 *   dma        own an NVMe controller and point its admin queues outside the domain's memory
 * It says "misbehave: MODE" on its console first. Whatever it does must end or bother it alone.
 */
#include "driverdoms/pci/pci.h"
#include "rt/hypercall.h"
#include "rt/rt.h"
#include <xen/event_channel.h>

static uint64_t state = 0x1234567;

static uint64_t next_random(void)
{
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;

    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void garbage(void)
{
    uint8_t *code = rt_alloc_pages(1);

    RT_ASSERT(code);
    for (unsigned i = 0; i < RT_PAGE; i++)
        code[i] = (uint8_t)next_random();
    ((void (*)(void))(uintptr_t)code)();
    rt_crash("the garbage returned");
}

static void triple(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" ::"m"(nothing));
}

/* A random argument: small number, address of ours, or anything. */
static uint64_t argument(void)
{
    uint64_t r = next_random();

    switch (r & 3) {
    case 0:
        return (r >> 8) & 63;
    case 1:
        return (uint64_t)(uintptr_t)&state + ((r >> 8) & 63);
    default:
        return next_random();
    }
}

static void flood(void)
{
    uint64_t calls = 0;

    while (true) {
        uint64_t number = next_random() % 64;

        if (number == __HYPERVISOR_sched_op) /* ends the flood too early */
            continue;
        rt_hypercall((unsigned)number, argument(), argument(), argument(), argument(), argument());
        if (++calls % 100000 == 0)
            rt_log("misbehave: %lu hypercalls", calls);
    }
}

static void events(void)
{
    for (uint32_t port = 0;; port = (port + 1) % 5000) {
        struct evtchn_send send = { .port = port };

        rt_hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
    }
}

/* NVMe 1.4, section 3.1: controller registers; one command in a submission queue that is not ours. */
static void dma(void)
{
    struct pci_dev *dev = pci_first();
    volatile uint32_t *r = dev ? pci_bar(dev, 0, NULL) : NULL;
    uint64_t outside = 0x40000000; /* a domain of 16 MiB has nothing there */

    RT_ASSERT(r);
    RT_ASSERT(pci_enable(dev) == 0);
    r[0x14 / 4] = 0; /* CC.EN off */
    rt_spin_ns(100000000);
    RT_ASSERT(pci_dma_enable(dev) == 0);
    r[0x24 / 4] = 0x000f000f; /* AQA: 16 entries each */
    r[0x28 / 4] = (uint32_t)outside;
    r[0x2c / 4] = 0;
    r[0x30 / 4] = (uint32_t)outside + 0x10000;
    r[0x34 / 4] = 0;
    r[0x14 / 4] = 0x00460001; /* CC: 64-byte and 16-byte entries, EN */
    for (int i = 0; i < 50 && !(r[0x1c / 4] & 1); i++)
        rt_spin_ns(10000000);
    rt_log("misbehave: controller ready, ringing the doorbell");
    r[0x1000 / 4] = 4; /* admin submission tail */
    rt_spin_ns(2000000000);
    rt_log("misbehave: SURVIVED the DMA");
}

void domain_main(const char *cmdline)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } modes[] = { { "garbage", garbage }, { "triple", triple }, { "flood", flood }, { "events", events }, { "dma", dma } };

    rt_log("misbehave: %s", cmdline);
    for (const char *seed = strchr(cmdline, ' '); seed; seed = NULL)
        state += strtoul(seed + 1, NULL, 10);
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strncmp(cmdline, modes[i].name, strlen(modes[i].name)) == 0)
            modes[i].fn();
    while (strncmp(cmdline, "spin", 4) == 0)
        ;
}
