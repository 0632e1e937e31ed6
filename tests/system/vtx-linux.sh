#!/bin/sh
# SPDX-License-Identifier: MIT
# On an Intel CPU (Bochs): Debian's kernel comes up as control domain on two CPUs with its daemons, and builds and runs a domain.
# limit: 600
# together
. "$(dirname "$0")/lib/host.sh"
MACHINE=bochs
tiny_domain hello "$BUILD/domains/hello.elf" "hello=vtx"
script <<'END'
grep -q GenuineIntel /proc/cpuinfo || fail "no Intel CPU: $(cat /proc/cpuinfo)"
! grep -qw vmx /proc/cpuinfo || fail "it is shown VT-x"
[ "$(nproc)" = 2 ] || fail "$(nproc) vCPUs, not 2"
bh dmesg | grep -q 'VT-x with nested paging' || fail "the hypervisor does not say VT-x"
bh dmesg | grep -q 'no IOMMU: device assignment is refused' || fail "the hypervisor does not say what is missing"
says hello "domain 1, incarnation 1, name hello" 60
says hello "tick 3" 60
[ "$(xenstore-read /local/domain/0/name)" = control ] || fail "xenstore does not answer"
! dmesg | grep -E 'WARNING: CPU|BUG:|Oops|Call Trace' || fail "the control kernel complains"
echo all well
END
LIMIT=580 board --memory 1024
grep -qx 'all well' "$OUT/out"
