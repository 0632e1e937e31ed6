# SPDX-License-Identifier: MIT
NVME_SRC := $(addprefix driverdoms/blk/,nvme.c nvme_queue.c nvme_io.c)

$(eval $(call unit_test,nvme,tests/unit/nvme_test.c tests/unit/fake_nvme.c $(NVME_SRC) backends/blk/disk.c))
