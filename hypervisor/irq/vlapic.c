/* SPDX-License-Identifier: MIT */
/*
 * The virtual local APIC: what its registers hold and which vector comes next. Intel SDM vol. 3 chapter 11; section and
 * table numbers below are of that chapter.
 */
#include "irq/vlapic.h"
#include "lib/bits.h"
#include "lib/x86.h"

#define BASE_BSP BIT(8)
#define BASE_EXTD BIT(10)
#define BASE_ENABLE BIT(11)
#define SVR_ENABLE 0x100u
#define LVT_MASKED 0x10000u
#define LVT_READ_ONLY 0x5000u /* delivery status, remote IRR */
#define TIMER_MODE 0x60000u
#define TIMER_ONE_SHOT 0u
#define TIMER_PERIODIC 0x20000u
#define TIMER_TSC_DEADLINE 0x40000u
#define VERSION 0x00060014u   /* seven LVT entries, integrated APIC */
#define ESR_SEND_ILLEGAL_VECTOR 0x20u
#define BROADCAST 0xffffffffu
#define XAPIC_BROADCAST 0xffu
#define DFR_FLAT 0xfu          /* model in bits 31:28; cluster is 0 */
#define ICR_RESERVED 0xfff33000u

/* Registers: MSR - 0x800. */
enum reg {
    REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_PPR = 0x0a, REG_EOI = 0x0b, REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f,
    REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28, REG_LVT_CMCI = 0x2f, REG_ICR = 0x30, REG_ICR_HIGH = 0x31,
    REG_LVT_TIMER = 0x32, REG_LVT_THERMAL, REG_LVT_PERF, REG_LVT_LINT0, REG_LVT_LINT1, REG_LVT_ERROR,
    REG_INITIAL = 0x38, REG_CURRENT = 0x39, REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f
};

void vlapic_init(struct vlapic *l)
{
    *l = (struct vlapic){
        .id = l->id,
        .base = l->base,
        .svr = 0xff, .dfr = ~0u,
        .lvt_timer = LVT_MASKED, .lvt_lint0 = LVT_MASKED, .lvt_lint1 = LVT_MASKED, .lvt_err = LVT_MASKED,
        .lvt_perf = LVT_MASKED, .lvt_thermal = LVT_MASKED, .lvt_cmci = LVT_MASKED,
    };
}

void vlapic_reset(struct vlapic *l, uint32_t id, bool bsp)
{
    l->id = id;
    l->base = VLAPIC_PAGE | BASE_ENABLE | BASE_EXTD | (bsp ? BASE_BSP : 0);
    vlapic_init(l);
}

static bool x2apic_mode(const struct vlapic *l) { return l->base & BASE_EXTD; }
bool vlapic_has_page(const struct vlapic *l) { return (l->base & (BASE_ENABLE | BASE_EXTD)) == BASE_ENABLE; }

/* 11.12.5.1: off and on again, and from xAPIC to x2APIC mode; back only by way of off, which is as a reset (11.4.3). */
static int write_base(struct vlapic *l, uint64_t v, bool *timer_changed)
{
    uint64_t changed = v ^ l->base;
    bool on = v & BASE_ENABLE, was_on = l->base & BASE_ENABLE;

    if (changed & ~(uint64_t)(BASE_ENABLE | BASE_EXTD) || (v & BASE_EXTD && !(on && was_on)) ||
        (on && changed & BASE_EXTD && !(v & BASE_EXTD)))
        return -EINVAL;
    l->base = v;
    if (!on && was_on) {
        vlapic_init(l);
        *timer_changed = true;
    }
    return 0;
}

/* --- pending and in-service vectors --- */

static int highest_bit(const uint64_t *map)
{
    for (int i = 3; i >= 0; i--) {
        uint64_t w = READ_ONCE(map[i]);

        if (w)
            return i * 64 + 63 - __builtin_clzll(w);
    }
    return -1;
}

/* 11.8.3.1: the higher class of the task priority and what is in service. */
static uint32_t processor_priority(const struct vlapic *l)
{
    int v = highest_bit(l->isr);
    uint32_t in_service = v < 0 ? 0 : (uint32_t)v & 0xf0;

    return l->tpr >> 4 >= in_service >> 4 ? l->tpr : in_service;
}

bool vlapic_set_irr(struct vlapic *l, uint8_t vector)
{
    return vector >= 16 && READ_ONCE(l->svr) & SVR_ENABLE && !bit_set(l->irr, vector);
}

int vlapic_highest(const struct vlapic *l)
{
    int v = l->svr & SVR_ENABLE ? highest_bit(l->irr) : -1;

    return v >= 0 && (uint32_t)v >> 4 > processor_priority(l) >> 4 ? v : -1;
}

void vlapic_ack(struct vlapic *l, uint8_t vector)
{
    bit_clear(l->irr, vector);
    bit_set(l->isr, vector);
}

/* --- registers that a CPU has in a page (29.1.1): 32 bits each, 16 bytes apart --- */

bool vlapic_direct(const struct vlapic *l)
{
    return x2apic_mode(l) && l->svr & SVR_ENABLE;
}

uint16_t vlapic_give(struct vlapic *l, uint32_t *page)
{
    uint64_t irr[4];

    for (unsigned i = 0; i < 4; i++) {
        irr[i] = READ_ONCE(l->irr[i]) ? __atomic_exchange_n(&l->irr[i], 0, __ATOMIC_SEQ_CST) : 0;
        for (unsigned half = 0; half < 2; half++) {
            page[(REG_IRR + 2 * i + half) * 4] = (uint32_t)(irr[i] >> 32 * half);
            page[(REG_ISR + 2 * i + half) * 4] = (uint32_t)(l->isr[i] >> 32 * half);
        }
    }
    page[REG_TPR * 4] = l->tpr;
    return (uint16_t)(MAX(highest_bit(irr), 0) | MAX(highest_bit(l->isr), 0) << 8);
}

static uint64_t two_words(const uint32_t *page, unsigned reg)
{
    return page[reg * 4] | (uint64_t)page[(reg + 1) * 4] << 32;
}

void vlapic_take(struct vlapic *l, const uint32_t *page)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t left = two_words(page, REG_IRR + 2 * i);

        if (left)
            __atomic_fetch_or(&l->irr[i], left, __ATOMIC_SEQ_CST);
        l->isr[i] = two_words(page, REG_ISR + 2 * i);
    }
    l->tpr = page[REG_TPR * 4] & 0xff;
}

static void end_of_interrupt(struct vlapic *l)
{
    int v = highest_bit(l->isr);

    if (v >= 0)
        bit_clear(l->isr, (unsigned)v);
}

/* 11.5.3: remembered until the guest writes ESR, and told by the error vector. */
static void raise_error(struct vlapic *l, uint32_t error)
{
    l->esr |= error << 16;
    if (!(l->lvt_err & LVT_MASKED))
        vlapic_set_irr(l, (uint8_t)l->lvt_err);
}

/* --- the timer (11.5.4) --- */

static uint32_t timer_mode(const struct vlapic *l)
{
    return l->lvt_timer & TIMER_MODE;
}

/* Table in figure 11-10: bits 3, 1, 0 are 0..7 for 2, 4, ... 128, 1. */
static uint64_t tick_ns(uint32_t divide)
{
    uint32_t code = (divide & 3) | (divide >> 1 & 4);

    return VLAPIC_TIMER_NS * (code == 7 ? 1ull : 2ull << code);
}

static uint64_t period_ns(const struct vlapic *l)
{
    return MAX(l->timer_initial * tick_ns(l->timer_divide), (uint64_t)VLAPIC_MIN_PERIOD_NS);
}

static uint32_t current_count(const struct vlapic *l, uint64_t now)
{
    uint64_t ticks = (now - l->timer_start_ns) / tick_ns(l->timer_divide);

    if (!l->timer_initial || timer_mode(l) == TIMER_TSC_DEADLINE)
        return 0;
    if (timer_mode(l) == TIMER_PERIODIC)
        return l->timer_initial - (uint32_t)(ticks % l->timer_initial);
    return ticks < l->timer_initial ? l->timer_initial - (uint32_t)ticks : 0;
}

static void disarm(struct vlapic *l)
{
    l->timer_initial = 0;
    l->timer_deadline_ns = l->tsc_deadline = 0;
}

static void write_initial(struct vlapic *l, uint32_t v, uint64_t now)
{
    if (timer_mode(l) == TIMER_TSC_DEADLINE)
        return;
    l->timer_initial = v;
    l->timer_start_ns = now;
    l->timer_deadline_ns = v ? now + v * tick_ns(l->timer_divide) : 0;
}

/* The count goes on from where it is, at the new speed. */
static void write_divide(struct vlapic *l, uint32_t v, uint64_t now)
{
    uint64_t left = current_count(l, now);

    l->timer_divide = v;
    if (!left)
        return;
    l->timer_start_ns = now - (l->timer_initial - left) * tick_ns(v);
    l->timer_deadline_ns = now + left * tick_ns(v);
}

static void write_lvt_timer(struct vlapic *l, uint32_t v, uint64_t now)
{
    uint32_t old = timer_mode(l);
    uint64_t left = current_count(l, now);

    l->lvt_timer = v;
    if ((old == TIMER_TSC_DEADLINE) != (timer_mode(l) == TIMER_TSC_DEADLINE))
        disarm(l);
    else if (left) /* the same moment, but for a periodic timer that stood still */
        l->timer_deadline_ns = now + left * tick_ns(l->timer_divide);
}

bool vlapic_timer_resume(struct vlapic *l, uint64_t now)
{
    uint8_t vector = (uint8_t)l->lvt_timer;

    if (timer_mode(l) != TIMER_PERIODIC || !l->timer_initial || l->timer_deadline_ns || l->lvt_timer & LVT_MASKED ||
        bit_test(l->irr, vector))
        return false;
    if (l->timer_initial * tick_ns(l->timer_divide) < VLAPIC_MIN_PERIOD_NS)
        l->timer_deadline_ns = now + VLAPIC_MIN_PERIOD_NS;
    else
        l->timer_deadline_ns = now + current_count(l, now) * tick_ns(l->timer_divide);
    return true;
}

void vlapic_timer_expired(struct vlapic *l, uint64_t now)
{
    uint64_t next = 0;

    if (timer_mode(l) == TIMER_TSC_DEADLINE) {
        if (!l->tsc_deadline)
            return;
        l->tsc_deadline = 0;
    } else {
        uint64_t due = l->timer_deadline_ns;

        if (!due || now < due)
            return;
        l->timer_deadline_ns = 0;
        if (timer_mode(l) == TIMER_PERIODIC && l->timer_initial)
            next = due + ((now - due) / period_ns(l) + 1) * period_ns(l);
    }
    if (!(l->lvt_timer & LVT_MASKED) && vlapic_set_irr(l, (uint8_t)l->lvt_timer))
        l->timer_deadline_ns = next;
}

/* --- interrupt command (11.12.9) --- */

static int write_icr(struct vlapic *l, uint64_t v, struct vlapic_ipi *ipi)
{
    unsigned shorthand = v >> 18 & 3, mode = v >> 8 & 7;
    bool deassert = (v & 0xc000) == 0x8000;

    if (v & ICR_RESERVED)
        return -EINVAL;
    l->icr = v;
    *ipi = (struct vlapic_ipi){
        .vector = (uint8_t)v, .self = shorthand == 1, .all = shorthand == 2, .others = shorthand == 3,
        .logical = v >> 11 & 1, .dest = (uint32_t)(v >> 32),
    };
    if (mode <= 1) { /* fixed; lowest priority goes to all it names, which the SDM allows an implementation */
        if (ipi->vector >= 16)
            ipi->kind = IPI_FIXED;
        else
            raise_error(l, ESR_SEND_ILLEGAL_VECTOR);
    } else if (shorthand == 0 || shorthand == 3) { /* table 11-3: the others cannot include the sender */
        ipi->kind = mode == 4 ? IPI_NMI : mode == 5 && !deassert ? IPI_INIT : mode == 6 ? IPI_SIPI : IPI_NONE;
    }
    return 0;
}

/* 11.12.10.2: in x2APIC mode it follows from the id. */
static uint32_t logical_id(const struct vlapic *l)
{
    return l->id >> 4 << 16 | 1u << (l->id & 15);
}

/* 11.6.2.2: eight bits of destination, one bit an APIC in the flat model, four in each of 15 clusters else. */
static bool xapic_logical_match(const struct vlapic *l, uint32_t dest)
{
    uint32_t me = l->ldr >> 24;

    if (l->dfr >> 28 == DFR_FLAT)
        return dest <= 0xff && dest & me;
    return dest <= 0xff && dest >> 4 == me >> 4 && dest & me & 0xf;
}

bool vlapic_match(const struct vlapic *l, const struct vlapic_ipi *ipi)
{
    uint32_t me = logical_id(l);

    if (ipi->dest == BROADCAST)
        return true;
    if (!ipi->logical)
        return ipi->dest == l->id;
    if (!x2apic_mode(l))
        return xapic_logical_match(l, ipi->dest);
    return ipi->dest >> 16 == me >> 16 && (ipi->dest & me & 0xffff);
}

static void send_to_self(struct vlapic *l, uint8_t vector, struct vlapic_ipi *ipi)
{
    if (vector < 16)
        raise_error(l, ESR_SEND_ILLEGAL_VECTOR);
    else
        *ipi = (struct vlapic_ipi){.kind = IPI_FIXED, .vector = vector, .self = true};
}

/* --- registers (table 11-6) --- */

/* The LVT entry behind a register and its writable bits; NULL if it is none. */
static uint32_t *lvt_of(struct vlapic *l, unsigned reg, uint32_t *writable)
{
    *writable = LVT_MASKED | 0x7ff;
    switch (reg) {
    case REG_LVT_CMCI: return &l->lvt_cmci;
    case REG_LVT_THERMAL: return &l->lvt_thermal;
    case REG_LVT_PERF: return &l->lvt_perf;
    case REG_LVT_TIMER: *writable = LVT_MASKED | TIMER_MODE | 0xff; return &l->lvt_timer;
    case REG_LVT_ERROR: *writable = LVT_MASKED | 0xff; return &l->lvt_err;
    case REG_LVT_LINT0: *writable |= 0xa000; return &l->lvt_lint0;
    case REG_LVT_LINT1: *writable |= 0xa000; return &l->lvt_lint1;
    default: return NULL;
    }
}

static int write_lvt(struct vlapic *l, unsigned reg, uint32_t v, uint64_t now, bool *timer_changed)
{
    uint32_t writable, *lvt = lvt_of(l, reg, &writable);

    if (v & ~(writable | LVT_READ_ONLY) || (reg == REG_LVT_TIMER && (v & TIMER_MODE) == TIMER_MODE))
        return -EINVAL;
    v &= writable;
    if (!(l->svr & SVR_ENABLE))
        v |= LVT_MASKED;
    if (reg == REG_LVT_TIMER) {
        write_lvt_timer(l, v, now);
        *timer_changed = true;
    } else {
        *lvt = v;
    }
    return 0;
}

static void write_svr(struct vlapic *l, uint32_t v)
{
    l->svr = v;
    if (v & SVR_ENABLE)
        return;
    uint32_t *const lvt[] = {&l->lvt_timer, &l->lvt_lint0, &l->lvt_lint1, &l->lvt_err, &l->lvt_perf, &l->lvt_thermal, &l->lvt_cmci};

    for (unsigned i = 0; i < ARRAY_SIZE(lvt); i++) /* 11.4.7.2 */
        *lvt[i] |= LVT_MASKED;
}

/* The bits that software may set in a register that is not an LVT entry; ~0 where the register itself decides. */
static int check_bits(unsigned reg, uint64_t v)
{
    static const struct { uint8_t reg; uint32_t allowed; } rows[] = {
        {REG_TPR, 0xff}, {REG_EOI, 0}, {REG_SVR, 0x3ff}, {REG_ESR, 0}, {REG_INITIAL, ~0u}, {REG_DIVIDE, 0xb}, {REG_SELF_IPI, 0xff},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].reg == reg)
            return v & ~(uint64_t)rows[i].allowed ? -EINVAL : 0;
    return -EINVAL; /* read-only or no register */
}

static int write_register(struct vlapic *l, unsigned reg, uint64_t v, uint64_t now, bool *timer_changed, struct vlapic_ipi *ipi)
{
    uint32_t writable;

    if (reg == REG_ICR)
        return write_icr(l, v, ipi);
    if (v >> 32)
        return -EINVAL;
    if (lvt_of(l, reg, &writable))
        return write_lvt(l, reg, (uint32_t)v, now, timer_changed);
    if (check_bits(reg, v))
        return -EINVAL;
    switch (reg) {
    case REG_TPR: l->tpr = (uint32_t)v; break;
    case REG_EOI: end_of_interrupt(l); break;
    case REG_SVR: write_svr(l, (uint32_t)v); break;
    case REG_ESR: l->esr >>= 16; break;
    case REG_INITIAL: write_initial(l, (uint32_t)v, now); *timer_changed = true; break;
    case REG_DIVIDE: write_divide(l, (uint32_t)v, now); *timer_changed = true; break;
    case REG_SELF_IPI: send_to_self(l, (uint8_t)v, ipi); break;
    }
    return 0;
}

int vlapic_msr_write(struct vlapic *l, uint32_t msr, uint64_t value, uint64_t now, bool *timer_changed, struct vlapic_ipi *ipi)
{
    *timer_changed = false;
    *ipi = (struct vlapic_ipi){.kind = IPI_NONE};
    if (msr == MSR_APIC_BASE)
        return write_base(l, value, timer_changed);
    if (msr == MSR_TSC_DEADLINE) {
        if (timer_mode(l) == TIMER_TSC_DEADLINE) {
            l->tsc_deadline = value;
            *timer_changed = true;
        }
        return 0;
    }
    if (!x2apic_mode(l) || msr < MSR_X2APIC || msr > MSR_X2APIC + REG_SELF_IPI)
        return -EINVAL;
    return write_register(l, msr - MSR_X2APIC, value, now, timer_changed, ipi);
}

/* One of the eight 32-bit words of a 256-bit register. */
static uint32_t word_of(const uint64_t *map, unsigned n)
{
    return (uint32_t)(READ_ONCE(map[n / 2]) >> (n % 2 * 32));
}

static int read_register(struct vlapic *l, unsigned reg, uint64_t now, uint64_t *v)
{
    uint32_t writable, *lvt = lvt_of(l, reg, &writable);

    if (lvt) {
        *v = *lvt;
        return 0;
    }
    switch (reg) {
    case REG_ID: *v = l->id; return 0;
    case REG_VERSION: *v = VERSION; return 0;
    case REG_TPR: *v = l->tpr; return 0;
    case REG_PPR: *v = processor_priority(l); return 0;
    case REG_LDR: *v = logical_id(l); return 0;
    case REG_SVR: *v = l->svr; return 0;
    case REG_ISR ... REG_ISR + 7: *v = word_of(l->isr, reg - REG_ISR); return 0;
    case REG_TMR ... REG_TMR + 7: *v = word_of(l->tmr, reg - REG_TMR); return 0;
    case REG_IRR ... REG_IRR + 7: *v = word_of(l->irr, reg - REG_IRR); return 0;
    case REG_ESR: *v = l->esr & 0xffff; return 0;
    case REG_ICR: *v = l->icr; return 0;
    case REG_INITIAL: *v = l->timer_initial; return 0;
    case REG_CURRENT: *v = current_count(l, now); return 0;
    case REG_DIVIDE: *v = l->timer_divide; return 0;
    default: return -EINVAL; /* EOI and self-IPI are write-only, the rest does not exist */
    }
}

int vlapic_msr_read(struct vlapic *l, uint32_t msr, uint64_t now, uint64_t *value)
{
    if (msr == MSR_APIC_BASE) {
        *value = l->base;
        return 0;
    }
    if (msr == MSR_TSC_DEADLINE) {
        *value = l->tsc_deadline;
        return 0;
    }
    if (!x2apic_mode(l) || msr < MSR_X2APIC || msr > MSR_X2APIC + REG_SELF_IPI)
        return -EINVAL;
    return read_register(l, msr - MSR_X2APIC, now, value);
}

/* --- the page of registers (table 11-1) --- */

uint32_t vlapic_mmio_read(struct vlapic *l, unsigned offset, uint64_t now)
{
    uint64_t v = 0;

    switch (offset / 16) {
    case REG_ID: return l->id << 24;
    case REG_LDR: return l->ldr;
    case REG_DFR: return l->dfr;
    case REG_ICR_HIGH: return (uint32_t)(l->icr >> 32);
    }
    return read_register(l, offset / 16, now, &v) ? 0 : (uint32_t)v;
}

/* The low half sends, to the eight bits of destination that the high half holds. */
static void write_xapic_icr(struct vlapic *l, uint32_t v, struct vlapic_ipi *ipi)
{
    uint64_t high = l->icr >> 32, dest = high >> 24 == XAPIC_BROADCAST ? BROADCAST : high >> 24;

    v &= ~ICR_RESERVED;
    write_icr(l, dest << 32 | v, ipi);
    l->icr = high << 32 | v;
}

/* What a register drops of the bits written to it. */
static uint32_t keep_bits(struct vlapic *l, unsigned reg, uint32_t v)
{
    uint32_t writable;

    if (lvt_of(l, reg, &writable))
        return v & writable;
    switch (reg) {
    case REG_EOI:
    case REG_ESR: return 0;
    case REG_TPR: return v & 0xff;
    case REG_SVR: return v & 0x1ff;
    case REG_DIVIDE: return v & 0xb;
    default: return v;
    }
}

void vlapic_mmio_write(struct vlapic *l, unsigned offset, uint32_t v, uint64_t now, bool *timer_changed, struct vlapic_ipi *ipi)
{
    unsigned reg = offset / 16;

    *timer_changed = false;
    *ipi = (struct vlapic_ipi){.kind = IPI_NONE};
    switch (reg) {
    case REG_LDR: l->ldr = v & 0xff000000; return;
    case REG_DFR: l->dfr = v | 0x0fffffff; return;
    case REG_ICR: write_xapic_icr(l, v, ipi); return;
    case REG_ICR_HIGH: l->icr = (uint64_t)(v & 0xff000000) << 32 | (uint32_t)l->icr; return;
    case REG_SELF_IPI: return; /* of x2APIC mode */
    default: write_register(l, reg, keep_bits(l, reg, v), now, timer_changed, ipi); /* refused: nothing is there to write */
    }
}
