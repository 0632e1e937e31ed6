# SPDX-License-Identifier: MIT
# make coverage: how much of svm.c and vmx.c the tiny guests reach on the three boards, and which exits (tests/coverage/run says how).
COVERED := hypervisor/cpu/svm.c hypervisor/cpu/vmx.c hypervisor/cpu/vmx_setup.c
COVER_OBJ := $(call obj,coverage,$(COVERED) tests/coverage/cover.c) $(filter-out $(call obj,hv,$(COVERED)),$(HV_OBJ))
COVER_LINK := $(HV_LINK) -Wl,--wrap=exit_dispatch -Wl,--wrap=machine_power_off -Wl,--wrap=machine_reset

$(call obj,coverage,$(COVERED)): COVER_FLAGS := -fsanitize-coverage=trace-pc
$(B)/coverage/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "  $@"
	$(CC) $(HV_CFLAGS) $(COVER_FLAGS) -c -o $@ $<
$(B)/coverage/bulkhead: $(COVER_OBJ) hypervisor/boot/hypervisor.lds
	@echo "  $@"
	$(COVER_LINK) -o $@.elf $(COVER_OBJ)
	tools/symtab $@.elf > $(B)/coverage/symtab.S
	$(CC) -c -o $(B)/coverage/symtab.o $(B)/coverage/symtab.S
	$(COVER_LINK) -o $@.elf $(COVER_OBJ) $(B)/coverage/symtab.o
	objcopy -O elf32-i386 $@.elf $@
-include $(patsubst %.o,%.d,$(call obj,coverage,$(COVERED) tests/coverage/cover.c))

coverage: $(B)/coverage/bulkhead $$(GUESTS)
	tests/coverage/run
.PHONY: coverage
