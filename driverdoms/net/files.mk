# SPDX-License-Identifier: MIT
# The network domain, its driver, and their tests.
E1000E_SRC := $(addprefix driverdoms/net/,e1000e.c e1000e_ring.c)

NET_SRC := $(addprefix driverdoms/net/,main.c net_pci.c) $(E1000E_SRC) backends/core/host_rt.c driverdoms/pci/pci.c \
           frontends/pcifront.c $(NETBACK_SRC)
$(eval $(call small_domain,net,$(NET_SRC)))
$(eval $(call unit_test,e1000e,tests/unit/e1000e_test.c $(E1000E_SRC) backends/net/pkt.c backends/net/offload.c))
