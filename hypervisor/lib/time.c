/* SPDX-License-Identifier: MIT */
/*
 * System time from the TSC. Its frequency is measured once against the best reference there is: the HPET's main counter,
 * the ACPI power management timer, or channel 2 of the PIT. One multiplier serves us and the guests' PV clock.
 */
#include "lib/time.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/x86.h"

#define NS_PER_S 1000000000ull
#define MEASURE_NS 50000000ull
#define STUCK_READS 100000u

struct reference {
    const char *name;
    uint64_t (*read)(void);
    uint64_t mask, hz;
};
static volatile uint64_t *hpet;
static uint16_t pm_port;
static uint64_t boot_tsc, tsc_hz, boot_unix_sec;
static uint32_t scale_mul;
static int8_t scale_shift;

uint64_t tsc_khz(void)
{
    return tsc_hz / 1000;
}

void time_scale(uint32_t *mul, int8_t *shift)
{
    *mul = scale_mul;
    *shift = scale_shift;
}

uint64_t tsc_to_ns(uint64_t tsc)
{
    uint64_t d = tsc > boot_tsc ? tsc - boot_tsc : 0;

    d = scale_shift < 0 ? d >> -scale_shift : d << scale_shift;
    return (uint64_t)((unsigned __int128)d * scale_mul >> 32);
}

uint64_t ns_to_tsc(uint64_t ns)
{
    uint64_t high = ns >> 32, low = ns << 32, rest;

    if (high >= scale_mul)
        return ~0ull; /* over a century */
    __asm__("divq %4" : "=a"(low), "=d"(rest) : "a"(low), "d"(high), "r"((uint64_t)scale_mul) : "cc");
    low++; /* never early */
    return boot_tsc + (scale_shift < 0 ? low << -scale_shift : low >> scale_shift);
}

uint64_t now_ns(void)
{
    return tsc_to_ns(rdtsc());
}

/* --- the references --- */

static uint64_t hpet_read(void)
{
    return hpet[0xf0 / 8];
}

/* IA-PC HPET specification 1.0a, 2.3: period in femtoseconds, 64-bit flag, enable bit. */
static bool hpet_setup(struct reference *r, uint64_t base)
{
    uint64_t caps, period;

    if (!base)
        return false;
    hpet = mpa_to_virt(mpa(base));
    caps = hpet[0];
    period = caps >> 32;
    if (!period || period > 100000000)
        return false;
    hpet[0x10 / 8] |= 1;
    *r = (struct reference){"HPET", hpet_read, caps & BIT(13) ? ~0ull : 0xffffffff, 1000000000000000ull / period};
    return true;
}

static uint64_t pm_read(void)
{
    return inl(pm_port);
}

static bool pm_setup(struct reference *r, uint16_t port, bool wide)
{
    pm_port = port;
    *r = (struct reference){"ACPI PM timer", pm_read, wide ? 0xffffffff : 0xffffff, 3579545};
    return port != 0;
}

static uint64_t pit_read(void)
{
    uint8_t low;

    outb(0x43, 0x80); /* latch channel 2 */
    low = inb(0x42);
    return 0xffffu - (low | (unsigned)inb(0x42) << 8);
}

static bool pit_setup(struct reference *r)
{
    outb(0x61, (inb(0x61) & ~2u) | 1); /* gate on, speaker off */
    outb(0x43, 0xb4);                  /* channel 2, both bytes, mode 2: counts down and starts again */
    outb(0x42, 0);
    outb(0x42, 0);
    *r = (struct reference){"PIT", pit_read, 0xffff, 1193182};
    return true;
}

/* --- calibration --- */

/* One reading of reference and TSC; of several tries the one least disturbed. */
static uint64_t sample(const struct reference *r, uint64_t *tsc)
{
    uint64_t best = ~0ull, value = 0;

    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = rdtsc(), v = r->read(), took = rdtsc() - before;

        if (took < best) {
            best = took;
            value = v;
            *tsc = before + took / 2;
        }
    }
    return value;
}

/* TSC ticks per second, 0 if the reference stands still. */
static uint64_t measure(const struct reference *r)
{
    uint64_t start_tsc = 0, tsc = 0, ticks = 0, ns, last = sample(r, &start_tsc), want = r->hz * (MEASURE_NS / 1000) / 1000000;

    for (unsigned idle = 0; ticks < want;) {
        uint64_t v = sample(r, &tsc), step = (v - last) & r->mask;

        if (!step && ++idle > STUCK_READS)
            return 0;
        if (step)
            idle = 0;
        ticks += step;
        last = v;
    }
    ns = ticks * NS_PER_S / r->hz;
    return ns ? (tsc - start_tsc) * NS_PER_S / ns : 0;
}

static void set_scale(void)
{
    uint64_t hz = tsc_hz;

    scale_shift = 0;
    for (; hz <= NS_PER_S; hz *= 2)
        scale_shift++;
    for (; hz > NS_PER_S * 2; hz /= 2)
        scale_shift--;
    scale_mul = (uint32_t)((NS_PER_S << 32) / hz); /* the ratio is in [1/2, 1): 32 significant bits */
}

/* --- the wall clock (Motorola MC146818A) --- */

static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

struct rtc { uint8_t sec, min, hour, day, month, year, century; };

static struct rtc rtc_read(void)
{
    uint64_t start = now_ns();

    while (cmos(0x0a) & 0x80 && now_ns() - start < 10000000) /* update in progress: 2 ms at most */
        cpu_pause();
    return (struct rtc){cmos(0), cmos(2), cmos(4), cmos(7), cmos(8), cmos(9), cmos(0x32)};
}

static bool rtc_equal(const struct rtc *a, const struct rtc *b)
{
    return a->sec == b->sec && a->min == b->min && a->hour == b->hour && a->day == b->day && a->month == b->month &&
           a->year == b->year;
}

static unsigned from_bcd(uint8_t v)
{
    return (v >> 4) * 10u + (v & 15);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    uint64_t y = month > 2 ? year : year - 1; /* years that begin in March end with the leap day */
    uint64_t m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static uint64_t rtc_unix_time(void)
{
    struct rtc a, b;
    uint8_t mode;
    unsigned hour, year, century, tries = 0;

    do {
        a = rtc_read();
        b = rtc_read();
    } while (!rtc_equal(&a, &b) && ++tries < 10);
    mode = cmos(0x0b);
    hour = a.hour & 0x7f;
    year = a.year;
    century = from_bcd(a.century);
    if (!(mode & 4)) {
        a = (struct rtc){(uint8_t)from_bcd(a.sec), (uint8_t)from_bcd(a.min), 0, (uint8_t)from_bcd(a.day),
                         (uint8_t)from_bcd(a.month), 0, 0};
        hour = from_bcd((uint8_t)hour);
        year = from_bcd((uint8_t)year);
    }
    if (!(mode & 2)) /* 12 hours, bit 7 says afternoon */
        hour = hour % 12 + (b.hour & 0x80 ? 12 : 0);
    year += (century >= 19 && century <= 29 ? century : 20) * 100;
    if (year < 1970 || a.month < 1 || a.month > 12 || a.day < 1 || a.day > 31) {
        log_warn("time: the CMOS clock holds no date, the wall clock starts at 1970");
        return 0;
    }
    return ((days_since_1970(year, a.month, a.day) * 24 + hour) * 60 + a.min) * 60 + a.sec;
}

uint64_t time_wallclock_boot_sec(void)
{
    return boot_unix_sec;
}

void time_init(uint64_t hpet_base, uint16_t pm_timer_port, bool pm_timer_32bit)
{
    struct reference r = {0};

    boot_tsc = rdtsc();
    if (hpet_setup(&r, hpet_base))
        tsc_hz = measure(&r);
    if (!tsc_hz && pm_setup(&r, pm_timer_port, pm_timer_32bit))
        tsc_hz = measure(&r);
    if (!tsc_hz && pit_setup(&r))
        tsc_hz = measure(&r);
    if (tsc_hz < 10000000)
        panic("time: no HPET, PM timer or PIT to measure the TSC with (last try: %s)", r.name);
    set_scale();
    lock_spin_limit = tsc_hz * 10;
    boot_unix_sec = rtc_unix_time();
    boot_unix_sec -= MIN(boot_unix_sec, now_ns() / NS_PER_S);
    log_info("time: TSC at %lu kHz, measured by %s; Unix time at boot %lu", tsc_khz(), r.name, boot_unix_sec);
}
