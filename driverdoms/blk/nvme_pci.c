/* SPDX-License-Identifier: MIT */
/* The NVMe driver's hardware (nvme_hw.h) on a PCI function of a small domain. */
#include "driverdoms/blk/nvme_pci.h"
#include "driverdoms/base/fault.h"
#include "driverdoms/blk/nvme.h"
#include "driverdoms/blk/nvme_hw.h"
#include "driverdoms/pci/pci.h"
#include "rt/rt.h"

#include <errno.h>

#define CLASS_NVME 0x010802u
#define RELAX_NS 2000u /* between two looks at a register */
#define FEED_NS 100000000u

struct hw {
    struct pci_dev *pci;
    volatile uint8_t *regs;
    struct nvme_ctrl ctrl;
    struct rt_work bell;
    struct rt_timer timer;
};

static unsigned watchdog_seconds;

uint32_t nvme_hw_read(void *hw, unsigned offset)
{
    return fault_now == FAULT_GONE ? UINT32_MAX : *(volatile uint32_t *)(((struct hw *)hw)->regs + offset);
}

/* A fault on purpose keeps this write from the controller. */
static bool withheld(unsigned offset)
{
    if (offset == NVME_CC)
        fault_end(FAULT_STUCK); /* any reset begins here */
    return fault_now == FAULT_GONE || (fault_now == FAULT_STUCK && offset >= NVME_DOORBELL);
}

void nvme_hw_write(void *hw, unsigned offset, uint32_t value)
{
    if (fault_now && withheld(offset))
        return;
    *(volatile uint32_t *)(((struct hw *)hw)->regs + offset) = value;
}

int nvme_hw_dma_on(void *hw)
{
    int rc = pci_enable(((struct hw *)hw)->pci);
    return rc ? rc : pci_dma_enable(((struct hw *)hw)->pci);
}

static void interrupt(void *arg)
{
    nvme_interrupt(arg);
}

int nvme_hw_interrupts(void *hw, struct nvme_ctrl *c)
{
    struct pci_dev *pci = ((struct hw *)hw)->pci;
    int n = pci_msix_enable(pci, 2);
    if (n < 1)
        return n ? n : -ENODEV;
    for (int i = 0; i < n && i < 2; i++) {
        int rc = pci_msix_bind(pci, (unsigned)i, interrupt, c);
        if (rc < 0)
            return rc;
    }
    return n > 1;
}

void *nvme_hw_pages(unsigned pages)
{
    return rt_alloc_pages(pages);
}

void *nvme_hw_alloc(uint32_t bytes)
{
    return rt_alloc(bytes);
}

uint64_t nvme_hw_now(void)
{
    return rt_now();
}

void nvme_hw_relax(void)
{
    static uint64_t fed;
    if (watchdog_seconds && rt_now() > fed + FEED_NS) { /* the wait is bounded by CAP.TO, maybe longer than our watchdog */
        rt_watchdog(watchdog_seconds);
        fed = rt_now();
    }
    rt_spin_ns(RELAX_NS);
}

void nvme_hw_defer(void *hw)
{
    rt_defer(&((struct hw *)hw)->bell);
}

void nvme_hw_timer(void *hw, uint64_t when)
{
    rt_timer_set(&((struct hw *)hw)->timer, when);
}

void nvme_hw_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rt_vlog(fmt, ap);
    va_end(ap);
}

static void bell(void *arg)
{
    nvme_bell(arg);
}

static void check(void *arg)
{
    nvme_check(arg);
}

/* Stop the controller behind one function. NULL with the reason logged. */
static struct nvme_ctrl *begin(struct pci_dev *pci, unsigned number)
{
    uint64_t size = 0;
    volatile void *regs = pci_bar(pci, 0, &size);
    struct hw *hw = rt_alloc(sizeof(*hw));
    if (!regs || size < 2 * NVME_PAGE || !hw) {
        rt_log("nvme%u: %s", number, hw ? "BAR 0 is missing or too small" : "out of memory");
        rt_free(hw);
        return NULL;
    }
    hw->pci = pci;
    hw->regs = regs;
    hw->bell.fn = bell;
    hw->timer.fn = check;
    hw->bell.arg = hw->timer.arg = &hw->ctrl;
    int rc = nvme_begin(&hw->ctrl, hw, number);
    if (rc) {
        rt_log("nvme%u: %s", number, hw->ctrl.why);
        rt_free(hw);
        return NULL;
    }
    return &hw->ctrl;
}

unsigned nvme_pci_start(unsigned watchdog, unsigned timeout, char *why, size_t size)
{
    struct nvme_ctrl *c[NVME_PCI_MAX];
    unsigned n = 0, live = 0, number = 0;
    watchdog_seconds = watchdog;
    snprintf(why, size, "no NVMe controller");
    for (struct pci_dev *pci = pci_first(); pci && n < NVME_PCI_MAX; pci = pci_next(pci))
        if (pci->class == CLASS_NVME && (c[n] = begin(pci, number++)))
            n++;
    for (unsigned i = 0; i < n; i++) {
        c[i]->timeout_ns = timeout * 1000000000ull;
        int rc = nvme_finish(c[i]);
        live += rc == 0;
        if (rc) {
            rt_log("nvme%u: %s", c[i]->number, c[i]->why);
            snprintf(why, size, "nvme%u: %s", c[i]->number, c[i]->why);
        }
    }
    return live;
}
