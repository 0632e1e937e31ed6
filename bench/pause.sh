# SPDX-License-Identifier: MIT
# In the control domain: as many kills of the disk's driver domain as /files/kills says while the guest reads one block after the other. For each
# "figure pause_us N" (the guest's longest read in the two seconds around it) and bhd's own figures.
console=/var/log/bulkhead/console-guest.log
supervisor=/var/log/bulkhead/bhd.log

lines() { grep -c '^beat: [0-9]* s' $console 2>/dev/null; }
await_lines() { # COUNT: until the guest has told so many seconds
    left=1200
    until [ "$(lines)" -ge "$1" ]; do
        left=$((left - 1))
        [ $left -gt 0 ] || { tail -n 20 $console $supervisor; exit 1; }
        sleep 0.1
    done
}

await_lines 3
grep '^beat: ' $console | sed -n 's/.* pause \([0-9]*\) us.*/figure quiet_us \1/p' | tail -n 1
read -r kills </files/kills
kill=1
while [ $kill -le "$kills" ]; do
    before=$(lines)
    bh kill disk || exit 1
    await_lines $((before + 2))
    grep '^beat: [0-9]* s' $console | tail -n +$((before + 1)) |
        sed -n 's/.* pause \([0-9]*\) us.*/\1/p' | sort -n | tail -n 1 | sed 's/^/figure pause_us /'
    kill=$((kill + 1))
done
sed -n 's/.*restart disk .*detected_us=\([0-9]*\) restarted_us=\([0-9]*\).*/figure running_us \2/p' $supervisor
grep '^beat: ' $console | tail -n 1 | grep -q ' 0 errors' || { tail -n 3 $console; exit 1; }
