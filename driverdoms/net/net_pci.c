/* SPDX-License-Identifier: MIT */
/* The 82574L driver's hardware (e1000e_hw.h) on a PCI function of a small domain. */
#include "driverdoms/net/net_pci.h"
#include "driverdoms/base/fault.h"
#include "driverdoms/net/e1000e.h"
#include "driverdoms/net/e1000e_hw.h"
#include "driverdoms/pci/pci.h"
#include "rt/rt.h"

#include <errno.h>

#define RELAX_NS 2000u
#define REGISTERS 0x20000u

struct hw {
    struct pci_dev *pci;
    volatile uint8_t *regs;
    struct e1000e card;
    struct rt_timer timer;
};

uint32_t e1000e_hw_read(void *hw, unsigned offset)
{
    return fault_now == FAULT_GONE ? UINT32_MAX : *(volatile uint32_t *)(((struct hw *)hw)->regs + offset);
}

/* A fault on purpose keeps this write from the card. */
static bool withheld(unsigned offset, uint32_t value)
{
    if (offset == E1000E_CTRL && (value & E1000E_CTRL_RST))
        fault_end(FAULT_STUCK);
    return fault_now == FAULT_GONE || (fault_now == FAULT_STUCK && offset == E1000E_TDT);
}

void e1000e_hw_write(void *hw, unsigned offset, uint32_t value)
{
    if (fault_now && withheld(offset, value))
        return;
    *(volatile uint32_t *)(((struct hw *)hw)->regs + offset) = value;
}

int e1000e_hw_dma_on(void *hw)
{
    int rc = pci_enable(((struct hw *)hw)->pci);
    return rc ? rc : pci_dma_enable(((struct hw *)hw)->pci);
}

static void interrupt(void *arg)
{
    e1000e_interrupt(arg);
}

int e1000e_hw_interrupt(void *hw, struct e1000e *c)
{
    struct pci_dev *pci = ((struct hw *)hw)->pci;
    int n = pci_msix_enable(pci, 1);
    if (n < 1)
        return n ? n : -ENODEV;
    int rc = pci_msix_bind(pci, 0, interrupt, c);
    return rc < 0 ? rc : 0;
}

void *e1000e_hw_pages(unsigned pages)
{
    return rt_alloc_pages(pages);
}

uint64_t e1000e_hw_now(void)
{
    return rt_now();
}

void e1000e_hw_relax(void)
{
    rt_spin_ns(RELAX_NS);
}

void e1000e_hw_timer(void *hw, uint64_t when)
{
    rt_timer_set(&((struct hw *)hw)->timer, when);
}

void e1000e_hw_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rt_vlog(fmt, ap);
    va_end(ap);
}

static void check(void *arg)
{
    e1000e_check(arg);
}

/* Stop the card behind one function. NULL with the reason in why. */
static struct e1000e *begin(struct pci_dev *pci, unsigned number, bool tso, char *why, size_t size)
{
    uint64_t bytes = 0;
    volatile void *regs = pci_bar(pci, 0, &bytes);
    struct hw *hw = rt_alloc(sizeof(*hw));
    if (!regs || bytes < REGISTERS || !hw) {
        snprintf(why, size, "e1000e%u: %s", number, hw ? "BAR 0 is missing or too small" : "out of memory");
        rt_free(hw);
        return NULL;
    }
    hw->pci = pci;
    hw->regs = regs;
    hw->timer.fn = check;
    hw->timer.arg = &hw->card;
    pci_enable(pci); /* registers; DMA is blocked by the IOMMU */
    if (e1000e_begin(&hw->card, hw, number, tso)) {
        snprintf(why, size, "e1000e%u: %s", number, hw->card.why);
        rt_free(hw);
        return NULL;
    }
    return &hw->card;
}

unsigned net_pci_start(bool tso, unsigned *found, char *why, size_t size)
{
    struct e1000e *card[NET_PCI_MAX];
    unsigned live = 0;
    *found = 0;
    snprintf(why, size, "no network card");
    for (struct pci_dev *pci = pci_first(); pci && *found < NET_PCI_MAX; pci = pci_next(pci))
        if (pci->vendor == E1000E_VENDOR && pci->device == E1000E_DEVICE) {
            card[*found] = begin(pci, *found, tso, why, size);
            ++*found;
        }
    for (unsigned i = 0; i < *found; i++) {
        if (card[i] && e1000e_finish(card[i]) == 0)
            live++;
        else if (card[i])
            snprintf(why, size, "%s: %s", card[i]->nic.name, card[i]->why);
    }
    return live;
}
