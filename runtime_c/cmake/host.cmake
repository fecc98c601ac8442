# SPDX-License-Identifier: MIT
# The runtime for a computer, tables of all rows and kernels for each instruction set: inside bpfree._core, or with the
# C tests. Nothing of this reaches a project that links bpfree::runtime.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)

# The cdef of bpfree._core is cut out of these headers, in this order, between their cffi markers.
set(BPFREE_CFFI_HEADERS model.h rng.h train.h estimators.h sha256.h journal.h pde.h host.h)

# ---- Flags -----------------------------------------------------------------------------------------------------------

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)

# `zig cc` compiles for the machine it runs on unless told otherwise: the portable parts would hold AVX-512. Only zig
# knows a CPU of this name, and -mavx2 below still adds to it.
check_c_compiler_flag(-mcpu=baseline BPFREE_COMPILER_IS_ZIG)
if(BPFREE_COMPILER_IS_ZIG)
  add_compile_options(-mcpu=baseline)
  add_link_options(-mcpu=baseline)
endif()

# Strict arithmetic: bits must not depend on compiler or machine. -ffp-contract=off stands last because Clang's
# -fno-fast-math touches the same setting. -O3 is here and not in the build type, so a plain build is fast too.
set(BPFREE_FLAGS -std=c99 -O3 -fno-fast-math -fno-math-errno -ffp-contract=off -Wall -Wextra -Wconversion -pedantic)
if(BPFREE_WERROR)
  list(APPEND BPFREE_FLAGS -Werror)
endif()

# Sanitizers, each only if a program with it links (zig has no address sanitizer, musl systems often have none).
if(BPFREE_SANITIZE AND NOT SKBUILD)
  string(REPLACE "," ";" wanted "${BPFREE_SANITIZE}")
  set(sanitizers "")
  foreach(name IN LISTS wanted)
    set(CMAKE_REQUIRED_FLAGS "-fsanitize=${name}")
    set(CMAKE_REQUIRED_LINK_OPTIONS "-fsanitize=${name}")
    check_c_source_compiles("int main(void) { return 0; }" BPFREE_SANITIZER_LINKS_${name})
    if(BPFREE_SANITIZER_LINKS_${name})
      list(APPEND sanitizers ${name})
    else()
      message(STATUS "bpfree: ${CMAKE_C_COMPILER} does not link -fsanitize=${name}: the C tests run WITHOUT it")
    endif()
  endforeach()
  unset(CMAKE_REQUIRED_FLAGS)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  if(sanitizers)
    string(REPLACE ";" "," sanitizers "${sanitizers}")
    add_compile_options(-fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
    list(APPEND BPFREE_FLAGS -O1) # what is looked for is in the sources, and compiling takes half as long
    add_link_options(-fsanitize=${sanitizers})
    message(STATUS "bpfree: C tests run with -fsanitize=${sanitizers}")
  endif()
endif()

# Buffers that come from the host suit its widest vectors, in every file that checks or declares one.
set(BPFREE_DEFINITIONS BPFREE_ALIGN=64)

# ---- The runtime -----------------------------------------------------------------------------------------------------

# Object libraries only: zig brings no ar that CMake would find.
set(BPFREE_OBJECTS "")
function(bpfree_objects target)
  add_library(${target} OBJECT ${ARGN})
  target_include_directories(${target} PRIVATE include src)
  target_compile_definitions(${target} PRIVATE ${BPFREE_DEFINITIONS})
  target_compile_options(${target} PRIVATE ${BPFREE_FLAGS})
  set(BPFREE_OBJECTS ${BPFREE_OBJECTS} $<TARGET_OBJECTS:${target}> PARENT_SCOPE)
endfunction()

file(GLOB unlisted CONFIGURE_DEPENDS src/*.c)
foreach(part IN LISTS BPFREE_PARTS)
  list(REMOVE_ITEM unlisted ${bpfree_${part}})
endforeach()
if(unlisted)
  message(FATAL_ERROR "sources.txt: expected a line for every file in src, got none for ${unlisted}")
endif()

# (a) Everything but kernels: once.
bpfree_objects(bpfree_common ${bpfree_once})

# (b) Kernels: once per instruction set. BPFREE_ISA is appended to their symbols, BPFREE_LANES is the width in floats
# of the register block; registry.c chooses at run time. All give the same bits.
macro(bpfree_variant isa lanes)
  bpfree_objects(bpfree_kernels_${isa} ${bpfree_isa})
  target_compile_definitions(bpfree_kernels_${isa} PRIVATE BPFREE_ISA=${isa} BPFREE_LANES=${lanes})
  target_compile_options(bpfree_kernels_${isa} PRIVATE ${ARGN})
  list(APPEND bpfree_variants ${isa})
endmacro()

bpfree_variant(scalar 1)   # what a device compiles
bpfree_variant(baseline 4) # SSE2 on x86-64, NEON on AArch64; plain C elsewhere

# -mfma is never given: a fused multiply-add rounds once where the devices round twice. (AVX-512 has its own, which
# -ffp-contract=off keeps away.)
check_c_source_compiles("#ifndef __x86_64__\n#error\n#endif\nint main(void) { return 0; }" BPFREE_IS_X86_64)
if(BPFREE_IS_X86_64)
  check_c_compiler_flag(-mavx2 BPFREE_COMPILER_HAS_AVX2)
  if(BPFREE_COMPILER_HAS_AVX2)
    bpfree_variant(avx2 8 -mavx2)
    set_property(SOURCE src/registry.c APPEND PROPERTY COMPILE_DEFINITIONS BPFREE_HAVE_AVX2=1)
  endif()
  set(avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl)
  string(REPLACE ";" " " avx512_flags "${avx512}")
  check_c_compiler_flag("${avx512_flags}" BPFREE_COMPILER_HAS_AVX512)
  if(BPFREE_COMPILER_HAS_AVX512)
    check_c_compiler_flag(-mprefer-vector-width=512 BPFREE_COMPILER_HAS_WIDTH_512)
    if(BPFREE_COMPILER_HAS_WIDTH_512)
      list(APPEND avx512 -mprefer-vector-width=512)
    endif()
    bpfree_variant(avx512 16 ${avx512})
    set_property(SOURCE src/registry.c APPEND PROPERTY COMPILE_DEFINITIONS BPFREE_HAVE_AVX512=1)
  endif()
endif()
string(REPLACE ";" ", " variants_text "${bpfree_variants}")
message(STATUS "bpfree: kernels for ${variants_text}")

# ---- Python extension, or C tests ------------------------------------------------------------------------------------

# A hole, such as a row of a table without its C file, ends the build: an extension module links with it all the same.
add_executable(bpfree_links cmake/links.c ${BPFREE_OBJECTS})
target_include_directories(bpfree_links PRIVATE include)
target_compile_definitions(bpfree_links PRIVATE ${BPFREE_DEFINITIONS})

if(SKBUILD)
  find_package(Python REQUIRED COMPONENTS Interpreter Development.Module ${SKBUILD_SABI_COMPONENT})
  set(core_c ${CMAKE_CURRENT_BINARY_DIR}/_core.c)
  set(cffi_headers ${BPFREE_CFFI_HEADERS})
  list(TRANSFORM cffi_headers PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/include/bpfree/)
  add_custom_command(
    OUTPUT ${core_c}
    COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/gen_cffi.py ${core_c} ${cffi_headers}
    DEPENDS cmake/gen_cffi.py ${cffi_headers}
    COMMENT "Writing _core.c from the marked parts of the headers"
    VERBATIM)
  if(SKBUILD_SABI_VERSION) # one binary for every Python from 3.11 on; free-threaded builds have no stable ABI
    set(sabi USE_SABI ${SKBUILD_SABI_VERSION})
  endif()
  python_add_library(_core MODULE WITH_SOABI ${sabi} ${core_c} ${BPFREE_OBJECTS})
  add_dependencies(_core bpfree_links)
  target_include_directories(_core PRIVATE include)
  target_compile_definitions(_core PRIVATE ${BPFREE_DEFINITIONS})
  install(TARGETS _core DESTINATION bpfree)
else()
  enable_testing()
  file(GLOB test_sources CONFIGURE_DEPENDS tests/*.c)
  foreach(source IN LISTS test_sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source} ${BPFREE_OBJECTS})
    target_include_directories(${name} PRIVATE include src tests)
    target_compile_definitions(${name} PRIVATE ${BPFREE_DEFINITIONS})
    target_compile_options(${name} PRIVATE ${BPFREE_FLAGS} -UNDEBUG)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/tests)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endforeach()
endif()
