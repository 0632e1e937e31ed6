/* SPDX-License-Identifier: MIT */
#include "hv_fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/percpu.h"
#include "mem/frames.h"

char fake_log[4096];
unsigned fake_locks_held, fake_frames_allocated, fake_frames_limit = ~0u;
uint64_t percpu_offset[MAX_CPUS];
unsigned nr_cpus = 1;
PERCPU(unsigned, cpu_number);
PERCPU(uint64_t, percpu_self);

void fake_log_reset(void) { fake_log[0] = 0; }

void log_msg(enum log_level l, const char *fmt, ...)
{
    size_t at = strlen(fake_log);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fake_log + at, sizeof(fake_log) - at, fmt, ap);
    va_end(ap);
}

void panic(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

void spin_init(struct spinlock *l, enum lock_rank rank) { *l = (struct spinlock){.rank = rank}; }

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
        panic("lock of rank %u is not held", l->rank);
    l->holder = 0;
    fake_locks_held--;
}

mfn_t frame_alloc(unsigned order)
{
    if (fake_frames_allocated >= fake_frames_limit)
        return MFN_NONE;
    void *p = aligned_alloc(PAGE_SIZE << order, PAGE_SIZE << order);
    if (!p)
        return MFN_NONE;
    memset(p, 0xa5, PAGE_SIZE << order); /* contents are undefined */
    fake_frames_allocated++;
    return virt_to_mfn(p);
}

void frame_put(mfn_t m)
{
    free(mfn_to_virt(m));
    fake_frames_allocated--;
}
