/* SPDX-License-Identifier: MIT */
/*
 * Log text: to the PV console ring when the domain has one (what does not fit is dropped, a reader that does not read
 * never blocks us), and always to the hypervisor's log, which may refuse it.
 */
#include "rt/internal.h"
#include <xen/hvm/params.h>
#include <xen/io/console.h>
#include "rt/hypercall.h"

static struct xencons_interface *ring;
static uint32_t port;

void rt_console_init(void)
{
    uint64_t pfn = (uint64_t)rt_hvm_param(HVM_PARAM_CONSOLE_PFN);
    port = (uint32_t)rt_hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
    if (pfn && pfn != ~0ull && port && rt_map_ram(pfn * RT_PAGE, RT_PAGE) == 0)
        ring = (struct xencons_interface *)(pfn * RT_PAGE);
}

static void ring_write(const char *s, size_t n)
{
    uint32_t prod = ring->out_prod;
    uint32_t room = (uint32_t)sizeof(ring->out) - (prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE));
    if (room > sizeof(ring->out) || n > room)
        return;
    for (size_t i = 0; i < n; i++)
        ring->out[MASK_XENCONS_IDX(prod++, ring->out)] = s[i];
    __atomic_store_n(&ring->out_prod, prod, __ATOMIC_RELEASE);
    rt_event_send(port);
}

void rt_console_write(const char *s, size_t n)
{
    if (ring)
        ring_write(s, n);
    rt_hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, n, s);
}

void rt_vlog(const char *fmt, va_list ap)
{
    char line[256];
    int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    if (n < 0)
        return;
    if ((size_t)n > sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n] = '\n';
    rt_console_write(line, (size_t)n + 1);
}

void rt_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    rt_vlog(fmt, ap);
    va_end(ap);
}
