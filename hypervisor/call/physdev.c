/* SPDX-License-Identifier: MIT */
/*
 * physdev_op (xen/physdev.h). The hypervisor keeps no list of PCI functions and hands out no interrupt lines: what the
 * holder of the PCI role announces is accepted and not needed; interrupts of functions come by BH_OP_msi_bind.
 */
#include <xen/physdev.h>
#include "call/call.h"

long call_physdev(struct vcpu *v, const struct call_args *args)
{
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
    default: return -ENOSYS;
    }
}
