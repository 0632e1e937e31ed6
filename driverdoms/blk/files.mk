# SPDX-License-Identifier: MIT
NVME_SRC := $(addprefix driverdoms/blk/,nvme.c nvme_queue.c nvme_io.c)

$(eval $(call unit_test,nvme,tests/unit/nvme_test.c tests/unit/fake_nvme.c $(NVME_SRC) backends/blk/disk.c))
$(eval $(call unit_test,part,tests/unit/part_test.c tests/unit/fake_host.c driverdoms/blk/part.c \
    driverdoms/blk/part_table.c backends/blk/disk.c))

DISK_SRC := $(addprefix driverdoms/blk/,main.c options.c fault.c bench.c nvme_pci.c part.c part_table.c) $(NVME_SRC) \
            backends/core/host_rt.c driverdoms/pci/pci.c frontends/pcifront.c $(BLKBACK_SRC)
$(eval $(call small_domain,disk,$(DISK_SRC)))
