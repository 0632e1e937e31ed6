# SPDX-License-Identifier: MIT
# The runtime: linked into every small domain and tiny guest.
RT_SRC := $(addprefix stubdoms/rt/,start.S switch.S main.c task.c paging.c pages.c heap.c traps.c console.c event.c time.c \
          grant.c xs.c xsconn.c fmt.c string.c)
# or the compiler turns memmove's loop into a call of memmove
$(B)/rt/stubdoms/rt/string.c.o: X_CFLAGS += -fno-tree-loop-distribute-patterns

RT_RENAMED := snprintf vsnprintf strtoul memcpy memmove memset memcmp strlen strcmp strncmp strchr
$(eval $(call unit_test,rt_lib,tests/unit/rt_lib_test.c stubdoms/rt/fmt.c stubdoms/rt/string.c,-Istubdoms -fno-builtin \
    -fno-tree-loop-distribute-patterns $(foreach f,$(RT_RENAMED),-D$(f)=rt_$(f))))
$(eval $(call unit_test,rt_heap,tests/unit/rt_heap_test.c stubdoms/rt/heap.c,-Istubdoms))
$(eval $(call unit_test,rt_xs,tests/unit/rt_xs_test.c stubdoms/rt/xsconn.c stubdoms/rt/xs.c,-Istubdoms -D__XEN_INTERFACE_VERSION__=0x00040d00))
