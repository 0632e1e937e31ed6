# SPDX-License-Identifier: MIT
# Unit tests of the hypervisor's rooms, on the host with hv_fake.c below them.
HV_TEST_CFLAGS := -Ihypervisor -include stdint.h -D__XEN_TOOLS__ -fno-pie
$(eval $(call unit_test,acpi,tests/unit/acpi_test.c tests/unit/hv_fake.c hypervisor/boot/acpi.c,$(HV_TEST_CFLAGS),-no-pie))
$(eval $(call unit_test,vtd,tests/unit/vtd_test.c tests/unit/hv_fake.c hypervisor/mem/dmar.c,$(HV_TEST_CFLAGS),-no-pie))
$(eval $(call unit_test,handles,tests/unit/handles_test.c tests/unit/hv_fake.c hypervisor/irq/handles.c,$(HV_TEST_CFLAGS),-no-pie))
