# SPDX-License-Identifier: MIT
$(eval $(call small_domain,hello,stubdoms/hello/main.c))
