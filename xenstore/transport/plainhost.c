/* SPDX-License-Identifier: MIT */
/* A host without a hypervisor: domains can be introduced, but none has a ring. For tests and for looking at the daemon. */
#include "xenstore/transport/loop.h"

static int ring_open(struct store *s, struct domain *d, uint64_t gfn, uint32_t port)
{
    return 0;
}

static void ring_close(struct domain *d)
{
}

static int domains(uint16_t first, struct domain_info *out, unsigned max)
{
    return -1;
}

const struct host_ops plain_host = { log_line, loop_wake, loop_alarm, ring_open, ring_close, domains, socket_adopt,
                                     update_ask };
