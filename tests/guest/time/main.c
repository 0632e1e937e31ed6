/* SPDX-License-Identifier: MIT */
/*
 * time: the PV clock. It never goes back, agrees with the TSC and with the timers, and the wall clock is sane.
 */
#include "tests/guest/lib.h"
#include <xen/arch-x86/cpuid.h>

#define MS 1000000ul

static uint64_t raw_now(void)
{
    const volatile struct vcpu_time_info *t = &RT_SHARED->vcpu_info[0].time;
    uint32_t version;
    uint64_t ns;
    do {
        version = t->version;
        __asm__ volatile("" : : : "memory");
        uint64_t delta = test_rdtsc() - t->tsc_timestamp;
        delta = t->tsc_shift >= 0 ? delta << t->tsc_shift : delta >> -t->tsc_shift;
        ns = t->system_time + (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
        __asm__ volatile("" : : : "memory");
    } while ((version & 1) || version != t->version);
    return ns;
}

void domain_main(const char *cmdline)
{
    const volatile struct vcpu_time_info *t = &RT_SHARED->vcpu_info[0].time;
    uint64_t last = raw_now(), worst = 0, start = last;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t now = raw_now();
        if (now < last && last - now > worst)
            worst = last - now;
        last = now > last ? now : last;
    }
    check(worst == 0, "200000 readings in %lu ms, never backwards (worst %lu ns)", (last - start) / MS, worst);

    uint64_t ns = raw_now(), tsc = test_rdtsc();
    rt_sleep_until(rt_now() + 100 * MS);
    while (raw_now() < ns + 200 * MS)
        __asm__ volatile("pause");
    uint64_t dns = raw_now() - ns, dtsc = test_rdtsc() - tsc;
    check(dns >= 200 * MS, "200 ms by the clock, %lu million TSC ticks", dtsc / 1000000);
    uint32_t r[4];
    test_cpuid(0x40000003, 0, r);
    uint64_t khz = dtsc * 1000000 / dns;
    check(r[2] && khz > r[2] / 100 * 95 && khz < r[2] / 100 * 105, "TSC: %u kHz by CPUID, %lu measured", r[2], khz);
    check(t->tsc_to_system_mul != 0 && !(t->version & 1), "a complete record: version %u, mul %x, shift %d", t->version,
          t->tsc_to_system_mul, t->tsc_shift);

    uint32_t wc_version = RT_SHARED->wc_version;
    uint64_t seconds = RT_SHARED->wc_sec + raw_now() / 1000000000;
    check(wc_version && !(wc_version & 1), "wall clock version %u", wc_version);
    check(seconds > 1577836800 && seconds < 4102444800, "wall clock: %lu s, between 2020 and 2100", seconds);
    test_done();
}
