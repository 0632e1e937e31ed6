/* SPDX-License-Identifier: MIT */
/* The serial ports (16550A): the one device the hypervisor drives, for its log and the console. */
#include "lib/log.h"
#include "lib/x86.h"

static const uint16_t base[2] = {0x3f8, 0x2f8};
static bool present[2];

void serial_init(unsigned port)
{
    uint16_t b = base[port];
    outb(b + 7, 0x5a); /* scratch register: is there a port at all? */
    if (inb(b + 7) != 0x5a)
        return;
    outb(b + 1, 0);    /* no interrupts yet */
    outb(b + 3, 0x80); /* divisor latch: 115200 baud */
    outb(b + 0, 1);
    outb(b + 1, 0);
    outb(b + 3, 3);    /* 8n1 */
    outb(b + 2, 7);    /* FIFO on and cleared, interrupt at every byte */
    outb(b + 4, 0x0b); /* DTR, RTS, OUT2 (interrupt line) */
    present[port] = true;
}

static void put(uint16_t b, char c)
{
    for (unsigned spin = 0; !(inb(b + 5) & 0x20) && spin < 100000; spin++)
        cpu_pause();
    outb(b, (uint8_t)c);
}

void serial_write(unsigned port, const char *s, unsigned len)
{
    if (!present[port])
        return;
    for (unsigned i = 0; i < len; i++) {
        if (s[i] == '\n')
            put(base[port], '\r');
        put(base[port], s[i]);
    }
}

void serial_irq_enable(unsigned port)
{
    if (present[port])
        outb(base[port] + 1, 1); /* received data */
}

int serial_read(unsigned port)
{
    if (!present[port] || !(inb(base[port] + 5) & 1))
        return -1;
    return inb(base[port]);
}
