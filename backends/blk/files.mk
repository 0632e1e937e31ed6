# SPDX-License-Identifier: MIT
# blkback, as linked into the disk domain
BLKBACK_SRC := backends/core/ring.c backends/core/xenbus.c \
               backends/blk/blkback.c backends/blk/queue.c backends/blk/pgrant.c backends/blk/disk.c

$(eval $(call unit_test,blkback,tests/unit/blkback_test.c tests/unit/fake_host.c tests/unit/fake_disk.c \
    tests/unit/fake_front.c $(BLKBACK_SRC),-D__XEN_INTERFACE_VERSION__=0x00040d00))
$(eval $(call unit_test,ring,tests/unit/ring_test.c backends/core/ring.c,-D__XEN_INTERFACE_VERSION__=0x00040d00))
