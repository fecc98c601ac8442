# SPDX-License-Identifier: MIT
"""The C flags that embedded frameworks pass, which people do not choose: a table to compile firmware with.

Left out is what does not reach the code of a C file: warnings, paths, macros, debugging formats, C libraries.
"""

from __future__ import annotations

from dataclasses import dataclass

_SECTIONS = ("-ffunction-sections", "-fdata-sections")
_MBED = (
    "-std=gnu11", "-Os", *_SECTIONS, "-fmessage-length=0", "-fno-exceptions", "-fomit-frame-pointer",
    "-funsigned-char", "-fno-delete-null-pointer-checks", "-g", "-mfloat-abi=softfp",
)  # fmt: skip
_IDF = (
    "-std=gnu17", *_SECTIONS, "-fno-shrink-wrap", "-fstrict-volatile-bitfields", "-fno-jump-tables",
    "-fno-tree-switch-conversion", "-fno-builtin-memcpy", "-fno-builtin-memset", "-ggdb",
)  # fmt: skip
_ZEPHYR = (
    "-fno-strict-aliasing", "-fno-common", "-g", *_SECTIONS, "-fno-pic", "-fno-asynchronous-unwind-tables",
    "-ftls-model=local-exec", "-fno-reorder-functions", "-fno-defer-pop", "-ffreestanding",
)  # fmt: skip
_CUBE = ("-std=gnu11", *_SECTIONS, "-fstack-usage")
_KEIL = ("-fno-rtti", "-funsigned-char", "-fshort-enums", "-fshort-wchar", "-ffunction-sections", "-gdwarf-4")


@dataclass(frozen=True)
class Framework:
    """What a framework passes for C files, to one of COMPILERS, for one of TARGETS."""

    name: str
    target: str
    flags: tuple[str, ...]
    source: str  # where it says so
    compiler: str = "gnu"
    lto: bool = False


FRAMEWORKS = {
    row.name: row
    for row in (
        Framework("arduino-mbed", "cortex-m4f", _MBED, "ArduinoCore-mbed, variants/ARDUINO_NANO33BLE/cflags.txt"),
        Framework("arduino-giga", "cortex-m7", _MBED, "ArduinoCore-mbed, variants/GIGA/cflags.txt"),
        Framework("arduino-samd", "cortex-m0plus",
                  ("-std=gnu11", "-Os", "-g", *_SECTIONS, "--param", "max-inline-insns-single=500"),
                  "ArduinoCore-samd, platform.txt: compiler.c.flags"),
        Framework("arduino-stm32-lto", "cortex-m4f", ("-std=gnu17", "-Os", "-g", *_SECTIONS),
                  "Arduino_Core_STM32, boards.txt: menu.opt.oslto", lto=True),
        Framework("platformio-bare", "cortex-m4f", ("-Os", *_SECTIONS), "platform-ststm32, frameworks/_bare.py"),
        Framework("esp-idf-debug", "rv32imafc", ("-Og", *_IDF), "ESP-IDF 5, COMPILER_OPTIMIZATION_DEBUG"),
        Framework("esp-idf-size", "rv32imafc", ("-Os", *_IDF), "ESP-IDF 5, COMPILER_OPTIMIZATION_SIZE"),
        Framework("esp-idf-speed", "rv32imafc", ("-O2", *_IDF), "ESP-IDF 5, COMPILER_OPTIMIZATION_PERF"),
        Framework("zephyr", "cortex-m4f", ("-std=c99", "-Os", *_ZEPHYR), "Zephyr 3, cmake/compiler/gcc"),
        Framework("zephyr-gnu17", "cortex-m33", ("-std=gnu17", "-O2", *_ZEPHYR), "Zephyr 4, CONFIG_GNU_C_EXTENSIONS"),
        Framework("stm32cubeide-debug", "cortex-m4f", ("-O0", "-g3", *_CUBE), "STM32CubeIDE, Debug/*/subdir.mk"),
        Framework("stm32cubeide-release", "cortex-m7", ("-Os", "-g0", *_CUBE), "STM32CubeIDE, Release/*/subdir.mk"),
        Framework("stm32cubeide-m55", "cortex-m55", ("-O3", *_CUBE), "the same with -mcpu=cortex-m55+nomve"),
        Framework("nrf5-sdk", "cortex-m4f",
                  ("-O3", "-g3", *_SECTIONS, "-fno-strict-aliasing", "-fno-builtin", "-fshort-enums"),
                  "nRF5 SDK, examples/*/armgcc/Makefile"),
        Framework("pico-sdk", "cortex-m33", ("-std=gnu11", "-O3", "-mfloat-abi=softfp", *_SECTIONS),
                  "pico-sdk, cmake/preload"),
        Framework("keil", "cortex-m4f", ("-std=c11", "-O1", *_KEIL), "uVision 5, Options for Target", "clang"),
        Framework("keil-gnu-size", "cortex-m4f", ("-std=gnu11", "-Oz", *_KEIL), "uVision 5, -Oz image size", "clang"),
    )
}  # fmt: skip
"""The frameworks by name."""
