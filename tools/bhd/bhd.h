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
    bool quarantined;
    bool gave_up;  /* a driver domain whose control/failed says that its device is lost */
    struct storm storm;
    struct host_timer later; /* a restart that waits */
    unsigned reason;         /* of the death it waits for */
    uint64_t noticed_ns;     /* when bhd saw that death */
    unsigned long restarts;
};

/* domains.c */
int domains_start(struct handles *h); /* 0 or -1; the reason is logged */

/* quarantine.c: every backend of the domain goes to Closing, and to Closed once its front has (or after 5 s). */
void quarantine(struct handles *h, struct dom *d, const char *why);

/* console.c */
int consoles_start(struct handles *h);
void console_here(uint32_t domid); /* the domain exists: serve its console, if that is not done yet */
void console_gone(uint32_t domid); /* it does not, or is dying: a mapping would keep its page */

/* spawn.c: runs bh; its exit is logged. config NULL: destroy only, else destroy and create again. */
void spawn_bh(uint32_t domid, const char *name, const char *config);
#endif
