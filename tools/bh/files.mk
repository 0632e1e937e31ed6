# SPDX-License-Identifier: MIT
# The library that bh, bhd and pcid share: sources, and the libraries it needs.
TOOLS_LIB := $(addprefix tools/lib/,err.c cfg.c devspec.c domcfg.c image.c bzimage.c layout.c handles.c build.c store.c pcidc.c create.c)
TOOLS_LIBS := -lxenctrl -lxencall -lxenforeignmemory -lxenstore -lxentoolcore -llzma
$(eval $(call host_prog,tools/bh,$(addprefix tools/bh/,main.c domain.c show.c block.c network.c console.c sched.c rings.c trace.c profile.c top.c) $(addprefix tools/lib/,trace.c profile.c symbols.c) $(TOOLS_LIB),$(TOOLS_LIBS)))
