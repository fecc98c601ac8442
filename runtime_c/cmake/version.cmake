# SPDX-License-Identifier: MIT
# BPFREE_VERSION, as version.gen.h says.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../include/bpfree/version.gen.h bpfree_line REGEX "BPFREE_VERSION ")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" BPFREE_VERSION "${bpfree_line}")
