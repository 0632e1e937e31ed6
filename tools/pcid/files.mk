# SPDX-License-Identifier: MIT
# pcid, the PCI service, and the test of its pciif backend.
PCID_SRC := $(addprefix tools/pcid/,main.c config.c reset.c assign.c sriov.c) $(addprefix backends/pci/,view.c pciback.c) backends/core/host_linux.c tools/lib/daemon.c
$(eval $(call host_prog,tools/pcid,$(PCID_SRC) $(TOOLS_LIB),$(TOOLS_LIBS) -lxenevtchn -lxengnttab -lpci -levent))
$(eval $(call unit_test,pciback_test,tests/unit/pciback_test.c tests/unit/fake_host.c $(addprefix backends/pci/,view.c pciback.c)))
$(eval $(call unit_test,sriov,tests/unit/sriov_test.c tools/pcid/sriov.c tools/lib/err.c,-Wno-format-truncation))
