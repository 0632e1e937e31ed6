# SPDX-License-Identifier: MIT
# make bench: the figures (bench/run says how each is taken).
bench: $$(MACHINE)
	bench/run
.PHONY: bench
