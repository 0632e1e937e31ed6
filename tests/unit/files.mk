# SPDX-License-Identifier: MIT
# Unit tests of the hypervisor's rooms, on the host with hv_fake.c below them.
HV_TEST_CFLAGS := -Ihypervisor -include stdint.h -D__XEN_TOOLS__ -fno-pie
$(eval $(call unit_test,acpi,tests/unit/acpi_test.c tests/unit/hv_fake.c hypervisor/boot/acpi.c hypervisor/lib/machine.c,$(HV_TEST_CFLAGS),-no-pie))
$(eval $(call unit_test,vtd,tests/unit/vtd_test.c tests/unit/hv_fake.c hypervisor/mem/dmar.c,$(HV_TEST_CFLAGS),-no-pie))
$(eval $(call unit_test,handles,tests/unit/handles_test.c tests/unit/hv_fake.c hypervisor/irq/handles.c,$(HV_TEST_CFLAGS),-no-pie))
$(eval $(call unit_test,passthrough,tests/unit/passthrough_test.c tests/unit/hv_fake.c hypervisor/dom/passthrough.c \
    $(addprefix hypervisor/mem/,p2m.c p2m_iommu.c pagetable.c),$(HV_TEST_CFLAGS),-no-pie))
