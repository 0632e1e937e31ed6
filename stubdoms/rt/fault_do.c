/* SPDX-License-Identifier: MIT */
/* Faults on purpose: see fault.h. */
#include "rt/fault.h"
#include "rt/rt.h"

static struct rt_fault *fault;
static uint64_t requests;

static void told(const char *path, void *arg)
{
    int err;
    char *word = rt_xs_read(0, path, NULL, &err);
    if (!word)
        return;
    rt_xs_rm(0, path);
    requests = 0;
    if (!rt_fault_parse(fault, word, word + strlen(word)))
        rt_log("control/fault: '%.40s' is not understood", word);
    rt_free(word);
}

void rt_fault_start(struct rt_fault *f)
{
    if (rt_incarnation > 1 && !f->always)
        f->kind = RT_FAULT_NONE;
    fault = f;
    if (f->store && rt_xs_watch("control/fault", told, NULL))
        rt_log("control/fault cannot be watched");
}

static unsigned __attribute__((noinline)) dig(unsigned depth)
{
    volatile uint8_t hole[512];
    hole[0] = (uint8_t)depth;
    return depth ? dig(depth - 1) + hole[0] : 0; /* the sum is needed after the call: each call keeps its array */
}

static void write_over_heap(void)
{
    char *block = rt_alloc(100), *next = block ? block + 128 : NULL; /* of the same page and size class */
    RT_ASSERT(block);
    if (((uintptr_t)next & (RT_PAGE - 1)) < 128)
        next = block; /* the last of its page: its own header */
    memset(next - 16, 0x55, 16);
    rt_free(next);
}

static void happen(int kind)
{
    switch (kind) {
    case RT_FAULT_CRASH:
        rt_crash("crash on purpose");
    case RT_FAULT_WILD:
        *(volatile uint64_t *)0x123456789000 = 1;
        break;
    case RT_FAULT_OVERRUN:
        dig(UINT32_MAX);
        break;
    case RT_FAULT_HEAP:
        write_over_heap();
        break;
    case RT_FAULT_SPIN:
        __asm__ volatile("sti");
        /* fall through */
    case RT_FAULT_HANG:
        for (;;)
            __asm__ volatile("pause");
    }
}

int rt_fault_due(void)
{
    if (!fault || !fault->kind || ++requests != fault->at)
        return RT_FAULT_NONE;
    int kind = fault->kind;
    fault->kind = RT_FAULT_NONE;
    rt_log("fault on purpose at request %lu", (unsigned long)requests);
    happen(kind);
    return kind >= RT_FAULT_OWN ? kind : RT_FAULT_NONE;
}
