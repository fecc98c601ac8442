# SPDX-License-Identifier: MIT
# GNU for RISC-V, without an operating system: cmake --toolchain riscv-unknown-elf.cmake -DBPFREE_CPU="-march=rv32imafc -mabi=ilp32f"
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv)
set(BPFREE_CPU "-march=rv32imc -mabi=ilp32" CACHE STRING "Flags of the processor")
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_CXX_COMPILER riscv64-unknown-elf-g++)
# -ffreestanding, as it often comes without a C library
set(CMAKE_C_FLAGS_INIT "${BPFREE_CPU} -ffreestanding -ffunction-sections -fdata-sections")
set(CMAKE_CXX_FLAGS_INIT "${BPFREE_CPU} -ffreestanding -ffunction-sections -fdata-sections")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # a program needs a linker script
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BPFREE_CPU)
