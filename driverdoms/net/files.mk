# SPDX-License-Identifier: MIT
# The network domain, its drivers, and their tests.
CARD_SRC := $(addprefix driverdoms/net/,card.c card_ring.c)
IGB_SRC := $(addprefix driverdoms/net/,igb.c igb_vfs.c igbvf.c igb_queue.c)

NET_SRC := $(DRIVERDOM_SRC) $(addprefix driverdoms/net/,main.c options.c fault.c bench.c net_pci.c e1000e.c) $(CARD_SRC) $(IGB_SRC) $(NETBACK_SRC)
$(eval $(call small_domain,net,$(NET_SRC)))
CARD_TEST := $(CARD_SRC) backends/net/pkt.c backends/net/offload.c
$(eval $(call unit_test,e1000e,tests/unit/e1000e_test.c driverdoms/net/e1000e.c $(CARD_TEST)))
$(eval $(call unit_test,igb,tests/unit/igb_test.c tests/unit/fake_igb.c $(IGB_SRC) $(CARD_TEST)))
$(eval $(call unit_test,netopts,tests/unit/netopts_test.c driverdoms/net/options.c $(ARGS_SRC)))
