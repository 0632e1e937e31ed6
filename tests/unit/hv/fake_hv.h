/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's lowest room for host tests: locks that check only balance, a log that is kept, one CPU, fake RAM.
 * lib/layout.h and lib/percpu.h beside this file replace the real ones. Until fake_memory is called, a machine address is a
 * host address.
 */
#ifndef FAKE_HV_H
#define FAKE_HV_H
#include <stdint.h>
#include "mem/frames.h"
#include <sys/mman.h>

extern char *fake_ram;
extern unsigned fake_locks_held;
extern char fake_log[4096]; /* everything logged since fake_log_reset, cut to this size */
void fake_log_reset(void);

/* `bytes` of fake RAM given to the frame allocator, the first MiB left out. For tests that link mem/frames.c. */
static inline void fake_memory(uint64_t bytes)
{
    static struct mem_range ram;
    ram = (struct mem_range){0x100000, bytes};
    if (!fake_ram)
        fake_ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    frames_init(&ram, 1, 0x100000);
}
#endif
