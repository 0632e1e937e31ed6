/* SPDX-License-Identifier: MIT */
/*
 * hvm: HVM parameters and the other operations of hvm_op that a PVH kernel uses.
 */
#include "tests/guest/lib.h"
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

static long get(uint16_t domid, uint32_t index, uint64_t *value)
{
    struct xen_hvm_param p = { .domid = domid, .index = index, .value = 0xdeadbeef };
    long ret = hvm_op(HVMOP_get_param, &p);
    *value = p.value;
    return ret;
}

static long set(uint16_t domid, uint32_t index, uint64_t value)
{
    struct xen_hvm_param p = { .domid = domid, .index = index, .value = value };
    return hvm_op(HVMOP_set_param, &p);
}

static void params(void)
{
    uint64_t v, callback = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | RT_UPCALL_VECTOR;
    IS(get(DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, &v), 0);
    check(v == callback, "the callback reads as it was set: %lx", v);
    IS(get(rt_domid, HVM_PARAM_CALLBACK_IRQ, &v), 0);
    check(v == callback, "also by our own number");
    IS(get(DOMID_SELF, HVM_PARAM_STORE_PFN, &v), 0);
    IS(get(DOMID_SELF, HVM_NR_PARAMS, &v), -XEN_EINVAL);
    IS(get(DOMID_SELF, 0xffffffff, &v), -XEN_EINVAL);
    IS(set(DOMID_SELF, HVM_NR_PARAMS, 0), -XEN_EINVAL);
    IS(get(0x7000, HVM_PARAM_STORE_PFN, &v), -XEN_ESRCH);
    IS(set(0x7000, HVM_PARAM_STORE_PFN, 1), -XEN_ESRCH);
    IS(set(DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, callback), 0);
    IS(hvm_op(HVMOP_get_param, BAD_POINTER), -XEN_EFAULT);
    IS(hvm_op(HVMOP_set_param, BAD_POINTER), -XEN_EFAULT);
}

static volatile bool fired;
static void on_event(void *arg)
{
    fired = true;
}

static void upcall_vector(void)
{
    struct xen_hvm_evtchn_upcall_vector u = { .vcpu = 4000, .vector = 0x50 };
    REFUSED(hvm_op(HVMOP_set_evtchn_upcall_vector, &u));
    u = (struct xen_hvm_evtchn_upcall_vector){ .vcpu = 0, .vector = 5 };
    IS(hvm_op(HVMOP_set_evtchn_upcall_vector, &u), -XEN_EINVAL);
    IS(hvm_op(HVMOP_set_evtchn_upcall_vector, BAD_POINTER), -XEN_EFAULT);
}

/* Last: the upcall through the local APIC, as stock kernels ask for it. */
static void upcall_by_apic(void)
{
    extern uint8_t rt_upcall_eoi;
    struct xen_hvm_evtchn_upcall_vector u = { .vcpu = 0, .vector = RT_UPCALL_VECTOR };
    struct evtchn_bind_ipi b = { .vcpu = 0 };
    uint64_t base;
    RT_ASSERT(try_rdmsr(0x1b, &base) == -1 && try_wrmsr(0x1b, base | 3u << 10) == -1);
    RT_ASSERT(try_wrmsr(0x80f, 0x1ff) == -1);
    IS(hvm_op(HVMOP_set_evtchn_upcall_vector, &u), 0);
    rt_upcall_eoi = 1;
    IS(evtchn_op(EVTCHNOP_bind_ipi, &b), 0);
    rt_event_attach(b.port, on_event, NULL);
    for (unsigned i = 0; i < 3; i++) {
        fired = false;
        rt_event_send(b.port);
        check(wait_for(&fired, 10000), "upcall %u through the local APIC", i + 1);
    }
    uint64_t isr;
    check(try_rdmsr(0x812, &isr) == -1 && isr == 0, "nothing in service after the end of interrupt");
}

void domain_main(const char *cmdline)
{
    params();
    upcall_vector();
    IS(hvm_op(1000, NULL), -XEN_ENOSYS);
    upcall_by_apic();
    test_done();
}
