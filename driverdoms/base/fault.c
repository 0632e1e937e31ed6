/* SPDX-License-Identifier: MIT */
/* Faults on purpose: see fault.h. */
#include "driverdoms/base/fault.h"
#include "driverdoms/pci/pci.h"
#include "rt/rt.h"

#define PCI_COMMAND 4u
#define WILD_POINTER 0x3f00000000ul /* between RAM, devices and the grant window */

enum fault_kind fault_now;
static enum fault_kind next_kind;
static uint64_t left; /* requests until then, that one included; 0 = nothing is planned */

static void overrun_stack(unsigned frames)
{
    volatile uint8_t frame[512];
    frame[0] = (uint8_t)frames;
    if (frames)
        overrun_stack(frames - 1);
    frame[1] = frame[0];
}

/* Freed blocks of every size, written over from their headers on. */
static void corrupt_heap(void)
{
    for (size_t bytes = 16; bytes <= 2000; bytes = 2 * bytes + 16) {
        uint8_t *p = rt_alloc(bytes);
        rt_free(p);
        if (p)
            memset(p - 16, 0xa5, 32);
    }
}

static void leave_bus(void)
{
    for (struct pci_dev *dev = pci_first(); dev; dev = pci_next(dev))
        pci_write16(dev, PCI_COMMAND, 0); /* no decoding, no bus mastering */
}

static void hit(void)
{
    rt_log("fault on purpose: kind %u", next_kind);
    fault_now = next_kind;
    switch (next_kind) {
    case FAULT_CRASH:
        rt_crash("crash on purpose");
    case FAULT_WILDPTR:
        *(volatile uint32_t *)WILD_POINTER = 1;
        return;
    case FAULT_STACK:
        overrun_stack(1000); /* 500 KiB: far beyond the unmapped page under the stack */
        return;
    case FAULT_LOOP:
        __asm__ volatile("sti"); /* fall through */
    case FAULT_HANG:
        for (;;)
            __asm__ volatile("pause");
    case FAULT_HEAP:
        corrupt_heap();
        return;
    case FAULT_GONE:
        leave_bus();
        return;
    default:
        return; /* others look at fault_now */
    }
}

void fault_step(void)
{
    fault_end(FAULT_WILDDMA);
    if (fault_now == FAULT_HEAP)
        rt_free(rt_alloc(16));
    if (left && --left == 0)
        hit();
}

void fault_end(enum fault_kind kind)
{
    if (fault_now == kind)
        fault_now = FAULT_NONE;
}

static void plan_changed(const char *path, void *arg)
{
    struct fault_plan plan = {.kind = FAULT_NONE};
    struct arg word;
    char *text = rt_xs_read(0, path, NULL, NULL);
    const char *line = text ? text : "";
    if (*line != '?' && arg_next(&line, &word)) {
        bool good = fault_parse(&plan, word) && plan.at;
        if (good) {
            next_kind = plan.kind;
            left = plan.at;
            rt_xs_write(0, path, "");
        } else {
            rt_xs_printf(0, path, "? %s", text);
        }
    }
    rt_free(text);
}

bool fault_start(const struct fault_plan *plan)
{
    if (plan->at && (rt_incarnation == 1 || plan->always)) {
        next_kind = plan->kind;
        left = plan->at;
    }
    if (plan->store && rt_xs_watch("control/fault", plan_changed, NULL))
        rt_log("fault: control/fault cannot be watched");
    return left || plan->store;
}
