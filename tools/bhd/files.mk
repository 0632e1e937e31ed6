# SPDX-License-Identifier: MIT
# bhd, the supervisor, and its tests.
BHD_SRC := $(addprefix tools/bhd/,main.c domains.c storm.c quarantine.c spawn.c console.c conring.c history.c) backends/core/host_linux.c tools/lib/daemon.c
$(eval $(call host_prog,tools/bhd,$(BHD_SRC) $(TOOLS_LIB),$(TOOLS_LIBS) -lxenevtchn -lxengnttab -levent))
$(eval $(call unit_test,tools_bhd_test,tests/unit/tools_bhd_test.c $(addprefix tools/bhd/,storm.c conring.c history.c)))
$(eval $(call unit_test,bhd_deaths_test,tests/unit/bhd_deaths_test.c $(addprefix tools/bhd/,domains.c storm.c)))
