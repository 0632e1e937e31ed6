# SPDX-License-Identifier: MIT
BHD_SRC := $(addprefix tools/bhd/,main.c domains.c storm.c quarantine.c spawn.c console.c conring.c) backends/core/host_linux.c
$(eval $(call host_prog,tools/bhd,$(BHD_SRC) $(TOOLS_LIB),$(TOOLS_LIBS) -lxenevtchn -lxengnttab -levent))
