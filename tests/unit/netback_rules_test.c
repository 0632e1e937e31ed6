/* SPDX-License-Identifier: MIT */
/*
 * What netback decides about packets beyond where they go: the rules of an interface, its figures, and when a queue that stands still
 * is reported. Each case runs in a process of its own.
 */
#include "netback_case.h"

#include <string.h>

/* Live-lock: a ring that stands still is noticed, unless the card is at work and its driver watches it. */
static bool wire_busy(struct nic *n) { return wire.busy; }
static void live_lock(void)
{
    start_two();
    struct nic_ops ops = *wire.nic.ops;
    ops.busy = wire_busy;
    wire.nic.ops = &ops;
    progress_start(900000000);
    CHECK(!gives_up_within(2000));
    wire.full = wire.busy = 1;
    make_frame(outside, a->mac, 100, false);
    CHECK(nf_send(a, frame, 100, 0, 0, 0));
    CHECK(!gives_up_within(3000));
    wire.busy = 0;
    CHECK(gives_up_within(910) && strstr(fake->last_log, "vif3.0"));
    wire.full = 0;
    nic_resume(&wire.nic);
    settle();
    CHECK(!gives_up_within(2000) && a->tx_ok == 1);
    for (unsigned i = 0; i < 100; i++) { /* b has no buffers left for them: that is b's affair */
        make_frame(b->mac, a->mac, 60, false);
        CHECK(nf_send(a, frame, 60, 0, 0, 0));
        fake_settle();
        nf_collect(a);
    }
    CHECK(!gives_up_within(3000));
}

CASE(live_lock)

int main(void)
{
    CU_TestInfo tests[] = {
        {"live-lock is seen", test_live_lock},
        CU_TEST_INFO_NULL,
    };
    return suite_run("netback_rules", NULL, tests);
}
