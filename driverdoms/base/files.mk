# SPDX-License-Identifier: MIT
# What every driver domain is made of: its command line, faults on purpose, PCI, the host seam of the backends.
ARGS_SRC := driverdoms/base/args.c driverdoms/base/fault_plan.c
DRIVERDOM_SRC := $(ARGS_SRC) driverdoms/base/fault.c driverdoms/base/memory.c driverdoms/pci/pci.c frontends/pcifront.c backends/core/host_rt.c
