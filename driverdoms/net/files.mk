# SPDX-License-Identifier: MIT
# The network domain, its driver, and their tests.
E1000E_SRC := $(addprefix driverdoms/net/,e1000e.c e1000e_ring.c)

NET_SRC := $(DRIVERDOM_SRC) $(addprefix driverdoms/net/,main.c options.c fault.c bench.c net_pci.c) $(E1000E_SRC) $(NETBACK_SRC)
$(eval $(call small_domain,net,$(NET_SRC)))
$(eval $(call unit_test,e1000e,tests/unit/e1000e_test.c $(E1000E_SRC) backends/net/pkt.c backends/net/offload.c))
$(eval $(call unit_test,netopts,tests/unit/netopts_test.c driverdoms/net/options.c $(ARGS_SRC)))
