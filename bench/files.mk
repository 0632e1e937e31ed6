# SPDX-License-Identifier: MIT
# make bench: the figures (bench/run says how each is taken), kept as JSON in build/bench/.
# make bench PEER=xen: beside Debian's Xen where bench/run can.
# make bench-check: the figures that are the same from run to run against bench/baseline.json (bench/check).
# make bench-docs: the tables of docs/performance.md and docs/disk-figures.md, and the plots of docs/plots from what was taken last.
# What a measurement boots beside the machine; one a line.
BENCH_NEEDS += $(B)/bench/micro.elf
BENCH_NEEDS += $(B)/bench/sched.elf
BENCH_NEEDS += $(B)/tests/unit/sched_sim
BENCH_NEEDS += $(B)/bench/stall.elf
BENCH_NEEDS += $(B)/tests/domains/disk-unordered.elf
BENCH_NEEDS += $(B)/bench/bare.cpio
BENCH_NEEDS += $(B)/guest-iperf3.cpio
BENCH_NEEDS += $(B)/tests/domains/badfront.elf
BENCH_NEEDS += $(if $(PEER),$(B)/xen-control.cpio)
BENCH_NEEDS += $(if $(PEER),$(B)/xen-driver.cpio)
BENCH_NEEDS += $(if $(PEER),$(B)/bench/domtimes)
BENCH_NEEDS += $(if $(PEER),$(B)/guest/notso)
bench: $$(MACHINE) $$(BENCH_NEEDS)
	bench/run $(if $(PEER),--peer $(PEER))
bench-docs:
	bench/document
	bench/plot
bench-check: $$(MACHINE) $(B)/bench/micro.elf
	bench/run micro
	bench/check
.PHONY: bench bench-check bench-docs

# The control domain under Debian's Xen: bench/xen/services says how to use it.
XEN_PROGRAMS := $(addprefix $(B)/kernels/xen/bin/,xl xenstored xenconsoled xen-init-dom0)
$(B)/xen-control.cpio: $(B)/kernels/xen/version tools/control/init $(wildcard bench/xen/* bench/xen/scripts/*) $$(INITRAMFS_TOOLS) $$(KERNELS)
	tools/initramfs xen $@ $(addprefix --program ,$(XEN_PROGRAMS))
# A Linux driver domain there: bench/xen/driver-services.
$(B)/xen-driver.cpio: $(B)/kernels/xen/version tools/control/init $(wildcard bench/xen/* bench/xen/scripts/*) $$(INITRAMFS_TOOLS) $$(KERNELS)
	tools/initramfs xen-driver $@ --program $(B)/kernels/xen/bin/xl

# The bare machine's own network: the generic kernel has the card's driver, the guests' has not.
BARE_PROGRAMS := $(addprefix $(B)/guest/,netblast netstream notso) /usr/bin/iperf3
$(B)/bench/bare.cpio: $(BARE_PROGRAMS) tools/guest/init $$(INITRAMFS_TOOLS) $$(KERNELS)
	@mkdir -p $(@D)
	tools/initramfs guest $@ --kernel $(B)/kernels/control --module e1000e $(addprefix --program ,$(BARE_PROGRAMS))

$(eval $(call host_prog,bench/domtimes,bench/domtimes.c,-lxenctrl))

# PVH kernels in the control domain's place: micro, for Bulkhead and Xen alike, and stall.
MICRO_SRC := $(RT_SRC) tests/guest/lib.c $(wildcard bench/micro/*.c)
SCHED_SRC := $(RT_SRC) tests/guest/lib.c tests/guest/child/child.c tests/guest/child/blobs.S bench/sched/main.c
STALL_SRC := $(RT_SRC) tests/guest/lib.c tests/guest/child/child.c tests/guest/child/blobs.S bench/stall/main.c
$(B)/bench/micro.elf: $(call obj,rt,$(MICRO_SRC))
$(B)/bench/sched.elf: $(call obj,rt,$(SCHED_SRC))
$(B)/bench/stall.elf: $(call obj,rt,$(STALL_SRC))
$(addprefix $(B)/bench/,micro.elf sched.elf stall.elf): stubdoms/rt/rt.lds
	@mkdir -p $(@D)
	@echo "  $@"
	$(RT_LINK) -o $@ $(filter %.o,$^)
$(call obj,rt,bench/sched/main.c bench/stall/main.c): X_CFLAGS = -D__XEN_TOOLS__
-include $(patsubst %.o,%.d,$(call obj,rt,$(MICRO_SRC) $(SCHED_SRC) $(STALL_SRC)))
