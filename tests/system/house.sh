#!/bin/sh
# SPDX-License-Identifier: MIT
# The house rules that a machine can check (tools/house): this tree keeps them, and each breach of one is found and named.
# limit: 60
# together
set -u
tools/house || exit 1

tree=$OUT/tree
mkdir -p "$tree/hypervisor/mem" "$tree/hypervisor/dom"
spdx='/* SPDX-License-'"Identifier: MIT */"
head="$spdx
/* What it is for. */"
printf '%s\n#include "dom/domain.h"\n' "$head" > "$tree/hypervisor/mem/rooms.c"
printf '%s\n#include "mem/frames.h"\n' "$head" > "$tree/hypervisor/dom/fine.c"
printf '%s\n#ifdef DEBUG\n#endif\n' "$head" > "$tree/if.c"
printf '%s\n#ifndef FINE_H\n#define FINE_H\n#endif\n' "$head" > "$tree/fine.h"
printf '/* No licence. */\n' > "$tree/licence.c"
printf '%s\nint x;\n' "$spdx" > "$tree/comment.c"
{ echo "$head"; yes 'int f(void);' | head -n 600; } > "$tree/long.c"
{ printf '%s\nint f(void)\n{\n' "$head"; yes '    f();' | head -n 60; echo '}'; } > "$tree/function.c"

tools/house "$tree" > "$OUT/found" && { echo "FAIL: a tree of breaches is accepted"; exit 1; }
cat "$OUT/found"
for want in 'hypervisor/mem/rooms.c:3: rooms: mem/ includes dom/' 'if.c:3: if: #ifdef DEBUG' 'licence.c:1: head: 0 SPDX' \
    'comment.c:2: head: no comment' 'long.c:602: size: 602 lines' 'function.c:4: size: a function of 62 lines' '8 files, 6 breaches'; do
    grep -qF "$want" "$OUT/found" || { echo "FAIL: not found: $want"; exit 1; }
done
