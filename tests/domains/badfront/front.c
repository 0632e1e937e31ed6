/* SPDX-License-Identifier: MIT */
/* The handshake of a hostile front-end: see front.h. */
#include "tests/domains/badfront/front.h"

unsigned attacks, wrong;

void verdict(bool good, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    attacks++;
    wrong += !good;
    if (!good)
        rt_log("badfront: WRONG: %s", text);
}

bool front_find(struct front *f, const char *type, unsigned devid)
{
    uint64_t dom = 0;
    char node[64];
    f->type = type;
    snprintf(f->path, sizeof(f->path), "device/%s/%u", type, devid);
    snprintf(node, sizeof(node), "%s/backend", f->path);
    char *back = rt_xs_read(0, node, NULL, NULL);
    snprintf(node, sizeof(node), "%s/backend-id", f->path);
    if (!back || rt_xs_read_u64(node, &dom))
        return false;
    snprintf(f->back, sizeof(f->back), "%s", back);
    rt_free(back);
    f->dom = (uint16_t)dom;
    f->port = -1;
    return true;
}

void front_write(struct front *f, const char *node, const char *value)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", f->path, node);
    if (value)
        rt_xs_write(0, path, value);
    else
        rt_xs_rm(0, path);
}

static void write_number(struct front *f, const char *node, unsigned value)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", value);
    front_write(f, node, text);
}

int front_back_state(struct front *f)
{
    uint64_t state = 0;
    char path[112];
    snprintf(path, sizeof(path), "%s/state", f->back);
    return rt_xs_read_u64(path, &state) ? 0 : (int)state;
}

static void nap(struct front *f)
{
    rt_look_again(f->port >= 0 ? (uint32_t)f->port : 0);
    rt_sleep_until(rt_now() + 2000000);
}

bool front_wait(struct front *f, int low, int high)
{
    uint64_t end = rt_now() + FRONT_WAIT_NS;
    for (;;) {
        int state = front_back_state(f);
        if (state >= low && state <= high)
            return true;
        if (rt_now() > end)
            return false;
        nap(f);
    }
}

bool front_has_error(struct front *f, const char *word)
{
    char path[112];
    bool has = false;
    snprintf(path, sizeof(path), "%s/error", f->back);
    char *text = rt_xs_read(0, path, NULL, NULL);
    for (const char *p = text; p && *p && !has; p++)
        has = !strncmp(p, word, strlen(word));
    rt_free(text);
    return has;
}

void front_publish(struct front *f)
{
    for (unsigned i = 0; i < f->nrings; i++) {
        f->ring[i] = rt_alloc_pages(1);
        RT_ASSERT(f->ring[i]);
        struct header *h = f->ring[i];
        h->req_event = h->rsp_event = 1;
        f->ref[i] = rt_grant(f->dom, f->ring[i], false);
        RT_ASSERT(f->ref[i] > 0);
        write_number(f, f->ref_node[i], (unsigned)f->ref[i]);
    }
    f->port = rt_event_alloc(f->dom, NULL, NULL);
    RT_ASSERT(f->port > 0);
    write_number(f, "event-channel", (unsigned)f->port);
}

bool front_open(struct front *f)
{
    front_publish(f);
    write_number(f, "state", XenbusStateInitialised);
    if (!front_wait(f, XenbusStateConnected, XenbusStateClosed) || front_back_state(f) != XenbusStateConnected)
        return false;
    write_number(f, "state", XenbusStateConnected);
    return true;
}

void front_close(struct front *f, const char *after)
{
    write_number(f, "state", XenbusStateClosing);
    write_number(f, "state", XenbusStateClosed);
    bool closed = front_wait(f, XenbusStateClosed, XenbusStateClosed), held = false;
    for (unsigned i = 0; i < f->nrings && f->ring[i]; i++) {
        if (rt_grant_end((uint32_t)f->ref[i]))
            held = true; /* the page is the backend's still: not to be used again */
        else
            rt_free_pages(f->ring[i], 1);
        f->ring[i] = NULL;
    }
    if (f->port >= 0)
        rt_event_close((uint32_t)f->port);
    f->port = -1;
    write_number(f, "state", XenbusStateInitialising);
    bool again = front_wait(f, XenbusStateInitWait, XenbusStateInitWait);
    verdict(closed && !held && again, "%s: after %s: closed %d, pages held %d, ready again %d", f->type, after, closed, held, again);
}

void front_kick(struct front *f)
{
    rt_event_send((uint32_t)f->port);
}

bool front_answered(struct front *f, unsigned ring)
{
    volatile struct header *h = f->ring[ring];
    uint64_t end = rt_now() + FRONT_WAIT_NS;
    while (h->rsp_prod != h->req_prod) {
        if (rt_now() > end)
            return false;
        nap(f);
    }
    return true;
}

void front_abuse_ring(struct front *f, unsigned ring, bool watched)
{
    static const uint32_t jumps[] = {257, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        if (!front_open(f)) {
            verdict(false, "%s: cannot connect before index jump %x", f->type, jumps[i]);
        } else {
            ((volatile struct header *)f->ring[ring])->req_prod += jumps[i];
            front_kick(f);
            bool stopped = watched && front_wait(f, XenbusStateClosing, XenbusStateClosed);
            verdict(!watched || (stopped && front_has_error(f, "ring")), "%s: ring %u: req_prod jumps by %x", f->type, ring, jumps[i]);
        }
        front_close(f, "an index jump");
    }
    /* The words that are the backend's: it may stop the device or overwrite them, but goes on living. */
    for (unsigned i = 0; i < 4 && front_open(f); i++) {
        volatile uint32_t *word = f->ring[ring];
        for (unsigned k = 0; k < 2000; k++) {
            word[1 + k % 15] = (uint32_t)rt_now() * 2654435761u; /* all but req_prod, the note of answers included */
            if (k % 100 == 0)
                front_kick(f);
        }
        front_close(f, "rewriting the ring's header");
    }
    for (unsigned i = 0; i < 20000 && (i || front_open(f)); i++)
        front_kick(f);
    front_close(f, "20000 events");
}

void front_bad_node(struct front *f, const char *node, const char *const *values)
{
    for (unsigned i = 0; values[i]; i++) {
        front_publish(f);
        front_write(f, node, values[i][0] == '-' && !values[i][1] ? NULL : values[i]); /* "-": the node is missing */
        write_number(f, "state", XenbusStateInitialised);
        bool refused = front_wait(f, XenbusStateClosing, XenbusStateClosed);
        verdict(refused && front_has_error(f, node), "%s: %s = '%s' is not refused with a reason, state %d", f->type, node, values[i],
                front_back_state(f));
        front_close(f, node);
    }
    front_write(f, node, NULL);
}

/* Every state from every state, and what is none; the backend must be usable at the end. */
void front_state_walk(struct front *f)
{
    static const char *const odd[] = {"", "x", "-1", "99", "4294967300", "3 ", "03"};
    front_publish(f);
    for (unsigned from = 0; from <= 8; from++)
        for (unsigned to = 0; to <= 8; to++) {
            write_number(f, "state", from);
            write_number(f, "state", to);
        }
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        front_write(f, "state", odd[i]);
    front_close(f, "a walk through the states");
}

/* --- storms --- */

void front_burst(struct front *f, unsigned ring)
{
    volatile struct header *h = f->ring[ring];
    h->rsp_event = h->req_prod;
    front_kick(f);
    front_answered(f, ring);
}

void front_events(struct front *f)
{
    for (unsigned i = 0; i < 1000; i++)
        front_kick(f);
}

void front_idle(void)
{
    rt_sleep_until(rt_now() + 1000000000);
}

static void shut(struct front *f)
{
    if (f->port >= 0)
        front_close(f, "a storm");
}

void front_jump(struct front *f, unsigned ring)
{
    if (front_open(f)) {
        ((volatile struct header *)f->ring[ring])->req_prod += 4096;
        front_kick(f);
        front_wait(f, XenbusStateClosing, XenbusStateClosed);
    }
    shut(f);
}

void front_handshake(struct front *f)
{
    front_open(f);
    shut(f);
}

void front_storm(struct front *f, const struct storm *storms, unsigned n, const char *name)
{
    const struct storm *s = storms;
    while (s < storms + n && strcmp(s->name, name))
        s++;
    if (s == storms + n)
        return;
    rt_log("badfront: storm %s", name);
    for (;;) {
        if (s->open && front_back_state(f) != XenbusStateConnected) {
            shut(f);
            front_open(f);
        }
        for (unsigned i = 0; i < 100; i++)
            s->round();
    }
}
