/* SPDX-License-Identifier: MIT */
/* The hardware of network cards' drivers (card_hw.h): PCI functions of a small domain. */
#include "driverdoms/net/net_pci.h"
#include "driverdoms/base/fault.h"
#include "driverdoms/net/card.h"
#include "driverdoms/net/card_hw.h"
#include "driverdoms/pci/pci.h"
#include "rt/rt.h"

#include <errno.h>

#define RELAX_NS 2000u

static const struct card_ops *const drivers[] = {&e1000e_card, &igb_card, &igbvf_card};

struct hw {
    struct pci_dev *pci;
    volatile uint8_t *regs;
    struct card *card;
    struct rt_timer timer;
};

uint32_t card_hw_read(void *hw, unsigned offset)
{
    return fault_now == FAULT_GONE ? UINT32_MAX : *(volatile uint32_t *)(((struct hw *)hw)->regs + offset);
}

/* A fault on purpose keeps this write from the card. */
static bool withheld(const struct hw *hw, unsigned offset, uint32_t value)
{
    if (offset == CARD_CTRL && (value & CARD_CTRL_RST))
        fault_end(FAULT_STUCK);
    return fault_now == FAULT_GONE || (fault_now == FAULT_STUCK && offset == hw->card->tx_tail);
}

void card_hw_write(void *hw, unsigned offset, uint32_t value)
{
    if (fault_now && withheld(hw, offset, value))
        return;
    *(volatile uint32_t *)(((struct hw *)hw)->regs + offset) = value;
}

int card_hw_dma_on(void *hw)
{
    int rc = pci_enable(((struct hw *)hw)->pci);
    return rc ? rc : pci_dma_enable(((struct hw *)hw)->pci);
}

static void interrupt(void *arg)
{
    card_interrupt(arg);
}

int card_hw_interrupt(void *hw, struct card *c)
{
    struct pci_dev *pci = ((struct hw *)hw)->pci;
    int n = pci_msix_enable(pci, 1);
    if (n < 1)
        return n ? n : -ENODEV;
    int rc = pci_msix_bind(pci, 0, interrupt, c);
    return rc < 0 ? rc : 0;
}

void *card_hw_pages(unsigned pages)
{
    return rt_alloc_pages(pages);
}

uint64_t card_hw_now(void)
{
    return rt_now();
}

void card_hw_relax(void)
{
    rt_spin_ns(RELAX_NS);
}

void card_hw_timer(void *hw, uint64_t when)
{
    rt_timer_set(&((struct hw *)hw)->timer, when);
}

void card_hw_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rt_vlog(fmt, ap);
    va_end(ap);
}

static void check(void *arg)
{
    card_check(arg);
}

static const struct card_ops *driver_of(const struct pci_dev *pci)
{
    for (unsigned i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (pci->vendor == drivers[i]->vendor && pci->device == drivers[i]->device)
            return drivers[i];
    return NULL;
}

/* Stop the card behind one function. NULL with the reason in why. */
static struct card *begin(struct pci_dev *pci, const struct card_ops *ops, unsigned number, bool tso, char *why, size_t size)
{
    uint64_t bytes = 0;
    volatile void *regs = pci_bar(pci, 0, &bytes);
    struct hw *hw = rt_alloc(sizeof(*hw));
    struct card *card = rt_alloc(ops->size);
    if (!regs || bytes < ops->registers || !hw || !card) {
        snprintf(why, size, "%s%u: %s", ops->name, number, hw && card ? "BAR 0 is missing or too small" : "out of memory");
    } else {
        *hw = (struct hw){.pci = pci, .regs = regs, .card = card, .timer = {.fn = check, .arg = card}};
        pci_enable(pci); /* registers; DMA is blocked by the IOMMU */
        if (!card_begin(card, ops, hw, number, rt_incarnation > 1, tso))
            return card;
        snprintf(why, size, "%s: %s", card->nic.name, card->why);
    }
    rt_free(hw);
    rt_free(card);
    return NULL;
}

unsigned net_pci_start(bool tso, unsigned *found, char *why, size_t size)
{
    struct card *card[NET_PCI_MAX];
    unsigned live = 0;
    *found = 0;
    snprintf(why, size, "no network card");
    for (struct pci_dev *pci = pci_first(); pci && *found < NET_PCI_MAX; pci = pci_next(pci)) {
        const struct card_ops *ops = driver_of(pci);
        if (ops) {
            card[*found] = begin(pci, ops, *found, tso, why, size);
            ++*found;
        }
    }
    for (unsigned i = 0; i < *found; i++) {
        if (card[i] && card_finish(card[i]) == 0)
            live++;
        else if (card[i])
            snprintf(why, size, "%s: %s", card[i]->nic.name, card[i]->why);
    }
    return live;
}
