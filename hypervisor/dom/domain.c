/* SPDX-License-Identifier: MIT */
/*
 * The life of a domain. Interface: dom/domain.h. Rules:
 * - The table holds one reference on each domain. A destroyed domain stays in the table, dying, while others still hold
 *   references to it or to its frames (foreign and grant mappings); the last one to let go removes it.
 * - Nobody waits for a vCPU while holding a ctl_lock: the vCPU may be in a hypercall that wants that lock.
 */
#include "lib/machine.h"
#include "dom/domain.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/string.h"

struct domain *domain0;
unsigned control_linger_s;
static struct domain *table[MAX_DOMAINS]; /* by id */
static struct spinlock table_lock = SPINLOCK_INIT(LOCK_DOMLIST);
static unsigned next_id = 1;
static uint64_t changed[MAX_DOMAINS / 64]; /* a bit a domain id */

#define MAX_LOGGED_VCPUS 4u /* the serial port is slow */
#define DRAIN_BUDGET 512u  /* pages given back between two looks at the softirqs */

void domains_init(void) { memset(table, 0, sizeof(table)); }

/* ---- references ---- */

struct domain *domain_find(domid_t id)
{
    if (id >= MAX_DOMAINS) return NULL;
    spin_lock(&table_lock);
    struct domain *d = table[id];
    if (d) d->refs++;
    spin_unlock(&table_lock);
    return d;
}

struct domain *domain_known(domid_t id) { return READ_ONCE(table[id]); }

struct domain *domain_next(domid_t from)
{
    struct domain *d = NULL;
    spin_lock(&table_lock);
    for (unsigned i = from; i < MAX_DOMAINS && !d; i++) d = table[i];
    if (d) d->refs++;
    spin_unlock(&table_lock);
    return d;
}

/* Nothing of the domain is in anybody's hands any more, its own pages excepted that only we hold. */
static bool unreferenced(struct domain *d)
{
    spin_lock(&d->mem.lock); /* whoever returned the last page is done with the owner too */
    bool pages = d->mem.pages;
    spin_unlock(&d->mem.lock);
    if (!d->drained || d->refs != 1 || pages) return false;
    if (READ_ONCE(frame_of(d->shared_info_mfn)->refs) != 1) return false;
    for (unsigned i = 0; i < d->grant.nr_frames; i++)
        if (READ_ONCE(frame_of(d->grant.frame[i])->refs) != 1) return false;
    return true;
}

static void domain_free(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus && i < MAX_VCPUS; i++)
        if (d->vcpu[i]) vcpu_destroy(d->vcpu[i]);
    sched_group_destroy(&d->sched);
    p2m_destroy(&d->p2m);
    grants_destroy(d);
    heap_free(d->events.ch);
    frame_put(d->shared_info_mfn);
    heap_free(d);
}

/* Takes the domain out of the table if it was destroyed and nobody refers to it. */
static void reap(unsigned id)
{
    spin_lock(&table_lock);
    struct domain *d = table[id];
    if (d && unreferenced(d)) table[id] = NULL;
    else d = NULL;
    for (unsigned i = 0; d && i < MAX_DOMAINS; i++) /* the next domain with this id is not for who served this one */
        if (table[i] && table[i]->target == id) __atomic_fetch_and(&table[i]->roles, ~BH_ROLE_TARGET, __ATOMIC_SEQ_CST);
    spin_unlock(&table_lock);
    if (d) domain_free(d);
}
void domains_reap(void)
{
    for (unsigned i = 1; i < MAX_DOMAINS; i++)
        if (READ_ONCE(table[i]) && table[i]->drained) reap(i);
}

void domain_put(struct domain *d)
{
    domid_t id = d->id;
    spin_lock(&table_lock);
    bool last = --d->refs == 1 && d->drained;
    spin_unlock(&table_lock);
    if (last) reap(id);
}

struct vcpu *current_vcpu(void)
{
    struct sched_unit *u = sched_current();
    return u ? container_of(u, struct vcpu, sched) : NULL;
}
struct domain *current_domain(void)
{
    struct vcpu *v = current_vcpu();
    return v ? v->dom : NULL;
}
bool domain_has_role(const struct domain *d, uint32_t role) { return READ_ONCE(d->roles) & role; }

int domain_set_roles(struct domain *d, uint32_t roles, domid_t target)
{
    struct domain *t = roles & BH_ROLE_TARGET ? domain_find(target) : NULL; /* its id stays its own meanwhile */
    if (roles & BH_ROLE_TARGET && !t) return -ESRCH;
    spin_lock(&d->ctl_lock);
    int rc = t == d ? -EINVAL : d->ever_ran ? -EBUSY : 0;
    if (!rc) {
        d->target = target;
        __atomic_store_n(&d->roles, roles, __ATOMIC_SEQ_CST);
    }
    spin_unlock(&d->ctl_lock);
    if (t) domain_put(t);
    return rc;
}

/* ---- creation ---- */

/* Where it hung, for whoever has to find out why. */
static void log_vcpus(const struct domain *d)
{
    for (unsigned i = 0, said = 0; i < d->max_vcpus && said < MAX_LOGGED_VCPUS; i++) {
        const struct vcpu *v = d->vcpu[i];
        if (!v || v->sched.down) continue;
        said++;
        log_info("domain %u: vCPU %u %s on CPU %u, rip %lx rflags %lx, upcall %s", d->id, i,
                 v->sched.running ? "runs" : v->sched.blocked ? "is blocked" : "waits", v->sched.cpu, v->hv.regs.rip, v->hv.regs.rflags,
                 v->info && v->info->evtchn_upcall_pending ? "pending" : "not pending");
        if (v->info)
            log_info("  selector %lx, ports 0-63: pending %lx, masked %lx; timer at %lu ns, now %lu", v->info->evtchn_pending_sel,
                     d->shared_info->evtchn_pending[0], d->shared_info->evtchn_mask[0], v->singleshot.when, now_ns());
    }
}

static void watchdog_expired(struct domain *d, const char *why)
{
    log_vcpus(d);
    domain_shutdown(d, SHUTDOWN_watchdog, why);
}
static void watchdog1_expired(void *arg) { watchdog_expired(arg, "watchdog 1 expired"); }
static void watchdog2_expired(void *arg) { watchdog_expired(arg, "watchdog 2 expired"); }

void domain_reset_shared_info(struct domain *d)
{
    struct shared_info *s = d->shared_info;
    uint64_t sec = time_wallclock_boot_sec();
    spin_lock(&d->event_lock);
    memset(s, 0, PAGE_SIZE);
    s->wc_sec = (uint32_t)sec;
    s->wc_sec_hi = (uint32_t)(sec >> 32);
    s->wc_version = 2;
    spin_unlock(&d->event_lock);
}

/* Puts the domain into the table under a free id. */
static int enter_table(struct domain *d, domid_t id)
{
    int rc = 0;
    spin_lock(&table_lock);
    if (id == DOMID_INVALID) {
        unsigned tries = 0;
        while (table[next_id] && ++tries < MAX_DOMAINS) next_id = next_id + 1 < MAX_DOMAINS ? next_id + 1 : 1;
        id = (domid_t)next_id;
    }
    if (id >= MAX_DOMAINS) rc = -EINVAL;
    else if (table[id]) rc = -EEXIST;
    else {
        d->id = d->mem.id = id;
        d->refs = 2; /* the table's and the caller's */
        table[id] = d;
        if (id == next_id) next_id = next_id + 1 < MAX_DOMAINS ? next_id + 1 : 1;
    }
    spin_unlock(&table_lock);
    return rc;
}

/* What needs memory. Undone by undo_resources. */
static int take_resources(struct domain *d, int grant_frames, int maptrack)
{
    int rc = p2m_init(&d->p2m);
    if (rc) return rc;
    d->shared_info_mfn = frame_alloc_shared(&d->mem);
    rc = mfn_valid_value(d->shared_info_mfn) ? 0 : -ENOMEM;
    if (!rc) rc = events_init(d);
    if (!rc) rc = grants_init(d, grant_frames, maptrack);
    if (rc) return rc;
    d->shared_info = mfn_to_virt(d->shared_info_mfn);
    domain_reset_shared_info(d);
    return 0;
}
static void undo_resources(struct domain *d)
{
    heap_free(d->events.ch);
    if (d->grant.frame) grants_destroy(d);
    if (mfn_valid_value(d->shared_info_mfn)) frame_put(d->shared_info_mfn);
    if (d->p2m.npt.fmt) p2m_destroy(&d->p2m);
    heap_free(d);
}

int domain_create(domid_t id, uint32_t flags, unsigned max_vcpus, int grant_frames, int maptrack, struct domain **out)
{
    if (max_vcpus < 1 || max_vcpus > MAX_VCPUS) return -EINVAL;
    domains_reap();
    struct domain *d = heap_alloc(sizeof(*d));
    if (!d) return -ENOMEM;
    d->shared_info_mfn = MFN_NONE;
    d->flags = flags;
    d->max_vcpus = max_vcpus;
    sched_group_init(&d->sched);
    d->ctl_pause = 1;
    d->incarnation = 1;
    d->last_reason = d->shutdown_code = 0xff;
    list_init(&d->link);
    spin_init(&d->ctl_lock, LOCK_DOMCTL);
    memowner_init(&d->mem, id);
    timer_init(&d->watchdog[0], watchdog1_expired, d);
    timer_init(&d->watchdog[1], watchdog2_expired, d);
    int rc = take_resources(d, grant_frames, maptrack);
    if (!rc) rc = enter_table(d, id);
    if (rc) {
        undo_resources(d);
        return rc;
    }
    if (d->id == 0) domain0 = d;
    *out = d;
    return 0;
}

/* ---- news for the supervisor ---- */

void domain_tell_changed(domid_t id)
{
    bit_set(changed, id);
    event_send_global_virq(VIRQ_DOM_EXC);
}

int domain_changed(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(changed); i++) {
        uint64_t word = __atomic_load_n(&changed[i], __ATOMIC_SEQ_CST);
        for (; word; word &= word - 1) {
            unsigned id = i * 64 + (unsigned)__builtin_ctzll(word);
            if (bit_clear(changed, id)) return (int)id;
        }
    }
    return -ENOENT;
}

/* ---- stopping and starting ---- */

void domain_pause(struct domain *d)
{
    struct vcpu *self = current_vcpu();
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i]) sched_pause(&d->vcpu[i]->sched);
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i] && d->vcpu[i] != self) sched_wait_off_cpu(&d->vcpu[i]->sched);
}
void domain_unpause(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i]) sched_unpause(&d->vcpu[i]->sched);
}

static void linger_over(void *arg)
{
    log_info("domain 0 is gone: powering off");
    machine_power_off();
}

/* The machine ends with domain 0; after a crash only when the others have run on for control_linger_s. */
static void machine_end(unsigned code, const char *why)
{
    static struct timer linger;
    if (code == SHUTDOWN_crash && control_linger_s) {
        log_error("domain 0 is gone (%s): the others run on for %u s", why, control_linger_s);
        timer_init(&linger, linger_over, NULL);
        timer_set(&linger, now_ns() + control_linger_s * 1000000000ull);
        return;
    }
    if (code == SHUTDOWN_reboot) {
        log_info("domain 0 reboots the machine");
        machine_reset();
    }
    if (code == SHUTDOWN_poweroff) log_info("domain 0 powers the machine off");
    else log_error("domain 0 is gone (%s): powering off", why);
    machine_power_off();
}

void domain_shutdown(struct domain *d, unsigned code, const char *why)
{
    spin_lock(&d->ctl_lock);
    if (d->is_shutdown || d->dying) {
        spin_unlock(&d->ctl_lock);
        return;
    }
    if (d->shutdown_code == 0xff) d->shutdown_code = (uint8_t)code;
    d->is_shutdown = true;
    d->last_reason = d->shutdown_code;
    d->died_ns = now_ns();
    strlcpy(d->why, why, sizeof(d->why));
    for (unsigned i = 0; i < d->max_vcpus; i++)
        if (d->vcpu[i]) sched_pause(&d->vcpu[i]->sched);
    spin_unlock(&d->ctl_lock);
    if (d == domain0) {
        machine_end(d->shutdown_code, why);
        return;
    }
    log_info("domain %u: shut down, reason %u: %s", d->id, d->shutdown_code, why);
    domain_tell_changed(d->id);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
    char why[sizeof(d->why)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    log_warn("domain %u: crashed: %s", d->id, why);
    domain_shutdown(d, SHUTDOWN_crash, why);
}

void domain_stop_watchdogs(struct domain *d)
{
    for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog); i++) {
        timer_cancel(&d->watchdog[i]);
        d->watchdog_used[i] = false;
    }
}

void domain_release_infos(struct domain *d)
{
    spin_lock(&d->event_lock);
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];
        if (!v || !mfn_valid_value(v->info_mfn)) continue;
        v->info = i < XEN_LEGACY_MAX_VCPUS ? &d->shared_info->vcpu_info[i] : NULL;
        frame_put(v->info_mfn);
        v->info_mfn = MFN_NONE;
    }
    spin_unlock(&d->event_lock);
}

/* ---- destruction ---- */

static void stop_for_good(struct domain *d)
{
    domain_pause(d);
    domain_stop_watchdogs(d);
    spin_lock(&d->ctl_lock);
    devices_block_dma(d);
    spin_unlock(&d->ctl_lock);
    domain_release_infos(d);
}

/* Gives back what it has but its memory, some at a time; false: there is more. */
static bool release_all(struct domain *d)
{
    spin_lock(&d->ctl_lock);
    bool done = restart_forget(d) && devices_release(d);
    spin_unlock(&d->ctl_lock);
    return done && events_destroy(d) && grants_drop_mappings(d, GRANT_DROP_BUDGET);
}

int domain_kill(struct domain *d)
{
    spin_lock(&d->ctl_lock);
    bool first = !d->dying;
    d->dying = true;
    spin_unlock(&d->ctl_lock);
    if (first) {
        stop_for_good(d);
    } else if (d->drained) {
        domains_reap();
        return 0;
    }
    if (!release_all(d)) return -ERESTART;
    if (!p2m_drain(&d->p2m, &d->drain_next, DRAIN_BUDGET)) return -ERESTART;
    d->drained = true; /* the table's reference goes with the last of the others: domain_put */
    log_info("domain %u: destroyed", d->id);
    domain_tell_changed(d->id);
    return 0;
}
