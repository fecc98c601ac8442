# SPDX-License-Identifier: MIT
# What other projects link: targets that carry sources, which their linking target compiles itself, with its compiler and
# its flags. Nothing else comes with them than the place of the headers.
#
#   bpfree::training   trains and predicts: the sources of every program, and all rows of which a program names its own
#   bpfree::journal    a log of its run
#   bpfree::pde        derivatives and PDEs
#   bpfree::runtime    all of these
include(${CMAKE_CURRENT_LIST_DIR}/sources.cmake)

get_filename_component(bpfree_folder ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)
bpfree_read_sources(${bpfree_folder})

function(bpfree_part name)
  add_library(bpfree_${name} INTERFACE)
  add_library(bpfree::${name} ALIAS bpfree_${name})
  target_sources(bpfree_${name} INTERFACE ${ARGN})
  target_include_directories(bpfree_${name} INTERFACE ${bpfree_folder}/include)
endfunction()

bpfree_part(training ${bpfree_core} ${bpfree_rows})
bpfree_part(journal ${bpfree_journal})
bpfree_part(pde ${bpfree_pde})
bpfree_part(runtime)
target_link_libraries(bpfree_runtime INTERFACE bpfree_training bpfree_journal bpfree_pde)
