/* SPDX-License-Identifier: MIT */
/* What the tests of netback share: see netback_case.h. */
#include "netback_case.h"

#include <stdio.h>
#include <string.h>

struct netfront *a, *b;

/* --- set up --- */

void start(void)
{
    CHECK(pkt_pool(256, 16) == 0);
    wire_new();
    CHECK(netback_start() == 0);
    fake_settle();
}

void connect_front(struct netfront *f, bool split)
{
    CHECK(nf_back_state(f) == 2);
    nf_publish(f, split);
    fake_settle();
    CHECK(nf_back_state(f) == 4);
}

void start_two(void)
{
    fake_init();
    a = nf_new(3, 1);
    b = nf_new(4, 2);
    start();
    connect_front(a, false);
    connect_front(b, true);
}

const char *back(const struct netfront *f, const char *node)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/%s", f->back, node);
    return fake_get(p);
}

void set(const char *dir, const char *node, const char *value)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/%s", dir, node);
    fake_set(p, "%s", value);
}

/* Everything there is to do, on both sides. */
void settle(void)
{
    for (unsigned i = 0; i < 20; i++) {
        fake_settle();
        for (struct netfront *f = a; f; f = f == a ? b : NULL)
            if (nf_back_state(f) == 4) {
                nf_collect(f);
                nf_receive(f);
            }
    }
}

bool sent(struct netfront *f, const uint8_t *to, unsigned len)
{
    make_frame(to, f->mac, len, false);
    bool done = nf_send(f, frame, len, 0, 0, 0);
    settle();
    return done;
}

const uint8_t outside[6] = {0x52, 0x55, 0x0a, 0, 2, 2}, all[6] = {255, 255, 255, 255, 255, 255},
                     group[6] = {1, 0, 0x5e, 0, 0, 5};

/* Time in which the loop goes round; whether it was noticed that a queue stands still. */
bool gives_up_within(unsigned ms)
{
    unsigned before = fake->gave_up;
    for (unsigned i = 0; i < ms && fake->gave_up == before; i++) {
        fake->now += 1000000;
        fake_settle();
    }
    return fake->gave_up > before;
}
