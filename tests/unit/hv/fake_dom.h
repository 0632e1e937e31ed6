/* SPDX-License-Identifier: MIT */
/* Domains for host tests: the real dom/ over real frames and p2m, with vCPUs that never run. */
#ifndef FAKE_DOM_H
#define FAKE_DOM_H
#include "dom/domain.h"

struct domain *fake_domain(domid_t id, uint32_t roles, unsigned vcpus, unsigned pages); /* RAM at gfn 0.., reference of the table only */
void fake_kill(struct domain *d);                                                       /* domain_kill to its end */
extern unsigned fake_upcalls, fake_wakes, fake_dma_blocks;
extern bool fake_msi_fails;
extern bool fake_msi_held;    /* by the last msi_hold */
void fake_msi_fire(void);     /* the last MSI handle given out */
extern unsigned fake_msi_live;
extern bool fake_machine_off;
extern bool fake_contended; /* another CPU has what spin_try_pair tries */
extern uint64_t fake_now, fake_now_step; /* each look at the clock moves it by so much */
#endif
