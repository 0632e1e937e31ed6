/* SPDX-License-Identifier: MIT */
/* The host of unit tests: see fake_host.h. */
#define _GNU_SOURCE
#include "fake_host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

struct fake *fake;
static int guest_fd = -1;
static uint8_t *guest;
static struct { host_event_fn fn; void *arg; uint32_t remote; bool used; } port[FAKE_PORTS];
static struct watch { char path[120]; host_watch_fn fn; void *arg; struct watch *next; } *watches;
static struct fired { char path[120]; host_watch_fn fn; void *arg; struct fired *next; } *fired;
static struct host_timer *timers[16];
static struct host_work *works[8];

void fake_init(void)
{
    if (!fake) {
        fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        guest_fd = memfd_create("guest", 0);
        if (fake == MAP_FAILED || guest_fd < 0 || ftruncate(guest_fd, (off_t)FAKE_PAGES * PAGE))
            abort();
        guest = mmap(NULL, (size_t)FAKE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, guest_fd, 0);
        if (guest == MAP_FAILED)
            abort();
    }
    memset(fake, 0, sizeof(*fake));
    fake->incarnation = 1;
    fake->now = 1000000;
}

void fake_next_incarnation(void)
{
    fake->incarnation++;
    fake->crash_at = fake->steps = 0;
    for (unsigned i = 0; i < FAKE_GRANTS; i++)
        fake->grant[i].maps = 0;
    for (unsigned i = 0; i < FAKE_PORTS; i++)
        fake->bound[i] = fake->muted[i] = false;
    memset(fake->to_back, 0, sizeof(fake->to_back)); /* pending bits of a dead domain are lost */
}

void fake_step(void)
{
    if (++fake->steps == fake->crash_at)
        _exit(FAKE_CRASHED);
}

void *fake_page(uint32_t page)
{
    return guest + (size_t)page * PAGE;
}

uint32_t fake_new_page(void)
{
    if (fake->pages == FAKE_PAGES)
        abort();
    memset(fake_page(fake->pages), 0, PAGE);
    return fake->pages++;
}

uint32_t fake_grant(uint16_t dom, uint32_t page, bool readonly)
{
    for (uint32_t i = 8; i < FAKE_GRANTS; i++)
        if (!fake->grant[i].used) {
            fake->grant[i].used = true;
            fake->grant[i].readonly = readonly;
            fake->grant[i].dom = dom;
            fake->grant[i].page = page;
            return i;
        }
    abort();
}

int fake_mapped(void)
{
    int n = 0;
    for (unsigned i = 0; i < FAKE_GRANTS; i++)
        n += fake->grant[i].maps;
    return n;
}

/* --- xenstore --- */

static int find_node(const char *path)
{
    for (int i = 0; i < FAKE_NODES; i++)
        if (fake->node[i].used && !strcmp(fake->node[i].path, path))
            return i;
    return -1;
}

const char *fake_get(const char *path)
{
    int i = find_node(path);
    return i < 0 ? NULL : fake->node[i].value;
}

static void fire(const char *path, struct watch *w)
{
    struct fired *f = calloc(1, sizeof(*f)), **end = &fired;
    snprintf(f->path, sizeof(f->path), "%s", path);
    f->fn = w->fn;
    f->arg = w->arg;
    while (*end)
        end = &(*end)->next;
    *end = f;
}

static void changed(const char *path)
{
    for (struct watch *w = watches; w; w = w->next) {
        size_t n = strlen(w->path);
        if (!strncmp(path, w->path, n) && (path[n] == 0 || path[n] == '/'))
            fire(path, w);
    }
}

static void set_node(const char *path, const char *value)
{
    int i = find_node(path);
    for (int j = 0; i < 0 && j < FAKE_NODES; j++)
        if (!fake->node[j].used)
            i = j;
    if (i < 0)
        abort();
    fake->node[i].used = true;
    snprintf(fake->node[i].path, sizeof(fake->node[i].path), "%s", path);
    snprintf(fake->node[i].value, sizeof(fake->node[i].value), "%s", value);
    changed(path);
}

void fake_set(const char *path, const char *fmt, ...)
{
    char value[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    set_node(path, value);
}

void fake_remove(const char *path)
{
    size_t n = strlen(path);
    for (int i = 0; i < FAKE_NODES; i++)
        if (fake->node[i].used && !strncmp(fake->node[i].path, path, n) &&
            (fake->node[i].path[n] == 0 || fake->node[i].path[n] == '/')) {
            fake->node[i].used = false;
            changed(fake->node[i].path);
        }
    changed(path);
}

char *host_xs_read(uint32_t tx, const char *path)
{
    fake_step();
    const char *v = fake_get(path);
    return v ? strdup(v) : NULL;
}

int host_xs_write(uint32_t tx, const char *path, const char *value)
{
    fake_step();
    fake->writes++;
    set_node(path, value);
    return 0;
}

int host_xs_rm(uint32_t tx, const char *path)
{
    fake_step();
    fake_remove(path);
    return 0;
}

char **host_xs_list(uint32_t tx, const char *path, unsigned *n)
{
    fake_step();
    size_t len = strlen(path);
    char **list = calloc(1, FAKE_NODES * (sizeof(char *) + 40));
    char *text = (char *)(list + FAKE_NODES);
    *n = 0;
    for (int i = 0; i < FAKE_NODES; i++) {
        const char *p = fake->node[i].path;
        if (!fake->node[i].used || strncmp(p, path, len) || p[len] != '/')
            continue;
        char *name = text + 40 * *n;
        snprintf(name, 40, "%.*s", (int)strcspn(p + len + 1, "/"), p + len + 1);
        bool known = false;
        for (unsigned j = 0; j < *n; j++)
            known |= !strcmp(list[j], name);
        if (!known)
            list[(*n)++] = name;
    }
    return list;
}

int host_xs_watch(const char *path, host_watch_fn fn, void *arg)
{
    fake_step();
    struct watch *w = calloc(1, sizeof(*w));
    snprintf(w->path, sizeof(w->path), "%s", path);
    w->fn = fn;
    w->arg = arg;
    w->next = watches;
    watches = w;
    fire(path, w);
    return 0;
}

void host_xs_unwatch(const char *path, host_watch_fn fn, void *arg)
{
    for (struct watch **p = &watches; *p; p = &(*p)->next)
        if (!strcmp((*p)->path, path) && (*p)->fn == fn && (*p)->arg == arg) {
            struct watch *w = *p;
            *p = w->next;
            free(w);
            break;
        }
    for (struct fired **p = &fired; *p;) {
        struct fired *f = *p;
        if (f->fn == fn && f->arg == arg) {
            *p = f->next;
            free(f);
        } else {
            p = &f->next;
        }
    }
}

int host_xs_tx_start(uint32_t *tx)
{
    *tx = 1;
    return 0;
}

int host_xs_tx_end(uint32_t tx, bool abort_it)
{
    return 0;
}

/* --- grants --- */

static bool mappable(uint16_t dom, uint32_t ref, bool readonly)
{
    return ref < FAKE_GRANTS && fake->grant[ref].used && fake->grant[ref].dom == dom &&
           (readonly || !fake->grant[ref].readonly);
}

int host_map(struct host_map *m, uint16_t dom, const uint32_t *refs, unsigned n, bool readonly)
{
    fake_step();
    fake->maps++;
    if (fake->fail_maps > 0) {
        fake->fail_maps--;
        return -ENOMEM;
    }
    for (unsigned i = 0; i < n; i++)
        if (!mappable(dom, refs[i], readonly))
            return -EINVAL;
    uint8_t *at = mmap(NULL, (size_t)n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < n; i++) {
        if (mmap(at + i * PAGE, PAGE, readonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, guest_fd,
                 (off_t)fake->grant[refs[i]].page * PAGE) == MAP_FAILED)
            abort();
        fake->grant[refs[i]].maps++;
        m->handles[i] = refs[i];
    }
    m->addr = at;
    m->n = n;
    return 0;
}

void host_unmap(struct host_map *m)
{
    fake_step();
    for (unsigned i = 0; i < m->n; i++)
        if (fake->grant[m->handles[i]].maps-- <= 0)
            abort();
    munmap(m->addr, (size_t)m->n * PAGE);
    m->n = 0;
}

int host_copy(struct host_copy *ops, unsigned n)
{
    int first = 0;
    fake_step();
    fake->copies += n;
    for (unsigned i = 0; i < n; i++) {
        if (!mappable(ops[i].dom, ops[i].ref, !ops[i].to_guest) || ops[i].offset + ops[i].len > (int)PAGE) {
            first = ops[i].status = -1;
            continue;
        }
        uint8_t *page = (uint8_t *)fake_page(fake->grant[ops[i].ref].page) + ops[i].offset;
        memcpy(ops[i].to_guest ? (void *)page : ops[i].local, ops[i].to_guest ? ops[i].local : (void *)page, ops[i].len);
        ops[i].status = 0;
    }
    return first;
}

int host_grant(uint16_t dom, void *page, bool readonly)
{
    return -ENOSYS;
}

int host_grant_end(uint32_t ref)
{
    return -ENOSYS;
}

/* --- events --- */

int host_event_bind(uint16_t dom, uint32_t remote_port, host_event_fn fn, void *arg)
{
    fake_step();
    if (remote_port == 0 || remote_port >= FAKE_PORTS || fake->bound[remote_port])
        return -EINVAL;
    for (int i = 1; i < FAKE_PORTS; i++)
        if (!port[i].used) {
            port[i].used = true;
            port[i].fn = fn;
            port[i].arg = arg;
            port[i].remote = remote_port;
            fake->bound[remote_port] = true;
            fake->to_back[remote_port] = true; /* binding makes the local end pending, as the hypervisor does */
            return i;
        }
    return -ENOSPC;
}

int host_event_alloc(uint16_t dom, host_event_fn fn, void *arg)
{
    return -ENOSYS;
}

void host_event_close(int p)
{
    if (p <= 0 || p >= FAKE_PORTS || !port[p].used)
        abort();
    fake->bound[port[p].remote] = fake->muted[port[p].remote] = false;
    port[p].used = false;
}

void host_event_mute(int p, bool mute)
{
    if (p <= 0 || p >= FAKE_PORTS || !port[p].used)
        abort();
    fake->muted[port[p].remote] = mute;
}

void host_event_send(int p)
{
    fake_step();
    if (p <= 0 || p >= FAKE_PORTS || !port[p].used)
        abort();
    fake->to_front[port[p].remote]++;
}

/* --- memory, time, log --- */

void *host_alloc(size_t bytes)
{
    return calloc(1, bytes);
}

void host_free(void *p)
{
    free(p);
}

void *host_alloc_pages(unsigned pages)
{
    void *p = aligned_alloc(PAGE, (size_t)pages * PAGE);
    return p ? memset(p, 0, (size_t)pages * PAGE) : NULL;
}

void host_free_pages(void *p, unsigned pages)
{
    free(p);
}

void host_defer(struct host_work *w)
{
    unsigned i = 0;
    while (i < 8 && works[i] && works[i] != w)
        i++;
    if (i == 8)
        abort();
    works[i] = w;
}

uint64_t host_now(void)
{
    return fake->now;
}

void host_timer_set(struct host_timer *t, uint64_t when)
{
    host_timer_cancel(t);
    t->priv[0] = (void *)(uintptr_t)when;
    for (unsigned i = 0; i < 16; i++)
        if (!timers[i]) {
            timers[i] = t;
            return;
        }
    abort();
}

void host_timer_cancel(struct host_timer *t)
{
    for (unsigned i = 0; i < 16; i++)
        if (timers[i] == t)
            timers[i] = NULL;
}

void host_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fake->last_log, sizeof(fake->last_log), fmt, ap);
    va_end(ap);
    if (getenv("FAKE_LOG"))
        fprintf(stderr, "[%u] %s\n", fake->incarnation, fake->last_log);
}

void host_give_up(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fake->last_log, sizeof(fake->last_log), fmt, ap);
    va_end(ap);
    fake->gave_up++;
}

uint32_t host_incarnation(void)
{
    return fake->incarnation;
}

uint16_t host_domid(void)
{
    return FAKE_SELF;
}

/* --- the loop --- */

bool fake_run(void)
{
    struct fired *f = fired;
    if (f) {
        fired = f->next;
        f->fn(f->path, f->arg);
        free(f);
        return true;
    }
    if (works[0]) {
        struct host_work *w = works[0];
        memmove(works, works + 1, sizeof(works) - sizeof(works[0]));
        works[7] = NULL;
        w->fn(w->arg);
        return true;
    }
    for (unsigned i = 1; i < FAKE_PORTS; i++)
        if (port[i].used && fake->to_back[port[i].remote] && !fake->muted[port[i].remote]) {
            fake->to_back[port[i].remote] = false;
            port[i].fn(port[i].arg);
            return true;
        }
    for (unsigned i = 0; i < 16; i++)
        if (timers[i] && (uintptr_t)timers[i]->priv[0] <= fake->now) {
            struct host_timer *t = timers[i];
            timers[i] = NULL;
            t->fn(t->arg);
            return true;
        }
    return false;
}

void fake_settle(void)
{
    for (int i = 0; i < 100000 && fake_run(); i++)
        ;
}
