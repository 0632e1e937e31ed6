#!/bin/sh
# SPDX-License-Identifier: MIT
# On the machine: xenstored dies, and is replaced by live update, under a verifying guest; kernels, supervisor and driver domain go on with
# it, so that the driver domain is restarted in place as before and domains come and go.
# limit: 400
. "$(dirname "$0")/lib/host.sh"
disk 128
driver_domain
stock_guest guest "bh.work=verify bh.seconds=200 bh.mib=16 bh.workers=2" "$DISK"
tiny_domain late "$BUILD/domains/hello.elf" ""
mv "$OUT/domains/30-late.cfg" "$OUT/files/late.cfg"
cp "$BUILD/domains/hello.elf" "$OUT/files/"
sed -i 's,^kernel = .*,kernel = "hello.elf",' "$OUT/files/late.cfg"
script <<'END'
daemon() { # the daemon, not its supervisor
    for pid in $(pidof xenstored); do
        grep -q '^PPid:	1$' "/proc/$pid/status" || echo "$pid"
    done
}
says guest '^verify: ' 150
nodes=$(xenstore-ls -f | grep -c '^/local')
[ "$nodes" -gt 50 ] || fail "only $nodes nodes"
kill -SEGV "$(daemon)"
sleep 0.5
timeout 20 xenstore-read /local/domain/0/name || fail "xenstored is not back"
[ "$(xenstore-ls -f | grep -c '^/local')" -ge "$nodes" ] || fail "nodes are lost"
timeout 20 bh list || fail "bh has no registry"
bh kill disk
restarted disk 1 60
was=$(daemon)
kill -HUP "$was"
sleep 0.5
[ "$(daemon)" = "$was" ] || fail "live update changed the process"
bh kill disk
restarted disk 2 60
timeout 60 bh create /files/late.cfg || fail "no domain can be made any more"
timeout 60 bh destroy late
verified guest 150
END
LIMIT=380 board --disk "$OUT/disk.img"
