# SPDX-License-Identifier: MIT
# blkback, as linked into the disk domain
BLKBACK_SRC := backends/core/ring.c backends/core/xenbus.c backends/core/progress.c backends/core/patience.c \
               backends/blk/blkback.c backends/blk/queue.c backends/blk/order.c backends/blk/pgrant.c backends/blk/disk.c

BLKBACK_TESTED := $(addprefix tests/unit/,blkback_case.c fake_host.c fake_disk.c fake_front.c) $(BLKBACK_SRC)
$(foreach t,blkback blkback_adopt blkback_fair,$(eval $(call unit_test,$(t),tests/unit/$(t)_test.c $(BLKBACK_TESTED),-D__XEN_INTERFACE_VERSION__=0x00040d00)))
$(eval $(call unit_test,ring,tests/unit/ring_test.c backends/core/ring.c,-D__XEN_INTERFACE_VERSION__=0x00040d00))
$(eval $(call unit_test,patience,tests/unit/patience_test.c backends/core/patience.c))
