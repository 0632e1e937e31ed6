# SPDX-License-Identifier: MIT
# The disk domain, its NVMe driver, their tests and fuzz targets.
NVME_SRC := $(addprefix driverdoms/blk/,nvme.c nvme_queue.c nvme_io.c)

$(eval $(call unit_test,nvme,tests/unit/nvme_test.c tests/unit/fake_nvme.c $(NVME_SRC) backends/blk/disk.c))
$(eval $(call unit_test,part,tests/unit/part_test.c tests/unit/fake_host.c driverdoms/blk/part.c \
    driverdoms/blk/part_table.c backends/blk/disk.c))

DISK_SRC := $(DRIVERDOM_SRC) $(addprefix driverdoms/blk/,main.c options.c fault.c service.c bench.c nvme_pci.c part.c part_table.c) $(NVME_SRC) \
            $(BLKBACK_SRC)
$(eval $(call small_domain,disk,$(DISK_SRC)))

# Fuzz targets: short runs as unit tests, as long as you like with build/fuzz/blkif and build/fuzz/part.
FUZZ_BLKIF_SRC := tests/fuzz/blkif.c tests/unit/fake_host.c tests/unit/fake_disk.c tests/unit/fake_front.c $(BLKBACK_SRC)
FUZZ_PART_SRC := tests/fuzz/part.c driverdoms/blk/part_table.c
$(eval $(call unit_test,blkif_fuzz,tests/unit/blkif_fuzz_test.c $(FUZZ_BLKIF_SRC),-D__XEN_INTERFACE_VERSION__=0x00040d00))
$(eval $(call unit_test,part_fuzz,tests/unit/part_fuzz_test.c $(FUZZ_PART_SRC)))
$(B)/fuzz/blkif: $(FUZZ_BLKIF_SRC)
$(B)/fuzz/part: $(FUZZ_PART_SRC)
$(B)/fuzz/blkif $(B)/fuzz/part:
	@mkdir -p $(@D)
	clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -D__XEN_INTERFACE_VERSION__=0x00040d00 -Iinclude -I. \
	    -Itests/unit -o $@ $^
$(eval $(call unit_test,diskopts,tests/unit/diskopts_test.c driverdoms/blk/options.c $(ARGS_SRC)))
