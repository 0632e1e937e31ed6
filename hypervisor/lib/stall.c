/* SPDX-License-Identifier: MIT */
/* The longest stretches of each CPU; see lib/stall.h. Rows change rarely, so that one lock guards those of all CPUs. */
#include "lib/stall.h"
#include "lib/lock.h"
#include "lib/string.h"
#include "lib/time.h"

#define BORING_US 20u /* shorter ones are not looked at */

PERCPU(struct stall_cpu, stall_cpu);
static struct spinlock lock = SPINLOCK_INIT(LOCK_STALL);

static uint64_t boring(void) { return tsc_khz() * BORING_US / 1000; }

/* The row of the present cause, or else the one that may give way: that of the shortest stretch. */
static struct stall_row *row_of(struct stall_cpu *c)
{
    struct stall_row *least = &c->row[0];
    for (unsigned i = 0; i < STALL_ROWS; i++) {
        struct stall_row *r = &c->row[i];
        if (r->stretch && r->cause == c->cause && r->number == c->number && r->sub == c->sub) return r;
        if (r->stretch < least->stretch) least = r;
    }
    if (least->stretch) *least = (struct stall_row){.stretch = 0};
    return least;
}

void stall_note(uint64_t stretch)
{
    struct stall_cpu *c = &this_cpu(stall_cpu);
    uint64_t least = ~0ull, answer = c->answered ? c->answered - c->began : stretch;
    if (stretch <= boring()) {
        c->least = boring(); /* as nobody has said yet on this CPU */
        return;
    }
    spin_lock(&lock);
    struct stall_row *r = row_of(c);
    *r = (struct stall_row){c->cause, c->number, c->sub, MAX(r->stretch, stretch), MAX(r->answer, answer)};
    for (unsigned i = 0; i < STALL_ROWS; i++) least = MIN(least, c->row[i].stretch);
    c->least = MAX(least, boring());
    spin_unlock(&lock);
}

/* By division: a TSC of any speed. */
static uint64_t ns(uint64_t ticks) { return ticks * 1000 / (tsc_khz() / 1000); }

unsigned stall_read(unsigned cpu, struct bh_stall *out)
{
    struct stall_cpu *c = &per_cpu(stall_cpu, cpu);
    unsigned n = 0;
    spin_lock(&lock);
    for (unsigned i = 0; i < STALL_ROWS; i++) {
        const struct stall_row *r = &c->row[i];
        if (!r->stretch) continue;
        out[n++] = (struct bh_stall){.cause = r->cause, .number = r->number, .sub = r->sub, .cpu = cpu,
                                     .stretch_ns = ns(r->stretch), .answer_ns = ns(r->answer)};
    }
    memset(c->row, 0, sizeof(c->row));
    c->least = boring();
    spin_unlock(&lock);
    return n;
}
