/* SPDX-License-Identifier: MIT */
/* System time: ns since boot, one for all CPUs (invariant, synchronised TSC), calibrated against HPET, PM timer or PIT. */
#ifndef LIB_TIME_H
#define LIB_TIME_H
#include "lib/types.h"

void time_init(uint64_t hpet_base, uint16_t pm_timer_port, bool pm_timer_32bit); /* 0 = absent; sets tsc_khz() */
uint64_t tsc_khz(void);
uint64_t now_ns(void);
uint64_t tsc_to_ns(uint64_t tsc), ns_to_tsc(uint64_t ns); /* between a TSC reading and system time; TSC before boot = 0 ns */
uint64_t time_wallclock_boot_sec(void); /* Unix time at boot, from the CMOS clock */
void time_scale(uint32_t *mul, int8_t *shift); /* for the PV clock: ns = (tsc << shift) * mul >> 32 */
#endif
