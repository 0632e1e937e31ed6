/* SPDX-License-Identifier: MIT */
/*
 * Joining a domain's memory to an IOMMU table: what is mapped now is copied here, later changes are made by p2m.c in both.
 * Only what a device may reach enters: own memory and mapped grants, with the rights they have (p2m_type_dma).
 */
#include "mem/iommu.h"
#include "mem/p2m.h"

#define STEP 1024u /* entries looked at and made in one go */

/* p->lock held. Changes made meanwhile are in the table already: mapped once more they are what they were. */
static int mirror(struct p2m *p, struct iommu_domain *d)
{
    for (uint64_t n = 0; p->mirrored <= p->max_gfn; n++) {
        uint64_t g = p->mirrored;
        if (n >= STEP)
            return -ERESTART;
        struct pt_leaf l = pt_lookup(&p->npt, g);
        uint64_t size = 1ull << l.order;
        n += l.present ? size >> d->pt.fmt->max_order : 0;
        if (l.present && p2m_type_dma((enum p2m_type)PT_SOFT_OF(l.perm))) {
            int rc = pt_map(&d->pt, g & ~(size - 1), mfn(l.mfn.v & ~(size - 1)), l.order, l.perm & (PT_READ | PT_WRITE));
            if (rc)
                return rc;
        }
        p->mirrored = (g | (size - 1)) + 1;
    }
    return 0;
}

int p2m_attach_iommu(struct p2m *p, struct iommu_domain *d)
{
    spin_lock(&p->lock);
    int rc = p->iommu && p->iommu != d ? -EEXIST : 0;
    if (!rc) {
        p->iommu = d;
        rc = mirror(p, d);
    }
    spin_unlock(&p->lock);
    return rc;
}

void p2m_detach_iommu(struct p2m *p)
{
    spin_lock(&p->lock);
    p->iommu = NULL;
    p->mirrored = 0;
    spin_unlock(&p->lock);
}
