/* SPDX-License-Identifier: MIT */
/* What a driver domain can try with its function: configuration space and interrupt messages. See baddriver.h. */
#include "tests/domains/baddriver/baddriver.h"
#include "driverdoms/pci/pci.h"
#include "frontends/pcifront.h"

#define HANDLES 256u
#define HANDLE_BITS (0x7fffu << 5) /* of a message's address in the remappable format, with bit 4 set (VT-d, 5.1.2.2) */
#define STEP_NS 4000000u

static struct pci_dev *dev;
static volatile uint32_t *regs;
static uint8_t *sq, *cq, *data;
static uint16_t tail, completed;
static unsigned fired, handle, own;
static uint32_t address, message;
static void (*finished)(void);

static void config_space(void)
{
    uint32_t before[16], bar = (uint32_t)(uintptr_t)dev->bar[0].addr;
    for (unsigned i = 0; i < 16; i++)
        before[i] = pci_read32(dev, 4 * i);
    for (unsigned offset = 0; offset < 4096; offset += 4) {
        pci_write32(dev, offset, 0xffffffff);
        pci_write32(dev, offset, 0);
        pci_write32(dev, offset, offset * 2654435761u);
    }
    verdict(pci_read32(dev, 0) == before[0] && pci_read32(dev, 8) == before[2], "identification was overwritten");
    verdict((pci_read32(dev, 0x10) & ~15u) == bar, "BAR 0 moved to %x", pci_read32(dev, 0x10));
    pci_enable(dev);
    verdict(regs[0] != 0xffffffff && regs[2] != 0, "the registers are gone: CAP %x, VS %x", regs[0], regs[2]);
    for (uint32_t other = 0; other < 0x200; other++) {
        uint32_t value = 0;
        if (other == dev->vsbdf)
            continue;
        int rc = pcif_read(other, 0, 4, &value);
        int rw = pcif_write(other, 4, 2, 0);
        if (!rc || !rw) {
            verdict(false, "function %x can be reached: read %d, write %d, %x", other, rc, rw, value);
            return;
        }
    }
    verdict(true, "other functions");
}

static void interrupt(void *arg)
{
    fired++;
}

/* NVMe 1.4, section 3.1: admin queues of 64 entries in our own memory. */
static bool controller_start(void)
{
    regs[0x14 / 4] = 0;
    for (unsigned i = 0; i < 200 && (regs[0x1c / 4] & 1); i++)
        rt_spin_ns(1000000);
    if (pci_dma_enable(dev))
        return false;
    regs[0x24 / 4] = 0x003f003f;
    regs[0x28 / 4] = (uint32_t)(uintptr_t)sq;
    regs[0x2c / 4] = 0;
    regs[0x30 / 4] = (uint32_t)(uintptr_t)cq;
    regs[0x34 / 4] = 0;
    regs[0x14 / 4] = 0x00460001;
    for (unsigned i = 0; i < 200 && !(regs[0x1c / 4] & 1); i++)
        rt_spin_ns(1000000);
    return regs[0x1c / 4] & 1;
}

/* One Identify: its completion sends the message of MSI-X entry 0. */
static void identify(void)
{
    uint32_t *e = (uint32_t *)(sq + tail * 64);
    memset(e, 0, 64);
    e[0] = 0x06 | (uint32_t)tail << 16;
    e[6] = (uint32_t)(uintptr_t)data;
    e[10] = 1;
    tail = (tail + 1) % 64;
    __asm__ volatile("" ::: "memory");
    regs[0x1000 / 4] = tail;
    regs[0x1004 / 4] = completed = (completed + 1) % 64; /* what came before is taken */
}

static void aim(uint32_t where, uint32_t what)
{
    dev->msix_table[0] = where;
    dev->msix_table[1] = 0;
    dev->msix_table[2] = what;
    dev->msix_table[3] = 0;
}

static void step(void *arg)
{
    static unsigned seen;
    struct rt_timer *timer = arg;
    if (handle == 0)
        verdict(fired > 0, "our own message does not arrive");
    else if (handle - 1 != own)
        verdict(fired == seen, "a message with handle %u arrived here", handle - 1);
    if (handle == HANDLES) {
        aim(address, message);
        finished();
        return;
    }
    seen = fired;
    if (handle != own) {
        aim((address & ~HANDLE_BITS) | handle << 5, handle & 1 ? message : handle * 37);
        identify();
    }
    handle++;
    rt_timer_set(timer, rt_now() + STEP_NS);
}

void pci_attack(void (*then)(void))
{
    static struct rt_timer timer = {.fn = step, .arg = &timer};
    finished = then;
    dev = pci_first();
    regs = dev ? pci_bar(dev, 0, NULL) : NULL;
    sq = rt_alloc_pages(1);
    cq = rt_alloc_pages(1);
    data = rt_alloc_pages(1);
    RT_ASSERT(regs && sq && cq && data);
    rt_log("baddriver: configuration space");
    config_space();
    RT_ASSERT(pci_enable(dev) == 0);
    RT_ASSERT(controller_start());
    RT_ASSERT(pci_msix_enable(dev, 1) == 1 && pci_msix_bind(dev, 0, interrupt, NULL) >= 0);
    address = dev->msix_table[0];
    message = dev->msix_table[2];
    own = (address & HANDLE_BITS) >> 5;
    rt_log("baddriver: messages with %u handles but %u", HANDLES, own);
    identify();
    rt_timer_set(&timer, rt_now() + 50 * STEP_NS);
}

void stray_message(void)
{
    rt_log("baddriver: a message to memory that is not ours");
    aim(0x40000000, 0xdeadbeef);
    identify();
    rt_spin_ns(3000000000ull);
    rt_log("baddriver: SURVIVED the message");
    for (;;)
        rt_sleep_until(UINT64_MAX);
}
