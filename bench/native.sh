# SPDX-License-Identifier: MIT
# In the control domain: wait for the benchmark of the domain named in /files/who and print its lines.
who=$(cat /files/who)
console=/var/log/bulkhead/console-$who.log
left=3000
until grep -q 'bench: done\|bench: failed' $console 2>/dev/null; do
    left=$((left - 1))
    [ $left -gt 0 ] || { tail -n 20 $console; exit 1; }
    sleep 0.1
done
grep 'bench: ' $console
grep -q 'bench: done' $console
