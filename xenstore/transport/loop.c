/* SPDX-License-Identifier: MIT */
/* The queue of turns: see loop.h. */
#include "xenstore/transport/loop.h"
#include "xenstore/core/later.h"

static struct conn *first, **last = &first;
static struct event *alarm_event;
static struct store *store;
static bool put_off; /* there is more for later_run */

static void alarm_rings(evutil_socket_t fd, short what, void *arg)
{
    lane_expired(arg);
}

bool loop_open(struct event_base *base, struct store *s)
{
    store = s;
    put_off = true; /* if it is a state that was loaded */
    alarm_event = event_new(base, -1, 0, alarm_rings, s);
    return alarm_event != NULL;
}

void loop_close(void)
{
    event_free(alarm_event);
    alarm_event = NULL;
}

void loop_alarm(struct store *s, unsigned us)
{
    const struct timeval t = { us / 1000000, us % 1000000 };

    event_add(alarm_event, &t);
}

static void run_turn(struct conn *c)
{
    enum turn t = conn_turn(c);

    if (t == TURN_MORE || (t != TURN_IDLE && !conn_wind_down(c)))
        loop_wake(c);
    else if (t != TURN_IDLE)
        c->ops->over(c, t);
}

/* One turn for each that waits now; those who come back wait for the next round, after new input was looked for. */
static void round_of_turns(void)
{
    struct conn *c, *end = first;
    size_t n = 0;

    for (; end; end = end->next_busy)
        n++;
    while (n-- && (c = first)) {
        loop_forget(c);
        run_turn(c);
    }
}

bool loop_once(struct event_base *base, bool wait)
{
    int flags = EVLOOP_ONCE | (first || put_off || !wait ? EVLOOP_NONBLOCK : 0);

    if (event_base_got_break(base) || event_base_loop(base, flags) < 0)
        return false;
    round_of_turns();
    put_off = later_run(store, LATER_PART);
    return true;
}

void loop_run(struct event_base *base)
{
    while (loop_once(base, true))
        ;
}

void loop_wake(struct conn *c)
{
    if (c->busy)
        return;
    c->busy = true;
    c->next_busy = NULL;
    *last = c;
    last = &c->next_busy;
}

void loop_forget(struct conn *c)
{
    struct conn **link = &first;

    if (!c->busy)
        return;
    while (*link != c)
        link = &(*link)->next_busy;
    *link = c->next_busy;
    if (!*link)
        last = link;
    c->busy = false;
}
