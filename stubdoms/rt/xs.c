/* SPDX-License-Identifier: MIT */
/*
 * xenstore for domains: the calls of rt.h over xsconn.c, and watches. A watch event is queued as it arrives and its
 * callback runs on the task; when too many wait, all watches fire once with their own path instead.
 */
#include "rt/internal.h"
#include "rt/xserrno.h"
#include <xen/io/xs_wire.h>

#define MAX_EVENTS 256u
typedef void (*watch_fn)(const char *path, void *arg);

struct watch { struct watch *next; watch_fn fn; void *arg; uint32_t id; bool fire; char path[]; };
struct event { struct event *next; uint32_t id; char path[]; };

static struct watch *watches;
static struct event *events, **events_end = &events;
static unsigned event_count;
static uint32_t last_id;

static struct rt_xs_part str(const char *s)
{
    return (struct rt_xs_part){ s, (unsigned)strlen(s) + 1 };
}

static int simple(uint32_t type, uint32_t tx, const char *path)
{
    struct rt_xs_part p = str(path);
    return rt_xs_request(type, tx, &p, 1, NULL, NULL);
}

char *rt_xs_read(uint32_t tx, const char *path, unsigned *len, int *err)
{
    struct rt_xs_part p = str(path);
    char *reply, *copy = NULL;
    unsigned n;

    int e = rt_xs_request(XS_READ, tx, &p, 1, &reply, &n);
    if (!e) {
        copy = rt_alloc(n + 1);
        e = copy ? 0 : ENOMEM;
    }
    if (err)
        *err = e;
    if (e)
        return NULL;
    memcpy(copy, reply, n);
    if (len)
        *len = n;
    return copy;
}

int rt_xs_write(uint32_t tx, const char *path, const char *value)
{
    struct rt_xs_part p[2] = { str(path), { value, (unsigned)strlen(value) } };
    return rt_xs_request(XS_WRITE, tx, p, 2, NULL, NULL);
}

int rt_xs_printf(uint32_t tx, const char *path, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return n < 0 || (size_t)n >= sizeof(text) ? E2BIG : rt_xs_write(tx, path, text);
}

int rt_xs_rm(uint32_t tx, const char *path)
{
    return simple(XS_RM, tx, path);
}

/* NUL-terminated names in n bytes -> one block: pointers, then the names. */
static char **split(const char *names, unsigned bytes, unsigned *n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < bytes; i++)
        count += names[i] == 0;
    char **list = rt_alloc((count + 1) * sizeof(*list) + bytes);
    if (!list)
        return NULL;
    char *text = (char *)(list + count + 1);
    memcpy(text, names, bytes);
    for (unsigned i = 0; i < count; i++, text += strlen(text) + 1)
        list[i] = text;
    *n = count;
    return list;
}

char **rt_xs_directory(uint32_t tx, const char *path, unsigned *n, int *err)
{
    struct rt_xs_part p = str(path);
    char *reply, **list = NULL;
    unsigned len;

    int e = rt_xs_request(XS_DIRECTORY, tx, &p, 1, &reply, &len);
    if (!e) {
        list = split(reply, len, n);
        e = list ? 0 : ENOMEM;
    }
    if (err)
        *err = e;
    return list;
}

int rt_xs_tx_start(uint32_t *tx)
{
    struct rt_xs_part p = { "", 1 };
    char *reply, *end;
    unsigned len;

    int e = rt_xs_request(XS_TRANSACTION_START, 0, &p, 1, &reply, &len);
    if (e)
        return e;
    unsigned long id = strtoul(reply, &end, 10);
    if (end == reply || *end || !id || id > UINT32_MAX)
        return EIO;
    *tx = (uint32_t)id;
    return 0;
}

int rt_xs_tx_end(uint32_t tx, bool abort)
{
    return simple(XS_TRANSACTION_END, tx, abort ? "F" : "T");
}

int rt_xs_read_u64(const char *path, uint64_t *value)
{
    int err;
    char *end, *text = rt_xs_read(0, path, NULL, &err);
    if (!text)
        return err;
    unsigned long v = strtoul(text, &end, 10);
    bool good = text[0] >= '0' && text[0] <= '9' && *end == 0 && (v != ~0ul || strcmp(text, "18446744073709551615") == 0);
    rt_free(text);
    if (!good)
        return EINVAL;
    *value = v;
    return 0;
}

/* --- watches --- */

static struct watch *find_watch(uint32_t id)
{
    for (struct watch *w = watches; w; w = w->next)
        if (w->id == id)
            return w;
    return NULL;
}

static void run_events(void *arg)
{
    struct event *e = events;
    events = NULL;
    events_end = &events;
    event_count = 0;
    while (e) {
        struct event *next = e->next;
        struct watch *w = find_watch(e->id);
        if (w)
            w->fn(e->path, w->arg);
        rt_free(e);
        e = next;
    }
    for (struct watch *w = watches; w;) {
        uint32_t id = w->id;
        if (w->fire) {
            w->fire = false;
            w->fn(w->path, w->arg);
            w = find_watch(id) ? find_watch(id)->next : watches; /* it may have gone, or others with it */
        } else {
            w = w->next;
        }
    }
}

static struct rt_work work = { .fn = run_events };

void rt_xs_event_all(void)
{
    for (struct watch *w = watches; w; w = w->next)
        w->fire = true;
    rt_defer_slow(&work);
}

void rt_xs_event(const char *path, const char *token)
{
    size_t n = strlen(path) + 1;
    struct event *e = event_count < MAX_EVENTS ? rt_alloc(sizeof(*e) + n) : NULL;
    if (!e) {
        rt_xs_event_all();
        return;
    }
    e->id = (uint32_t)strtoul(token, NULL, 10);
    memcpy(e->path, path, n);
    *events_end = e;
    events_end = &e->next;
    event_count++;
    rt_defer_slow(&work);
}

static int watch_op(uint32_t type, const char *path, uint32_t id)
{
    char token[16];
    snprintf(token, sizeof(token), "%u", id);
    struct rt_xs_part p[2] = { str(path), str(token) };
    return rt_xs_request(type, 0, p, 2, NULL, NULL);
}

int rt_xs_watch(const char *path, watch_fn fn, void *arg)
{
    size_t n = strlen(path) + 1;
    struct watch *w = rt_alloc(sizeof(*w) + n);
    if (!w)
        return ENOMEM;
    w->fn = fn;
    w->arg = arg;
    w->id = ++last_id;
    memcpy(w->path, path, n);
    w->next = watches;
    watches = w; /* before the request: the first event may come with the answer */
    int err = watch_op(XS_WATCH, path, w->id);
    if (err) {
        watches = w->next;
        rt_free(w);
    }
    return err;
}

int rt_xs_unwatch(const char *path, watch_fn fn, void *arg)
{
    for (struct watch **at = &watches; *at; at = &(*at)->next) {
        struct watch *w = *at;
        if (w->fn != fn || w->arg != arg || strcmp(w->path, path) != 0)
            continue;
        uint32_t id = w->id;
        *at = w->next;
        rt_free(w);
        return watch_op(XS_UNWATCH, path, id);
    }
    return ENOENT;
}
