# SPDX-License-Identifier: MIT
# Before 1.0 a minor version may change what a program sees, so the same one is wanted; as in SameMinorVersion.
include(${CMAKE_CURRENT_LIST_DIR}/version.cmake)
set(PACKAGE_VERSION ${BPFREE_VERSION})
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
if(PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION)
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" bpfree_minor "${PACKAGE_VERSION}")
  if("${PACKAGE_FIND_VERSION_MAJOR}.${PACKAGE_FIND_VERSION_MINOR}" STREQUAL bpfree_minor OR NOT PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
  endif()
endif()
