# SPDX-License-Identifier: MIT
XENSTORE_CORE := $(addprefix xenstore/core/,conn.c control.c domain.c path.c perm.c quota.c request.c store.c tree.c \
                   txn.c view.c watch.c)
$(eval $(call host_prog,xenstore/xenstored,xenstore/xenstored.c $(XENSTORE_CORE) \
  $(addprefix xenstore/transport/,loop.c plainhost.c ring.c socket.c xenhost.c),\
  -levent_core -lxenevtchn -lxengnttab -lxenctrl))
