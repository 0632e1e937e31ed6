/* SPDX-License-Identifier: MIT */
/* Runs the pending work of this CPU; see softirq.h. */
#include "lib/softirq.h"

PERCPU(uint32_t, softirq_pending);

void softirq_run(void)
{
    uint32_t pending;

    while ((pending = __atomic_exchange_n(&this_cpu(softirq_pending), 0, __ATOMIC_SEQ_CST)))
        for (unsigned i = 0; i < SOFTIRQ_COUNT; i++)
            if (pending & 1u << i)
                softirq_handlers[i]();
}
