# SPDX-License-Identifier: MIT
# GNU for Arm, without an operating system: cmake --toolchain arm-none-eabi.cmake -DBPFREE_CPU="-mcpu=cortex-m0 -mthumb"
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(BPFREE_CPU "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16" CACHE STRING "Flags of the processor")
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_C_FLAGS_INIT "${BPFREE_CPU} -ffunction-sections -fdata-sections")
set(CMAKE_CXX_FLAGS_INIT "${BPFREE_CPU} -ffunction-sections -fdata-sections")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # a program needs a linker script
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BPFREE_CPU)
