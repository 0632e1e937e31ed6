/* SPDX-License-Identifier: MIT */
/* What dom/ needs around it in a host test: vCPUs without a CPU, timers without time, devices that only count. */
#include "fake_dom.h"
#include "fake_hv.h"
#include "irq/handles.h"
#include "lib/log.h"
#include "lib/machine.h"
#include "lib/string.h"
#include "mem/iommu.h"
#include "trace/trace.h"
#include <stdlib.h>
#include <string.h>

uint32_t trace_events; /* nobody traces */
void trace_record(uint32_t event, const uint32_t *word, unsigned n) { (void)event; (void)word; (void)n; }

unsigned fake_upcalls, fake_wakes, fake_dma_blocks, fake_msi_live;
bool fake_msi_held, fake_msi_fails, fake_machine_off, fake_contended;
uint64_t fake_now = 1000, fake_now_step;
const struct iommu_ops *iommu;
static struct msi_handle *last_msi;

/* --- locks, time, the machine --- */

void spin_lock_pair(struct spinlock *a, struct spinlock *b)
{
    spin_lock(a);
    if (a != b)
        spin_lock(b);
}
bool spin_try_pair(struct spinlock *held, struct spinlock *other)
{
    if (fake_contended)
        return false;
    if (held != other)
        spin_lock(other);
    return true;
}
void spin_unlock_pair(struct spinlock *a, struct spinlock *b)
{
    spin_unlock(a);
    if (a != b)
        spin_unlock(b);
}
uint64_t now_ns(void) { return fake_now += fake_now_step; }
uint64_t time_wallclock_boot_sec(void) { return 1234567890; }
void timer_init(struct timer *t, void (*fn)(void *), void *arg) { *t = (struct timer){.fn = fn, .arg = arg}; }
void timer_set(struct timer *t, uint64_t when) { t->when = when; }
void timer_cancel(struct timer *t) { t->when = 0; }
void machine_power_off(void) { abort(); }
void machine_reset(void) { abort(); }
size_t strlcpy(char *d, const char *s, size_t n)
{
    size_t len = strlen(s);
    if (n) {
        size_t k = len < n - 1 ? len : n - 1;
        memcpy(d, s, k);
        d[k] = 0;
    }
    return len;
}

/* --- scheduler and vCPUs --- */

struct sched_unit *sched_current(void) { return NULL; }
void sched_group_init(struct sched_group *g) {}
void sched_group_destroy(struct sched_group *g) {}
void sched_wake(struct sched_unit *u)
{
    u->blocked = false;
    fake_wakes++;
}
void sched_pause(struct sched_unit *u) { u->pause_count++; }
void sched_unpause(struct sched_unit *u)
{
    if (!u->pause_count)
        panic("a vCPU is unpaused once too often");
    u->pause_count--;
}
void sched_wait_off_cpu(struct sched_unit *u) {}
void sched_set_down(struct sched_unit *u, bool down) { u->down = down; }

int vcpu_create(struct domain *d, unsigned id)
{
    struct vcpu *v = heap_alloc(sizeof(*v));
    if (!v)
        return -ENOMEM;
    v->dom = d;
    v->id = id;
    v->hv.p2m = &d->p2m;
    v->info_mfn = MFN_NONE;
    v->info = id < XEN_LEGACY_MAX_VCPUS ? &d->shared_info->vcpu_info[id] : NULL;
    v->sched.down = true;
    v->sched.pause_count = d->ctl_pause;
    d->vcpu[id] = v;
    return 0;
}
void vcpu_destroy(struct vcpu *v)
{
    v->dom->vcpu[v->id] = NULL;
    heap_free(v);
}
void vcpu_reset(struct vcpu *v)
{
    if (mfn_valid_value(v->info_mfn))
        panic("a registered vcpu_info is still held at the reset");
    v->initialised = false;
    v->sched.down = true;
}
void vcpu_event_upcall(struct vcpu *v) { fake_upcalls++; }
void hvcpu_fpu_reset(struct hvcpu *v) {}

static void get_state(const struct hvcpu *v, struct hv_state *s) { memset(s, 0x11, sizeof(*s)); }
static int set_state(struct hvcpu *v, const struct hv_state *s) { return s->cr3 == 0x1111111111111111ull ? 0 : -EINVAL; }
static const struct cpu_ops fake_ops = {.name = "fake", .get_state = get_state, .set_state = set_state};
const struct cpu_ops *cpu = &fake_ops;

/* --- devices --- */

void devices_block_dma(struct domain *d) { fake_dma_blocks++; }
bool devices_release(struct domain *d) { return true; }
int msi_alloc(struct msi_handle *h, uint32_t sbdf, unsigned c, void (*fire)(void *), void *arg)
{
    if (fake_msi_fails)
        return -ENOSPC;
    *h = (struct msi_handle){.sbdf = sbdf, .fire = fire, .arg = arg, .addr = 0xfee00010, .data = 7};
    last_msi = h;
    fake_msi_live++;
    return 0;
}
void msi_free(struct msi_handle *h)
{
    if (fake_locks_held)
        panic("msi_free waits for a handler that takes locks, and %u are held", fake_locks_held);
    last_msi = NULL;
    fake_msi_live--;
}
bool msi_hold(struct msi_handle *h, bool hold)
{
    fake_msi_held = hold;
    return true;
}
void fake_msi_fire(void)
{
    if (last_msi)
        last_msi->fire(last_msi->arg);
}

/* --- domains --- */

struct domain *fake_domain(domid_t id, uint32_t roles, unsigned vcpus, unsigned pages)
{
    struct domain *d;
    if (domain_create(id, 0, vcpus, -1, -1, &d))
        panic("no domain %u", id);
    domain_put(d);
    d->roles = roles;
    d->mem.max_pages = pages + 16;
    for (unsigned i = 0; i < vcpus; i++)
        if (vcpu_create(d, i))
            panic("no vCPU %u", i);
    for (unsigned g = 0; g < pages; g++) {
        mfn_t m = frame_alloc_owned(&d->mem, 0);
        if (!mfn_valid_value(m) || p2m_add(&d->p2m, gfn(g), m, 0, P2M_RAM))
            panic("no page %u", g);
    }
    return d;
}
void fake_kill(struct domain *d)
{
    domid_t id = d->id;
    struct domain *held = domain_find(id);
    while (domain_kill(held) == -ERESTART)
        ;
    domain_put(held);
}
