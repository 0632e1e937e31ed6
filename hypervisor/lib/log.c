/* SPDX-License-Identifier: MIT */
/* The log ring, its lines on the serial port, and panic. Each line starts with the time since boot in seconds. */
#include "lib/log.h"
#include "lib/lock.h"
#include "lib/percpu.h"
#include "lib/string.h"
#include "lib/x86.h"

#define RING_SIZE 65536u

static struct spinlock lock = SPINLOCK_INIT(LOCK_LOG);
static char ring[RING_SIZE];
static uint64_t head, cleared; /* absolute positions: written so far, where readers may start */
enum log_level log_threshold = LOG_INFO;
unsigned log_port, console_port;
uint64_t (*log_clock)(void); /* ns since boot; set when time is known */

static const char *const prefix[] = {"error: ", "warning: ", "", "debug: "};

static void emit(const char *s, unsigned n, bool serial)
{
    for (unsigned i = 0; i < n; i++)
        ring[head++ % RING_SIZE] = s[i];
    if (serial)
        serial_write(log_port, s, n);
}

/* One line with its head into buf; its length. */
static unsigned make_line(char *buf, size_t size, enum log_level l, const char *fmt, va_list ap)
{
    uint64_t us = log_clock ? log_clock() / 1000 : 0;
    int n = snprintf(buf, size, "(BH) [%5u.%06u] %s", (unsigned)(us / 1000000), (unsigned)(us % 1000000), prefix[l]);
    n += vsnprintf(buf + n, size - (unsigned)n, fmt, ap);
    n = MIN(n, (int)size - 2);
    buf[n++] = '\n';
    return (unsigned)n;
}

static unsigned skipped; /* lines that are not on the port, since it last said so */

/* A line to the ring, and to the port if that leaves `keep` bytes of its queue free; lock held. */
static void emit_line(const char *line, unsigned n, unsigned keep)
{
    char said[80];
    if (serial_room(log_port) < n + sizeof(said) + keep) {
        skipped++;
        emit(line, n, false);
        return;
    }
    if (skipped) {
        int m = snprintf(said, sizeof(said), "(BH) %u lines are in the log only: the port is slow\n", skipped);
        skipped = 0;
        emit(said, (unsigned)m, true);
    }
    emit(line, n, true);
}

void log_msg(enum log_level l, const char *fmt, ...)
{
    if (l > LOG_INFO && l > log_threshold)
        return;
    char line[320];
    va_list ap;
    va_start(ap, fmt);
    unsigned n = make_line(line, sizeof(line), l, fmt, ap);
    va_end(ap);
    spin_lock(&lock);
    if (l <= log_threshold)
        emit_line(line, n, 0);
    else
        emit(line, n, false);
    spin_unlock(&lock);
}

/* What guests' lines have cost so far, as the time at which their share has paid for it. */
static uint64_t guests_paid;

/* lock held */
static void emit_guest(const char *line, unsigned n)
{
    uint64_t start = log_clock ? log_clock() : 0;
    if (guests_paid > start + LOG_GUEST_BURST_NS * LOG_GUEST_SHARE) {
        skipped++;
        emit(line, n, false);
        return;
    }
    emit_line(line, n, SERIAL_QUEUE / 2);
    if (log_clock)
        guests_paid = MAX(guests_paid, start) + (log_clock() - start) * LOG_GUEST_SHARE;
}

void log_guest(const char *fmt, ...)
{
    char line[320];
    va_list ap;
    va_start(ap, fmt);
    unsigned n = make_line(line, sizeof(line), LOG_INFO, fmt, ap);
    va_end(ap);
    spin_lock(&lock);
    if (log_threshold >= LOG_INFO)
        emit_guest(line, n);
    else
        emit(line, n, false);
    spin_unlock(&lock);
}

unsigned log_read(uint64_t *pos, char *buf, unsigned len)
{
    spin_lock(&lock);
    uint64_t oldest = MAX(cleared, head > RING_SIZE ? head - RING_SIZE : 0);
    if (*pos < oldest || *pos > head)
        *pos = oldest;
    unsigned n = (unsigned)MIN((uint64_t)len, head - *pos);
    for (unsigned i = 0; i < n; i++)
        buf[i] = ring[(*pos)++ % RING_SIZE];
    spin_unlock(&lock);
    return n;
}

void log_clear(void)
{
    spin_lock(&lock);
    cleared = head;
    spin_unlock(&lock);
}

/* A line of a panic: the CPU that writes it has the word, the others are stopped, perhaps with the lock held. */
static void say(const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(line, sizeof(line), "(BH) ");
    n += vsnprintf(line + n, sizeof(line) - (unsigned)n, fmt, ap);
    va_end(ap);
    n = MIN(n, (int)sizeof(line) - 2);
    line[n++] = '\n';
    emit(line, (unsigned)n, true);
    if (console_port != log_port)
        serial_write(console_port, line, (unsigned)n);
}

/* The table of our own symbols, made by tools/symtab; absent (weak) in the first link. */
extern const uint64_t symtab_count[], symtab_addrs[];
extern const uint32_t symtab_names[];
extern const char symtab_strings[];

bool log_symbol(uint64_t n, const char **name, uint64_t *address)
{
    if (n >= symtab_count[0])
        return false;
    *name = symtab_strings + symtab_names[n];
    *address = symtab_addrs[n];
    return true;
}

static void print_address(uint64_t a)
{
    const char *name = "?";
    uint64_t off = 0, lo = 0, hi = symtab_count[0];
    while (lo < hi) {
        uint64_t mid = (lo + hi) / 2;
        if (symtab_addrs[mid] <= a)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo) {
        name = symtab_strings + symtab_names[lo - 1];
        off = a - symtab_addrs[lo - 1];
    }
    say("  %016lx  %s+0x%lx", a, name, off);
}

void backtrace_from(uint64_t rip, uint64_t rbp)
{
    print_address(rip);
    for (int depth = 0; depth < 24; depth++) {
        if (rbp < DIRECT_MAP || (rbp & 7))
            return;
        const uint64_t *frame = (const uint64_t *)rbp;
        if (frame[1] < IMAGE_BASE)
            return;
        print_address(frame[1]);
        if (frame[0] <= rbp)
            return;
        rbp = frame[0];
    }
}

void (*panic_stop_others)(void);
bool panicking, panic_registers_said;

/* Those that a call leaves as they were: the caller's. */
static inline __attribute__((always_inline)) void say_registers(uint64_t rip)
{
    uint64_t r[7];
    __asm__ volatile("mov %%rsp, 0(%0); mov %%rbp, 8(%0); mov %%rbx, 16(%0); mov %%r12, 24(%0); mov %%r13, 32(%0);"
                     "mov %%r14, 40(%0); mov %%r15, 48(%0)" ::"a"(r) : "memory");
    say("  CPU %u: rip %016lx rsp %016lx rbp %016lx", this_cpu_id(), rip, r[0], r[1]);
    say("  rbx %016lx r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r[2], r[3], r[4], r[5], r[6]);
    say("  cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx", read_cr0(), read_cr2(), read_cr3(), read_cr4());
}

_Noreturn void panic(const char *fmt, ...)
{
    irq_disable();
    if (!__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST)) {
        if (panic_stop_others)
            panic_stop_others();
        serial_queue(false);
        char why[200];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(why, sizeof(why), fmt, ap);
        va_end(ap);
        say("PANIC: %s", why);
        if (!panic_registers_said)
            say_registers((uint64_t)__builtin_return_address(0));
        backtrace_from((uint64_t)__builtin_return_address(0), *(uint64_t *)__builtin_frame_address(0));
        say("This is a bug in Bulkhead. The machine is stopped.");
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}
