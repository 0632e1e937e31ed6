/* SPDX-License-Identifier: MIT */
/*
 * The domain builder: turns a checked configuration into a paused PVH domain that is ready to run.
 * What the guest sees is in docs/interfaces.md, "PVH domains as built". A failure destroys the half-built domain.
 */
#ifndef TOOLS_BUILD_H
#define TOOLS_BUILD_H
#include "tools/lib/domcfg.h"
#include "tools/lib/handles.h"

struct built {
    uint32_t domid;
    uint64_t store_gfn, console_gfn;
    uint32_t store_port, console_port; /* the guest's ends, unbound, for domain 0 */
};

/* Creates the domain, paused, with memory, kernel and vCPU 0 set up. No xenstore. 0 or -1 and no domain left. */
int dom_build(struct handles *h, const struct domcfg *cfg, struct built *b, struct err *e);
#endif
