# SPDX-License-Identifier: MIT
# PCI functions for driver domains, and their test.
PCI_SRC := driverdoms/pci/pci.c frontends/pcifront.c
$(B)/unit/pci/%.S.o: %.S
	@mkdir -p $(@D)
	$(CC) -c -o $@ $<
$(eval $(call unit_test,pci,tests/unit/pci_test.c tests/unit/pci_call.S $(PCI_SRC) backends/pci/pciback.c backends/pci/view.c,-Istubdoms \
    -D__XEN_INTERFACE_VERSION__=0x00040d00 -mno-red-zone -fno-pie -fno-sanitize=alignment,-no-pie))
