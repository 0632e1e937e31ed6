# SPDX-License-Identifier: MIT
# The hypervisor: every source below hypervisor/, and the host tests of its rooms.
HV_SRC := $(sort $(wildcard hypervisor/*/*.c hypervisor/*/*.S))
HV_OBJ := $(call obj,hv,$(HV_SRC))
-include $(HV_OBJ:.o=.d)
HV_LINK := $(FREE_LINK) -Wl,--no-warn-rwx-segments -Wl,-T,hypervisor/boot/hypervisor.lds

# Linked twice: the second time with the table of its own symbols that a panic's backtrace prints. The segment that is
# writable and executable is the boot code, which runs before there is paging and is not mapped after.
$(B)/bulkhead.elf: $(HV_OBJ) hypervisor/boot/hypervisor.lds tools/symtab
	@echo "  $@"
	$(HV_LINK) -o $@.tmp $(HV_OBJ)
	tools/symtab $@.tmp > $(B)/symtab.S
	$(CC) -c -o $(B)/symtab.o $(B)/symtab.S
	$(HV_LINK) -o $@ $(HV_OBJ) $(B)/symtab.o
	rm -f $@.tmp
# The form that multiboot loaders (and QEMU's -kernel) take: a 32-bit ELF header around the same segments.
$(B)/bulkhead: $(B)/bulkhead.elf
	objcopy -O elf32-i386 $< $@
all: $(B)/bulkhead

# Host tests of the real sources; tests/unit/hv brings the fake RAM, per-CPU data, locks and log.
HV_TEST_CFLAGS := -include stdint.h -Itests/unit/hv -Itests/unit -Ihypervisor -D__XEN_TOOLS__
$(eval $(call unit_test,hv_mem,tests/unit/hv_mem_test.c tests/unit/hv/fake_hv.c hypervisor/mem/frames.c hypervisor/mem/heap.c hypervisor/mem/pagetable.c hypervisor/mem/p2m.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,vlapic,tests/unit/vlapic_test.c hypervisor/irq/vlapic.c hypervisor/cpu/mmio.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,acpi,tests/unit/acpi_test.c tests/unit/hv/fake_hv.c hypervisor/boot/acpi.c hypervisor/lib/machine.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,log,tests/unit/log_test.c hypervisor/lib/log.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,serial,tests/unit/serial_test.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,console,tests/unit/console_test.c hypervisor/dom/console.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,vtd,tests/unit/vtd_test.c tests/unit/hv/fake_hv.c hypervisor/mem/dmar.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,trace,tests/unit/trace_test.c tests/unit/hv/fake_hv.c hypervisor/trace/trace.c hypervisor/mem/frames.c tools/lib/trace.c tools/lib/err.c,-Wno-format-truncation $(HV_TEST_CFLAGS)))
$(eval $(call unit_test,profile,tests/unit/profile_test.c tests/unit/hv/fake_hv.c hypervisor/call/profile.c hypervisor/trace/trace.c hypervisor/mem/frames.c \
    $(addprefix tools/lib/,profile.c symbols.c trace.c err.c),-Wno-format-truncation $(HV_TEST_CFLAGS)))
$(eval $(call unit_test,handles,tests/unit/handles_test.c tests/unit/hv/fake_hv.c hypervisor/irq/handles.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,passthrough,tests/unit/passthrough_test.c tests/unit/hv/fake_hv.c hypervisor/dom/passthrough.c \
    $(addprefix hypervisor/mem/,p2m.c p2m_iommu.c pagetable.c),$(HV_TEST_CFLAGS)))
comma := ,
SCHED_TEST_SRC := $(addprefix hypervisor/,sched/sched.c sched/rr.c sched/credit.c sched/timer.c lib/lock.c lib/softirq.c)
SCHED_TEST_CFLAGS := -Dsched_yield=hv_sched_yield $(HV_TEST_CFLAGS)
SCHED_TEST_LINK := -pthread -Wl$(comma)--wrap=spin_unlock
$(eval $(call unit_test,sched,tests/unit/sched_test.c $(SCHED_TEST_SRC),-DPOLICY=sched_rr $(SCHED_TEST_CFLAGS),$(SCHED_TEST_LINK)))
$(eval $(call unit_test,sched_credit,tests/unit/sched_test.c $(SCHED_TEST_SRC),-DPOLICY=sched_credit $(SCHED_TEST_CFLAGS),$(SCHED_TEST_LINK)))
$(eval $(call unit_test,topology,tests/unit/topology_test.c hypervisor/cpu/topology.c,$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,sched_place,tests/unit/sched_place_test.c $(SCHED_TEST_SRC),$(SCHED_TEST_CFLAGS)))
$(eval $(call unit_test,sched_sim,tests/unit/sched_sim_test.c $(SCHED_TEST_SRC),$(SCHED_TEST_CFLAGS)))
DOM_TEST_SRC := tests/unit/hv/fake_hv.c tests/unit/hv/fake_dom.c $(addprefix hypervisor/,mem/frames.c mem/heap.c mem/pagetable.c mem/p2m.c \
    dom/domain.c dom/event.c dom/grant.c dom/restart.c)
$(eval $(call unit_test,dom_event,tests/unit/dom_event_test.c $(DOM_TEST_SRC),$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,dom_grant,tests/unit/dom_grant_test.c $(DOM_TEST_SRC),$(HV_TEST_CFLAGS)))
$(eval $(call unit_test,dom_restart,tests/unit/dom_restart_test.c $(DOM_TEST_SRC),$(HV_TEST_CFLAGS)))
