/* SPDX-License-Identifier: MIT */
/* What hypervisor sources need below them in a host test; see fake_hv.h. */
#include "fake_hv.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/percpu.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *fake_ram, fake_log[4096];
unsigned fake_locks_held, nr_cpus = 1;
_Thread_local unsigned fake_cpu;

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

void fake_log_reset(void) { fake_log[0] = 0; }
void serial_queue(bool on) {}
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
