/* SPDX-License-Identifier: MIT */
/* See lib.h. */
#include "tests/guest/lib.h"
#include <xen/sched.h>

static unsigned passed, failed;
static uint64_t fixup;   /* where a caught fault goes on; 0 = faults are not caught */
static int caught;

static void line(const char *word, const char *fmt, va_list ap)
{
    char text[200];
    vsnprintf(text, sizeof(text), fmt, ap);
    rt_log("%s %s", word, text);
}

void check(bool ok, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    line(ok ? "PASS" : "FAIL", fmt, ap);
    va_end(ap);
    if (ok)
        passed++;
    else
        failed++;
}

void skip(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    line("SKIP", fmt, ap);
    va_end(ap);
}

void check_is(long got, long want, const char *what)
{
    if (got == want)
        check(true, "%s", what);
    else
        check(false, "%s (got %ld = %lxh, want %ld)", what, got, got, want);
}

void check_refused(long got, const char *what)
{
    check(got < 0 && got >= -4095, "%s (%ld)", what, got);
}

void test_done(void)
{
    rt_log("RESULT %u passed, %u failed", passed, failed);
    rt_shutdown(SHUTDOWN_poweroff);
}

void port_mask(uint32_t port, bool masked)
{
    if (masked)
        __atomic_fetch_or(&RT_SHARED->evtchn_mask[port / 64], 1ul << (port % 64), __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&RT_SHARED->evtchn_mask[port / 64], ~(1ul << (port % 64)), __ATOMIC_SEQ_CST);
}

bool wait_for(volatile bool *flag, unsigned ms)
{
    uint64_t end = rt_now() + ms * 1000000ull;
    for (;;) {
        bool any = rt_events_run();
        rt_timers_run();
        any = rt_works_run() || any;
        if (*flag || rt_now() >= end)
            return *flag;
        uint64_t next = rt_timers_next();
        if (!any)
            rt_sleep_until(next < end ? next : end);
    }
}

uint64_t test_rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

void test_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(subleaf));
}

static bool on_trap(struct rt_trap *t)
{
    if (!fixup)
        return false;
    caught = (int)t->vector;
    t->rip = fixup;
    fixup = 0;
    return true;
}

/* Run `insn` with faults caught: they continue at the label behind it. */
#define CATCH(insn, ...) do { \
        caught = -1; \
        rt_trap_hook = on_trap; \
        __asm__ volatile("movq $77f, %[fix]; " insn "; 77: movq $0, %[fix]" : [fix] "+m"(fixup), __VA_ARGS__); \
    } while (0)

int try_rdmsr(uint32_t msr, uint64_t *value)
{
    uint32_t lo = 0, hi = 0;
    CATCH("rdmsr", "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
    *value = (uint64_t)hi << 32 | lo;
    return caught;
}

int try_wrmsr(uint32_t msr, uint64_t value)
{
    uint32_t lo = (uint32_t)value;
    CATCH("wrmsr", "+a"(lo) : "c"(msr), "d"((uint32_t)(value >> 32)) : "memory");
    return caught;
}

int try_write(volatile uint32_t *where, uint32_t value)
{
    CATCH("movl %1, (%2)", "+r"(value) : "r"(where) : "memory");
    return caught;
}

int try_read(volatile uint32_t *where, uint32_t *value)
{
    uint32_t v = 0;
    CATCH("movl (%2), %1", "+r"(v) : "r"(where) : "memory");
    *value = v;
    return caught;
}

int try_code(const void *code)
{
    uint64_t rsp = 0; /* a fault inside leaves the return address behind: put the stack pointer back */
    CATCH("movq %%rsp, %%rbx; call *%[code]; 77: movq %%rbx, %%rsp; jmp 78f; 77: movq %%rbx, %%rsp; 78:", "+r"(rsp)
          : [code] "r"(code) : "memory", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    return caught;
}
