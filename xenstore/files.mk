# SPDX-License-Identifier: MIT
# xenstored, its core, transports and client library, and their tests.
XENSTORE_CORE := $(addprefix xenstore/core/,conn.c control.c domain.c lane.c later.c load.c path.c perm.c quota.c record.c request.c state.c store.c \
                   tree.c txn.c view.c watch.c)
$(eval $(call host_prog,xenstore/xenstored,xenstore/xenstored.c $(XENSTORE_CORE) \
  $(addprefix xenstore/transport/,loop.c plainhost.c ring.c ringconn.c socket.c statefile.c supervise.c update.c xenhost.c),\
  -levent_core -lxenevtchn -lxengnttab -lxenctrl))

# The core on stubdoms/rt. It uses the installed headers' declarations of the C library, and of that only what rt and libc.c have.
$(eval $(call guest_test,xenstore,,$(XENSTORE_CORE) $(addprefix xenstore/transport/,ring.c ringconn.c) $(addprefix stubdoms/xenstore/,host.c libc.c)))

# The core's tests run its real sources, with allocations that can be made to fail.
XENSTORE_TESTED := tests/unit/xenstore_fake.c $(XENSTORE_CORE)
XENSTORE_FLAKY := -include tests/unit/xenstore_flaky.h
$(foreach t,ops rules txn quota later model fuzz,$(eval $(call unit_test,xenstore_$(t)_test,tests/unit/xenstore_$(t)_test.c $(XENSTORE_TESTED) \
  $(if $(filter fuzz,$(t)),tests/fuzz/xenstore.c),$(XENSTORE_FLAKY))))
$(eval $(call unit_test,xenstore_ring_test,tests/unit/xenstore_ring_test.c xenstore/transport/ring.c))
XENSTORE_PLAYED := tests/unit/xenstore_played.c $(XENSTORE_CORE) \
  $(addprefix xenstore/transport/,loop.c ring.c ringconn.c statefile.c xenhost.c)
$(eval $(call unit_test,xenstore_host_test,tests/unit/xenstore_host_test.c $(XENSTORE_PLAYED),,-levent_core))
$(eval $(call unit_test,xenstore_crash_test,tests/unit/xenstore_crash_test.c $(XENSTORE_PLAYED),-include tests/unit/xenstore_dying.h,-levent_core))

# The same target under libFuzzer: build/fuzz/xenstore -max_total_time=60 NEW tests/fuzz/corpus/xenstore
$(B)/fuzz/xenstore: tests/fuzz/xenstore.c $(XENSTORE_TESTED)
	@mkdir -p $(@D)
	clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -I. -Itests/unit $(XENSTORE_FLAKY) -o $@ $^

# libxenstore's API as a library of our own; programs linked to Debian's run with it too.
XENSTORE_CLIENT := $(addprefix xenstore/client/,handle.c lib.c ops.c)
$(call obj,host,$(XENSTORE_CLIENT)): X_CFLAGS += -fPIC
$(B)/xenstore/libxenstore.so.4: $(call obj,host,$(XENSTORE_CLIENT)) xenstore/client/libxenstore.map
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-soname,libxenstore.so.4 -Wl,--version-script=xenstore/client/libxenstore.map -o $@ $(filter %.o,$^)
all: $(B)/xenstore/libxenstore.so.4
-include $(patsubst %.o,%.d,$(call obj,host,$(XENSTORE_CLIENT)))
$(eval $(call unit_test,xenstore_client_test,tests/unit/xenstore_client_test.c $(XENSTORE_CLIENT)))
$(B)/tests/unit/xenstore_client_test: | $(B)/xenstore/xenstored

# What requests cost: bench/xenstore.sh
$(eval $(call host_prog,bench/xsload,bench/xsload.c,))
$(eval $(call host_prog,bench/xsfloor,bench/xsfloor.c,))
$(eval $(call host_prog,bench/xscore,bench/xscore.c $(XENSTORE_CORE) xenstore/transport/statefile.c,))
$(B)/bench/fakexen.so: bench/fakexen.c
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -shared -fPIC -o $@ $<
-include $(B)/bench/fakexen.d
bench: $(B)/bench/fakexen.so
