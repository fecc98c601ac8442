# SPDX-License-Identifier: MIT
# find_package(bpfree): in an installed tree and in this one, which are laid out alike; bpfree_ROOT says where it lies.
get_property(bpfree_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if(NOT C IN_LIST bpfree_languages)
  set(bpfree_FOUND FALSE)
  set(bpfree_NOT_FOUND_MESSAGE "bpfree is C: expected project(... LANGUAGES C ...), got ${bpfree_languages}")
elseif(NOT TARGET bpfree::runtime)
  include(${CMAKE_CURRENT_LIST_DIR}/targets.cmake)
endif()
