/* SPDX-License-Identifier: MIT */
/*
 * A host (backends/core/host.h) for unit tests: guests, grants, event channels and xenstore in memory that outlives a
 * fork. A test forks a process for each incarnation of a backend; what the rest of the machine would keep (guest
 * memory, the store, the disk) is shared, what a dead domain loses (mappings, ports, watches, heap) dies with it.
 */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H
#include "backends/core/host.h"

#define FAKE_NODES 512
#define FAKE_PAGES 1024
#define FAKE_GRANTS 1024
#define FAKE_PORTS 32
#define FAKE_SELF 7
#define FAKE_CRASHED 77 /* exit status of a process that reached crash_at */

struct fake {
    uint32_t incarnation;
    uint64_t now;
    struct { bool used; char path[120], value[200]; } node[FAKE_NODES];
    struct { bool used, readonly; uint16_t dom; uint32_t page; int maps; } grant[FAKE_GRANTS];
    unsigned pages;                 /* guest pages handed out */
    bool to_back[FAKE_PORTS];       /* event from the front with this remote port is pending */
    unsigned to_front[FAKE_PORTS];  /* notifications the back sent */
    bool bound[FAKE_PORTS];
    bool muted[FAKE_PORTS];
    unsigned steps, crash_at;       /* fake_step() number crash_at ends the process; 0 = never */
    unsigned maps, copies;          /* calls so far */
    int fail_maps;                  /* > 0: that many host_map() calls fail */
    unsigned writes;                /* xenstore writes by the backend */
    unsigned gave_up;               /* host_give_up() calls; the reason is in last_log */
    char last_log[256];
};
extern struct fake *fake;           /* shared with children */

void fake_init(void);               /* everything empty, incarnation 1 */
void fake_next_incarnation(void);   /* what the hypervisor drops with a dead domain */
void fake_step(void);
void *fake_page(uint32_t page);     /* guest memory */
uint32_t fake_new_page(void);       /* zeroed */
uint32_t fake_grant(uint16_t dom, uint32_t page, bool readonly);
void fake_set(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* as the toolstack or a front */
const char *fake_get(const char *path);
void fake_remove(const char *path);  /* with all below */
bool fake_run(void);                 /* deliver watches, events, due timers; true if anything was done */
void fake_settle(void);              /* until nothing is left */
int fake_mapped(void);               /* pages mapped now */
#endif
