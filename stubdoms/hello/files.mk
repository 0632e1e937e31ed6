# SPDX-License-Identifier: MIT
# The smallest domain on the runtime.
$(eval $(call small_domain,hello,stubdoms/hello/main.c))
