/* SPDX-License-Identifier: MIT */
/* Quarantine of a driver domain that cannot be helped; see bhd.h. It stays as it died, for a look at it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xenbus.h>
#include "tools/bhd/bhd.h"

#define POLL_NS 100000000ull
#define LIMIT_NS 5000000000ull

/* One backend directory on its way from Closing to Closed. */
struct closing {
    struct handles *h;
    char back[192];
    uint64_t since;
    struct host_timer timer;
};

static void set_state(struct handles *h, const char *back, int state)
{
    char path[224], text[4];
    snprintf(path, sizeof(path), "%s/state", back);
    snprintf(text, sizeof(text), "%d", state);
    if (store_write(h, path, text))
        host_log("cannot write %s", path);
}

static bool front_closed(const struct closing *c)
{
    unsigned long state = 0;
    char *front = store_read(c->h, "%s/frontend", c->back);
    bool closed = !front || store_number(c->h, &state, "%s/state", front) || state == XenbusStateClosed;
    free(front);
    return closed;
}

static void poll_front(void *arg)
{
    struct closing *c = arg;
    if (!front_closed(c) && host_now() - c->since < LIMIT_NS) {
        host_timer_set(&c->timer, host_now() + POLL_NS);
        return;
    }
    set_state(c->h, c->back, XenbusStateClosed);
    host_timer_cancel(&c->timer);
    free(c);
}

static void close_one(struct handles *h, const char *back, const char *why)
{
    struct closing *c = calloc(1, sizeof(*c));
    char path[224];
    unsigned long state = 0;
    snprintf(path, sizeof(path), "%s/error", back);
    store_write(h, path, why);
    if (!store_number(h, &state, "%s/state", back) && state == XenbusStateClosed) {
        free(c);
        return;
    }
    set_state(h, back, XenbusStateClosing);
    if (!c) {
        set_state(h, back, XenbusStateClosed);
        return;
    }
    c->h = h;
    snprintf(c->back, sizeof(c->back), "%s", back);
    c->since = host_now();
    c->timer.fn = poll_front;
    c->timer.arg = c;
    host_timer_set(&c->timer, c->since + POLL_NS);
}

/* Calls close_one for BACKEND/KIND/DOMID/DEVID. */
static unsigned close_kind(struct handles *h, uint32_t domid, const char *kind, const char *why)
{
    char path[128], dir[192];
    unsigned n_doms = 0, count = 0;
    snprintf(path, sizeof(path), "/local/domain/%u/backend/%s", domid, kind);
    char **fronts = xs_directory(h->xs, XBT_NULL, path, &n_doms);
    for (unsigned i = 0; i < n_doms; i++) {
        unsigned n_devs = 0;
        snprintf(dir, sizeof(dir), "%s/%.20s", path, fronts[i]);
        char **devs = xs_directory(h->xs, XBT_NULL, dir, &n_devs);
        for (unsigned k = 0; k < n_devs; k++) {
            snprintf(dir, sizeof(dir), "%s/%.20s/%.20s", path, fronts[i], devs[k]);
            close_one(h, dir, why);
            count++;
        }
        free(devs);
    }
    free(fronts);
    return count;
}

void quarantine(struct handles *h, struct dom *d, const char *why)
{
    char path[128];
    d->quarantined = true;
    unsigned n = close_kind(h, d->domid, "vbd", why) + close_kind(h, d->domid, "vif", why);
    host_log("quarantine %s domid=%u reason=%s; %u devices closed", d->name, d->domid, why, n);
    snprintf(path, sizeof(path), "/tool/bhd/%s/quarantined", d->name);
    store_write(h, path, why);
}
