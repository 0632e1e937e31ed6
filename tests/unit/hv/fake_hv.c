/* SPDX-License-Identifier: MIT */
/* What hypervisor sources need around them in a host test: memory, locks that check only balance, a log that is dropped. */
#include "fake_hv.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "mem/frames.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

char *fake_ram;
unsigned fake_locks_held;

void spin_init(struct spinlock *l, enum lock_rank rank) { *l = (struct spinlock){.rank = (uint8_t)rank}; }
void spin_lock(struct spinlock *l)
{
    if (l->holder)
        panic("lock of rank %u taken twice", l->rank);
    l->holder = 1;
    fake_locks_held++;
}
void spin_unlock(struct spinlock *l)
{
    if (!l->holder)
        panic("lock of rank %u released twice", l->rank);
    l->holder = 0;
    fake_locks_held--;
}
void log_msg(enum log_level l, const char *fmt, ...)
{
    (void)l;
    (void)fmt;
}
void panic(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    puts("");
    abort();
}

void fake_memory(uint64_t bytes)
{
    if (!fake_ram)
        fake_ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct mem_range ram = {0x100000, bytes};
    frames_init(&ram, 1, 0x100000);
}
