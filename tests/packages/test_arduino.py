"""The Arduino library, built by Arduino's own builder for an Uno, whose int has 16 bits, and run in simavr."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import packaged
import pytest
from packaged import call, require

from bpfree.exporters import packages

TOOLS = ("arduino-builder", "arduino-ctags", "avr-gcc", "avr-size", "simavr")
HINT = "apt install arduino-builder arduino-core-avr arduino-ctags gcc-avr avr-libc simavr"
RAM = 2048
STACK = 540
"""Bytes of stack that the example needs at most: 501 were painted, on an ATmega2560, whose addresses take one more."""

pytestmark = [pytest.mark.slow, pytest.mark.tool]


HARDWARE = (Path("/usr/share/arduino/hardware"), Path("/usr/share/arduino-builder"))
"""Where Debian has the cores, and the tables of the builder."""


@pytest.fixture(scope="module")
def sketch(tmp_path_factory):
    """The example of the unzipped library, built: its ELF file."""
    require(*TOOLS, hint=HINT)
    folder = tmp_path_factory.mktemp("arduino")
    archive = next(path for path in packages.export(folder / "archives") if "arduino" in path.name)
    shutil.unpack_archive(archive, folder / "libraries")
    (folder / "build").mkdir()
    prefix = Path(shutil.which("avr-gcc")).parents[1]
    options = [word for place in HARDWARE for word in ("-hardware", place)]
    preferences = {
        "runtime.tools.avr-gcc.path": prefix,
        "runtime.tools.avrdude.path": prefix,
        "runtime.tools.ctags.path": prefix / "bin",
        "compiler.cpp.extra_flags": "-DDECIMAL_DIG=__DECIMAL_DIG__",  # Debian's core wants it from g++ 5.4
    }
    options += [f"-prefs={name}={value}" for name, value in preferences.items()]
    call(
        "arduino-builder", "-compile", *options, "-tools", HARDWARE[0] / "arduino", "-warnings", "all",
        "-libraries", folder / "libraries", "-fqbn", "arduino:avr:uno", "-ide-version", "10819",
        "-build-path", folder / "build", folder / "libraries/bpfree/examples/Train/Train.ino", cwd=folder,
    )  # fmt: skip
    return folder / "build" / "Train.ino.elf"


def test_it_fits(sketch):
    sizes = call("avr-size", "-A", sketch, cwd=sketch.parent).stdout
    size = {name: int(bytes_) for name, bytes_ in re.findall(r"^\.(text|data|bss) +(\d+)", sizes, re.MULTILINE)}
    assert size["data"] + size["bss"] + STACK <= RAM
    assert size["text"] + size["data"] <= 32256


def test_it_gets_the_bits_of_the_computer(sketch):
    command = ["simavr", "-m", "atmega328p", "-f", "16000000", sketch]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as board:
        try:
            printed = spoken(board, until="computer's")
        finally:
            board.kill()  # a sketch never ends
    assert "status 0" in printed
    assert f"theta {packaged.EXPECTED.upper()} equal to the computer's" in printed, printed


def spoken(board, until: str, seconds: float = 60.0) -> str:
    """What the board printed up to this word, or all that it printed."""
    printed, end = "", time.monotonic() + seconds
    while until not in printed and time.monotonic() < end:
        line = board.stdout.readline().decode(errors="replace")
        if not line:
            break
        printed += re.sub(r"\x1b\[\d*m", "", line)
    return printed
