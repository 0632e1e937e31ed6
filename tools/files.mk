# SPDX-License-Identifier: MIT
# The machine: packages, stock kernels, the two initramfs, the images and configurations of the demonstration.

KERNELS := $(B)/kernels/control/version $(B)/kernels/guest/version
$(KERNELS) &: tools/kernels
	tools/kernels $(B)/kernels
	touch $(KERNELS)
$(B)/kernels/xen/version: tools/kernels
	tools/kernels --xen $(B)/kernels
	touch $@

$(B)/guest/verify: tools/guest/verify.c
$(B)/guest/netverify: tools/guest/netverify.c
$(B)/guest/iobench: bench/iobench.c
$(B)/guest/netblast: bench/netblast.c
$(B)/guest/netstream: bench/netstream.c
$(B)/guest/notso: bench/notso.c
GUEST_PROGRAMS := $(addprefix $(B)/guest/,verify netverify iobench netblast netstream)
$(GUEST_PROGRAMS) $(B)/guest/notso:
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -static -o $@ $<
-include $(GUEST_PROGRAMS:=.d) $(B)/guest/notso.d

# The emulator of machines with an 82576 network card.
NEWQEMU := $(B)/qemu/qemu-system-x86_64
$(NEWQEMU): tools/newqemu
	tools/newqemu $(@D)

INITRAMFS_TOOLS := tools/initramfs tools/cpio.py
$(B)/guest.cpio: $(GUEST_PROGRAMS) tools/guest/init $(INITRAMFS_TOOLS) $(KERNELS)
	tools/initramfs guest $@ $(addprefix --program ,$(GUEST_PROGRAMS))
# The same with Debian's iperf3, for a test and for figures.
$(B)/guest-iperf3.cpio: $(GUEST_PROGRAMS) tools/guest/init $(INITRAMFS_TOOLS) $(KERNELS)
	tools/initramfs guest $@ $(addprefix --program ,$(GUEST_PROGRAMS) /usr/bin/iperf3)

# The control domain's programs: as many of these as there are rules for.
CONTROL_PROGRAMS = $(filter $(HOST_PROGRAMS),$(B)/xenstore/xenstored $(B)/tools/bh $(B)/tools/bhd $(B)/tools/pcid)
$(B)/control.cpio: $$(CONTROL_PROGRAMS) $$(SMALL_DOMAINS) tools/control/init tools/control/services $(INITRAMFS_TOOLS) $(KERNELS)
	tools/initramfs control $@ $(addprefix --program ,$(CONTROL_PROGRAMS)) $(addprefix --domain ,$(SMALL_DOMAINS))
all: $(B)/control.cpio $(B)/guest.cpio

# The demonstration.
$(B)/demo/disk.img: tools/mkdisk
	tools/mkdisk $@ 256
MACHINE = $(B)/bulkhead $(B)/control.cpio $(B)/guest.cpio $(B)/demo/disk.img
BOARD_ARGS ?=
DEMO = tools/board qemu --disk $(B)/demo/disk.img --domains tools/demo --log $(B)/demo/serial.log $(BOARD_ARGS)
run: $(MACHINE)
	$(DEMO) --script tools/demo/story.sh --timeout 900
shell: $(MACHINE)
	$(DEMO)
.PHONY: run shell

# A CD image that boots the machine through GRUB: tools/board qemu --iso build/bulkhead.iso
$(B)/bulkhead.iso: tools/mkiso $(B)/bulkhead $(B)/control.cpio $(KERNELS)
	tools/mkiso $@ $(B)/bulkhead $(B)/kernels/control/vmlinux $(B)/control.cpio
iso: $(B)/bulkhead.iso
.PHONY: iso
