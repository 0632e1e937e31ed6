# SPDX-License-Identifier: MIT
# Tiny PVH guests, one folder each: what a hypercall family does and what it refuses. tests/guest/run boots them.
# $(call guest_test,NAME[,CFLAGS]): build/guests/NAME.elf from tests/guest/NAME/*.c, *.S
define guest_test
$(B)/guests/$(1).elf: $(call obj,rt,$(RT_SRC) tests/guest/lib.c $(wildcard tests/guest/$(1)/*.[cS])) stubdoms/rt/rt.lds
	@mkdir -p $$(@D)
	$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,stubdoms/rt/rt.lds -o $$@ $$(filter %.o,$$^)
$(call obj,rt,$(wildcard tests/guest/$(1)/*.[cS])): X_CFLAGS += $(2)
GUESTS += $(B)/guests/$(1).elf
-include $(patsubst %.o,%.d,$(call obj,rt,tests/guest/lib.c $(wildcard tests/guest/$(1)/*.[cS])))
endef

GUEST_TESTS := version event sched grant memory hvm vcpu time smp console policy ext domctl
$(foreach t,$(filter-out domctl,$(GUEST_TESTS)),$(if $(wildcard tests/guest/$(t)/main.c),$(eval $(call guest_test,$(t)))))
$(if $(wildcard tests/guest/domctl/main.c),$(eval $(call guest_test,domctl,-D__XEN_TOOLS__)))
.PHONY: guests guest-tests
guests: $(GUESTS)
all: $(GUESTS)
guest-tests: $(B)/bulkhead $(GUESTS)
	tests/guest/run $(patsubst $(B)/guests/%.elf,%,$(GUESTS))
