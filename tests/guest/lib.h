/* SPDX-License-Identifier: MIT */
/*
 * What the tiny guests share. Each guest is a domain on stubdoms/rt whose domain_main() runs its checks and ends with
 * test_done(). Output: one line `PASS text` or `FAIL text` per check, `SKIP text` for what the machine cannot show,
 * at the end `RESULT N passed, M failed`; then SHUTDOWN_poweroff.
 */
#ifndef TESTS_GUEST_LIB_H
#define TESTS_GUEST_LIB_H
#include "rt/hypercall.h"
#include "rt/internal.h"
#include <xen/errno.h>

void check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void test_done(void);

/* The value must be exactly `want`; shown when it is not. */
void check_is(long got, long want, const char *what);
#define IS(call, want) check_is((long)(call), (long)(want), #call " = " #want)
/* Any error will do: the ABI does not say which. */
#define REFUSED(call) check_refused((long)(call), #call " is refused")
void check_refused(long got, const char *what);

static inline long evtchn_op(unsigned cmd, void *arg) { return rt_hypercall2(__HYPERVISOR_event_channel_op, cmd, arg); }
static inline long sched_op(unsigned cmd, void *arg) { return rt_hypercall2(__HYPERVISOR_sched_op, cmd, arg); }
static inline long memory_op(unsigned cmd, void *arg) { return rt_hypercall2(__HYPERVISOR_memory_op, cmd, arg); }
static inline long hvm_op(unsigned cmd, void *arg) { return rt_hypercall2(__HYPERVISOR_hvm_op, cmd, arg); }
static inline long vcpu_op(unsigned cmd, unsigned vcpu, void *arg)
{
    return rt_hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg);
}
static inline long grant_op(unsigned cmd, void *arg, unsigned n)
{
    return rt_hypercall3(__HYPERVISOR_grant_table_op, cmd, arg, n);
}

#define BAD_POINTER ((void *)8) /* page 0 is not mapped */

static inline bool port_pending(uint32_t port) { return RT_SHARED->evtchn_pending[port / 64] >> (port % 64) & 1; }
void port_mask(uint32_t port, bool masked);

/* Serve events and timers until *flag or until so many ms have gone by; returns *flag. */
bool wait_for(volatile bool *flag, unsigned ms);
uint64_t test_rdtsc(void);
void test_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]); /* eax ebx ecx edx */

/* Instructions that may fault. They return the exception vector, or -1 when there was none. */
int try_rdmsr(uint32_t msr, uint64_t *value);
int try_wrmsr(uint32_t msr, uint64_t value);
int try_write(volatile uint32_t *where, uint32_t value);
int try_read(volatile uint32_t *where, uint32_t *value);
int try_code(const void *code); /* a routine in machine code, called like void f(void) */
#endif
