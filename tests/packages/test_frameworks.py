"""The module for Zephyr and the component for ESP-IDF, read by stand-ins of their build systems.

Neither framework can be installed from a package, so that these define, as small CMake functions, what of them our
files call, and compile with their flags.
"""

import re

import pytest
from packaged import RUNTIME, call, require

from bpfree.generate.packages import options

PROJECT = "cmake_minimum_required(VERSION 3.20)\nproject(stand_in LANGUAGES C)\n"

ZEPHYR = """
function(zephyr_library_named name)
  add_library(${name} STATIC)
  set(ZEPHYR_CURRENT_LIBRARY ${name} PARENT_SCOPE)
endfunction()
function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()
function(zephyr_library_sources_ifdef flag)
  if(${flag})
    zephyr_library_sources(${ARGN})
  endif()
endfunction()
function(zephyr_library_compile_definitions)
  target_compile_definitions(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()
function(zephyr_include_directories)
  include_directories(${ARGN})
endfunction()
"""

ESP_IDF = """
function(idf_component_register)
  cmake_parse_arguments(own "" "" "SRCS;INCLUDE_DIRS;REQUIRES" ${ARGN})
  add_library(component STATIC ${own_SRCS})
  target_include_directories(component PUBLIC ${own_INCLUDE_DIRS})
endfunction()
"""

FLAGS = {
    "zephyr": "-mcpu=cortex-m4 -mthumb -mabi=aapcs -mfpu=fpv4-sp-d16 -mfloat-abi=hard -std=gnu17 -Os -ffreestanding"
    " -fno-strict-aliasing -fno-common -fno-pie -fno-reorder-functions -fno-defer-pop -ffunction-sections"
    " -fdata-sections -fno-asynchronous-unwind-tables -Wall -Wextra -Wno-unused-parameter -Wdouble-promotion -Werror",
    "esp-idf": "-march=rv32imac_zicsr_zifencei -mabi=ilp32 -std=gnu17 -Os -fno-jump-tables -fstrict-volatile-bitfields"
    " -freorder-blocks -fno-shrink-wrap -ffreestanding -ffunction-sections -fdata-sections -Wall -Wextra"
    " -Wno-unused-parameter -Wno-sign-compare -Wno-enum-conversion -Werror",
}
"""Of an nRF52 and of an ESP32-C6, with the defaults of Zephyr 3.7 and ESP-IDF 5."""

COMPILERS = {
    "zephyr": ("arm-none-eabi-gcc", "gcc-arm-none-eabi", "ARM"),
    "esp-idf": ("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf", "RISC-V"),
}


def configured(folder, framework, text):
    """Configure this project with a framework's compiler and flags; returns the names of what it compiles."""
    compiler, package, _ = COMPILERS[framework]
    require("cmake", "ninja", compiler, hint=f"pip install cmake ninja, apt install {package}")
    (folder / "CMakeLists.txt").write_text(PROJECT + text)
    system = (f"-DCMAKE_C_COMPILER={compiler}", "-DCMAKE_SYSTEM_NAME=Generic",
              "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY")  # fmt: skip
    call("cmake", "-S", ".", "-B", "build", "-G", "Ninja", *system, f"-DCMAKE_C_FLAGS={FLAGS[framework]}",
         "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", cwd=folder)  # fmt: skip
    commands = folder / "build" / "compile_commands.json"
    return set(re.findall(r"/(\w+\.c)\"", commands.read_text())) if commands.exists() else set()


def zephyr(folder, *settings):
    """Configure an application that has these lines of prj.conf."""
    kconfiglib = pytest.importorskip("kconfiglib", reason="pip install kconfiglib")
    yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
    module = yaml.safe_load((RUNTIME / "zephyr" / "module.yml").read_text())
    assert module["name"] == "bpfree"
    (folder / "prj.conf").write_text("".join(f"CONFIG_{line}\n" for line in settings))
    kconfig = kconfiglib.Kconfig(str(RUNTIME / module["build"]["kconfig"]), warn_to_stderr=False)
    kconfig.load_config(str(folder / "prj.conf"))
    assert kconfig.warnings == []
    on = [symbol.name for symbol in kconfig.unique_defined_syms if symbol.str_value == "y"]
    chosen = "".join(f"set(CONFIG_{name} y)\n" for name in on)
    place = RUNTIME / module["build"]["cmake"]
    return configured(folder, "zephyr", f"{chosen}{ZEPHYR}add_subdirectory({place} bpfree)")


@pytest.mark.tool
def test_zephyr_has_nothing_that_nobody_asked_for(tmp_path):
    assert zephyr(tmp_path, "BPFREE=n") == set()


@pytest.mark.tool
def test_zephyr_configures_what_is_wanted(tmp_path):
    files = zephyr(tmp_path, "BPFREE=y", "BPFREE_LOGS=y", "BPFREE_GROUPS=n", "BPFREE_WEIGHTS=n")
    assert {"train.c", "op_linear.c", "journal.c"} <= files and not {"pde_jets.c", "registry.c", "probe.c"} & files
    commands = (tmp_path / "build/compile_commands.json").read_text()
    default_off = {name for name, default, _ in options() if not default}
    assert set(re.findall(r"-D(BPFREE_\w+)=0", commands)) == {"BPFREE_GROUPS", "BPFREE_WEIGHTS"} | default_off


@pytest.mark.slow
@pytest.mark.tool
def test_zephyr_builds(tmp_path):
    zephyr(tmp_path, "BPFREE=y", "BPFREE_LOGS=y", "BPFREE_EQUATIONS=y")
    assert_built(tmp_path, "zephyr", "bpfree/libbpfree.a")


def assert_built(folder, framework, library):
    """Build, and expect all of the runtime in the library, for this framework's processor."""
    call("cmake", "--build", "build", cwd=folder)
    compiler, _, machine = COMPILERS[framework]
    built = folder / "build" / library
    prefix = compiler.removesuffix("gcc")
    assert machine in call(f"{prefix}readelf", "-h", built, cwd=folder).stdout
    symbols = call(f"{prefix}nm", built, cwd=folder).stdout
    assert all(f" T {name}\n" in symbols for name in ("bpfree_step", "bpfree_journal_begin", "bpfree_pde_residuals"))
    assert " U sqrtf\n" not in symbols


COMPONENT = f"set(ESP_PLATFORM 1)\n{ESP_IDF}add_subdirectory({RUNTIME} bpfree)"


@pytest.mark.tool
def test_esp_idf_configures_the_sources_of_a_device(tmp_path):
    files = configured(tmp_path, "esp-idf", COMPONENT)
    assert {"train.c", "op_linear.c", "journal.c", "pde_jets.c"} <= files
    assert not {"registry.c", "probe.c", "links.c", "test_train.c"} & files


def test_esp_idf_reads_the_component_in_a_script_first(tmp_path):
    """To find out what a component requires: the macro ends the file, and nothing before may want a project."""
    require("cmake", hint="pip install cmake")
    script = tmp_path / "requirements.cmake"
    script.write_text(
        "set(ESP_PLATFORM 1)\nmacro(idf_component_register)\n  message(STATUS registered)\n  return()\nendmacro()\n"
        f"function(read)\n  include({RUNTIME}/CMakeLists.txt)\nendfunction()\nread()\n"
    )
    assert call("cmake", "-P", script, cwd=tmp_path).stdout.split() == ["--", "registered"]


@pytest.mark.slow
@pytest.mark.tool
def test_esp_idf_builds(tmp_path):
    configured(tmp_path, "esp-idf", COMPONENT)
    assert_built(tmp_path, "esp-idf", "bpfree/libcomponent.a")
