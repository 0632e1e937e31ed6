# SPDX-License-Identifier: MIT
# In Xen's control domain: "figure since_init_s SECONDS" since its init started, at a moment that Xen's own log names, too: the answer to the
# debug key is stamped with the TSC (console_timestamps=raw), which counted from the machine's start. bench/figures/boot.py reads both.
xl debug-keys h >/dev/null 2>&1
awk -v now="$(cut -d' ' -f1 /proc/uptime)" -v init="$(cat /run/init-started)" 'BEGIN { printf "figure since_init_s %.2f\n", now - init }'
