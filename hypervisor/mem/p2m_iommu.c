/* SPDX-License-Identifier: MIT */
/*
 * Joining a domain's memory to an IOMMU table: what is mapped now is copied here, later changes are made by p2m.c in both.
 * Only what a device may reach enters: own memory and mapped grants, with the rights they have (p2m_type_dma).
 */
#include "mem/iommu.h"
#include "mem/p2m.h"

/* p->lock held */
static int mirror(struct p2m *p, struct iommu_domain *d)
{
    for (uint64_t g = 0; g <= p->max_gfn;) {
        struct pt_leaf l = pt_lookup(&p->npt, g);
        uint64_t size = 1ull << l.order;
        if (l.present && p2m_type_dma((enum p2m_type)PT_SOFT_OF(l.perm))) {
            int rc = pt_map(&d->pt, g, l.mfn, l.order, l.perm & (PT_READ | PT_WRITE));
            if (rc)
                return rc;
        }
        g = (g | (size - 1)) + 1;
    }
    return 0;
}

int p2m_attach_iommu(struct p2m *p, struct iommu_domain *d)
{
    spin_lock(&p->lock);
    int rc = p->iommu ? -EEXIST : mirror(p, d);
    if (!rc)
        p->iommu = d;
    spin_unlock(&p->lock);
    return rc;
}

void p2m_detach_iommu(struct p2m *p)
{
    spin_lock(&p->lock);
    p->iommu = NULL;
    spin_unlock(&p->lock);
}
