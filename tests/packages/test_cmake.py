"""The runtime in other people's CMake projects: compiled as a part of theirs, and nothing else comes with it."""

import json
import shutil

import packaged
import pytest
from packaged import PARTS, RUNTIME, call, program, require

from bpfree.exporters import packages

SUBDIRECTORY = f"add_subdirectory({RUNTIME} bpfree)"
PACKAGE = "find_package(bpfree 0.1 REQUIRED)"
CROSS = {
    "arm-none-eabi": ("arm-none-eabi-gcc", "gcc-arm-none-eabi", ("ARM", "-mcpu=cortex-m0 -mthumb")),
    "riscv-unknown-elf": ("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf",
                          ("RISC-V", "-march=rv32imac -mabi=ilp32")),
}  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """project(how, *settings, ...): a project of its own, configured; with `built` also built."""
    require("cmake", "ninja", hint="pip install cmake ninja")
    require("cc", "c++", hint="apt install gcc g++")

    def configure(how, *settings, main="main.c", languages="C", kind="add_executable(app", built=True, **sources):
        program(tmp_path, main, **sources)
        (tmp_path / "CMakeLists.txt").write_text(
            f"cmake_minimum_required(VERSION 3.15)\nproject(yours LANGUAGES {languages})\n{how}\n"
            f"{kind} {main} {' '.join(PARTS)})\ntarget_link_libraries(app PRIVATE bpfree::runtime)\n"
        )
        common = ("-G", "Ninja", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DCMAKE_BUILD_TYPE=Release")
        done = call("cmake", "-S", ".", "-B", "build", *common, *settings, cwd=tmp_path, check=built)
        if built:
            call("cmake", "--build", "build", cwd=tmp_path)
        return done

    return configure


def trained(folder) -> str:
    """Return the text that the built program prints."""
    return call(folder / "build" / "app", cwd=folder).stdout.strip()


WARNINGS = "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror"


@pytest.mark.slow
def test_a_subdirectory(project, tmp_path):
    project(SUBDIRECTORY, WARNINGS)
    assert trained(tmp_path) == f"theta {packaged.EXPECTED}"

    commands = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    files = {command["file"].rpartition("/")[2] for command in commands}
    assert {"main.c", "train.c", "op_tt_linear.c", "journal.c", "pde_jets.c"} <= files
    assert not {"registry.c", "links.c", "test_train.c"} & files, "what is for a computer came along"
    for command in commands:
        words = command["command"].split()
        assert not [word for word in words if word.startswith(("-DBPFREE", "-f", "-m", "-std"))], words
    assert "No tests were found" in call("ctest", "--test-dir", "build", cwd=tmp_path, check=False).stdout


@pytest.mark.slow
def test_only_training(project, tmp_path):
    project(SUBDIRECTORY + "\nadd_library(part OBJECT model.c)\ntarget_link_libraries(part PRIVATE bpfree::training)")
    commands = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    files = {command["file"].rpartition("/")[2] for command in commands if "part.dir" in command["command"]}
    assert "train.c" in files and not {"journal.c", "sha256.c", "pde_jets.c"} & files


@pytest.mark.slow
def test_cxx(project, tmp_path):
    project(SUBDIRECTORY, "-DCMAKE_CXX_FLAGS=-std=c++11 -Wall -Wextra -Werror", main="main.cpp", languages="C CXX")
    assert trained(tmp_path) == f"theta {packaged.EXPECTED}"


@pytest.mark.parametrize("how", [SUBDIRECTORY, PACKAGE])
def test_without_c_it_says_so(project, how):
    done = project(how, f"-Dbpfree_ROOT={RUNTIME}", main="main.cpp", languages="CXX", built=False)
    assert done.returncode and "bpfree is C: expected project(" in done.stdout


@pytest.mark.slow
def test_found_where_it_lies(project, tmp_path):
    project(PACKAGE, f"-Dbpfree_ROOT={RUNTIME}")
    assert trained(tmp_path) == f"theta {packaged.EXPECTED}"


@pytest.mark.slow
def test_found_where_it_is_installed(project, tmp_path):
    require("cmake", "ninja", hint="pip install cmake ninja")
    prefix = tmp_path / "prefix"
    source = tmp_path / "unpacked"
    shutil.unpack_archive(packages.export(tmp_path / "archives")[0], source)
    call("cmake", "-S", source / "bpfree", "-B", "own", "-G", "Ninja", "-DBPFREE_TESTS=OFF", cwd=tmp_path)
    call("cmake", "--install", "own", "--prefix", prefix, cwd=tmp_path)
    shutil.rmtree(source)
    assert not list(prefix.rglob("host.cmake"))
    project(PACKAGE, f"-DCMAKE_PREFIX_PATH={prefix}")
    assert trained(tmp_path) == f"theta {packaged.EXPECTED}"
    assert str(prefix) in (tmp_path / "build" / "compile_commands.json").read_text()


@pytest.mark.parametrize("version, fits", [("", True), ("0.1", True), ("0.1.0 EXACT", True), ("0.0.9", False),
                                           ("0.2", False), ("0.1.7", False), ("1.0", False)])  # fmt: skip
def test_versions(project, version, fits):
    done = project(f"find_package(bpfree {version} REQUIRED)", f"-Dbpfree_ROOT={RUNTIME}", built=False)
    assert (done.returncode == 0) == fits, done.stdout
    assert fits or f'compatible with requested version "{version}"' in " ".join(done.stdout.split()), done.stdout


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("kind", ["add_library(app STATIC", "add_executable(app"])
@pytest.mark.parametrize("name", CROSS)
def test_cross(project, tmp_path, name, kind):
    compiler, package, (machine, cpu) = CROSS[name]
    require(compiler, hint=f"apt install {package}")
    settings = [f"-DCMAKE_TOOLCHAIN_FILE={RUNTIME}/cmake/toolchains/{name}.cmake", f"-DBPFREE_CPU={cpu}"]
    link = f"link_options(-nostartfiles -nostdlib -Wl,--gc-sections -Wl,-e,main)\nlink_libraries(gcc)\n{SUBDIRECTORY}"
    project("add_" + link, *settings, kind=kind, report=packaged.BARE)
    built = tmp_path / "build" / ("libapp.a" if "STATIC" in kind else "app")
    prefix = compiler.removesuffix("gcc")
    assert machine in call(f"{prefix}readelf", "-h", built, cwd=tmp_path).stdout
    symbols = call(f"{prefix}nm", built, cwd=tmp_path).stdout
    assert " T bpfree_step\n" in symbols
    if "STATIC" not in kind:
        assert "bpfree_op_tt_linear" not in symbols, "a kernel that no table names was linked"


@pytest.mark.tool
@pytest.mark.parametrize("name", CROSS)
def test_cross_at_the_top(tmp_path, name):
    """Alone, without a project around it, there is nothing to build for a board, and nothing to stumble over."""
    compiler, package, _ = CROSS[name]
    require("cmake", "ninja", compiler, hint=f"pip install cmake ninja, apt install {package}")
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={RUNTIME}/cmake/toolchains/{name}.cmake"
    call("cmake", "-S", RUNTIME, "-B", "build", "-G", "Ninja", toolchain, cwd=tmp_path)
    call("cmake", "--build", "build", cwd=tmp_path)
    call("cmake", "--install", "build", "--prefix", tmp_path / "prefix", cwd=tmp_path)
    assert (tmp_path / "prefix/share/bpfree/cmake/bpfreeConfig.cmake").is_file()
