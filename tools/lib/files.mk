# SPDX-License-Identifier: MIT
# Tests and the fuzz target of the toolstack's parsers; the library itself is linked by tools/bh, bhd and pcid.
TOOLS_PARSERS := $(addprefix tools/lib/,err.c cfg.c devspec.c domcfg.c image.c bzimage.c layout.c)
$(eval $(call unit_test,tools_cfg_test,tests/unit/tools_cfg_test.c $(addprefix tools/lib/,err.c cfg.c devspec.c domcfg.c),-Wno-format-truncation))
$(eval $(call unit_test,tools_forget_test,tests/unit/tools_forget_test.c $(addprefix tools/lib/,err.c cfg.c devspec.c domcfg.c store.c),-Wno-format-truncation))
$(eval $(call unit_test,tools_build_test,tests/unit/tools_build_test.c $(addprefix tools/lib/,err.c image.c bzimage.c layout.c),-Wno-format-truncation,-llzma))
$(eval $(call unit_test,tools_fuzz_test,tests/unit/tools_fuzz_test.c tests/fuzz/tools.c $(TOOLS_PARSERS),-Wno-format-truncation,-llzma))

# The same target under libFuzzer: build/fuzz/tools -max_total_time=60
$(B)/fuzz/tools: tests/fuzz/tools.c $(TOOLS_PARSERS)
	@mkdir -p $(@D)
	clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -I. -o $@ $^ -llzma
