# SPDX-License-Identifier: MIT
# Tiny PVH guests, one folder each: what a hypercall family does and what it refuses. tests/run boots them.
# $(call guest_test,NAME[,CFLAGS[,SOURCES]]): build/guests/NAME.elf from tests/guest/NAME/*.c, *.S and SOURCES
define guest_test
$(B)/guests/$(1).elf: $(call obj,rt,$(RT_SRC) tests/guest/lib.c $(wildcard tests/guest/$(1)/*.[cS]) $(3)) stubdoms/rt/rt.lds
	@mkdir -p $$(@D)
	@echo "  $$@"
	$(RT_LINK) -o $$@ $$(filter %.o,$$^)
$(call obj,rt,$(wildcard tests/guest/$(1)/*.[cS]) $(3)): X_CFLAGS = $(2)
GUESTS += $(B)/guests/$(1).elf
-include $(patsubst %.o,%.d,$(call obj,rt,tests/guest/lib.c $(wildcard tests/guest/$(1)/*.[cS]) $(3)))
endef

CHILD_SRC := tests/guest/child/child.c tests/guest/child/blobs.S
$(foreach t,version event sched grant memory hvm vcpu time smp console policy xapic,$(eval $(call guest_test,$(t))))
$(eval $(call guest_test,trace,-D__XEN_TOOLS__))
$(foreach t,fuzz domctl ext restart pirq,$(eval $(call guest_test,$(t),-D__XEN_TOOLS__,$(CHILD_SRC))))
$(foreach t,hostile storm,$(eval $(call guest_test,$(t),-D__XEN_TOOLS__,$(CHILD_SRC) tests/guest/child/clone.c)))
.PHONY: guests
guests: $(GUESTS)
all: $(GUESTS)
