/* SPDX-License-Identifier: MIT */
/*
 * The life of a small domain: rt_init() is the start as a list, loop() the rest. Interface: rt.h.
 */
#include "rt/internal.h"
#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include "bulkhead/ext.h"
#include "rt/hypercall.h"

#define MAX_RANGES 16

uint16_t rt_domid;
uint32_t rt_incarnation = 1;
static char cmdline[1024];
static struct rt_works works;
static struct { unsigned seconds; uint32_t id; uint64_t next; } watchdog;
void rt_init(const struct hvm_start_info *si);

static void cpuid(uint32_t leaf, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(0));
}

/* The hypervisor by its CPUID leaves; without one there is nobody to talk to, not even about that. */
static uint32_t find_hypervisor(void)
{
    uint32_t r[4];
    for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
        cpuid(base, r);
        if (r[1] == XEN_CPUID_SIGNATURE_EBX && r[2] == XEN_CPUID_SIGNATURE_ECX && r[3] == XEN_CPUID_SIGNATURE_EDX &&
            r[0] >= base + 2)
            return base;
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void set_hypercall_page(uint32_t base)
{
    uint32_t r[4];
    uint64_t page = (uint64_t)hypercall_page;
    cpuid(base + 2, r);
    __asm__ volatile("wrmsr" : : "c"(r[1]), "a"((uint32_t)page), "d"((uint32_t)(page >> 32)) : "memory");
}

int64_t rt_hvm_param(unsigned index)
{
    struct xen_hvm_param p = { .domid = DOMID_SELF, .index = index };
    return rt_hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, &p) == 0 ? (int64_t)p.value : 0;
}

static void who_am_i(uint32_t base)
{
    uint32_t r[4];
    struct bh_op b = { .version = BH_INTERFACE_VERSION, .domid = DOMID_SELF };

    cpuid(base, r);
    if (r[0] >= base + 4) {
        cpuid(base + 4, r);
        if (r[0] & XEN_HVM_CPUID_DOMID_PRESENT)
            rt_domid = (uint16_t)r[2];
    }
    if (rt_hypercall2(BH_HYPERCALL, BH_OP_info, &b) == 0 && b.u.info.incarnation)
        rt_incarnation = b.u.info.incarnation;
}

/* RAM ranges by the start info's map. */
static unsigned ram_of_start_info(const struct hvm_start_info *si, struct rt_range *ram)
{
    const struct hvm_memmap_table_entry *e = (const void *)si->memmap_paddr;
    unsigned n = 0;
    for (uint32_t i = 0; i < si->memmap_entries && n < MAX_RANGES; i++)
        if (e[i].type == XEN_HVM_MEMMAP_TYPE_RAM)
            ram[n++] = (struct rt_range){ e[i].addr, e[i].addr + e[i].size };
    return n;
}

/* RAM ranges by asking: some builders give no map in the start info. */
static unsigned ram_of_memory_map(struct rt_range *ram)
{
    static struct { uint64_t addr, size; uint32_t type; } __attribute__((packed)) e[64]; /* E820 layout */
    struct xen_memory_map m = { .nr_entries = sizeof(e) / sizeof(e[0]) };
    unsigned n = 0;
    set_xen_guest_handle(m.buffer, e);
    long ret = rt_hypercall2(__HYPERVISOR_memory_op, XENMEM_memory_map, &m);
    if (ret)
        rt_crash("no memory map, neither in the start info nor by asking (%ld)", ret);
    for (unsigned i = 0; i < m.nr_entries && i < sizeof(e) / sizeof(e[0]) && n < MAX_RANGES; i++)
        if (e[i].type == XEN_HVM_MEMMAP_TYPE_RAM)
            ram[n++] = (struct rt_range){ e[i].addr, e[i].addr + e[i].size };
    return n;
}

static void memory_init(const struct hvm_start_info *si)
{
    struct rt_range ram[MAX_RANGES];
    bool has_map = si->version >= 1 && si->memmap_entries && si->memmap_paddr;
    unsigned n = has_map ? ram_of_start_info(si, ram) : ram_of_memory_map(ram); /* all read before any is used */
    const char *from = (const char *)si->cmdline_paddr;
    if (from)
        for (size_t i = 0; i < sizeof(cmdline) - 1 && from[i]; i++)
            cmdline[i] = from[i];
    rt_paging_init(ram, n);
    rt_pages_init(ram, n);
    for (unsigned i = 0; i < n; i++)
        if (ram[i].end > 1ull << 30)
            RT_ASSERT(rt_map_ram(ram[i].start, ram[i].end - ram[i].start) == 0);
}

void rt_shutdown(unsigned reason)
{
    struct sched_shutdown s = { .reason = reason };
    for (;;)
        rt_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &s);
}

void rt_crash(const char *fmt, ...)
{
    va_list ap;
    rt_log("CRASH, called from %p:", __builtin_return_address(0));
    va_start(ap, fmt);
    rt_vlog(fmt, ap);
    va_end(ap);
    rt_backtrace((uint64_t)__builtin_return_address(0), *(uint64_t *)__builtin_frame_address(0));
    rt_shutdown(SHUTDOWN_crash);
}

void rt_watchdog(unsigned seconds)
{
    struct sched_watchdog w = { .id = watchdog.id, .timeout = seconds };
    if (!seconds && !watchdog.id)
        return;
    long ret = rt_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &w);
    if (ret < 0) {
        rt_log("watchdog: refused (%ld), running without", ret);
        watchdog.seconds = 0;
        return;
    }
    if (!watchdog.id)
        watchdog.id = (uint32_t)ret;
    if (!seconds)
        watchdog.id = 0;
    watchdog.seconds = seconds;
    watchdog.next = rt_now() + seconds * 250000000ull;
}

static void watchdog_kick(uint64_t now)
{
    if (watchdog.seconds && now >= watchdog.next)
        rt_watchdog(watchdog.seconds);
}

void rt_watchdog_kick(void)
{
    watchdog_kick(rt_now());
}

void rt_look_again(uint32_t port)
{
    rt_events_collect();
    rt_events_clear(port);
    rt_time_disarm();
}

/* Kicked, until `deadline` at the latest. */
static void sleep_until(uint64_t deadline)
{
    rt_time_arm(watchdog.seconds && watchdog.next < deadline ? watchdog.next : deadline);
    rt_idle();
}

void rt_sleep_until(uint64_t deadline)
{
    rt_watchdog_kick();
    sleep_until(deadline);
}

void rt_works_put(struct rt_works *q, struct rt_work *w)
{
    if (w->queued)
        return;
    w->queued = true;
    w->next = NULL;
    *(q->first ? &q->last->next : &q->first) = w;
    q->last = w;
}

struct rt_work *rt_works_take(struct rt_works *q)
{
    struct rt_work *w = q->first;
    if (!w)
        return NULL;
    q->first = w->next;
    w->queued = false;
    return w;
}

void rt_defer(struct rt_work *w)
{
    rt_works_put(&works, w);
}

bool rt_works_run(void)
{
    struct rt_work *last = works.last, *w;
    while ((w = rt_works_take(&works))) {
        w->fn(w->arg);
        if (w == last)
            break;
    }
    return works.first;
}

static _Noreturn void loop(void)
{
    for (;;) {
        rt_events_run();
        rt_timers_run();
        bool more = rt_works_run();
        more |= rt_task_run();
        uint64_t now = rt_now(), next = rt_timers_next(), task = rt_task_next();
        watchdog_kick(now);
        if (task < next)
            next = task;
        if (!more && next > now && !rt_events_waiting())
            sleep_until(next);
    }
}

void rt_init(const struct hvm_start_info *si)
{
    uint32_t base = find_hypervisor();
    set_hypercall_page(base);
    rt_traps_init();
    memory_init(si);
    rt_console_init();
    who_am_i(base);
    rt_events_init();
    rt_time_init();
    rt_grants_init();
    rt_xs_init();
    domain_main(cmdline);
    loop();
}
