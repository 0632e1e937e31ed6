/* SPDX-License-Identifier: MIT */
/* lib/serial.c over a 16550A that sends a byte in 87 us: nobody waits for it, everything arrives in order, and a panic loses nothing. */
#include "lib/x86.h"
#include <stdlib.h>
#include <string.h>
#include "suite.h"

#define BYTE_NS 86806ull
#define ACCESS_NS 1000ull /* of a register */
#define MS 1000000ull
static uint64_t now, free_at; /* free_at: the FIFO is empty */
static unsigned in_fifo, overrun, fifo = 16;
static char sent[1 << 18];
static size_t nsent;

static void uart_out(uint16_t port, uint8_t v)
{
    now += ACCESS_NS;
    if (port != 0x3f8)
        return;
    if (now >= free_at)
        in_fifo = 0;
    overrun += in_fifo++ >= fifo + 1; /* one more is in the shift register */
    free_at = (free_at > now ? free_at : now) + BYTE_NS;
    sent[nsent++] = (char)v;
}

static uint8_t uart_in(uint16_t port)
{
    now += ACCESS_NS;
    switch (port) {
    case 0x3f8 + 2: return fifo == 16 ? 0xc1 : 0x01;
    case 0x3f8 + 5: return now >= free_at ? 0x60 : 0;
    case 0x3f8 + 7: return 0x5a;
    default: return 0xff;
    }
}

#define outb uart_out
#define inb uart_in
#define cpu_pause() ((void)0)
#include "lib/serial.c"

char *fake_ram; /* none */
_Thread_local unsigned fake_cpu;
unsigned nr_cpus = 1;
bool panicking;
PERCPU(uint32_t, softirq_pending);
static unsigned depth;
void spin_lock(struct spinlock *l) { CU_ASSERT_EQUAL(depth++, 0); }
void spin_unlock(struct spinlock *l) { CU_ASSERT_EQUAL(--depth, 0); }

static void begin(unsigned bytes)
{
    fifo = bytes;
    serial_queue(false);
    serial_init(0);
    CU_ASSERT_EQUAL(ports[0].fifo, bytes);
    now = free_at + 1000 * MS;
    nsent = overrun = 0;
    softirq_pending[0] = 0;
    serial_queue(true);
}

/* The softirq and its timer, until the port has all; the longest that it took at a time. */
static uint64_t drain(void)
{
    uint64_t longest = 0, start = now;
    while (serial_drain()) {
        longest = MAX(longest, now - start);
        now += SERIAL_FIFO_NS;
        start = now;
    }
    return longest;
}

static void nobody_waits(void)
{
    static char text[130 * 126]; /* fits into the queue */
    uint64_t longest = 0;
    for (unsigned i = 0; i < 2; i++) {
        begin(i ? 1 : 16);
        for (unsigned k = 0; k < sizeof(text); k++)
            text[k] = (char)('a' + k % 26);
        for (unsigned k = 0; k < sizeof(text); k += 126) {
            uint64_t start = now;
            CU_ASSERT_EQUAL(serial_write(0, text + k, 126), 126);
            longest = MAX(longest, now - start);
        }
        CU_ASSERT(softirq_pending[0] & 1u << SOFTIRQ_CONSOLE);
        if (!i) { /* without a FIFO a byte is sent each time: slow, but right */
            uint64_t start = now;
            CU_ASSERT(drain() < MS);
            CU_ASSERT(now - start < sizeof(text) * BYTE_NS * 3 / 2); /* near the line's speed */
        } else {
            CU_ASSERT(drain() < MS);
        }
        CU_ASSERT(longest < MS / 10);
        CU_ASSERT(nsent == sizeof(text) && !memcmp(sent, text, nsent) && overrun == 0);
    }
}

/* What finds no room is not taken; what was taken arrives. */
static void full(void)
{
    static char text[2 * SERIAL_QUEUE];
    begin(16);
    memset(text, 'x', sizeof(text));
    unsigned n = serial_write(0, text, sizeof(text));
    CU_ASSERT(n >= SERIAL_QUEUE - 2 && n <= SERIAL_QUEUE + 16);
    CU_ASSERT(serial_room(0) <= 2 + BURST);
    while (serial_write(0, "y", 1))
        ;
    drain();
    CU_ASSERT_EQUAL(serial_room(0), SERIAL_QUEUE);
    CU_ASSERT(nsent >= n && sent[nsent - 1] == 'y');
    CU_ASSERT_EQUAL(serial_write(1, text, 1000), 1000); /* no such port: all vanishes */
}

static void line_ends(void)
{
    begin(16);
    serial_write(0, "one\ntwo\n", 8);
    drain();
    CU_ASSERT(nsent == 10 && !memcmp(sent, "one\r\ntwo\r\n", 10));
}

/* A panic: what waits goes out first, the holder of the lock is stopped; then each line is sent before the next is made. */
static void panics(void)
{
    begin(16);
    for (unsigned i = 0; i < 20; i++)
        serial_write(0, "what was said before\n", 21);
    CU_ASSERT(nsent < 100);
    depth = 1;
    panicking = true;
    serial_queue(false);
    CU_ASSERT_EQUAL(nsent, 440);
    serial_write(0, "PANIC\n", 6);
    CU_ASSERT(nsent == 447 && !memcmp(sent + 440, "PANIC\r\n", 7) && overrun == 0);
    depth = 0;
    panicking = false;
}

int main(void)
{
    CU_TestInfo tests[] = {{"nobody waits", nobody_waits}, {"a full queue", full}, {"line ends", line_ends}, {"panic", panics}, CU_TEST_INFO_NULL};
    return suite_run("serial", NULL, tests);
}
