# SPDX-License-Identifier: MIT
# What sources.txt lists, as lists of paths: bpfree_core, bpfree_rows, bpfree_journal, bpfree_pde and bpfree_host by part;
# bpfree_once of those that are compiled once, bpfree_isa of those that are compiled for each instruction set. A file may
# be both: a device has it by its plain name.
set(BPFREE_PARTS core rows journal pde host)

function(bpfree_read_sources folder)
  if(NOT CMAKE_SCRIPT_MODE_FILE) # ESP-IDF reads this in a script too, which has nothing to configure again
    set(again CONFIGURE_DEPENDS)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${folder}/sources.txt)
  endif()
  file(STRINGS ${folder}/sources.txt lines REGEX "^[^#]")
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "^([^ ]+) +([a-z]+) +(once|isa|both)$" OR NOT CMAKE_MATCH_2 IN_LIST BPFREE_PARTS)
      message(FATAL_ERROR "sources.txt: expected `file part once|isa|both`, got `${line}`")
    endif()
    set(part ${CMAKE_MATCH_2})
    set(compiled ${CMAKE_MATCH_3})
    file(GLOB files ${again} ${folder}/src/${CMAKE_MATCH_1})
    if(NOT files)
      message(FATAL_ERROR "sources.txt: expected files like src/${CMAKE_MATCH_1}, got none")
    endif()
    list(APPEND bpfree_${part} ${files})
    if(NOT compiled STREQUAL isa)
      list(APPEND bpfree_once ${files})
    endif()
    if(NOT compiled STREQUAL once)
      list(APPEND bpfree_isa ${files})
    endif()
  endforeach()
  foreach(list IN LISTS BPFREE_PARTS ITEMS once isa)
    set(bpfree_${list} ${bpfree_${list}} PARENT_SCOPE)
  endforeach()
endfunction()
