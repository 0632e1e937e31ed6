/* SPDX-License-Identifier: MIT */
/*
 * console: console_io of a domain that has the machine's console.
 */
#include "tests/guest/lib.h"

static long console_io(unsigned cmd, unsigned n, const void *p)
{
    return rt_hypercall3(__HYPERVISOR_console_io, cmd, n, p);
}

void domain_main(const char *cmdline)
{
    static char text[6000], in[16];
    IS(console_io(CONSOLEIO_write, 5, "text\n"), 0);
    IS(console_io(CONSOLEIO_write, 0, "x"), 0);
    memset(text, '.', sizeof(text));
    text[sizeof(text) - 1] = '\n';
    IS(console_io(CONSOLEIO_write, sizeof(text), text), 0);
    long n = console_io(CONSOLEIO_read, sizeof(in), in);
    check(n == 0, "nothing to read (%ld)", n);
    IS(console_io(CONSOLEIO_write, 5, BAD_POINTER), -XEN_EFAULT);
    IS(console_io(1000, 5, "x"), -XEN_ENOSYS);
    test_done();
}
