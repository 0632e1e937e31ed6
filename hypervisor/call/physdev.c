/* SPDX-License-Identifier: MIT */
/*
 * physdev_op (xen/physdev.h). The hypervisor keeps no list of PCI functions and hands out no interrupt lines: what the
 * holder of the PCI role announces is accepted and not needed. A pirq is one MSI or MSI-X message of a function (docs/passthrough.md);
 * nothing is written into the device: whoever programs it asks for address and data by BH_OP_pirq_message.
 */
#include <xen/physdev.h>
#include "call/call.h"

int call_device_domain(struct vcpu *v, domid_t id, struct domain **out)
{
    bool self = id == DOMID_SELF || id == v->dom->id;
    if (!domain_has_role(v->dom, self ? BH_ROLE_DEVICE : BH_ROLE_PCI)) return -EPERM;
    *out = domain_find(self ? v->dom->id : id);
    return *out ? 0 : -ESRCH;
}

static int map(struct domain *d, struct physdev_map_pirq *op)
{
    uint32_t bus = (uint32_t)op->bus, segment = bus >> 16;
    unsigned pirq = 0;
    if (op->type != MAP_PIRQ_TYPE_MSI && op->type != MAP_PIRQ_TYPE_MSI_SEG) return -EOPNOTSUPP;
    if (op->pirq != -1 || (uint32_t)op->devfn > 0xff) return -EINVAL;
    if ((bus & 0xffff) > 0xff || (segment && op->type == MAP_PIRQ_TYPE_MSI)) return -EINVAL;
    uint32_t sbdf = segment << 16 | (bus & 0xff) << 8 | (uint32_t)op->devfn;
    int rc = device_owned(d, sbdf) ? event_map_pirq(d, sbdf, &pirq) : -ENODEV;
    op->pirq = (int)pirq;
    if (rc || device_owned(d, sbdf)) return rc;
    event_unmap_pirq(d, pirq); /* taken away meanwhile, before there was a message to block */
    return -ENODEV;
}

static int map_pirq(struct vcpu *v, uint64_t arg)
{
    struct physdev_map_pirq op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_device_domain(v, op.domid, &d);
    if (rc) return rc;
    rc = map(d, &op);
    if (!rc && call_put(v, arg, &op)) {
        event_unmap_pirq(d, (unsigned)op.pirq);
        rc = -EFAULT;
    }
    domain_put(d);
    return rc;
}

static int unmap_pirq(struct vcpu *v, uint64_t arg)
{
    struct physdev_unmap_pirq op;
    struct domain *d;
    if (call_get(v, &op, arg)) return -EFAULT;
    int rc = call_device_domain(v, op.domid, &d);
    if (rc) return rc;
    rc = event_unmap_pirq(d, (unsigned)op.pirq);
    domain_put(d);
    return rc;
}

/* A message is over when it has been sent: nothing waits for the end of its handling. */
static int end_of_interrupt(struct vcpu *v, uint64_t arg, bool query)
{
    struct physdev_irq_status_query op; /* eoi's argument is its first field */
    uint64_t addr;
    uint32_t data;
    if (guest_read(&v->hv, &op.irq, arg, sizeof(op.irq))) return -EFAULT;
    int rc = event_pirq_message(v->dom, op.irq, &addr, &data);
    if (rc || !query) return rc;
    op.flags = 0;
    return call_put(v, arg, &op);
}

long call_physdev(struct vcpu *v, const struct call_args *args)
{
    uint64_t arg = args->a[1];
    switch (args->a[0]) {
    case PHYSDEVOP_manage_pci_add:
    case PHYSDEVOP_manage_pci_add_ext:
    case PHYSDEVOP_manage_pci_remove:
    case PHYSDEVOP_pci_device_add:
    case PHYSDEVOP_pci_device_remove:
    case PHYSDEVOP_pci_mmcfg_reserved:
    case PHYSDEVOP_prepare_msix:
    case PHYSDEVOP_release_msix:
    case PHYSDEVOP_restore_msi:
    case PHYSDEVOP_restore_msi_ext: return domain_has_role(v->dom, BH_ROLE_PCI) ? 0 : -EPERM;
    case PHYSDEVOP_map_pirq: return map_pirq(v, arg);
    case PHYSDEVOP_unmap_pirq: return unmap_pirq(v, arg);
    case PHYSDEVOP_eoi: return end_of_interrupt(v, arg, false);
    case PHYSDEVOP_irq_status_query: return end_of_interrupt(v, arg, true);
    default: return -ENOSYS;
    }
}
