"""The page about packages is right as it stands: its builds build, and what it names is there."""

import configparser
import re
import shutil

import packaged
import pytest
from packaged import RUNTIME, call, program, require
from pages import DOCS

from bpfree.exporters import packages
from bpfree.generate.packages import options

PAGE = (DOCS / "packages.md").read_text()


def block(language, section):
    """The first block in this language below a heading."""
    return re.search(rf"^## {section}$.*?^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE).group(1)


@pytest.fixture
def beside(tmp_path):
    """A folder with the unpacked archive, and the program beside it."""
    shutil.unpack_archive(packages.export(tmp_path / "archives")[0], tmp_path)
    return tmp_path


@pytest.mark.slow
def test_cmake(beside):
    require("cmake", "ninja", "cc", "c++", hint="pip install cmake ninja; apt install gcc g++")
    program(beside, "main.cpp")
    (beside / "CMakeLists.txt").write_text(block("cmake", "CMake"))
    call("cmake", "-S", ".", "-B", "build", "-G", "Ninja", cwd=beside)
    call("cmake", "--build", "build", cwd=beside)
    assert call(beside / "build" / "app", cwd=beside).stdout.strip() == f"theta {packaged.EXPECTED}"


@pytest.mark.slow
def test_make(beside):
    require("make", "cc", "awk", hint="apt install make gcc")
    program(beside)
    (beside / "Makefile").write_text(block("make", "Make"))
    call("make", "app", cwd=beside)
    assert call(beside / "app", cwd=beside).stdout.strip() == f"theta {packaged.EXPECTED}"


def test_names_of_archives(beside):
    for path in (beside / "archives").iterdir():
        assert f"`{path.name}`" in PAGE
    assert f"file:///home/me/{packages.export(beside)[0].name}" in block("ini", "PlatformIO")


def test_options_are_there():
    names = {name for name, _, _ in options()}
    assert set(re.findall(r"(BPFREE_\w+)=0", PAGE)) <= names
    own = configparser.ConfigParser()
    own.optionxform = str
    own.read_string("[prj]\n" + block("ini", "Zephyr"))
    kconfig = (RUNTIME / "zephyr" / "Kconfig").read_text() + (RUNTIME / "zephyr" / "options.gen.kconfig").read_text()
    known = {f"CONFIG_{name}" for name in re.findall(r"^(?:menu)?config (\w+)$", kconfig, re.MULTILINE)}
    assert set(own["prj"]) - {"CONFIG_FPU"} <= known
    assert set(re.findall(r"`(CONFIG_BPFREE_\w+)`", PAGE)) <= known


def test_paths_are_there():
    for name in re.findall(r"toolchains/([\w-]+\.cmake)|`([\w-]+\.cmake)`", PAGE):
        assert (RUNTIME / "cmake" / "toolchains" / "".join(name)).is_file()
