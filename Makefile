# SPDX-License-Identifier: MIT
# Bulkhead: one non-recursive make. Every folder says what it holds in its own
# files.mk, with the macros below; objects mirror the tree under build/.
#
#   make            everything: hypervisor, small domains, tools
#   make run        boot the whole machine and do the main job in front of you
#   make shell      the same machine, left at the control domain's prompt
#   make test       every test; last line "N passed, N failed"
#   make model      restart in place as a model, every state of it: last line the same
#   make campaign   faults of every kind under load: KILLS=n for each driver domain, SEED=s, then CALLS=n hypercalls
#   make coverage   how much of svm.c and vmx.c the tiny guests reach, and which exits
#   make bench      the figures; PEER=xen: beside Debian's Xen; `make bench-docs` puts them into docs/performance.md
#   make lint       static analysis and the house rules: no new finding
#   make V=1 ...    with the commands as they are run
B := build
CC := gcc
MAKEFLAGS += $(if $(V),,--silent)
all:
.PHONY: all
.SECONDEXPANSION:
.DELETE_ON_ERROR:
# Debian packages first, before anything is compiled: quick when all are there.
ifneq ($(MAKECMDGOALS),clean)
ifneq ($(shell tools/deps $(if $(filter lint $(B)/fuzz/%,$(MAKECMDGOALS)),--lint) \
                          $(if $(filter model,$(MAKECMDGOALS)),--model) $(if $(filter bench-docs,$(MAKECMDGOALS)),--bench) >&2 || echo failed),)
$(error tools/deps failed)
endif
endif

WARN := -Wall -Wextra -Werror -Wno-unused-parameter -Wstrict-prototypes -Wmissing-prototypes -Wvla
BASE_CFLAGS := -std=gnu11 -O2 -g $(WARN) -MMD -MP -Iinclude -I.
# Code that runs on the bare machine or in a small domain: no host headers but Xen's public ones.
FREE_CFLAGS := $(BASE_CFLAGS) -ffreestanding -fno-stack-protector -fno-pic -fno-pie -mno-red-zone \
               -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fcf-protection=none
HV_CFLAGS := $(FREE_CFLAGS) -mcmodel=kernel -mgeneral-regs-only -Ihypervisor -include stdint.h -D__XEN_TOOLS__
RT_CFLAGS := $(FREE_CFLAGS) -fbuiltin -mcmodel=small -mno-avx -Istubdoms -D__XEN_INTERFACE_VERSION__=0x00040d00
HOST_CFLAGS := $(BASE_CFLAGS)
FREE_LINK := $(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack
RT_LINK := $(FREE_LINK) -Wl,-T,stubdoms/rt/rt.lds
TEST_CFLAGS := $(BASE_CFLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -Itests/unit

obj = $(addprefix $(B)/$(1)/,$(addsuffix .o,$(2)))
# $(call host_prog,PATH,SOURCES,LIBS[,CFLAGS]): a Linux program build/PATH for the control domain.
define host_prog
$(B)/$(1): $(call obj,host,$(2))
	@mkdir -p $$(@D)
	@echo "  $$@"
	$(CC) -o $$@ $$^ $(3)
$(call obj,host,$(2)): X_CFLAGS += $(4)
all: $(B)/$(1)
HOST_PROGRAMS += $(B)/$(1)
-include $(patsubst %.o,%.d,$(call obj,host,$(2)))
endef
# $(call unit_test,NAME,SOURCES[,CFLAGS[,LIBS]]): build/tests/unit/NAME, CUnit, ASan+UBSan, run by `make test`.
# Its objects are its own (build/unit/NAME/...), so a test may compile real sources with other flags.
define unit_test
$(B)/tests/unit/$(1): $(call obj,unit/$(1),$(2))
	@mkdir -p $$(@D)
	@echo "  $$@"
	$(CC) -fsanitize=address,undefined -o $$@ $$^ -lcunit $(4)
$(B)/unit/$(1)/%.c.o: %.c
	@mkdir -p $$(@D)
	@echo "  $$@"
	$(CC) $(TEST_CFLAGS) $(3) -c -o $$@ $$<
UNIT_TESTS += $(B)/tests/unit/$(1)
-include $(patsubst %.o,%.d,$(call obj,unit/$(1),$(2)))
endef
# $(call small_domain,NAME,SOURCES[,CFLAGS]): build/domains/NAME.elf, a PVH image on stubdoms/rt.
define small_domain
$(B)/domains/$(1).elf: $(call obj,rt,$(RT_SRC) $(2)) stubdoms/rt/rt.lds
	@mkdir -p $$(@D)
	@echo "  $$@"
	$(RT_LINK) -o $$@ $$(filter %.o,$$^)
$(call obj,rt,$(2)): X_CFLAGS += $(3)
all: $(B)/domains/$(1).elf
SMALL_DOMAINS += $(B)/domains/$(1).elf
-include $(patsubst %.o,%.d,$(call obj,rt,$(RT_SRC) $(2)))
endef

include stubdoms/rt/files.mk
include $(sort $(filter-out stubdoms/rt/files.mk,$(wildcard */files.mk */*/files.mk)))

$(B)/host/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "  $@"
	$(CC) $(HOST_CFLAGS) $(X_CFLAGS) -c -o $@ $<
$(B)/rt/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "  $@"
	$(CC) $(RT_CFLAGS) $(X_CFLAGS) -c -o $@ $<
$(B)/rt/%.S.o: %.S
	@mkdir -p $(@D)
	@echo "  $@"
	$(CC) $(RT_CFLAGS) $(X_CFLAGS) -c -o $@ $<
$(B)/hv/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "  $@"
	$(CC) $(HV_CFLAGS) -c -o $@ $<
$(B)/hv/%.S.o: %.S
	@mkdir -p $(@D)
	@echo "  $@"
	$(CC) $(filter-out -include stdint.h,$(HV_CFLAGS)) -c -o $@ $<

lint:
	HV_CFLAGS='$(HV_CFLAGS)' RT_CFLAGS='$(RT_CFLAGS)' HOST_CFLAGS='$(HOST_CFLAGS)' tools/lint
.PHONY: lint

clean:
	rm -rf $(B)
.PHONY: clean
