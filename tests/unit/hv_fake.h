/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's lowest rooms for host tests: log, locks, frames, one CPU. Physical addresses are host addresses minus
 * DIRECT_MAP, so that mpa_to_virt and virt_to_mpa work unchanged. Link with -no-pie: per-CPU data is found at GS base 0.
 */
#ifndef TESTS_HV_FAKE_H
#define TESTS_HV_FAKE_H
#include "lib/types.h"

extern char fake_log[4096];           /* everything logged since fake_log_reset */
void fake_log_reset(void);
extern unsigned fake_locks_held;
extern unsigned fake_frames_allocated, fake_frames_limit; /* limit: allocations fail beyond it */
#endif
