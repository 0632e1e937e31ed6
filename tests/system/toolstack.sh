#!/bin/sh
# SPDX-License-Identifier: MIT
# The toolstack in earnest: every verb, what it refuses, a disk attached and detached under a running guest, two functions in one
# driver domain, policies (reboot rebuilds, poweroff destroys, storms end in quarantine), nothing left behind.
# limit: 500
. "$(dirname "$0")/lib/host.sh"
disk 64
truncate -s 32M "$OUT/second.img"
driver_domain 'pci = ["00:04.0", "00:05.0"]'
stock_guest guest "" "$DISK" "on_poweroff = \"destroy\""
tiny_domain storm "$BUILD/tests/domains/misbehave.elf" "triple" "driver_domain = 1" "on_crash = \"restart\""
mv "$OUT/domains/30-storm.cfg" "$OUT/files/storm.cfg"
cp "$BUILD/tests/domains/misbehave.elf" "$OUT/files/"
sed -i 's|^kernel = .*|kernel = "misbehave.elf"|' "$OUT/files/storm.cfg"
script <<'END'
config() { # LINES...: a configuration that is good but for them
    { echo 'name="t"'; echo 'kernel="/usr/lib/bulkhead/hello.elf"'; echo 'memory=16'
      for line in "$@"; do echo "$line"; done; } >/tmp/t.cfg
}
tree() { xenstore-ls -f /local/domain; xenstore-ls -f /tool/bh; xenstore-ls -f /vm; }

# help, and wrong usage
bh help | grep -q block-attach || fail "bh help"
bh create --help | grep -q paused || fail "bh create --help"
refused "no verb 'fly'" bh fly
refused "usage: bh destroy" bh destroy
refused "no domain called 'nobody'" bh destroy nobody
refused "domain 0 is the control domain" bh kill 0
refused "not a driver domain" bh restart guest

says guest "guest's shell" 150
# configurations that are refused, by name of the field, and leave nothing
tree >/tmp/before
config 'vcpus=0';                  refused 't.cfg:4: vcpus: 0 is out of range' bh create /tmp/t.cfg
config 'memory=1';                 refused 'memory: 1 MiB is too small' bh create /tmp/t.cfg
config 'memory=1000000';           refused 'memory: cannot get' bh create /tmp/t.cfg
config 'kernel="/init"';           refused 'neither an ELF file nor a bzImage' bh create /tmp/t.cfg
config 'kernel="none"';            refused 'kernel: /tmp/none: No such file' bh create /tmp/t.cfg
config 'ramdisk="/usr/bin"';       refused 'ramdisk: /usr/bin: not a regular file' bh create /tmp/t.cfg
config 'name="guest"';             refused "domain 'guest' exists already" bh create /tmp/t.cfg
config 'pci=["00:1f.0"]';          refused 'it is a bridge' bh create /tmp/t.cfg
config 'pci=["00:04.0"]';          refused 'belongs to domain [0-9]* already' bh create /tmp/t.cfg
config 'pci=["00:1e.0"]';          refused 'no such function' bh create /tmp/t.cfg
config 'disk=["vdev=xvda,target=x,backend=nodisk"]'; refused "no domain called 'nodisk', waited 10 s" bh create /tmp/t.cfg
config 'disk=["vdev=xvda,target=nonesuch,backend=disk"]'; refused 'disk xvda: .*' bh create /tmp/t.cfg
tree >/tmp/after
diff /tmp/before /tmp/after || fail "a refused domain left something in xenstore"
bh list | grep -q '^t ' && fail "a refused domain exists"

# a domain that is built, paused, renamed, let run and rebuilt by hand
config 'on_poweroff="preserve"' 'odd=1'
bh create -p /tmp/t.cfg 2>&1 | grep -q 't.cfg:5: odd: unknown key' || fail "no warning for an unknown key"
[ "$(state t)" = "p " ] || fail "not paused: $(state t)"
bh rename t u || fail "bh rename"
[ "$(bh domname "$(bh domid u)")" = u ] || fail "domid, domname"
refused "no domain called 't'" bh domid t
[ "$(xenstore-list /tool/bh/names | sort | tr '\n' ' ')" = "disk guest u " ] || fail "index of names: $(xenstore-list /tool/bh/names)"
id=$(bh domid u)
bh rename u v+.1 && [ "$(bh domid v+.1)" = "$id" ] && [ "$(xenstore-read /tool/bh/names/v@2b@2e1)" = "$id" ] || fail "a name with a + and a ."
refused "is called 'v+.1' already" bh rename guest v+.1
xenstore-rm /tool/bh/names/v@2b@2e1
[ "$(bh domid v+.1)" = "$id" ] || fail "a domain that is not in the index of names is not found"
bh rename v+.1 u || fail "bh rename back"
bh unpause u || fail "bh unpause"
becomes u s 20
says t 'tick 3' 10
bh destroy u || fail "bh destroy"
bh list u 2>/dev/null && fail "u is still there"
xenstore-exists /tool/bh/names/u && fail "u is still in the index of names"

# consoles replay
timeout 2 bh console disk </dev/null >/tmp/console
grep -q 'nvme1n1\|nvme1:' /tmp/console || fail "the console's history is missing: $(cat /tmp/console)"

# a second disk, attached and detached while the guest runs
refused "vdev: domain [0-9]* has a xvda already" bh block-attach guest backend=disk vdev=xvda target=nvme1n1
refused "access: 'x'" bh block-attach guest backend=disk vdev=xvdb target=nvme1n1 access=x
bh block-attach guest backend=disk vdev=xvdb target=nvme1n1 access=r || fail "bh block-attach"
left=50
until bh block-list guest | grep -q '^51728 .* 4 '; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "xvdb is not connected: $(bh block-list guest)"
    sleep 0.2
done
bh block-detach guest xvdb || fail "bh block-detach"
bh block-list guest | grep -q '^51728' && fail "xvdb is still there"
bh block-list guest | grep -q '^51712 .* 4 ' || fail "xvda is gone"

# supervisor and PCI service may end and come back: the driver domain is theirs again
kill "$(pidof bhd)" "$(pidof pcid)"
sleep 1
pcid || fail "pcid does not start again"
bhd || fail "bhd does not start again"
files=$(sed -n 's/^Max open files *\([0-9]*\).*/\1/p' "/proc/$(pidof bhd)/limits")
[ "$files" -ge 4096 ] || fail "bhd may open $files files, not enough for the consoles of a thousand domains"
grep -q 'domain 1 keeps its 2 functions' /var/log/bulkhead/pcid.log || fail "pcid lost the functions: $(cat /var/log/bulkhead/pcid.log)"
bh kill disk || fail "bh kill"
restarted disk 1 20
says disk 'incarnation 2, 2 controller' 20
bh block-list guest | grep -q '^51712 .* 4 ' || fail "xvda is gone after the restart"
refused 'belongs to domain 1 already' bh create -q /domains/10-disk.cfg name="'other'"

# storms end in quarantine; the policy file says so
bh create /files/storm.cfg || fail "bh create storm"
left=100
until grep -q 'quarantine storm' /var/log/bulkhead/bhd.log; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "no quarantine"
    sleep 0.2
done
[ "$(restarts storm)" -ge 10 ] || fail "storm was restarted $(restarts storm) times, less than 10" # more, where a slow machine makes a second healthy
xenstore-read /tool/bhd/storm/quarantined || fail "no node says so"
bh destroy storm || fail "bh destroy storm"

# requests reach a guest's kernel, typing reaches its shell; a guest's reboot builds it again, its poweroff destroys it
old=$(bh domid guest)
typed guest 'reboot -f'
left=300
until [ "$(bh domid guest 2>/dev/null || echo "$old")" != "$old" ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "the guest was not built again"
    sleep 0.2
done
left=300
until [ "$(grep -c "guest's shell" "$(console guest)")" -ge 2 ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "the guest did not come up again"
    sleep 0.2
done
typed guest 'poweroff -f'
left=100
while bh domid guest >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "the guest's poweroff did not destroy it"
    sleep 0.2
done

# the driver domain goes and comes back, with its functions reset in between
bh destroy disk || fail "bh destroy disk"
bh pci-assignable-list | grep -q '^0000:00:04.0$' || fail "the function did not come back: $(bh pci-assignable-list)"
bh create /domains/10-disk.cfg || fail "bh create disk"
left=100
until [ "$(grep -c 'nvme1n1\|nvme1:' "$(console disk)")" -ge 2 ]; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "the second controller did not come up again"
    sleep 0.2
done
bh destroy disk || fail "bh destroy disk"
xenstore-ls -f /local/domain | grep -v '^/local/domain/0 \|^/local/domain/0/\(name\|domid\|control\|backend\|device\|data\|drivers\|memory\)' |
    grep . && fail "something is left in xenstore"
echo "toolstack: all well"
END
LIMIT=480 board --disk "$OUT/disk.img" --disk "$OUT/second.img"
grep -q "toolstack: all well" "$OUT/out" || fail "the script did not reach its end"
