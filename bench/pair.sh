# SPDX-License-Identifier: MIT
# In the control domain, ours or Xen's: two domains of bench/micro that meet by what this script carries between them; prints right's lines.
# With a file /files/repeat, the name of one operation: prints "repeats" when right has begun to do that for ever.
. /services

make() { # NAME EXTRA
    cat >"/tmp/$1.cfg" <<END
name = "$1"
type = "pvh"
kernel = "/files/micro.elf"
memory = 16
shadow_memory = 8
extra = "$2"
END
    create_domain "/tmp/$1.cfg" >/tmp/create.log 2>&1 || { cat /tmp/create.log; exit 1; }
}

make right "pair=right$(sed 's/^/ repeat=/' /files/repeat 2>/dev/null)"
right=$($toolstack domid right) || exit 1
make left "pair=left right=$right"
data=/local/domain/$($toolstack domid left)/data/meet
timeout 60 sh -c "until xenstore-read $data 2>/dev/null | grep -q ' '; do sleep 0.1; done" || { cat "$(console_of left)"; exit 1; }
xenstore-write "/local/domain/$right/data/meet" "$(xenstore-read "$data")" || exit 1
left=120
until grep -q 'micro done\|repeats\|CRASH' "$(console_of right)" 2>/dev/null; do
    left=$((left - 1))
    [ $left -gt 0 ] || { cat "$(console_of right)" "$(console_of left)"; exit 1; }
    sleep 0.5
done
[ ! -e /files/repeat ] || { echo repeats; sleep 600; }
cat "$(console_of right)"
$toolstack destroy left
$toolstack destroy right
