# SPDX-License-Identifier: MIT
"""The compilers that firmware can be built with: the clang of the pip package ziglang, or the GNU Arm toolchain."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bpfree.files import cache_folder

from ._extras import need
from .targets import Target

GNU = "arm-none-eabi-gcc"

_ZIG_FLAGS = ("-O", "ReleaseSmall", "-fno-sanitize-c", "-fcompiler-rt", "-fno-strip", "--gc-sections")
_GNU_LINK_FLAGS = ("-nostartfiles", "-nostdlib", "-Wl,--gc-sections")


class FirmwareBuildError(RuntimeError):
    """The firmware did not compile or link; the message holds the compiler's first errors and the command."""


@dataclass(frozen=True)
class Compiler:
    """One compiler: version() gives its name for people; flags(target) what it needs besides those of C.

    link(target, flags, includes, sources, script, elf, folder): build an ELF file in `folder`; raises
    FirmwareBuildError.
    """

    version: Callable[[], str]
    flags: Callable[[Target], tuple[str, ...]]
    link: Callable


def _zig_flags(target: Target) -> tuple[str, ...]:
    return ("-target", target.zig_triple, "-mcpu", target.zig_cpu, *_ZIG_FLAGS)


def _zig_link(target, flags, includes, sources, script, elf, folder) -> None:
    _zig(
        ["build-exe", *_zig_flags(target), "--color", "off", "-fentry=Reset_Handler", "-T", str(script),
         f"-femit-bin={elf}", *includes, "-cflags", *flags, "--", *sources],
        folder,
    )  # fmt: skip


def _zig(arguments: list[str], folder: Path) -> str:
    """Run zig in `folder` with its caches in the user's cache folder; return its output."""
    need("ziglang")
    cache = str(cache_folder() / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    return _run([sys.executable, "-m", "ziglang", *arguments], folder, environment)


@functools.cache
def _zig_version() -> str:
    return f"zig {_zig(['version'], Path.cwd()).strip()} (clang)"


def _gnu_link(target, flags, includes, sources, script, elf, folder) -> None:
    command = [_gnu(), *target.gnu_flags, *flags, *includes, *sources, "-T", str(script), *_GNU_LINK_FLAGS]
    _run([*command, "-lgcc", "-o", str(elf)], folder)


def _gnu() -> str:
    """Return the path of the GNU Arm compiler; raise ImportError where there is none, as a missing package does."""
    found = shutil.which(GNU)
    if found is None:
        raise ImportError(f"{GNU} is needed for compiler='gnu': apt install gcc-arm-none-eabi, or take 'zig'")
    return found


@functools.cache
def _gnu_version() -> str:
    return f"{GNU} {_run([_gnu(), '-dumpfullversion'], Path.cwd()).strip()}"


def _run(command: list[str], folder: Path, environment=None) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = _first_errors(done.stderr or done.stdout)
        raise FirmwareBuildError(f"{errors}\ncommand: {shlex.join(command)}")
    return done.stdout


def _first_errors(text: str, limit: int = 12) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    first = next((i for i, line in enumerate(lines) if "error" in line), 0)
    return "\n".join(["the firmware did not build:", *lines[first : first + limit]])


COMPILERS = {
    "zig": Compiler(_zig_version, _zig_flags, _zig_link),
    "gnu": Compiler(_gnu_version, lambda target: (*target.gnu_flags, *_GNU_LINK_FLAGS), _gnu_link),
}
"""The compilers by name."""
