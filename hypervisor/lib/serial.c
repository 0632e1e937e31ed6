/* SPDX-License-Identifier: MIT */
/*
 * The serial ports (16550A): the one device the hypervisor drives, for its log and the console.
 * A byte takes 87 us at 115200 baud. So output is queued, and a port gets what its FIFO takes at that moment: by whoever writes, then by
 * serial_drain(), which SOFTIRQ_CONSOLE and a timer of dom/console.c call. Nobody waits, but while the machine starts, panics or goes off.
 * Lock: LOCK_SERIAL, except in a panic: the CPU that has the word may have stopped its holder.
 */
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/softirq.h"
#include "lib/x86.h"

#define BURST 256u /* bytes a port gets at a time if it takes all at once: it may be another machine's software */
enum { DATA, IER, FIFO, LCR, MCR, LSR, SCRATCH = 7 }; /* registers */
#define LSR_INPUT 0x01
#define LSR_EMPTY 0x20 /* the FIFO for output */

struct port {
    uint16_t base;
    bool present;
    uint8_t fifo;        /* bytes */
    uint32_t head, tail; /* of the queue, absolute */
    char queue[SERIAL_QUEUE];
};
static struct port ports[2] = {{.base = 0x3f8}, {.base = 0x2f8}};
static struct spinlock lock = SPINLOCK_INIT(LOCK_SERIAL);
static bool queued; /* since the CPU loop runs */

void serial_init(unsigned port)
{
    struct port *p = &ports[port];
    uint16_t b = p->base;
    outb(b + SCRATCH, 0x5a); /* is there a port at all? */
    if (inb(b + SCRATCH) != 0x5a)
        return;
    outb(b + IER, 0);     /* no interrupts yet */
    outb(b + LCR, 0x80);  /* divisor latch: 115200 baud */
    outb(b + DATA, 1);
    outb(b + IER, 0);
    outb(b + LCR, 3);     /* 8n1 */
    outb(b + FIFO, 7);    /* on and cleared, interrupt at every byte */
    outb(b + MCR, 0x0b);  /* DTR, RTS, OUT2 (interrupt line) */
    p->fifo = (inb(b + FIFO) & 0xc0) == 0xc0 ? 16 : 1;
    p->present = true;
}

static unsigned waiting(const struct port *p)
{
    return p->head - p->tail;
}

/* What the port takes now, at most `most` bytes and a FIFO more. */
static void push(struct port *p, unsigned most)
{
    for (unsigned sent = 0; waiting(p) && sent < most && (inb(p->base + LSR) & LSR_EMPTY);)
        for (unsigned i = 0; i < p->fifo && waiting(p); i++, sent++)
            outb(p->base + DATA, (uint8_t)p->queue[p->tail++ % SERIAL_QUEUE]);
}

/* Everything, however long it takes; a port that takes nothing at all is given the rest regardless. */
static void push_all(struct port *p)
{
    while (waiting(p)) {
        for (unsigned spin = 0; !(inb(p->base + LSR) & LSR_EMPTY) && spin < 100000; spin++)
            cpu_pause();
        outb(p->base + DATA, (uint8_t)p->queue[p->tail++ % SERIAL_QUEUE]);
    }
}

static void lock_ports(void)
{
    if (!panicking)
        spin_lock(&lock);
}

static void unlock_ports(void)
{
    if (!panicking)
        spin_unlock(&lock);
}

unsigned serial_write(unsigned port, const char *s, unsigned len)
{
    struct port *p = &ports[port];
    unsigned done;
    if (!p->present)
        return len;
    lock_ports();
    for (done = 0; done < len; done++) {
        if (SERIAL_QUEUE - waiting(p) < 2) {
            if (queued)
                break;
            push_all(p);
        }
        if (s[done] == '\n')
            p->queue[p->head++ % SERIAL_QUEUE] = '\r';
        p->queue[p->head++ % SERIAL_QUEUE] = s[done];
    }
    if (queued)
        push(p, BURST);
    else
        push_all(p);
    bool left = waiting(p);
    unlock_ports();
    if (left)
        softirq_raise(SOFTIRQ_CONSOLE);
    return done;
}

unsigned serial_room(unsigned port)
{
    return SERIAL_QUEUE - waiting(&ports[port]);
}

bool serial_drain(void)
{
    bool left = false;
    lock_ports();
    for (unsigned i = 0; i < 2; i++) {
        if (waiting(&ports[i]))
            push(&ports[i], BURST);
        left |= waiting(&ports[i]);
    }
    unlock_ports();
    return left;
}

void serial_queue(bool on)
{
    lock_ports();
    queued = on;
    for (unsigned i = 0; i < 2 && !on; i++)
        push_all(&ports[i]);
    unlock_ports();
}

void serial_irq_enable(unsigned port)
{
    if (ports[port].present)
        outb(ports[port].base + IER, 1); /* received data */
}

int serial_read(unsigned port)
{
    if (!ports[port].present || !(inb(ports[port].base + LSR) & LSR_INPUT))
        return -1;
    return inb(ports[port].base + DATA);
}
