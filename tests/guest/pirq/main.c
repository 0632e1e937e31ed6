/* SPDX-License-Identifier: MIT */
/*
 * pirq: messages of a PCI function in Xen's words. A child owns the NVMe controller; we, with the PCI role, map a pirq for it and learn what
 * the device is to be programmed with; the child binds it to a port, closes it, maps one for itself. Then what is refused.
 */
#include "bulkhead/ext.h"
#include "tests/guest/child/child.h"
#include <xen/event_channel.h>
#include <xen/physdev.h>

#define NVME_DEVFN 0x20 /* 00:04.0 */

static struct physdev_map_pirq request(uint16_t domid, int type)
{
    return (struct physdev_map_pirq){ .domid = domid, .type = type, .index = -1, .pirq = -1, .bus = 0, .devfn = NVME_DEVFN };
}

static long physdev(unsigned cmd, void *arg) { return rt_hypercall2(__HYPERVISOR_physdev_op, cmd, arg); }

static long map_for(struct child *c, struct physdev_map_pirq m) { return physdev(PHYSDEVOP_map_pirq, &m); }

static bool build(struct child *c)
{
    struct bh_op b = { .version = BH_INTERFACE_VERSION, .u.roles.roles = BH_ROLE_DEVICE };
    struct xen_domctl d = { .u.assign_device = { .dev = XEN_DOMCTL_DEV_PCI, .u.pci.machine_sbdf = NVME_DEVFN } };
    if (!child_build(c, child_calls))
        return false;
    b.domid = c->domid;
    IS(rt_hypercall2(BH_HYPERCALL, BH_OP_set_roles, &b), 0);
    IS(domctl(&d, XEN_DOMCTL_assign_device, c->domid), 0);
    child_start(c);
    return true;
}

static long message(uint16_t domid, unsigned pirq, struct bh_op *b)
{
    *b = (struct bh_op){ .version = BH_INTERFACE_VERSION, .domid = domid, .u.msi.port = pirq };
    return rt_hypercall2(BH_HYPERCALL, BH_OP_pirq_message, b);
}

#define EVTCHN(c, cmd, arg) child_call((c), __HYPERVISOR_event_channel_op, (cmd), (arg), sizeof(*(arg)))
#define PHYSDEV(c, cmd, arg) child_call((c), __HYPERVISOR_physdev_op, (cmd), (arg), sizeof(*(arg)))

/* Mapped by us, bound by its owner. */
static void given(struct child *c)
{
    struct physdev_map_pirq m = request(c->domid, MAP_PIRQ_TYPE_MSI_SEG);
    struct bh_op b;
    IS(physdev(PHYSDEVOP_map_pirq, &m), 0);
    check(m.pirq > 0, "pirq %d", m.pirq);
    IS(message(c->domid, (unsigned)m.pirq, &b), 0);
    check((b.u.msi.addr & 0xfff00010) == 0xfee00010, "a message in the remappable format: %lx, %x", b.u.msi.addr, b.u.msi.data);
    struct evtchn_bind_pirq bind = { .pirq = (uint32_t)m.pirq, .flags = BIND_PIRQ__WILL_SHARE }, other = { .pirq = 77 };
    IS(EVTCHN(c, EVTCHNOP_bind_pirq, &bind), 0);
    struct evtchn_status s = { .dom = DOMID_SELF, .port = bind.port };
    IS(EVTCHN(c, EVTCHNOP_status, &s), 0);
    check(s.status == EVTCHNSTAT_pirq && s.u.pirq == (uint32_t)m.pirq, "port %u is that of pirq %u", bind.port, s.u.pirq);
    IS(EVTCHN(c, EVTCHNOP_bind_pirq, &bind), -XEN_EEXIST);
    IS(EVTCHN(c, EVTCHNOP_bind_pirq, &other), -XEN_ESRCH);
    other = (struct evtchn_bind_pirq){ .pirq = (uint32_t)m.pirq, .flags = 8 };
    IS(EVTCHN(c, EVTCHNOP_bind_pirq, &other), -XEN_EINVAL);
    struct physdev_eoi eoi = { .irq = (uint32_t)m.pirq };
    IS(PHYSDEV(c, PHYSDEVOP_eoi, &eoi), 0);
    struct physdev_irq_status_query q = { .irq = (uint32_t)m.pirq, .flags = 99 };
    IS(PHYSDEV(c, PHYSDEVOP_irq_status_query, &q), 0);
    IS(q.flags, 0);
    struct evtchn_close close = { .port = bind.port };
    IS(EVTCHN(c, EVTCHNOP_close, &close), 0);
    IS(message(c->domid, (unsigned)m.pirq, &b), 0); /* unbound, not unmapped */
    struct physdev_unmap_pirq u = { .domid = c->domid, .pirq = m.pirq };
    IS(physdev(PHYSDEVOP_unmap_pirq, &u), 0);
    IS(physdev(PHYSDEVOP_unmap_pirq, &u), -XEN_ESRCH);
    IS(EVTCHN(c, EVTCHNOP_bind_pirq, &bind), -XEN_ESRCH);
    IS(PHYSDEV(c, PHYSDEVOP_eoi, &eoi), -XEN_ESRCH);
}

/* By the owner alone, as many as a domain may have. */
static void own(struct child *c)
{
    struct physdev_map_pirq m = request(DOMID_SELF, MAP_PIRQ_TYPE_MSI);
    unsigned n = 0;
    int last = 0;
    long ret;
    while ((ret = PHYSDEV(c, PHYSDEVOP_map_pirq, &m)) == 0 && n < 1000) {
        n++;
        last = m.pirq;
        m.pirq = -1;
    }
    check(n == 64 && ret == -XEN_ENOSPC, "%u messages, then %ld", n, ret);
    struct physdev_unmap_pirq u = { .domid = DOMID_SELF, .pirq = last };
    IS(PHYSDEV(c, PHYSDEVOP_unmap_pirq, &u), 0);
    m.pirq = -1;
    IS(PHYSDEV(c, PHYSDEVOP_map_pirq, &m), 0);
    m = request(rt_domid, MAP_PIRQ_TYPE_MSI);
    IS(PHYSDEV(c, PHYSDEVOP_map_pirq, &m), -XEN_EPERM); /* another domain is not its business */
}

static void refusals(struct child *c)
{
    struct physdev_map_pirq m = request(c->domid, MAP_PIRQ_TYPE_GSI);
    IS(map_for(c, m), -XEN_EOPNOTSUPP);
    m.type = MAP_PIRQ_TYPE_MULTI_MSI;
    IS(map_for(c, m), -XEN_EOPNOTSUPP);
    m = request(c->domid, MAP_PIRQ_TYPE_MSI);
    m.devfn = 0;
    IS(map_for(c, m), -XEN_ENODEV); /* not its own */
    m.devfn = 0x10020;
    IS(map_for(c, m), -XEN_EINVAL);
    m = request(c->domid, MAP_PIRQ_TYPE_MSI);
    m.bus = 1 << 16;
    IS(map_for(c, m), -XEN_EINVAL); /* this type has no segment */
    m.type = MAP_PIRQ_TYPE_MSI_SEG;
    IS(map_for(c, m), -XEN_ENODEV);
    m = request(c->domid, MAP_PIRQ_TYPE_MSI);
    m.pirq = 5;
    IS(map_for(c, m), -XEN_EINVAL); /* the number is not the caller's choice */
    IS(map_for(c, request(DOMID_SELF, MAP_PIRQ_TYPE_MSI)), -XEN_EPERM); /* we own no devices */
    IS(map_for(c, request(0x7000, MAP_PIRQ_TYPE_MSI)), -XEN_ESRCH);
    IS(physdev(PHYSDEVOP_map_pirq, BAD_POINTER), -XEN_EFAULT);
    IS(physdev(PHYSDEVOP_unmap_pirq, BAD_POINTER), -XEN_EFAULT);
    IS(physdev(PHYSDEVOP_eoi, BAD_POINTER), -XEN_EFAULT);
    IS(physdev(PHYSDEVOP_get_free_pirq, BAD_POINTER), -XEN_ENOSYS);
}

void domain_main(const char *cmdline)
{
    struct child c;
    if (build(&c)) {
        given(&c);
        refusals(&c);
        own(&c);
        check(child_destroy(&c), "gone, and its messages with it");
    }
    if (build(&c)) {
        given(&c); /* the function is free for the next */
        check(child_destroy(&c), "gone");
    }
    test_done();
}
