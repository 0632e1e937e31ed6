# SPDX-License-Identifier: MIT
# In the control domain, for bench/figures/profile.py: prints "repeats" when what is to be looked at goes on: with a file /files/hello.elf a tiny
# domain is created and destroyed for ever, else the guest reports its reads or packets.
lives() {
    printf 'name = "tiny"\ntype = "pvh"\nkernel = "/files/hello.elf"\nmemory = 4\nextra = "stay"\n' >/tmp/tiny.cfg
    while bh create -q /tmp/tiny.cfg && bh destroy tiny; do
        lived=$((lived + 1))
        [ $lived -ne 5 ] || echo repeats
    done
}

[ ! -e /files/hello.elf ] || { lives; exit 1; }
console=/var/log/bulkhead/console-guest.log
left=1200
until grep -q '^\(beat\|flow\): .* 0 errors' $console 2>/dev/null; do
    left=$((left - 1))
    [ $left -gt 0 ] || { tail -n 20 $console; exit 1; }
    sleep 0.1
done
grep '^symbol ' $console # if the guest was asked for them
echo repeats
sleep 600
