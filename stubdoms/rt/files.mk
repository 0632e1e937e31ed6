# SPDX-License-Identifier: MIT
# The runtime: linked into every small domain and tiny guest.
RT_SRC := $(addprefix stubdoms/rt/,start.S main.c paging.c pages.c heap.c traps.c console.c event.c time.c \
          grant.c xs.c xsconn.c fmt.c string.c)
# or the compiler turns memmove's loop into a call of memmove
$(B)/rt/stubdoms/rt/string.c.o: X_CFLAGS += -fno-tree-loop-distribute-patterns
