# SPDX-License-Identifier: MIT
# netback and its switch, as linked into the net domain
NETBACK_SRC := backends/core/ring.c backends/core/xenbus.c backends/core/progress.c backends/core/patience.c \
               $(addprefix backends/net/,netback.c tx.c rx.c switch.c nring.c pkt.c offload.c join.c rate.c guard.c)

# nring without sanitizers: its children die at every instruction, and instrumented code has ten times as many
$(eval $(call unit_test,nring,tests/unit/nring_test.c backends/core/ring.c backends/net/nring.c,-D__XEN_INTERFACE_VERSION__=0x00040d00 -fno-sanitize=all))
$(eval $(call unit_test,netrules,tests/unit/netrules_test.c backends/net/rate.c backends/net/guard.c))
$(eval $(call unit_test,pkt,tests/unit/pkt_test.c backends/net/pkt.c backends/net/offload.c backends/net/join.c))
NETBACK_TESTED := $(addprefix tests/unit/,netback_case.c fake_host.c fake_netfront.c fake_wire.c) $(NETBACK_SRC)
$(foreach t,netback netback_rules,$(eval $(call unit_test,$(t),tests/unit/$(t)_test.c $(NETBACK_TESTED),-D__XEN_INTERFACE_VERSION__=0x00040d00)))
