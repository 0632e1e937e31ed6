/* SPDX-License-Identifier: MIT */
/*
 * The console_io hypercall's back: the machine's console (a serial port) for the CONSOLE role, lines of the log for all others.
 * Input waits in a ring until the CONSOLE domain reads it; VIRQ_CONSOLE says that some has come. Output that a port has not taken
 * yet is given to it by a timer.
 */
#include "dom/domain.h"
#include "lib/log.h"
#include "lib/softirq.h"
#include "lib/string.h"

#define INPUT 1024u
#define LINES_A_SECOND 200u

static struct spinlock lock = SPINLOCK_INIT(LOCK_CONSOLE);
static char input[INPUT];
static unsigned input_head, input_tail;
static struct timer output;

static void output_due(void *arg)
{
    softirq_raise(SOFTIRQ_CONSOLE);
}

void console_init(void)
{
    input_head = input_tail = 0;
    timer_init(&output, output_due, NULL);
}

/* SOFTIRQ_CONSOLE: bytes are waiting in the serial port, or for it. */
void console_softirq(void)
{
    int c;
    bool any = false;
    spin_lock(&lock);
    while ((c = serial_read(console_port)) >= 0) {
        any = true;
        if (input_head - input_tail < INPUT) input[input_head++ % INPUT] = (char)c;
    }
    spin_unlock(&lock);
    if (any) event_send_global_virq(VIRQ_CONSOLE);
    if (serial_drain()) timer_set(&output, now_ns() + SERIAL_FIFO_NS);
}

int console_read(char *buf, unsigned n)
{
    unsigned i = 0;
    spin_lock(&lock);
    while (i < n && input_tail != input_head) buf[i++] = input[input_tail++ % INPUT];
    spin_unlock(&lock);
    return (int)i;
}

/* One gathered line of a domain into the log, unless it floods. */
static void flush_line(struct domain *d)
{
    uint64_t now = now_ns();
    d->console_line[d->console_len] = '\0';
    d->console_len = 0;
    if (now - d->log_window_ns > 1000000000ull) {
        if (d->log_lines > LINES_A_SECOND) log_guest("domain %u: %u lines dropped", d->id, d->log_lines - LINES_A_SECOND);
        d->log_window_ns = now;
        d->log_lines = 0;
    }
    if (++d->log_lines <= LINES_A_SECOND) log_guest("d%u: %s", d->id, d->console_line);
}

unsigned console_write(struct domain *d, const char *s, unsigned n)
{
    spin_lock(&lock);
    if (domain_has_role(d, BH_ROLE_CONSOLE)) {
        n = serial_write(console_port, s, n);
    } else {
        for (unsigned i = 0; i < n; i++) {
            if (s[i] == '\n') flush_line(d);
            else if (s[i] != '\r') d->console_line[d->console_len++] = s[i] >= ' ' && s[i] <= '~' ? s[i] : '.';
            if (d->console_len == sizeof(d->console_line) - 1) flush_line(d);
        }
    }
    spin_unlock(&lock);
    return n;
}
