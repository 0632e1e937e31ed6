# SPDX-License-Identifier: MIT
# make test: every unit test, every tiny guest, every whole boot (tests/run says how).
# make model: restart in place as a model, every state of it (tests/model/run says how).

# A small domain that only tests use: $(call test_domain,NAME,SOURCES) is build/tests/domains/NAME.elf.
define test_domain
$(B)/tests/domains/$(1).elf: $(call obj,rt,$(RT_SRC) $(2)) stubdoms/rt/rt.lds
	@mkdir -p $$(@D)
	@echo "  $$@"
	$(RT_LINK) -o $$@ $$(filter %.o,$$^)
TEST_DOMAINS += $(B)/tests/domains/$(1).elf
-include $(patsubst %.o,%.d,$(call obj,rt,$(RT_SRC) $(2)))
endef
$(eval $(call test_domain,disk-unordered,tests/domains/unordered/order.c $(filter-out backends/blk/order.c,$(DISK_SRC))))
$(eval $(call test_domain,misbehave,tests/domains/misbehave/main.c $(wildcard driverdoms/pci/*.c frontends/pci*.c)))
$(eval $(call test_domain,baddriver,$(wildcard tests/domains/baddriver/*.c driverdoms/pci/*.c frontends/pci*.c)))
$(eval $(call test_domain,badfront,$(wildcard tests/domains/badfront/*.c)))

# Recovery under fire: faults for each of the two driver domains, then hypercalls, as tests/campaign/{run,fuzz} --help tell.
KILLS ?= 100
CALLS ?= 10000000
SEED ?= 1
campaign: $$(MACHINE) $(B)/guests/fuzz.elf
	tests/campaign/run --kills $(KILLS) --seed $(SEED)
	[ $(CALLS) = 0 ] || tests/campaign/fuzz --calls $(CALLS) --seed $(SEED)
.PHONY: campaign

test: $$(UNIT_TESTS) $$(GUESTS) $$(MACHINE) $$(TEST_DOMAINS) $(B)/bench/micro.elf $(B)/bulkhead.iso $(B)/xenstore/libxenstore.so.4 $(B)/guest-iperf3.cpio $(B)/kernels/xen/version $$(NEWQEMU)
	tests/run
.PHONY: test

model:
	tests/model/run
.PHONY: model
