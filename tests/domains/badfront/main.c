/* SPDX-License-Identifier: MIT */
/*
 * badfront: a small domain with a disk and a network interface, as front-end of both as hostile as it can be: every field of a request, both
 * index words, grants revoked and used anew in flight, overlapping segments, sectors beyond the end, lengths that lie, event storms,
 * nodes rewritten at each step of the handshake. Each attack has a verdict (front.h): answered with an error, or the device
 * stopped with a reason; and afterwards all pages given back and the next handshake possible. Last line:
 *   badfront: RESULT attacks=N wrong=N
 * Command line storm=NAME: that one attack for ever (vbd.bad, vif.events; the tables are in blk.c and net.c).
 */
#include "tests/domains/badfront/front.h"

void domain_main(const char *cmdline)
{
    if (!strncmp(cmdline, "storm=", 6)) {
        blk_attack(cmdline + 6);
        net_attack(cmdline + 6);
        rt_log("badfront: there is no %s", cmdline);
        return;
    }
    blk_attack(NULL);
    rt_log("badfront: disk: attacks=%u wrong=%u", attacks, wrong);
    net_attack(NULL);
    rt_log("badfront: RESULT attacks=%u wrong=%u", attacks, wrong);
}
