/* SPDX-License-Identifier: MIT */
/*
 * Event channels, 2-level. Interrupts are off but inside rt_idle(); the upcall only wakes it. What is pending is
 * collected from the shared page into `selected` and handled from the loop, so handlers never nest.
 */
#include "rt/internal.h"
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include "rt/hypercall.h"

#define MAX_PORTS 4096u

struct handler { rt_event_fn fn; void *arg; };
static struct handler *handlers;  /* by port */
static unsigned handlers_size;
static uint64_t selected;         /* words of evtchn_pending to look at */
uint8_t rt_upcall_eoi;            /* read by the upcall stub: the vector came through the local APIC */
void rt_upcall(void);

static long op(unsigned cmd, void *arg)
{
    return rt_hypercall2(__HYPERVISOR_event_channel_op, cmd, arg);
}

static void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

/* The upcall as a bare vector; failing that, through the local APIC, which must then be on and be told of the end. */
static void set_upcall(void)
{
    struct xen_hvm_param p = { .domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
        .value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | RT_UPCALL_VECTOR };
    struct xen_hvm_evtchn_upcall_vector u = { .vcpu = 0, .vector = RT_UPCALL_VECTOR };

    rt_set_gate(RT_UPCALL_VECTOR, rt_upcall, 0);
    if (rt_hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_param, &p) == 0)
        return;
    if (rt_hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, &u) != 0)
        rt_crash("no event upcall: neither callback vector nor upcall vector accepted");
    wrmsr(0x1b, rdmsr(0x1b) | 3u << 10);           /* APIC base: enabled, x2APIC */
    wrmsr(0x80f, 1u << 8 | RT_SPURIOUS_VECTOR);     /* spurious vector: APIC software-enabled */
    wrmsr(0x808, 0);                                /* task priority: everything */
    rt_upcall_eoi = 1;
}

void rt_events_init(void)
{
    struct xen_add_to_physmap x = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .idx = 0,
                                    .gpfn = RT_SHARED_INFO / RT_PAGE };

    RT_ASSERT(rt_map_ram(RT_SHARED_INFO, RT_PAGE) == 0);
    long ret = rt_hypercall2(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &x);
    if (ret)
        rt_crash("no shared info page: %ld", ret);
    for (unsigned i = 0; i < 64; i++)
        __atomic_store_n(&RT_SHARED->evtchn_mask[i], ~0ul, __ATOMIC_RELAXED);
    set_upcall();
}

static int set_handler(uint32_t port, rt_event_fn fn, void *arg)
{
    if (port >= MAX_PORTS)
        return -XEN_EINVAL;
    if (port >= handlers_size) {
        unsigned size = handlers_size ? handlers_size : 64;
        while (size <= port)
            size *= 2;
        struct handler *more = rt_alloc(size * sizeof(*more));
        if (!more)
            return -XEN_ENOMEM;
        if (handlers)
            memcpy(more, handlers, handlers_size * sizeof(*more));
        rt_free(handlers);
        handlers = more;
        handlers_size = size;
    }
    handlers[port] = (struct handler){ fn, arg };
    return 0;
}

static void unmask(uint32_t port)
{
    struct evtchn_unmask u = { .port = port };
    __atomic_fetch_and(&RT_SHARED->evtchn_mask[port / 64], ~(1ul << (port % 64)), __ATOMIC_SEQ_CST);
    if (RT_SHARED->evtchn_pending[port / 64] >> (port % 64) & 1) {
        __atomic_fetch_or(&RT_SHARED->evtchn_mask[port / 64], 1ul << (port % 64), __ATOMIC_SEQ_CST);
        op(EVTCHNOP_unmask, &u); /* delivers what was pending */
    }
}

/* A port just made: give it its handler, or give it back. Returns the port or -errno. */
static int adopt(uint32_t port, rt_event_fn fn, void *arg)
{
    int ret = set_handler(port, fn, arg);
    if (ret) {
        struct evtchn_close c = { .port = port };
        op(EVTCHNOP_close, &c);
        return ret;
    }
    unmask(port);
    return (int)port;
}

int rt_event_alloc(uint16_t remote, rt_event_fn fn, void *arg)
{
    struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = remote };
    long ret = op(EVTCHNOP_alloc_unbound, &a);
    return ret ? (int)ret : adopt(a.port, fn, arg);
}

int rt_event_bind(uint16_t remote, uint32_t remote_port, rt_event_fn fn, void *arg)
{
    struct evtchn_bind_interdomain b = { .remote_dom = remote, .remote_port = remote_port };
    long ret = op(EVTCHNOP_bind_interdomain, &b);
    return ret ? (int)ret : adopt(b.local_port, fn, arg);
}

int rt_event_bind_virq(unsigned virq, rt_event_fn fn, void *arg)
{
    struct evtchn_bind_virq b = { .virq = virq, .vcpu = 0 };
    long ret = op(EVTCHNOP_bind_virq, &b);
    return ret ? (int)ret : adopt(b.port, fn, arg);
}

void rt_event_attach(uint32_t port, rt_event_fn fn, void *arg)
{
    int ret = set_handler(port, fn, arg);
    if (ret)
        rt_crash("event port %u: no handler slot (%d)", port, ret);
    unmask(port);
}

void rt_event_close(uint32_t port)
{
    struct evtchn_close c = { .port = port };
    if (port >= MAX_PORTS)
        return;
    if (port < handlers_size)
        handlers[port] = (struct handler){ NULL, NULL };
    __atomic_fetch_or(&RT_SHARED->evtchn_mask[port / 64], 1ul << (port % 64), __ATOMIC_SEQ_CST);
    op(EVTCHNOP_close, &c);
    rt_events_clear(port);
}

void rt_event_send(uint32_t port)
{
    struct evtchn_send s = { .port = port };
    op(EVTCHNOP_send, &s);
}

void rt_event_mute(uint32_t port, bool mute)
{
    if (mute)
        __atomic_fetch_or(&RT_SHARED->evtchn_mask[port / 64], 1ul << (port % 64), __ATOMIC_SEQ_CST);
    else
        unmask(port);
}

void rt_events_clear(uint32_t port)
{
    __atomic_fetch_and(&RT_SHARED->evtchn_pending[port / 64], ~(1ul << (port % 64)), __ATOMIC_SEQ_CST);
}

void rt_events_collect(void)
{
    struct vcpu_info *v = &RT_SHARED->vcpu_info[0];
    __atomic_store_n(&v->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    selected |= __atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
}

static bool run_word(unsigned word)
{
    bool any = false;
    uint64_t bits = RT_SHARED->evtchn_pending[word] & ~RT_SHARED->evtchn_mask[word];
    for (; bits; bits &= bits - 1) {
        uint32_t port = word * 64 + (uint32_t)__builtin_ctzll(bits);
        rt_events_clear(port);
        if (port < handlers_size && handlers[port].fn) {
            handlers[port].fn(handlers[port].arg);
            any = true;
        }
    }
    return any;
}

bool rt_events_run(void)
{
    bool any = false;
    rt_events_collect();
    while (selected) {
        unsigned word = (unsigned)__builtin_ctzll(selected);
        selected &= selected - 1;
        any |= run_word(word);
    }
    return any;
}

bool rt_events_waiting(void)
{
    return selected || RT_SHARED->vcpu_info[0].evtchn_upcall_pending;
}

/* STI lets the next instruction begin first, so an upcall wakes the HLT and never comes before it. */
void rt_idle(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}
