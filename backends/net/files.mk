# SPDX-License-Identifier: MIT
# netback and its switch, as linked into the net domain
NETBACK_SRC := backends/core/ring.c backends/core/xenbus.c \
               $(addprefix backends/net/,netback.c tx.c rx.c switch.c nring.c pkt.c offload.c)
