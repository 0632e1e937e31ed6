/* SPDX-License-Identifier: MIT */
/*
 * badfront: a small domain with a disk and a network interface, as front-end of both as hostile as it can be: every field of a request, both
 * index words, grants revoked and used anew in flight, overlapping segments, sectors beyond the end, lengths that lie, event storms,
 * nodes rewritten at each step of the handshake. Each attack has a verdict (front.h): answered with an error, or the device
 * stopped with a reason; and afterwards all pages given back and the next handshake possible. Last line:
 *   badfront: RESULT attacks=N wrong=N
 */
#include "tests/domains/badfront/front.h"

void domain_main(const char *cmdline)
{
    blk_attack();
    rt_log("badfront: disk: attacks=%u wrong=%u", attacks, wrong);
    net_attack();
    rt_log("badfront: RESULT attacks=%u wrong=%u", attacks, wrong);
}
