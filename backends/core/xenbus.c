/* SPDX-License-Identifier: MIT */
/* The xenbus state machine of a backend: see xenbus.h. */
#include "backends/core/xenbus.h"
#include "backends/core/host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/xenbus.h>

#define PATH_MAX_LEN 160
#define DEVICES_MAX 256 /* of one type: more are refused with a line in the log */

static struct xb_dev *devices;
static unsigned n_devices;
static void notice_all(void *arg);
static void look_again(void *arg);
static void let_go(struct xb_dev *d);
static struct host_work notices = {.fn = notice_all};
static struct host_timer again = {.fn = look_again}; /* for fronts that have moved too often */
static bool again_set;

/* --- nodes --- */

static void join(char *to, size_t size, const char *dir, const char *node)
{
    snprintf(to, size, "%s/%s", dir, node);
}

/* Decimal, digits only, whole string. */
static int parse_uint(const char *s, uint64_t max, uint64_t *v)
{
    uint64_t n = 0;
    if (!*s)
        return -EINVAL;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        unsigned digit = (unsigned)(*s - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        n = n * 10 + digit;
    }
    if (n > max)
        return -ERANGE;
    *v = n;
    return 0;
}

int xb_read_uint(const char *dir, const char *node, uint64_t max, uint64_t *v)
{
    char path[PATH_MAX_LEN];
    join(path, sizeof(path), dir, node);
    char *s = host_xs_read(0, path);
    if (!s)
        return -ENOENT;
    int rc = parse_uint(s, max, v);
    host_free(s);
    return rc;
}

int xb_read_str(const char *dir, const char *node, char *buf, unsigned size)
{
    char path[PATH_MAX_LEN];
    join(path, sizeof(path), dir, node);
    char *s = host_xs_read(0, path);
    if (!s)
        return -ENOENT;
    size_t n = strlen(s);
    if (n < size)
        memcpy(buf, s, n + 1);
    host_free(s);
    return n < size ? 0 : -ERANGE;
}

int xb_printf(const char *dir, const char *node, const char *fmt, ...)
{
    char path[PATH_MAX_LEN], value[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    join(path, sizeof(path), dir, node);
    return -host_xs_write(0, path, value);
}

void xb_error(struct xb_dev *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->error, sizeof(d->error), fmt, ap);
    va_end(ap);
    host_log("%s %u/%u: %s", d->ops->type, d->domid, d->devid, d->error);
    host_defer(&notices);
}

/* --- states --- */

/* Write what is due, the error first. More may become due meanwhile. */
static void tell(struct xb_dev *d)
{
    char text[XB_ERROR_BYTES];
    while (d->error[0] || d->state_due) {
        if (d->error[0]) {
            memcpy(text, d->error, sizeof(text));
            d->error[0] = 0;
            xb_printf(d->back, "error", "%s", text);
        } else {
            d->state_due = false;
            xb_printf(d->back, "state", "%d", d->state);
        }
    }
}

static void set_state(struct xb_dev *d, int state)
{
    if (d->state != state) {
        d->state = state;
        d->state_due = true;
    }
    tell(d);
}

static int read_state(const char *dir)
{
    uint64_t v;
    return xb_read_uint(dir, "state", XenbusStateReconfigured, &v) ? XenbusStateUnknown : (int)v;
}

/* true when nothing is connected any more */
static bool disconnect(struct xb_dev *d)
{
    if (d->connected) {
        d->connected = false;
        d->letting_go = !d->ops->disconnect(d);
    }
    return !d->letting_go;
}

static void probe(struct xb_dev *d)
{
    if (!d->probed && d->ops->probe(d) == 0)
        d->probed = true;
    if (d->probed)
        set_state(d, XenbusStateInitWait);
}

static void connect(struct xb_dev *d, bool adopt)
{
    if (d->connected || d->broken || d->letting_go)
        return;
    int rc = d->ops->connect(d, adopt);
    if (rc == -EAGAIN)
        return;
    if (rc) {
        xb_break(d);
        return;
    }
    d->connected = d->probed = true;
    if (!adopt)
        set_state(d, XenbusStateConnected);
    if (d->connected) /* it may have broken its ring already */
        d->ops->run(d);
}

void xb_break(struct xb_dev *d)
{
    d->broken = true;
    disconnect(d);
    if (d->state != XenbusStateClosing) {
        d->state = XenbusStateClosing;
        d->state_due = true;
        host_defer(&notices);
    }
}

static void front_closed(struct xb_dev *d)
{
    if (!disconnect(d))
        return; /* xb_let_go() comes back here */
    uint64_t online;
    d->online = xb_read_uint(d->back, "online", 1, &online) == 0 && online;
    set_state(d, XenbusStateClosed);
    d->probed = d->broken = false;
    if (!d->online)
        d->gone = true;
}

/* Act on the two states as they are now. */
static void step(struct xb_dev *d)
{
    switch (d->front_state) {
    case XenbusStateInitialising:
        if (d->broken && d->state == XenbusStateClosing)
            return; /* it must see Closed first */
        if (!disconnect(d))
            return;
        if (d->state == XenbusStateConnected)
            d->probed = false; /* a front that starts over without a close */
        if (d->state != XenbusStateClosing)
            probe(d);
        return;
    case XenbusStateInitWait:
        return;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (d->state == XenbusStateInitialising || d->state == XenbusStateUnknown)
            probe(d);
        if (d->state == XenbusStateInitWait)
            connect(d, false);
        else if (d->state == XenbusStateConnected)
            connect(d, true);
        return;
    case XenbusStateClosing:
        if (disconnect(d) && d->state != XenbusStateClosed)
            set_state(d, XenbusStateClosing);
        return;
    default: /* Closed, or no front at all */
        if (d->front_state == XenbusStateUnknown && !d->connected && d->state <= XenbusStateInitWait) {
            probe(d); /* the toolstack wrote our side first */
            return;
        }
        front_closed(d);
    }
}

/* --- devices --- */

static void settle(struct xb_dev *d);

/* Has the front a look at its state left? If not, there will be one soon. */
static bool may_move(struct xb_dev *d)
{
    uint64_t now = host_now(), more = (now - d->moves_at) / XB_MOVE_NS;
    d->moves = more >= XB_MOVES - d->moves ? XB_MOVES : d->moves + (unsigned)more;
    d->moves_at = d->moves == XB_MOVES ? now : d->moves_at + more * XB_MOVE_NS;
    if (d->moves) {
        d->moves--;
        return true;
    }
    d->moved = true;
    if (!again_set)
        host_timer_set(&again, now + XB_MOVE_NS);
    again_set = true;
    return false;
}

static void front_changed(const char *path, void *arg)
{
    struct xb_dev *d = arg;
    if (d->gone || d->moved || !may_move(d))
        return;
    int now = read_state(d->front);
    if (d->gone || (now == d->front_state && now != XenbusStateInitialising))
        return;
    d->front_state = now;
    step(d);
    settle(d);
}

static void look_again(void *arg)
{
    again_set = false;
    host_defer(&notices);
}

/* What the other plane left for this one. */
static bool notice(struct xb_dev *d)
{
    if (d->error[0] || d->state_due) {
        tell(d);
    } else if (d->let_go_due) {
        d->let_go_due = false;
        let_go(d);
    } else if (d->moved && !again_set) {
        d->moved = false;
        front_changed(NULL, d);
    } else {
        return false;
    }
    return true;
}

static void notice_all(void *arg)
{
    struct xb_dev *d = devices;
    while (d)
        d = notice(d) ? devices : d->next; /* it may have gone */
}

static void watch_front(struct xb_dev *d)
{
    char path[PATH_MAX_LEN];
    join(path, sizeof(path), d->front, "state");
    if (!d->watching)
        d->watching = host_xs_watch(path, front_changed, d) == 0;
}

static void forget(struct xb_dev *d)
{
    char path[PATH_MAX_LEN];
    join(path, sizeof(path), d->front, "state");
    if (d->watching)
        host_xs_unwatch(path, front_changed, d);
    for (struct xb_dev **p = &devices; *p; p = &(*p)->next)
        if (*p == d) {
            *p = d->next;
            break;
        }
    n_devices--;
    d->ops->forget(d);
    host_free(d);
}

static void settle(struct xb_dev *d)
{
    if (d->gone && !d->connected && !d->letting_go)
        forget(d);
}

void xb_let_go(struct xb_dev *d)
{
    d->let_go_due = true;
    host_defer(&notices);
}

static void let_go(struct xb_dev *d)
{
    d->letting_go = false;
    if (d->gone) {
        settle(d);
        return;
    }
    if (d->front_state != XenbusStateConnected && d->front_state != XenbusStateInitialised)
        step(d);
    settle(d);
}

void xb_again(struct xb_dev *d)
{
    if (!d->gone && !d->connected) {
        step(d);
        settle(d);
    }
}

static struct xb_dev *find(const struct xb_ops *ops, unsigned domid, unsigned devid)
{
    for (struct xb_dev *d = devices; d; d = d->next)
        if (d->ops == ops && d->domid == domid && d->devid == devid)
            return d;
    return NULL;
}

static bool read_nodes(struct xb_dev *d)
{
    uint64_t id, online;
    if (xb_read_str(d->back, "frontend", d->front, sizeof(d->front)) || d->front[0] != '/')
        return false;
    d->state = read_state(d->back);
    if (d->state == XenbusStateConnected)
        return d->online = true; /* adopting: what a predecessor checked is not asked again */
    d->online = xb_read_uint(d->back, "online", 1, &online) != 0 || online;
    if (xb_read_uint(d->back, "frontend-id", 0x7fef, &id) || id != d->domid) {
        xb_error(d, "frontend-id is missing or is not %u", d->domid);
        return false;
    }
    return true;
}

/* A directory below backend/TYPE that we do not follow yet. */
static void discover(const struct xb_ops *ops, unsigned domid, unsigned devid)
{
    if (n_devices >= DEVICES_MAX) {
        host_log("%s %u/%u: refused, %u devices are the most", ops->type, domid, devid, DEVICES_MAX);
        return;
    }
    struct xb_dev *d = host_alloc(sizeof(*d));
    if (!d) {
        host_log("%s %u/%u: out of memory", ops->type, domid, devid);
        return;
    }
    d->ops = ops;
    d->domid = (uint16_t)domid;
    d->devid = devid;
    d->moves = XB_MOVES;
    d->moves_at = host_now();
    snprintf(d->back, sizeof(d->back), "/local/domain/%u/backend/%s/%u/%u", host_domid(), ops->type, domid, devid);
    if (!read_nodes(d) || (d->state == XenbusStateClosed && !d->online)) {
        tell(d);
        host_free(d);
        return;
    }
    d->next = devices;
    devices = d;
    n_devices++;
    if (d->state == XenbusStateConnected && host_incarnation() <= 1) {
        xb_error(d, "state Connected, but nothing of ours ever was");
        d->broken = true;
        set_state(d, XenbusStateClosing);
    }
    d->front_state = read_state(d->front);
    step(d);
    watch_front(d);
    settle(d);
}

static void back_changed(struct xb_dev *d, const char *node)
{
    uint64_t online;
    if (!strcmp(node, "online")) {
        d->online = xb_read_uint(d->back, "online", 1, &online) == 0 && online;
        if (!d->online && d->state == XenbusStateClosed)
            d->gone = true;
    } else if (!strcmp(node, "state")) {
        int now = read_state(d->back);
        if (now == d->state || d->state_due) /* ours is on its way */
            return;
        bool was = d->state != XenbusStateUnknown;
        d->state = now;
        if (now == XenbusStateUnknown && was) { /* the directory was removed under us */
            disconnect(d);
            d->gone = true;
        } else if (now != XenbusStateClosing || d->front_state == XenbusStateUnknown) {
            step(d);
        }
    } else if (!*node && read_state(d->back) == XenbusStateUnknown) {
        disconnect(d);
        d->gone = true;
    } else if (*node && d->ops->written && !d->gone) {
        d->ops->written(d, node);
    }
    settle(d);
}

static bool number_at(const char **s, unsigned *v)
{
    uint64_t n = 0;
    const char *p = *s;
    while (*p >= '0' && *p <= '9' && n <= UINT32_MAX)
        n = n * 10 + (unsigned)(*p++ - '0');
    if (p == *s || n > UINT32_MAX || (*p && *p != '/'))
        return false;
    *v = (unsigned)n;
    *s = *p ? p + 1 : p;
    return true;
}

static void scan_domain(const struct xb_ops *ops, unsigned domid)
{
    char path[PATH_MAX_LEN];
    unsigned n = 0, devid;
    snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%u", host_domid(), ops->type, domid);
    char **names = host_xs_list(0, path, &n);
    for (unsigned i = 0; names && i < n; i++) {
        const char *s = names[i];
        if (number_at(&s, &devid) && !*s && !find(ops, domid, devid))
            discover(ops, domid, devid);
    }
    if (names)
        host_free(names);
}

static void scan(const struct xb_ops *ops)
{
    char path[PATH_MAX_LEN];
    unsigned n = 0, domid;
    snprintf(path, sizeof(path), "/local/domain/%u/backend/%s", host_domid(), ops->type);
    char **names = host_xs_list(0, path, &n);
    for (unsigned i = 0; names && i < n; i++) {
        const char *s = names[i];
        if (number_at(&s, &domid) && !*s && domid < 0x7ff0)
            scan_domain(ops, domid);
    }
    if (names)
        host_free(names);
}

static void root_changed(const char *path, void *arg)
{
    const struct xb_ops *ops = arg;
    char root[PATH_MAX_LEN];
    unsigned domid, devid;
    snprintf(root, sizeof(root), "/local/domain/%u/backend/%s", host_domid(), ops->type);
    size_t n = strlen(root);
    if (strncmp(path, root, n) || (path[n] && path[n] != '/'))
        return;
    const char *s = path + n + (path[n] != 0);
    if (!*s) {
        scan(ops);
    } else if (number_at(&s, &domid) && domid < 0x7ff0) {
        if (!*s) {
            scan_domain(ops, domid);
        } else if (number_at(&s, &devid)) {
            struct xb_dev *d = find(ops, domid, devid);
            if (d)
                back_changed(d, s);
            else if (!*s || !strcmp(s, "state") || !strcmp(s, "frontend") || !strcmp(s, "frontend-id"))
                discover(ops, domid, devid);
        }
    }
}

struct xb_dev *xb_first(const struct xb_ops *ops)
{
    struct xb_dev *d = devices;
    while (d && d->ops != ops)
        d = d->next;
    return d;
}

int xb_start(const struct xb_ops *ops)
{
    char root[PATH_MAX_LEN];
    snprintf(root, sizeof(root), "/local/domain/%u/backend/%s", host_domid(), ops->type);
    if (host_incarnation() > 1)
        scan(ops); /* at once: fronts are waiting; a first start hears of its devices by the watch */
    return -host_xs_watch(root, root_changed, (void *)ops);
}
