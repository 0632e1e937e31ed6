# SPDX-License-Identifier: MIT
XENSTORE_CORE := $(addprefix xenstore/core/,conn.c control.c domain.c path.c perm.c quota.c request.c store.c tree.c \
                   txn.c view.c watch.c)
$(eval $(call host_prog,xenstore/xenstored,xenstore/xenstored.c $(XENSTORE_CORE) \
  $(addprefix xenstore/transport/,loop.c plainhost.c ring.c socket.c xenhost.c),\
  -levent_core -lxenevtchn -lxengnttab -lxenctrl))

# The core's tests run its real sources, with allocations that can be made to fail.
XENSTORE_TESTED := tests/unit/xenstore_fake.c $(XENSTORE_CORE)
XENSTORE_FLAKY := -include tests/unit/xenstore_flaky.h
$(foreach t,ops txn model fuzz,$(eval $(call unit_test,xenstore_$(t)_test,tests/unit/xenstore_$(t)_test.c $(XENSTORE_TESTED) \
  $(if $(filter fuzz,$(t)),tests/fuzz/xenstore.c),$(XENSTORE_FLAKY))))
$(eval $(call unit_test,xenstore_ring_test,tests/unit/xenstore_ring_test.c xenstore/transport/ring.c))
$(eval $(call unit_test,xenstore_host_test,tests/unit/xenstore_host_test.c $(XENSTORE_CORE) \
  $(addprefix xenstore/transport/,loop.c ring.c xenhost.c),,-levent_core))

# The same target under libFuzzer: build/fuzz/xenstore -max_total_time=60
$(B)/fuzz/xenstore: tests/fuzz/xenstore.c $(XENSTORE_TESTED)
	@mkdir -p $(@D)
	clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -I. -Itests/unit $(XENSTORE_FLAKY) -o $@ $^
