/* SPDX-License-Identifier: MIT */
/*
 * bhd: the supervisor of the control domain. main.c starts it; domains.c learns of deaths and applies each domain's
 * policy; quarantine.c closes a hopeless driver domain's devices; console.c serves consoles. One thread, one
 * event loop (backends/core/host_linux.c); whatever may take long (destroy, rebuild) runs as a `bh` of its own.
 */
#ifndef TOOLS_BHD_H
#define TOOLS_BHD_H
#include "backends/core/host.h"
#include "tools/bhd/storm.h"
#include "tools/lib/store.h"

struct dom {
    uint32_t domid;
    char name[64];
    char config[DOMCFG_MAX_PATH];
    bool driver;
    enum dom_action on_poweroff, on_reboot, on_crash, on_watchdog;
    bool handled;  /* this death has been dealt with */
    bool seen;     /* mark of the present scan */
    bool quarantined;
    bool gave_up;  /* a driver domain whose control/failed says that its device is lost */
    struct storm storm;
    struct host_timer later; /* a restart that waits */
    unsigned reason;         /* of the death it waits for */
    uint64_t noticed_ns;     /* when bhd saw that death */
    unsigned long restarts;
    struct dom *next;
};

/* domains.c */
int domains_start(struct handles *h); /* 0 or -1; the reason is logged */
void domains_scan(void *arg);         /* look at every domain now (arg unused) */

/* quarantine.c: every backend of the domain goes to Closing, and to Closed once its front has (or after 5 s). */
void quarantine(struct handles *h, struct dom *d, const char *why);

/* console.c */
int consoles_start(struct handles *h);
/* Called at each scan for a domain that exists (alive: not dying), and once after the scan. */
void console_seen(uint32_t domid, bool alive);
void consoles_swept(void);

/* spawn.c: runs bh; its exit is logged. config NULL: destroy only, else destroy and create again. */
void spawn_bh(uint32_t domid, const char *name, const char *config);
#endif
