/* SPDX-License-Identifier: MIT */
/*
 * The log: a ring in memory (read by sysctl readconsole) and the serial port that carries it.
 * A line says what happened, to which domain or device, what to do next. panic() is for our own bugs only.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H
#include <stdarg.h>
#include "lib/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
extern enum log_level log_threshold; /* what reaches the serial port; the ring gets all but DEBUG beyond it */
void log_msg(enum log_level l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
/* What a domain says. On the serial port all domains' lines together take at most LOG_GUEST_SHARE of one CPU's time and half of the
 * port's queue; the rest is in the ring only. So is a line of our own that finds the queue full. The port says how many lines that were. */
#define LOG_GUEST_SHARE 20u          /* one part in so many */
#define LOG_GUEST_BURST_NS 100000000ull /* may be written at once */
void log_guest(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Copy up to `len` bytes of the ring from absolute position *pos on; advances *pos; returns the bytes copied. */
unsigned log_read(uint64_t *pos, char *buf, unsigned len);
void log_clear(void);

/* The serial ports, lib/serial.c: 115200 8n1. `port` 0 = com1, 1 = com2. */
#define SERIAL_QUEUE 16384u            /* bytes of a port that wait to be sent */
#define SERIAL_FIFO_NS 1390000ull      /* what a port needs for the 16 bytes that it takes at a time */
void serial_init(unsigned port);
unsigned serial_write(unsigned port, const char *s, unsigned len); /* the bytes taken: fewer than len only when the queue is full */
unsigned serial_room(unsigned port);   /* bytes free in the queue; a line's end takes two */
bool serial_drain(void);               /* give the ports what they take now; true: more waits, to be called again SERIAL_FIFO_NS later */
/* true: from now on nobody waits for a port, serial_drain() is called. false, as at the start: whoever writes waits until all is sent. */
void serial_queue(bool on);
void serial_irq_enable(unsigned port); /* received data raises ISA interrupt 4 (com1) or 3 (com2) */
int serial_read(unsigned port); /* next input byte, or -1 */
extern unsigned log_port, console_port;

extern uint64_t (*log_clock)(void);     /* ns since boot, for the lines; NULL until time is known */
extern void (*panic_stop_others)(void); /* set when other CPUs run */
extern bool panic_registers_said; /* by the exception that panic() is called for: those of panic() would say less */
extern bool panicking; /* set by panic() before it stops the other CPUs by NMI */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void backtrace_from(uint64_t rip, uint64_t rbp); /* with symbols */
bool log_symbol(uint64_t n, const char **name, uint64_t *address); /* the n-th of our own functions by address; false: there are fewer */
#define ASSERT(c) ((c) ? (void)0 : panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #c))
#define BUG() panic("%s:%d: cannot happen", __FILE__, __LINE__)

int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
int snprintf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#endif
